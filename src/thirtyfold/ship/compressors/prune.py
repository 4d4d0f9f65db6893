"""Prune: the same model with less of it: fewer trees, fewer units."""

import json
from typing import Annotated

import numpy as np
from pydantic import Field

from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.ship.lighter import Forest, Given, Text, Variant, with_files

__all__ = ["Prune"]


class Prune:
    """Keeps each of the shares ``keep`` of the trees (the first, as they were grown) or of a network's hidden units.

    Units go whole, those first whose answers move the output least on the training rows (Molchanov et al. 2017), and
    what they gave on average is added to the offsets behind them. A linear model or a single tree has nothing to take
    out.
    """

    def __init__(self, keep: Annotated[tuple[float, ...], Field(min_length=1)] = (0.75, 0.5, 0.25)) -> None:
        self.keep = tuple(sorted((k for k in keep if 0 < k < 1), reverse=True))

    def variants(self, package: Package, given: Given) -> list[Variant]:
        files = {n.removeprefix("model/"): d for n, d in package.files.items() if n.startswith("model/")}
        found = []
        for share in self.keep:
            done = self._one(files, share, given)
            if done is not None:
                what, changed = done
                found.append(Variant(f"prune to {share:.0%}", with_files(package, changed), what))
        return found

    def _one(self, files: dict[str, bytes], share: float, given: Given) -> tuple[str, dict[str, bytes]] | None:
        if "model.txt" in files:
            text = Text.read(files["model.txt"])
            rounds = len(text.trees) // text.trees_a_round
            kept = max(1, round(rounds * share))
            return f"the first {kept:,} of {rounds:,} rounds", {"model.txt": text.first(kept).write()}
        if "model.safetensors" in files:
            return _units(files, share, given)
        forest = Forest.read(files["model.onnx"]) if "model.onnx" in files else None
        if forest is None or forest.count < 2:
            return None
        trees, kept = forest.count, max(1, round(forest.count * share))
        forest.first(kept)
        state = json.loads(files["model.json"])
        leaves = {"trees": kept, "nodes": len(forest.id), "leaves": int(forest.leaf.sum())}
        state["size"] = {**state.get("size", {}), **{n: v for n, v in leaves.items() if n in state.get("size", {})}}
        told = json.dumps(state, sort_keys=True).encode()
        return f"the first {kept:,} of {trees:,} trees", {"model.onnx": forest.write(), "model.json": told}


def _units(files: dict[str, bytes], share: float, given: Given) -> tuple[str, dict[str, bytes]] | None:
    from safetensors.numpy import load, save

    tensors = load(files["model.safetensors"])
    state = json.loads(files["model.json"])
    layers = int(state["layers"])
    if layers < 2 or any(t.dtype != np.float32 for t in tensors.values()):
        return None
    rows = given.learning.matrix[:: max(1, len(given.learning) // 2000)].astype(np.float32)
    before = after = 0
    for layer in range(1, layers):
        weight, offset = f"layer{layer}.weight", f"layer{layer}.offset"
        following = f"layer{layer + 1}.weight"
        answers = _activation(rows @ tensors[weight] + tensors[offset], state["activation"])
        worth = answers.std(axis=0) * np.abs(tensors[following]).sum(axis=1)
        count = max(1, round(len(worth) * share))
        kept = np.sort(np.argsort(-worth, kind="stable")[:count])
        gone = np.setdiff1d(np.arange(len(worth)), kept)
        before, after = before + len(worth), after + count
        behind = f"layer{layer + 1}.offset"
        tensors[behind] = tensors[behind] + answers[:, gone].mean(axis=0) @ tensors[following][gone]
        tensors[weight] = np.ascontiguousarray(tensors[weight][:, kept])
        tensors[offset] = np.ascontiguousarray(tensors[offset][kept])
        tensors[following] = np.ascontiguousarray(tensors[following][kept])
        rows = answers[:, kept]
    told = {"model.safetensors": bytes(save(dict(sorted(tensors.items()))))}
    return f"{after:,} of {before:,} hidden units", told


def _activation(x: Array, name: str) -> Array:
    """The usual curves, to see what a unit answers; an unknown one is taken as it is."""
    match name:
        case "relu":
            return np.maximum(x, 0)
        case "tanh":
            return np.tanh(x)
        case "silu":
            return np.asarray(x / (1 + np.exp(-np.clip(x, -60, 60))))
        case "gelu":
            return np.asarray(0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3))))
        case "mish":
            return np.asarray(x * np.tanh(np.log1p(np.exp(np.clip(x, -60, 60)))))
        case "selu":
            low = 1.6732632423543772 * np.expm1(np.minimum(x, 0))
            return np.asarray(1.0507009873554805 * np.where(x > 0, x, low))
    return x
