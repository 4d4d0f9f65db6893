"""Checks that every regularizer passes: ``check_regularizer(member)``."""

from typing import Any

__all__ = ["check_regularizer"]


def check_regularizer(regularizer: Any) -> None:
    """Does something through at least one hook, keeps shapes, and is the same again from the same random state."""
    import torch

    name = type(regularizer).__name__
    torch.manual_seed(0)
    x, y = torch.randn(32, 4), torch.eye(3)[torch.arange(32) % 3]
    network = torch.nn.Linear(4, 3)
    before = network.weight.detach().clone()
    torch.manual_seed(1)
    seen, told = regularizer.batch(x.clone(), y.clone())
    torch.manual_seed(1)
    seen_again, told_again = regularizer.batch(x.clone(), y.clone())
    assert seen.shape == x.shape and told.shape == y.shape, f"{name}: changes the shape of the batch"
    assert bool((seen == seen_again).all() and (told == told_again).all()), f"{name}: not the same twice"
    assert torch.allclose(told.sum(1), torch.ones(32), atol=1e-5), f"{name}: class shares no longer sum to 1"
    regularizer.after(network, 0.1)
    falling, rising = [1.0 - i / 50 for i in range(40)], [0.1 + i / 50 for i in range(40)]
    assert not regularizer.stop(falling), f"{name}: stops while the loss still falls"
    acts = [
        regularizer.layer() is not None,
        not torch.equal(seen, x),
        not torch.equal(told, y),
        not torch.equal(network.weight.detach(), before),
        bool(regularizer.stop(rising)),
    ]
    assert any(acts), f"{name}: does nothing"
