"""Checks that every optimizer passes: ``check_optimizer(member)``."""

from typing import Any

__all__ = ["check_optimizer"]


def check_optimizer(optimizer: Any) -> None:
    """Goes downhill, obeys the rate, and is the same again from its state."""
    import torch

    name = type(optimizer).__name__
    assert optimizer.rate > 0, f"{name}: no learning rate"

    def walk(steps: int, rate: float) -> list[float]:
        torch.manual_seed(0)
        weight = torch.nn.Parameter(torch.tensor([2.0, -3.0]))
        stepper = optimizer.over([weight])
        losses = []
        for _ in range(steps):
            for group in stepper.param_groups:
                group["lr"] = rate
            loss = weight.square().sum()
            stepper.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            stepper.step()
            losses.append(float(loss.detach()))
        return losses

    path = walk(200, 0.02)
    assert path[-1] < 0.5 * path[0], f"{name}: the loss went from {path[0]:.3f} to {path[-1]:.3f} in 200 steps"
    assert walk(200, 0.02) == path, f"{name}: not the same twice"
    still = walk(5, 0.0)
    assert still[0] == still[-1], f"{name}: moves with a rate of 0"
