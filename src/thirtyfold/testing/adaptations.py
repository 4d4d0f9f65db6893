"""Checks that every adaptation of a pretrained network passes: ``check_adaptation(member)``."""

from typing import Any

__all__ = ["check_adaptation"]


def check_adaptation(adaptation: Any) -> None:
    """Says what learns, keeps the answers as they are, moves nothing else, and leaves the network as it was built."""
    import torch

    from thirtyfold.learn.pretrained.levels import levels_of

    name = type(adaptation).__name__
    body = _body()
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    names, answers = set(body.state_dict()), body(x).detach()
    adaptation.apply(body, levels_of(body), 3)
    assert torch.allclose(body(x), answers, atol=1e-6), f"{name}: answers otherwise before anything was learned"
    still = {n: p.detach().clone() for n, p in body.named_parameters() if not p.requires_grad}
    learns = [p for p in body.parameters() if p.requires_grad]
    if learns:
        stepper = torch.optim.SGD(learns, lr=0.1)
        for _ in range(2):
            stepper.zero_grad()
            (body(x) - 1).square().mean().backward()
            stepper.step()
    now = dict(body.named_parameters())
    assert all(torch.equal(now[n], w) for n, w in still.items()), f"{name}: moves a weight that it holds"
    learned = body(x).detach()
    adaptation.merge(body)
    assert set(body.state_dict()) == names, f"{name}: leaves other weights than there were"
    assert torch.allclose(body(x), learned, atol=1e-5), f"{name}: answers otherwise once it is folded in"
    assert bool(learns) != torch.allclose(learned, answers), f"{name}: what it lets learn does not change the answers"


def _body() -> Any:
    """Three layers in a list, as the networks of transformers have them."""
    import torch
    from torch import nn

    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.below = nn.Linear(6, 8)
            self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
            self.behind = nn.LayerNorm(8)

        def forward(self, x: Any) -> Any:
            x = self.below(x)
            for layer in self.layers:
                x = x + layer(x).tanh()
            return self.behind(x)

    torch.manual_seed(0)
    return Body()
