"""Graph: a small builder of ONNX graphs, one node a call; and what a value in the graph is."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

__all__ = ["ML_OPSET", "OPSET", "Graph", "Value"]

OPSET = 20
"""The first in which RegexFullMatch is standard."""
ML_OPSET = 3
IR_VERSION = 9

Array = np.ndarray[Any, np.dtype[Any]]


class Value(NamedTuple):
    """A tensor by name: float64 numbers, or text in which "" is missing; shape [rows, width] or a scalar."""

    name: str
    kind: Literal["number", "text"]


class Graph:
    """Collects nodes and constants; constants that are equal are kept once."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[tuple[str, tuple[int, ...], bytes], Any] = {}
        self.inputs: list[Any] = []

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add one node; returns the name of its output."""
        from onnx import helper

        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], domain=domain, **attributes))
        return output

    def constant(self, value: Any, dtype: Any = np.float64) -> str:
        """An array or a scalar as a constant; returns its name. ``object`` is text."""
        from onnx import TensorProto, helper, numpy_helper

        array = np.asarray(value, dtype=dtype)
        data = repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
        key = (str(array.dtype), array.shape, data)
        if key not in self.constants:
            name = f"constant_{len(self.constants)}"
            if array.dtype == object:
                texts = [str(v).encode() for v in array.ravel()]
                tensor = helper.make_tensor(name, TensorProto.STRING, array.shape, texts)
            else:
                tensor = numpy_helper.from_array(array, name)
            self.constants[key] = tensor
        return str(self.constants[key].name)

    def input(self, name: str, kind: Literal["number", "text"]) -> Value:
        """Declare one input of the graph, shape [rows, 1]."""
        from onnx import TensorProto, helper

        element = TensorProto.DOUBLE if kind == "number" else TensorProto.STRING
        self.inputs.append(helper.make_tensor_value_info(name, element, ["rows", 1]))
        return Value(name, kind)

    def decoded(self, name: str, shape: tuple[int, ...]) -> Value:
        """Declare an input that holds decoded files, float32 [rows, *shape]; as numbers [rows, width]."""
        from onnx import TensorProto, helper

        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", *shape]))
        return Value(self.number(self.op("Flatten", name, axis=1)), "number")

    def number(self, name: str) -> str:
        """Truth values or other numbers as float64."""
        from onnx import TensorProto

        return self.op("Cast", name, to=TensorProto.DOUBLE)

    def index(self, text: str, keys: list[str], default: int) -> str:
        """For each text its position among ``keys``, or ``default``; int64."""
        places = list(range(len(keys)))
        return self.op(
            "LabelEncoder",
            text,
            domain="ai.onnx.ml",
            keys_strings=keys or ["\0"],
            values_int64s=places or [default],
            default_int64=default,
        )

    def same(self, text: str, constant: str) -> str:
        """1.0 where a text is ``constant``, else 0.0."""
        return self.number(self.op("Sub", self.constant(1, np.int64), self.index(text, [constant], 1)))

    def name(self, value: str, name: str) -> None:
        """Give a value the name of an output."""
        from onnx import helper

        self.nodes.append(helper.make_node("Identity", [value], [name]))

    def model(self, outputs: list[Any], name: str, versions: Mapping[str, int] | None = None) -> Any:
        """Everything so far as an ONNX model with these outputs, at these versions of the operator sets."""
        from onnx import helper

        graph = helper.make_graph(self.nodes, name, self.inputs, outputs, list(self.constants.values()))
        wanted = versions or {"": OPSET, "ai.onnx.ml": ML_OPSET}
        opsets = [helper.make_opsetid(domain, version) for domain, version in wanted.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="thirtyfold")
