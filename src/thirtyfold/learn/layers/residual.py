"""Residual: layers beside a way that leaves everything as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from thirtyfold.core.errors import SpecError
from thirtyfold.core.family import Choice
from thirtyfold.learn.nets.shapes import Layer, Misfit, Shape
from thirtyfold.learn.nets.spelling import LAYERS, made
from thirtyfold.learn.nets.stack import Step, chained, followed

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Residual"]


class Residual(Layer):
    """What its layers find is added to what came in (He et al. 2016): deep lists stay learnable.

    Where they change channels or sizes, what came in is brought to the same by one layer without a curve.
    """

    def __init__(
        self,
        layers: Annotated[list[Choice], LAYERS] = ["conv", "norm", "conv", "norm"],  # noqa: B006
        activation: Annotated[Choice | None, LAYERS] = "relu",
    ) -> None:
        """Set the options.

        Args:
            layers: The layers of the branch.
            activation: The curve behind the sum, unless the list names another; ``null`` is none.
        """
        self.layers = [part for layer in layers if (part := made(layer)) is not None]
        self.activation = made(activation)
        self.takes = self.layers[0].takes if self.layers else self.takes

    def gives(self, given: Shape) -> Shape:
        out = self._steps(given)[-1].made
        if _fits(given, out):
            return out
        raise Misfit(f"its layers make {out} of {given}, which cannot be added to it", "", _TRY)

    def _steps(self, given: Shape) -> tuple[Step, ...]:
        if not self.layers:
            raise Misfit("it has no layers", "a list of layers", "Try residual: [conv 32, norm, conv 32, norm].")
        try:
            return followed([(part, str(at)) for at, part in enumerate(self.layers, 1)], given, "", ends=False)
        except SpecError as error:
            (fault,) = error.faults
            raise Misfit(f"inside of it {fault.what.rstrip('.')}", fault.allowed, fault.hint) from None

    def module(self, given: Shape) -> nn.Module:
        from torch import nn

        steps = self._steps(given)
        branch, beside = chained(steps), _beside(given, steps[-1].made)

        class Adding(nn.Module):
            padded = True

            def __init__(self) -> None:
                super().__init__()
                self.branch, self.beside, self.skip = branch, beside, nn.Identity()

            def forward(self, x: Tensor, there: Tensor | None) -> tuple[Tensor, Tensor | None]:
                found, _ = self.branch(x, there)
                return self.beside(x) + self.skip(found), there

        return Adding()


_TRY = "Keep the kind; an image may become smaller by whole strides, all sides alike."


def _fits(given: Shape, out: Shape) -> bool:
    """Whether one layer without a curve can bring what came in to the shape of what comes out."""
    if given.kind != out.kind:
        return False
    if given.kind == "sequence":
        return given.size[0] == out.size[0]
    return given.kind == "vector" or _stride(given, out) > 0


def _stride(given: Shape, out: Shape) -> int:
    """By what an image became smaller on both sides; 0 if it is not the same or cannot be."""
    pairs = [(a, b) for a, b in zip(given.size[1:], out.size[1:], strict=True) if a is not None and b is not None]
    able = [s for s in range(1, 17) if all((a - 1) // s + 1 == b for a, b in pairs)]
    return able[0] if able else 0


def _beside(given: Shape, out: Shape) -> nn.Module:
    from torch import nn

    if given == out:
        return nn.Identity()
    if given.kind == "image":
        return nn.Conv2d(given.size[0] or 1, out.size[0] or 1, 1, stride=_stride(given, out), bias=False)
    return nn.Linear(given.size[-1] or 1, out.size[-1] or 1, bias=False)
