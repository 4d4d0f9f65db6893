"""The task's decision as ONNX nodes: raw answers to label and probabilities, or to a number."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from thirtyfold.core.task import Task
from thirtyfold.core.windows import BASE, SCALE, STEP
from thirtyfold.ship.formats.onnx.graph import Graph, Value

__all__ = ["decide"]

_ROUNDING = 5e-7
"""Graphs compute in float32: an answer that is the threshold itself may come out this much below it."""


def decide(g: Graph, task: Task, raw: str, columns: Mapping[str, Value]) -> list[Any]:
    """Add the decision; returns the outputs of the graph."""
    from onnx import TensorProto, helper

    if hasattr(task, "learned"):
        return _forecast(g, task.state(), raw, columns)
    if not task.classes:
        g.name(raw, "prediction")
        return [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["rows", 1])]
    state = task.state()
    code = _code(g, len(task.classes), state, raw, columns)
    g.name(raw, "probabilities")
    g.name(g.op("Gather", g.constant(list(task.classes), object), code), "label")
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.STRING, ["rows", 1]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", len(task.classes)]),
    ]
    if state.get("abstain_below") is not None:
        own = g.number(g.op("GatherElements", raw, code, axis=1))
        g.name(g.op("Less", own, g.constant(float(state["abstain_below"]))), "unsure")
        outputs.append(helper.make_tensor_value_info("unsure", TensorProto.BOOL, ["rows", 1]))
    return outputs


def _forecast(g: Graph, state: Mapping[str, Any], raw: str, columns: Mapping[str, Value]) -> list[Any]:
    """The seasonal-naive forecast and what the model adds, in spreads of the window; both ends by the step ahead."""
    from onnx import TensorProto, helper

    scale = columns[SCALE].name
    middle = g.op("Add", columns[BASE].name, g.op("Mul", scale, g.number(raw)))
    found = {"prediction": middle}
    if state["widths"]:
        last = float(len(state["widths"]) - 1)
        step = g.op("Clip", g.op("Sub", columns[STEP].name, g.constant(1.0)), g.constant(0.0), g.constant(last))
        width = g.op("Gather", g.constant(state["widths"]), g.op("Cast", step, to=TensorProto.INT64))
        half = g.op("Mul", width, scale)
        found |= {"low": g.op("Sub", middle, half), "high": g.op("Add", middle, half)}
    for name, value in found.items():
        g.name(value, name)
    return [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["rows", 1]) for name in found]


def _code(g: Graph, classes: int, state: Mapping[str, Any], raw: str, columns: Mapping[str, Value]) -> str:
    """The class as int64 [rows, 1]."""
    from onnx import TensorProto

    groups = state.get("thresholds") or []
    if classes != 2 or (state.get("threshold") is None and not groups):
        return g.op("ArgMax", raw, axis=1, keepdims=1)
    usual = 0.5 if state["threshold"] is None else float(state["threshold"])
    limit = g.constant(usual - _ROUNDING)
    by = columns.get(str(state.get("by")))
    if groups and by is not None:
        limit = _limits(g, by, {str(k): float(v) - _ROUNDING for k, v in groups}, usual - _ROUNDING)
    positive = g.number(g.op("Gather", raw, g.constant([1], np.int64), axis=1))
    return g.op("Cast", g.op("GreaterOrEqual", positive, limit), to=TensorProto.INT64)


def _limits(g: Graph, by: Value, own: dict[str, float], usual: float) -> str:
    """The threshold of each row's group. Groups are named as a person reads them: 1.0 is "1", missing is "None"."""
    if by.kind == "text":
        keys = [k for k in own if k != "None"]
        values = [*(own[k] for k in keys), own.get("None", usual), usual]
        return g.op("Gather", g.constant(values), g.index(by.name, [*keys, ""], len(keys) + 1))
    limit = g.constant(usual)
    for name, value in own.items():
        missing = name in ("nan", "None")
        same = g.op("IsNaN", by.name) if missing else g.op("Equal", by.name, g.constant(float(name)))
        limit = g.op("Where", same, g.constant(value), limit)
    return limit
