"""Checks that every initializer passes: ``check_initializer(member)``."""

from typing import Any

__all__ = ["check_initializer"]


def check_initializer(initializer: Any) -> None:
    """Fills the weight in place, from the generator alone, with finite numbers around zero."""
    import torch

    name = type(initializer).__name__
    first, again, other = (torch.full((64, 32), 7.0) for _ in range(3))
    for weight, seed in ((first, 1), (again, 1), (other, 2)):
        initializer(weight, torch.Generator().manual_seed(seed))
    assert bool(torch.isfinite(first).all()), f"{name}: not finite"
    assert not bool((first == 7.0).any()), f"{name}: left weights as they were"
    assert bool((first == again).all()), f"{name}: the same seed gives other weights"
    assert bool((first == 0).all()) or not bool((first == other).all()), f"{name}: another seed gives the same weights"
    assert abs(float(first.mean())) < 0.05, f"{name}: not around zero (mean {float(first.mean()):.3f})"
