"""Checks that every regularizer passes: ``check_regularizer(member)``."""

from typing import Any

from thirtyfold.core.encoder import Block
from thirtyfold.core.errors import SpecError

__all__ = ["check_regularizer"]

LAYOUT = (Block("vector", (4,)), Block("image", (2, 6, 6)), Block("frames", (10, 5)))
TOKENS = Block("tokens", (12,), codes=50)
LAYOUTS = (LAYOUT, (*LAYOUT, TOKENS))
"""What the batches of the check hold; a regularizer may refuse tokens, or rows without them."""


def check_regularizer(regularizer: Any) -> None:
    """Does something through at least one hook, keeps shapes, and is the same again from the same random state."""
    taken = [layout for layout in LAYOUTS if _takes(regularizer, layout)]
    assert taken, f"{type(regularizer).__name__}: refuses numbers, images, frames and tokens alike"
    for layout in taken:
        _check(regularizer, layout)


def _takes(regularizer: Any, layout: tuple[Block, ...]) -> bool:
    import torch

    try:
        regularizer.begin(torch.nn.Linear(1, 1), layout)
    except SpecError:
        return False
    return True


def _check(regularizer: Any, layout: tuple[Block, ...]) -> None:
    import torch

    name = type(regularizer).__name__
    torch.manual_seed(0)
    wide = sum(block.width for block in LAYOUT)
    x, y = 255 * torch.rand(32, wide), torch.eye(3)[torch.arange(32) % 3]
    if TOKENS in layout:
        x = torch.cat([x, torch.randint(0, 50, (32, 12)).float()], 1)
    network = torch.nn.Linear(x.shape[1], 3)
    before = network.weight.detach().clone()
    regularizer.begin(network, layout)
    seen, told = _twice(regularizer, x, y, name)
    assert seen.shape == x.shape and told.shape == y.shape, f"{name}: changes the shape of the batch"
    assert torch.allclose(told.sum(1), torch.ones(32), atol=1e-5), f"{name}: class shares no longer sum to 1"
    pixels = seen[:, 4 : 4 + LAYOUT[1].width]
    far = float((pixels - pixels.clamp(0, 255)).abs().max())
    assert far < 255, f"{name}: pixels {far:.0f} outside of 0 to 255"
    regularizer.after(network, 0.1)
    falling, rising = [1.0 - i / 50 for i in range(40)], [0.1 + i / 50 for i in range(40)]
    assert not regularizer.stop(falling), f"{name}: stops while the loss still falls"
    acts = [
        _acts(regularizer.layer()),
        _acts(regularizer.branch(1.0)),
        not torch.equal(seen, x),
        not torch.equal(told, y),
        not torch.equal(network.weight.detach(), before),
        regularizer.weights() is not None,
        bool(regularizer.stop(rising)),
    ]
    assert any(acts), f"{name}: does nothing"
    _resumes(regularizer, network, layout, name)


def _twice(regularizer: Any, x: Any, y: Any, name: str) -> tuple[Any, Any]:
    """A batch as it becomes, the same from the same random state; the given one stays as it is."""
    import torch

    found = []
    for seed in (*range(4), *range(4)):  # some change only a share of the batches
        torch.manual_seed(seed)
        given = x.clone(), y.clone()
        found.append(regularizer.batch(*given))
        assert torch.equal(given[0], x) and torch.equal(given[1], y), f"{name}: changes the rows themselves"
    for (a, b), (c, d) in zip(found[:4], found[4:], strict=True):
        assert torch.equal(a, c) and torch.equal(b, d), f"{name}: not the same twice"
    seen, told = next((f for f in found if not torch.equal(f[0], x)), found[0])
    return seen, told


def _acts(module: Any) -> bool:
    """Whether a module changes what it is given while learning, and nothing when it answers."""
    import torch

    if module is None:
        return False
    x = torch.ones(64, 8)
    assert torch.equal(module.eval()(x), x), "changes answers"
    return not torch.equal(module.train()(x), x)


def _resumes(regularizer: Any, network: Any, layout: tuple[Block, ...], name: str) -> None:
    """What it keeps comes back from its state."""
    import torch

    kept = {n: v.clone() for n, v in regularizer.state().items()}
    shown = {n: v.clone() for n, v in (regularizer.weights() or {}).items()}
    with torch.no_grad():
        network.weight.add_(1)
    regularizer.after(network, 0.1)
    regularizer.begin(network, layout)
    regularizer.restore(kept)
    again = regularizer.weights() or {}
    same = again.keys() == shown.keys() and all(torch.equal(again[n], v) for n, v in shown.items())
    assert same, f"{name}: its state does not bring its weights back"
