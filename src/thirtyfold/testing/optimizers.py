"""Checks that every optimizer passes: ``check_optimizer(member)``."""

from typing import Any

__all__ = ["check_optimizer"]

RATE = 0.02


def check_optimizer(optimizer: Any) -> None:
    """Goes downhill, obeys the rate, and goes on the same from its state."""
    name = type(optimizer).__name__
    assert optimizer.rate == "find" or optimizer.rate > 0, f"{name}: no learning rate"
    path = _walk(optimizer, 120)
    assert path[-1] < 0.5 * path[0], f"{name}: the loss went from {path[0]:.3f} to {path[-1]:.3f} in 120 steps"
    assert _walk(optimizer, 120) == path, f"{name}: not the same twice"
    assert _walk(optimizer, 120, broken_at=37) == path, f"{name}: goes on differently from its own state"
    still = _walk(optimizer, 5, rate=0.0)
    assert still[0] == still[-1], f"{name}: moves with a rate of 0"


def _walk(optimizer: Any, steps: int, rate: float = RATE, broken_at: int | None = None) -> list[float]:
    """The losses of fitting a product of three matrices and an offset; at ``broken_at`` a new optimizer takes over
    from the state of the old one.
    """
    import torch

    torch.manual_seed(0)
    weights = [torch.nn.Parameter(0.5 * torch.randn(*shape)) for shape in ((4, 3), (4, 4), (2, 4), (2, 1))]
    wanted = torch.randn(2, 3)
    stepper, losses = optimizer.over(weights), []
    for at in range(steps):
        if at == broken_at:
            kept = stepper.state_dict()
            stepper = optimizer.over(weights)
            stepper.load_state_dict(kept)
        for group in stepper.param_groups:
            group["lr"] = rate
        a, b, c, offset = weights
        loss = (c @ b @ a + offset - wanted).square().sum()
        stepper.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        stepper.step()
        losses.append(float(loss.detach()))
    return losses
