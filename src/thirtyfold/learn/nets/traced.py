"""Traced: a PyTorch network as an ONNX graph, node by node, every constant under the name that the network gives it.

Only the few operations that our networks are made of are known; a new one is a new line in ``_CALLS`` or ``_LAYERS``.
The graph is made of numbers alone, so that the same weights give the same bytes, and the weights can be read back from
it (``weights_of``): one file answers, goes on learning, and is what is shipped.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.learn.graph import Graph

if TYPE_CHECKING:
    from torch import nn
    from torch.fx import Node

__all__ = ["drawn", "weights_of"]


def drawn(network: nn.Module, graph: Graph, given: str = "features") -> str:
    """Add a network in its answering state to a graph; returns the name of its output."""
    from torch.fx import symbolic_trace

    network.eval()
    traced = symbolic_trace(network)
    pen = _Pen(dict(network.named_modules()), {n: _plain(t) for n, t in network.state_dict().items()}, graph)
    values: dict[str, str] = {}
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            values[node.name] = given
        elif node.op == "get_attr":
            values[node.name] = pen.weight(str(node.target))
        elif node.op == "output":
            return values[node.args[0].name]
        else:
            values[node.name] = pen.draw(node, values)
    raise AssertionError("a network without an output")


def weights_of(graph: bytes) -> dict[str, Array]:
    """The weights that a graph was drawn with, by their names in the network; those of eight bits as float32 again."""
    import onnx
    from onnx import numpy_helper

    graph_of = onnx.load_from_string(graph).graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph_of.initializer}
    for node in graph_of.node:
        if node.op_type == "DequantizeLinear":
            small, scale = (constants.pop(n) for n in node.input)
            axis = next(a.i for a in node.attribute if a.name == "axis")
            wide = scale.reshape([-1 if i == axis else 1 for i in range(small.ndim)])
            constants[node.output[0]] = (small * wide).astype(np.float32)
    return {n.removeprefix("net."): w for n, w in constants.items() if n.startswith("net.")}


def _plain(tensor: Any) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array


class _Pen:
    """Draws the nodes of one network."""

    def __init__(self, modules: dict[str, nn.Module], state: dict[str, Array], graph: Graph) -> None:
        self.modules, self.state, self.graph = modules, state, graph
        self._known: set[str] = set()

    def weight(self, name: str) -> str:
        """A weight as a constant of the graph, kept once."""
        full = f"net.{name}"
        if full not in self._known:
            self._known.add(full)
            value = self.state[name]
            self.graph.constant(full, value, value.dtype)
        return full

    def number(self, output: str, what: str, value: Any, dtype: Any = np.int64) -> str:
        """A constant that is no weight."""
        return self.graph.constant(f"{output}.{what}", value, dtype)

    def draw(self, node: Node, values: dict[str, str]) -> str:
        """One step of the network; returns the name of what it gives."""
        inputs = [values[a.name] for a in node.all_input_nodes]
        if node.op == "call_module":
            name = str(node.target)
            layer = self.modules[name]
            kind = type(layer).__name__
            if kind not in _LAYERS:
                raise AssertionError(f"no node is known for the layer {kind}")
            return _LAYERS[kind](self, layer, name, inputs[0], node.name)
        word = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        if word not in _CALLS:
            raise AssertionError(f"no node is known for the operation {word}")
        return _CALLS[word](self, node, inputs, node.name)


def _same(pen: _Pen, layer: Any, name: str, x: str, output: str) -> str:
    del pen, layer, name, output
    return x


def _convolution(pen: _Pen, layer: Any, name: str, x: str, output: str) -> str:
    given = [x, pen.weight(f"{name}.weight"), *([pen.weight(f"{name}.bias")] if layer.bias is not None else [])]
    return pen.graph.add(
        "Conv", given, output, strides=list(layer.stride), pads=[*layer.padding] * 2, group=layer.groups,
        kernel_shape=list(layer.kernel_size),
    )  # fmt: skip


def _normal(pen: _Pen, layer: Any, name: str, x: str, output: str) -> str:
    parts = ("weight", "bias", "running_mean", "running_var")
    return pen.graph.add(
        "BatchNormalization", [x, *(pen.weight(f"{name}.{p}") for p in parts)], output, epsilon=layer.eps
    )


def _pooled(op: str) -> Callable[[_Pen, Any, str, str, str], str]:
    def draw(pen: _Pen, layer: Any, name: str, x: str, output: str) -> str:
        del name
        many = 1 if type(layer).__name__.endswith("1d") else 2
        size, steps = _sides(layer.kernel_size, many), _sides(layer.stride, many)
        return pen.graph.add(op, [x], output, kernel_shape=size, strides=steps)

    return draw


def _sides(value: Any, many: int) -> list[int]:
    """One number for each side, whether PyTorch keeps one for all or one each."""
    return [int(v) for v in value] if isinstance(value, tuple) else [int(value)] * many


def _linear(pen: _Pen, layer: Any, name: str, x: str, output: str) -> str:
    """X W' + b over the last axis, however many axes there are before it."""
    turned = pen.graph.add("Transpose", [pen.weight(f"{name}.weight")], f"{output}.turned", perm=[1, 0])
    if layer.bias is None:
        return pen.graph.add("MatMul", [x, turned], output)
    product = pen.graph.add("MatMul", [x, turned], f"{output}.product")
    return pen.graph.add("Add", [product, pen.weight(f"{name}.bias")], output)


def _curve(op: str) -> Callable[[_Pen, Any, str, str, str], str]:
    def draw(pen: _Pen, layer: Any, name: str, x: str, output: str) -> str:
        del layer, name
        return pen.graph.add(op, [x], output)

    return draw


def _silu(pen: _Pen, layer: Any, name: str, x: str, output: str) -> str:
    del layer, name
    return pen.graph.add("Mul", [x, pen.graph.add("Sigmoid", [x], f"{output}.gate")], output)


def _flat(pen: _Pen, layer: Any, name: str, x: str, output: str) -> str:
    del layer, name
    return pen.graph.add("Flatten", [x], output, axis=1)


def _sliced(pen: _Pen, node: Node, inputs: list[str], output: str) -> str:
    """Start to stop of the last axis; or of a layer that gives its answers and its memory, the answers."""
    place: Any = node.args[1]
    if place == 0:
        return inputs[0]
    *before, last = place
    assert all(p == slice(None) for p in before), "only the last axis is cut"
    ends = (("start", last.start or 0), ("stop", last.stop or np.iinfo(np.int64).max))
    start, stop = (pen.number(output, n, [v]) for n, v in ends)
    return pen.graph.add("Slice", [inputs[0], start, stop, pen.number(output, "axis", [len(before)])], output)


def _reshaped(pen: _Pen, node: Node, inputs: list[str], output: str) -> str:
    shape = [int(s) for s in node.args[1:]]  # type: ignore[arg-type]
    return pen.graph.add("Reshape", [inputs[0], pen.number(output, "shape", shape)], output)


def _joined(pen: _Pen, node: Node, inputs: list[str], output: str) -> str:
    axis: Any = node.args[1]
    return pen.graph.add("Concat", inputs, output, axis=axis) if len(inputs) > 1 else inputs[0]


def _alone(op: str, **attributes: Any) -> Callable[[_Pen, Node, list[str], str], str]:
    """An operation of one value."""

    def draw(pen: _Pen, node: Node, inputs: list[str], output: str) -> str:
        del node
        return pen.graph.add(op, inputs, output, **attributes)

    return draw


def _over(op: str) -> Callable[[_Pen, Node, list[str], str], str]:
    """A sum or a maximum over one axis, which is gone then."""

    def draw(pen: _Pen, node: Node, inputs: list[str], output: str) -> str:
        axis = pen.number(output, "axis", [node.args[1]])
        return pen.graph.add(op, [inputs[0], axis], output, keepdims=0)

    return draw


def _softmax(pen: _Pen, node: Node, inputs: list[str], output: str) -> str:
    axis: Any = node.args[1]
    return pen.graph.add("Softmax", inputs, output, axis=axis)


def _turned(pen: _Pen, node: Node, inputs: list[str], output: str) -> str:
    order: Any = node.args[1:]
    return pen.graph.add("Transpose", inputs, output, perm=[int(a) for a in order])


def _whole(pen: _Pen, node: Node, inputs: list[str], output: str) -> str:
    """Numbers of float32 as whole ones."""
    from onnx import TensorProto

    del node
    return pen.graph.add("Cast", inputs, output, to=TensorProto.INT64)


def _small(pen: _Pen, node: Node, inputs: list[str], output: str) -> str:
    """Yes and no as 1 and 0."""
    from onnx import TensorProto

    del node
    return pen.graph.add("Cast", inputs, output, to=TensorProto.FLOAT)


def _filled(pen: _Pen, node: Node, inputs: list[str], output: str) -> str:
    """A number where there is none."""
    value = pen.number(output, "number", node.args[1], np.float32)
    return pen.graph.add("Where", [pen.graph.add("IsNaN", inputs, f"{output}.none"), value, inputs[0]], output)


def _held(pen: _Pen, node: Node, inputs: list[str], output: str) -> str:
    """A number kept between two."""
    borders = [pen.number(output, n, v, np.float32) for n, v in zip(("low", "high"), node.args[1:], strict=True)]
    return pen.graph.add("Clip", [*inputs, *borders], output)


def _chosen(pen: _Pen, node: Node, inputs: list[str], output: str) -> str:
    """Places of one axis by their numbers."""
    axis: Any = node.args[1]
    return pen.graph.add("Gather", inputs, output, axis=axis)


def _table(pen: _Pen, layer: Any, name: str, x: str, output: str) -> str:
    del layer
    return pen.graph.add("Gather", [pen.weight(f"{name}.weight"), x], output, axis=0)


def _leveled(pen: _Pen, layer: Any, name: str, x: str, output: str) -> str:
    given = [x, pen.weight(f"{name}.weight"), pen.weight(f"{name}.bias")]
    return pen.graph.add("LayerNormalization", given, output, axis=-1, epsilon=layer.eps)


def _memory(op: str, gates: tuple[int, ...], **attributes: Any) -> Callable[[_Pen, Any, str, str, str], str]:
    """A memory that reads one way or both; ``gates`` are PyTorch's in the order of ONNX."""

    def draw(pen: _Pen, layer: Any, name: str, x: str, output: str) -> str:
        turned = pen.graph.add("Transpose", [x], f"{output}.in", perm=[1, 0, 2])
        ways = ("", "_reverse") if layer.bidirectional else ("",)
        parts = [_gated(pen, f"{name}.{what}", gates, ways, f"{output}.{what}") for what in ("weight_ih", "weight_hh")]
        offsets = [_gated(pen, f"{name}.{what}", gates, ways, f"{output}.{what}") for what in ("bias_ih", "bias_hh")]
        offset = pen.graph.add("Concat", offsets, f"{output}.bias", axis=1)
        found = pen.graph.add(
            op, [turned, *parts, offset], f"{output}.out", hidden_size=layer.hidden_size,
            direction="bidirectional" if layer.bidirectional else "forward", **attributes,
        )  # fmt: skip
        rows = pen.graph.add("Transpose", [found], f"{output}.rows", perm=[2, 0, 1, 3])
        shape = pen.number(output, "shape", [0, 0, len(ways) * layer.hidden_size])
        return pen.graph.add("Reshape", [rows, shape], output)

    return draw


def _gated(pen: _Pen, weights: str, gates: tuple[int, ...], ways: tuple[str, ...], output: str) -> str:
    """The weights of all directions, (directions, gates x hidden, ...), each gate where ONNX has it."""
    from onnx import helper

    found = []
    for way in ways:
        place = f"{output}{way}"
        cut = [f"{place}.{g}" for g in range(len(gates))]
        weight = pen.weight(f"{weights}_l0{way}")
        pen.graph.nodes.append(
            helper.make_node("Split", [weight], cut, name=f"{place}.cut", axis=0, num_outputs=len(gates))
        )
        joined = pen.graph.add("Concat", [cut[g] for g in gates], f"{place}.joined", axis=0)
        found.append(pen.graph.add("Unsqueeze", [joined, pen.number(place, "axis", [0])], place))
    return pen.graph.add("Concat", found, f"{output}.both", axis=0)


def _of_two(op: str) -> Callable[[_Pen, Node, list[str], str], str]:
    def draw(pen: _Pen, node: Node, inputs: list[str], output: str) -> str:
        from torch.fx import Node

        places = dict(zip(node.all_input_nodes, inputs, strict=True))  # a value may stand on both sides
        given = [
            places[argument] if isinstance(argument, Node) else pen.number(output, f"number{at}", argument, np.float32)
            for at, argument in enumerate(node.args)
        ]
        return pen.graph.add(op, given, output)

    return draw


_LAYERS: dict[str, Callable[[_Pen, Any, str, str, str], str]] = {
    "Conv1d": _convolution,
    "Conv2d": _convolution,
    "Embedding": _table,
    "LayerNorm": _leveled,
    "GELU": _curve("Gelu"),
    "GRU": _memory("GRU", (1, 0, 2), linear_before_reset=1),
    "LSTM": _memory("LSTM", (0, 3, 1, 2)),
    "BatchNorm2d": _normal,
    "BatchNorm1d": _normal,
    "AvgPool1d": _pooled("AveragePool"),
    "AvgPool2d": _pooled("AveragePool"),
    "MaxPool1d": _pooled("MaxPool"),
    "MaxPool2d": _pooled("MaxPool"),
    "Linear": _linear,
    "Flatten": _flat,
    "ReLU": _curve("Relu"),
    "Tanh": _curve("Tanh"),
    "SiLU": _silu,
    "SELU": _curve("Selu"),
    "Mish": _curve("Mish"),
    "Dropout": _same,
    "Identity": _same,
}
_CALLS: dict[str, Callable[[_Pen, Node, list[str], str], str]] = {
    operator.getitem.__name__: _sliced,
    "reshape": _reshaped,
    "permute": _turned,
    "long": _whole,
    "sign": _alone("Sign"),
    "isnan": _alone("IsNaN"),
    "float": _small,
    "nan_to_num": _filled,
    "index_select": _chosen,
    "clamp": _held,
    "cos": _alone("Cos"),
    "sqrt": _alone("Sqrt"),
    "log": _alone("Log"),
    "matmul": _alone("MatMul"),
    "softmax": _softmax,
    "sum": _over("ReduceSum"),
    "amax": _over("ReduceMax"),
    "cat": _joined,
    "add": _of_two("Add"),
    "sub": _of_two("Sub"),
    "mul": _of_two("Mul"),
    "truediv": _of_two("Div"),
}
