"""Quantize: the same model with numbers of fewer bits."""

import math
import re
from functools import cache
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.ship.lighter import Forest, Given, Text, Variant, with_files

__all__ = ["Quantize"]

_SPARE = ("split_gain", "internal_value", "internal_weight", "internal_count", "leaf_weight", "leaf_count")
"""What LightGBM keeps of its training and does not need to predict."""
_LEAST = 64
_AXIS = {2: 1, 4: 0}
"""The axis along which constants have a scale each, by their number of axes: columns, and a convolution's outcomes."""


class Quantize:
    """Weights of networks and stored vectors to int8 with a scale a column; leaves of trees to ``bits`` bits.

    In boosting, thresholds are written with the fewest digits that lead every float32 value the same way, and what is
    only of use in training is left out.
    """

    def __init__(self, bits: Annotated[int, Field(ge=4, le=16)] = 12) -> None:
        self.bits = bits

    def variants(self, package: Package, given: Given) -> list[Variant]:
        del given
        files = {n.removeprefix("model/"): d for n, d in package.files.items() if n.startswith("model/")}
        if "model.txt" in files:
            what = f"leaves to {self.bits} bits, thresholds to the digits they need, no training statistics"
            changed = {"model.txt": _boosting(files["model.txt"], self.bits)}
        elif "model.safetensors" in files:
            what = "weights to int8, a scale for each unit"
            changed = {"model.safetensors": _tensors(files["model.safetensors"])}
        elif "model.onnx" in files:
            what, data = _graph(files["model.onnx"], self.bits)
            changed = {"model.onnx": data}
        else:
            return []
        lighter = with_files(package, changed)
        return [Variant("quantize", lighter, what)] if lighter.size < package.size else []


def _boosting(data: bytes, bits: int) -> bytes:
    text = Text.read(data)
    trees = []
    for tree in text.trees:
        kept = [line for line in tree if not line.startswith(tuple(f"{name}=" for name in _SPARE))]
        kinds = next((line.partition("=")[2].split() for line in kept if line.startswith("decision_type=")), [])
        trees.append([_line(line, kinds, bits) for line in kept])
    head = re.sub(r"(?m)^feature_infos=.*$", "feature_infos=" + " ".join(["none"] * _features(text.head)), text.head)
    return Text(head, trees, text.tail).write()


def _features(head: str) -> int:
    return int(next(li for li in head.split("\n") if li.startswith("max_feature_idx=")).split("=")[1]) + 1


def _line(line: str, kinds: list[str], bits: int) -> str:
    name, _, values = line.partition("=")
    if name == "leaf_value":
        return f"leaf_value={' '.join(_few(float(v), bits) for v in values.split())}"
    if name == "threshold":
        shown = [v if int(k) & 1 else _shortest(float(v)) for v, k in zip(values.split(), kinds, strict=True)]
        return f"threshold={' '.join(shown)}"
    return line


@cache
def _few(value: float, bits: int) -> str:
    """The value with a mantissa of so many bits, in as few digits as tell it."""
    if value == 0:
        return "0"
    exponent = math.frexp(value)[1] - 1
    step = math.ldexp(1.0, exponent - bits + 1)
    digits = max(1, math.ceil(bits * math.log10(2)))
    return f"{round(value / step) * step:.{digits}g}"


@cache
def _shortest(value: float) -> str:
    """The shortest decimal that is not below the value and below the next float32: every float32 takes the same way."""
    if not math.isfinite(value):
        return repr(value)
    low = np.float32(value)
    following = float(np.nextafter(low, np.float32(np.inf)))
    for digits in range(1, 10):
        shown = f"{value:.{digits}g}"
        for candidate in (
            shown,
            f"{float(shown) + 10.0 ** (math.floor(math.log10(abs(value) or 1)) - digits + 1):.{digits}g}",
        ):
            if value <= float(candidate) < following:
                return candidate
    return repr(value)


def _int8(weights: Array) -> tuple[Array, Array]:
    """Symmetric, a scale for each place of the last axis: a column of a matrix, an outcome of a convolution."""
    scale = np.maximum(np.abs(weights).max(axis=tuple(range(weights.ndim - 1))), 1e-12) / 127
    return np.clip(np.round(weights / scale), -127, 127).astype(np.int8), scale.astype(np.float32)


def _tensors(data: bytes) -> bytes:
    from safetensors.numpy import load, save

    out: dict[str, Array] = {}
    for name, tensor in sorted(load(data).items()):
        if tensor.ndim == 2 and tensor.size >= _LEAST and tensor.dtype == np.float32:
            out[name], out[f"{name}.scale"] = _int8(tensor)
        else:
            out[name] = tensor
    return bytes(save(out))


def _graph(data: bytes, bits: int) -> tuple[str, bytes]:
    forest = Forest.read(data)
    if forest is not None:
        forest.round(min(bits, 8))
        return f"leaves to {min(bits, 8)} bits, questions that no longer matter dropped", forest.write()
    return "weights and stored rows to int8, a scale for each column", _initializers(data)


def _initializers(data: bytes) -> bytes:
    """Every matrix of float32 constants, and every convolution's, as int8 with DequantizeLinear behind it."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(data)
    first: list[Any] = []
    kept: list[Any] = []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.ndim not in _AXIS or array.size < _LEAST or array.dtype != np.float32:
            kept.append(tensor)
            continue
        axis = _AXIS[array.ndim]
        small, scale = _int8(np.moveaxis(array, axis, -1))
        small = np.ascontiguousarray(np.moveaxis(small, -1, axis))
        names = [f"{tensor.name}_int8", f"{tensor.name}_scale"]
        kept += [numpy_helper.from_array(a, n) for a, n in zip((small, scale), names, strict=True)]
        first.append(helper.make_node("DequantizeLinear", names, [tensor.name], axis=axis))
    nodes = [*first, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString(deterministic=True))
