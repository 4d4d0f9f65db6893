"""Checks that every loss passes: ``check_loss(member)``."""

from typing import Any

import numpy as np

__all__ = ["check_loss"]


def check_loss(loss: Any) -> None:
    """One number a row, never negative, smaller for a better answer, and with the slope that its values have."""
    import torch

    name = type(loss).__name__
    assert loss.tasks, f"{name}: no tasks"
    assert loss.head in ("softmax", "identity"), f"{name}: head is {loss.head!r}"
    torch.manual_seed(0)
    many = 3 if "classification" in loss.tasks else 1
    outputs = torch.randn(5, many, dtype=torch.float64, requires_grad=True)
    codes = torch.tensor([0, 1, 2, 1, 0])
    target = torch.eye(many, dtype=torch.float64)[codes] if many > 1 else torch.randn(5, 1).double()
    rows = loss(outputs, target)
    assert rows.shape == (5,), f"{name}: gives shape {tuple(rows.shape)}, not one loss a row"
    assert float(rows.min().detach()) >= 0, f"{name}: a loss below zero"
    good = loss(20 * target if many > 1 else target, target)
    assert bool((good <= rows + 1e-9).all()), f"{name}: the right answer costs more than a wrong one"
    rows.sum().backward()
    assert outputs.grad is not None, f"{name}: no slope"
    step = 1e-6
    for place in ((0, 0), (3, many - 1)):
        up, down = outputs.detach().clone(), outputs.detach().clone()
        up[place] += step
        down[place] -= step
        wanted = float((loss(up, target).sum() - loss(down, target).sum()) / (2 * step))
        got = float(outputs.grad[place])
        assert np.isclose(got, wanted, atol=1e-5), f"{name}: slope {got:.6f}, its values say {wanted:.6f}"
