"""Rates: some weights learn more slowly or faster than others, whatever moves them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer as Stepper

__all__ = ["at_rate", "layered"]


def layered(stepper: Stepper, network: nn.Module, factors: Mapping[str, float]) -> None:
    """Split the groups of an optimizer so that each has one factor of the rate; ``factors`` are by a weight's name."""
    if not factors:
        return
    of = {id(p): factors.get(n, 1.0) for n, p in network.named_parameters()}
    groups = []
    for group in stepper.param_groups:
        known = sorted({of[id(p)] for p in group["params"]}, reverse=True)
        groups += [
            {**group, "params": [p for p in group["params"] if of[id(p)] == factor], "factor": factor}
            for factor in known
        ]
    stepper.param_groups[:] = groups


def at_rate(stepper: Stepper, rate: float) -> None:
    """Set the rate of the next step, for every group by its factor."""
    for group in stepper.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)
