"""Normal: batch normalization over the rows of all processes, so that many learn what one would.

PyTorch's own (SyncBatchNorm) is for GPUs alone; on a CPU each process would normalize by its own share of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["normalized_together"]


@contextmanager
def normalized_together(network: nn.Module) -> Iterator[None]:
    """In here every batch normalization of the network takes mean and variance over all processes' rows."""
    import torch

    kinds = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
    layers: list[Any] = [module for module in network.modules() if isinstance(module, kinds)]
    for layer in layers:
        layer.forward = _over_all(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _over_all(layer: Any) -> Any:
    """The forward pass of one layer: (rows, channels, ...) to the same shape."""
    import torch
    from torch.nn import functional

    def forward(x: Tensor) -> Tensor:
        if not layer.training:
            return functional.batch_norm(
                x, layer.running_mean, layer.running_var, layer.weight, layer.bias, eps=layer.eps
            )
        over = [d for d in range(x.ndim) if d != 1]
        values = torch.tensor(x.numel() / x.shape[1], dtype=torch.float64)
        torch.distributed.all_reduce(values)
        count = float(values)
        mean = _summed(x.sum(over)) / count
        spread = (1, -1) + (1,) * (x.ndim - 2)
        away = x - mean.view(spread)
        variance = _summed((away * away).sum(over)) / count
        with torch.no_grad():
            layer.num_batches_tracked += 1
            layer.running_mean.lerp_(mean, layer.momentum)
            layer.running_var.lerp_(variance * (count / max(count - 1, 1)), layer.momentum)
        scale = torch.rsqrt(variance + layer.eps) * layer.weight
        out: Tensor = away * scale.view(spread) + layer.bias.view(spread)
        return out

    return forward


def _summed(part: Tensor) -> Tensor:
    """The sum over all processes; its slope is the sum of theirs, as the loss is the sum of their parts."""
    import torch

    class Summed(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, given: Tensor) -> Tensor:  # noqa: ARG004 - nothing is kept
            whole = given.clone()
            torch.distributed.all_reduce(whole)
            return whole

        @staticmethod
        def backward(ctx: Any, *slopes: Tensor) -> Tensor:  # noqa: ARG004
            whole = slopes[0].contiguous().clone()
            torch.distributed.all_reduce(whole)
            return whole

    found: Tensor = Summed.apply(part)  # type: ignore[no-untyped-call]
    return found
