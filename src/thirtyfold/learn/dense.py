"""Dense: the network of Mlp in its three forms: PyTorch to learn, NumPy to answer, ONNX to ship."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.learn.graph import Graph
from thirtyfold.learn.loop import Initializer, Regularizer

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Activation", "Dense", "network"]

Activation = Literal["relu", "gelu", "silu", "selu", "mish", "tanh"]

TORCH = {"relu": "ReLU", "gelu": "GELU", "silu": "SiLU", "selu": "SELU", "mish": "Mish", "tanh": "Tanh"}
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def network(
    sizes: Sequence[int],
    activation: Activation,
    initializer: Initializer,
    regularizers: Sequence[Regularizer],
    seed: int,
) -> nn.Module:
    """Linear layers ``sizes[0] -> ... -> sizes[-1]`` with the activation between, offsets zero, weights as drawn."""
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(seed)
    parts: list[tuple[str, nn.Module]] = []
    for at, (wide, out) in enumerate(pairwise(sizes), start=1):
        layer = nn.Linear(wide, out)
        with torch.no_grad():
            initializer(layer.weight, generator)
            layer.bias.zero_()
        parts.append((f"layer{at}", layer))
        if at < len(sizes) - 1:
            # GELU by tanh, because it is what NumPy can say without scipy.
            kind = nn.GELU(approximate="tanh") if activation == "gelu" else getattr(nn, TORCH[activation])()
            parts.append((f"{activation}{at}", kind))
            extra = [m for r in regularizers if (m := r.layer()) is not None]
            parts += [(f"extra{at}_{i}", m) for i, m in enumerate(extra)]
    stack = nn.Sequential()
    for name, part in parts:
        stack.add_module(name, part)
    return stack


class Dense(NamedTuple):
    """The learned layers: ``weights[i]`` (in, out) and ``offsets[i]`` (out,), float32. Values are scaled back by
    ``spread`` and ``center`` and kept within [low, high].
    """

    weights: tuple[Array, ...]
    offsets: tuple[Array, ...]
    activation: Activation
    head: Literal["softmax", "identity"]
    center: float = 0.0
    spread: float = 1.0
    low: float = -np.inf
    high: float = np.inf

    @property
    def sizes(self) -> list[int]:
        return [len(self.weights[0]), *(len(o) for o in self.offsets)]

    def __call__(self, matrix: Array) -> Array:
        """float32 (rows, features) to float64 raw (rows, outputs)."""
        curve = _CURVES[self.activation]
        x = np.asarray(matrix, dtype=np.float32)
        for weight, offset in zip(self.weights[:-1], self.offsets[:-1], strict=True):
            x = curve(x @ weight + offset)
        out = (x @ self.weights[-1] + self.offsets[-1]).astype(np.float64)
        if self.head == "identity":
            return np.clip(out * self.spread + self.center, self.low, self.high)
        e = np.exp(out - out.max(axis=1, keepdims=True))
        answer: Array = e / e.sum(axis=1, keepdims=True)
        return answer

    def load_into(self, target: nn.Module) -> None:
        """Put the weights into a network of the same sizes."""
        import torch

        state = dict(target.state_dict())
        for at, (weight, offset) in enumerate(zip(self.weights, self.offsets, strict=True), start=1):
            state[f"layer{at}.weight"] = torch.from_numpy(weight.T.copy())
            state[f"layer{at}.bias"] = torch.from_numpy(offset.copy())
        target.load_state_dict(state)

    def onnx(self) -> bytes:
        """Gemm by Gemm."""
        graph, x, last = Graph(), "features", len(self.weights)
        for at, (weight, offset) in enumerate(zip(self.weights, self.offsets, strict=True), start=1):
            given = [x, graph.constant(f"weight{at}", weight), graph.constant(f"offset{at}", offset)]
            x = graph.add("Gemm", given, f"sum{at}")
            if at < last:
                x = self._curve(graph, x, at)
        if self.head == "softmax":
            graph.add("Softmax", [x], "raw", axis=1)
        else:
            wide = graph.add("Mul", [x, graph.constant("spread", self.spread)], "wide")
            moved = graph.add("Add", [wide, graph.constant("center", self.center)], "moved")
            graph.add("Clip", [moved, graph.constant("low", self.low), graph.constant("high", self.high)], "raw")
        return graph.bytes(len(self.weights[0]), self.sizes[-1])

    def _curve(self, graph: Graph, x: str, at: int) -> str:
        output, name = f"hidden{at}", self.activation
        if name == "silu":
            return graph.add("Mul", [x, graph.add("Sigmoid", [x], f"gate{at}")], output)
        options: dict[str, Any] = {"approximate": "tanh"} if name == "gelu" else {}
        return graph.add(
            {"relu": "Relu", "gelu": "Gelu", "selu": "Selu", "mish": "Mish", "tanh": "Tanh"}[name],
            [x],
            output,
            **options,
        )


def _relu(x: Array) -> Array:
    return np.asarray(np.maximum(x, 0))


def _gelu(x: Array) -> Array:
    return np.asarray(
        np.float32(0.5) * x * (1 + np.tanh(np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x**3)))
    )


def _silu(x: Array) -> Array:
    return np.asarray(x * (np.float32(0.5) + np.float32(0.5) * np.tanh(x * np.float32(0.5))))


def _selu(x: Array) -> Array:
    negative = np.float32(SELU_ALPHA) * np.expm1(np.minimum(x, 0))
    return np.asarray(np.float32(SELU_SCALE) * np.where(x > 0, x, negative))


def _mish(x: Array) -> Array:
    return np.asarray(x * np.tanh(np.logaddexp(np.float32(0), x)))


_CURVES: dict[str, Callable[[Array], Array]] = {
    "relu": _relu,
    "gelu": _gelu,
    "silu": _silu,
    "selu": _selu,
    "mish": _mish,
    "tanh": np.tanh,
}
