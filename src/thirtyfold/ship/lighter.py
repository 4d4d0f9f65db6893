"""Lighter: what compressors are given and give, and the two ways in which trees are stored, taken apart."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.core.step import Context

__all__ = ["Forest", "Given", "Text", "Variant", "with_files"]


@dataclass(frozen=True)
class Given:
    """Rows that a compressor may learn or choose by: encoded for the Package's own model, with their targets."""

    learning: Encoded
    context: Context


class Variant(NamedTuple):
    """A lighter Package, and in words what was done to it."""

    name: str
    package: Package
    what: str


def with_files(package: Package, changed: Mapping[str, bytes]) -> Package:
    """The same Package with some of its model's files replaced."""
    kept = {n: d for n, d in package.files.items() if not n.startswith(("exports/", "card", "metrics", "example"))}
    return Package({**kept, **{f"model/{n}": d for n, d in changed.items()}}, package.manifest)


class Text(NamedTuple):
    """LightGBM's text: a head, trees as lists of ``key=value`` lines, and a tail."""

    head: str
    trees: list[list[str]]
    tail: str

    @classmethod
    def read(cls, data: bytes) -> "Text":
        text = data.decode()
        head, *trees = text.split("\nTree=")
        trees[-1], _, tail = trees[-1].partition("end of trees")
        return cls(head, [tree.strip().split("\n")[1:] for tree in trees], tail)

    def write(self) -> bytes:
        """The text again; the head tells how many bytes each tree has."""
        bodies = [f"Tree={at}\n" + "\n".join(tree) + "\n\n\n" for at, tree in enumerate(self.trees)]
        sizes = "tree_sizes=" + " ".join(str(len(body)) for body in bodies)
        head = "\n".join(sizes if li.startswith("tree_sizes=") else li for li in self.head.strip("\n").split("\n"))
        return f"{head}\n\n{''.join(bodies)}end of trees{self.tail}".encode()

    @property
    def trees_a_round(self) -> int:
        return next(int(li.split("=")[1]) for li in self.head.split("\n") if li.startswith("num_tree_per_iteration="))

    def first(self, rounds: int) -> "Text":
        """Only the trees of the first rounds."""
        return self._replace(trees=self.trees[: rounds * self.trees_a_round])


class Forest:
    """The TreeEnsembleRegressor of an ONNX graph as arrays, one entry a node; ``leaves`` is (nodes, targets)."""

    def __init__(self, model: Any, node: Any) -> None:
        self.model, self.node = model, node
        told = {a.name: a for a in node.attribute}
        self.targets = int(told["n_targets"].i)
        self.tree = np.array(told["nodes_treeids"].ints, dtype=np.int64)
        self.id = np.array(told["nodes_nodeids"].ints, dtype=np.int64)
        self.feature = np.array(told["nodes_featureids"].ints, dtype=np.int64)
        self.value = np.array(told["nodes_values"].floats, dtype=np.float32)
        self.mode = np.array(told["nodes_modes"].strings, dtype=np.bytes_)
        self.yes = np.array(told["nodes_truenodeids"].ints, dtype=np.int64)
        self.no = np.array(told["nodes_falsenodeids"].ints, dtype=np.int64)
        self.missing = np.array(told["nodes_missing_value_tracks_true"].ints, dtype=np.int64)
        self.leaf = self.mode == b"LEAF"
        self.leaves = np.zeros((len(self.id), self.targets), dtype=np.float32)
        at = self._place(told["target_treeids"].ints, told["target_nodeids"].ints)
        np.add.at(self.leaves, (at, np.array(told["target_ids"].ints)), np.array(told["target_weights"].floats))

    @classmethod
    def read(cls, data: bytes) -> "Forest | None":
        """The one tree ensemble of a model, or None when there is none, or one that is made in another way."""
        import onnx

        model = onnx.load_from_string(data)
        found = [n for n in model.graph.node if n.op_type == "TreeEnsembleRegressor"]
        return cls(model, found[0]) if len(found) == 1 else None

    def _place(self, trees: Any, ids: Any) -> Array:
        """The position of nodes, by tree and number."""
        wide = int(self.id.max(initial=0)) + 1
        order = np.argsort(self.tree * wide + self.id)
        keys = np.array(trees, dtype=np.int64) * wide + np.array(ids, dtype=np.int64)
        return np.asarray(order[np.searchsorted((self.tree * wide + self.id)[order], keys)])

    @property
    def count(self) -> int:
        return len(np.unique(self.tree))

    def first(self, count: int) -> None:
        """Keep only the first trees, which then count for all: a forest's answer is the mean of its trees."""
        self._keep(self.tree < count, float(self.count) / count)

    def round(self, bits: int) -> None:
        """Leaf values to 2**bits levels; a question whose both answers have become the same is dropped."""
        low, high = float(self.leaves.min()), float(self.leaves.max())
        step = (high - low) / (2**bits - 1) or 1.0
        self.leaves = (low + np.round((self.leaves - low) / step) * step).astype(np.float32)
        gone = np.zeros(len(self.id), dtype=bool)
        while True:
            split = np.flatnonzero(~self.leaf)
            yes, no = (self._place(self.tree[split], self_[split]) for self_ in (self.yes, self.no))
            same = self.leaf[yes] & self.leaf[no] & (self.leaves[yes] == self.leaves[no]).all(axis=1)
            # A node that several questions lead to (a set of categories) cannot be dropped for one of them.
            twice = np.bincount(np.concatenate([yes, no]), minlength=len(self.id)) > 1
            same &= ~(twice[yes] | twice[no])
            if not same.any():
                break
            merged = split[same]
            self.leaves[merged], self.leaf[merged] = self.leaves[yes[same]], True
            gone[yes[same]] = gone[no[same]] = True
        self._keep(~gone, 1.0)

    def _keep(self, which: Array, times: float) -> None:
        for name in ("tree", "id", "feature", "value", "mode", "yes", "no", "missing", "leaf", "leaves"):
            setattr(self, name, getattr(self, name)[which])
        self.leaves = (self.leaves * np.float32(times)).astype(np.float32)
        self.mode = np.where(self.leaf, b"LEAF", self.mode)
        for name in ("feature", "value", "yes", "no", "missing"):
            setattr(self, name, np.where(self.leaf, 0, getattr(self, name)))
        self._number()

    def _number(self) -> None:
        """Nodes from 0 in each tree: the runtime refuses a number beyond how many nodes there are."""
        split = np.flatnonzero(~self.leaf)
        numbers = np.arange(len(self.id)) - np.searchsorted(self.tree, self.tree)
        yes, no = (self._place(self.tree[split], self_[split]) for self_ in (self.yes, self.no))
        self.yes[split], self.no[split], self.id = numbers[yes], numbers[no], numbers

    def write(self) -> bytes:
        """The whole model again."""
        from onnx import helper

        at, target = np.nonzero(self.leaf[:, None] & (self.leaves != 0))
        empty = np.flatnonzero(self.leaf & (self.leaves == 0).all(axis=1))
        at, target = np.concatenate([at, empty]), np.concatenate([target, np.zeros_like(empty)])
        order = np.argsort(at, kind="stable")
        at, target = at[order], target[order]
        attributes = {
            "n_targets": self.targets,
            "aggregate_function": "SUM",
            "post_transform": "NONE",
            "nodes_treeids": self.tree.tolist(),
            "nodes_nodeids": self.id.tolist(),
            "nodes_featureids": self.feature.tolist(),
            "nodes_values": self.value.tolist(),
            "nodes_modes": [m.decode() for m in self.mode.tolist()],
            "nodes_truenodeids": self.yes.tolist(),
            "nodes_falsenodeids": self.no.tolist(),
            "nodes_missing_value_tracks_true": self.missing.tolist(),
            "target_treeids": self.tree[at].tolist(),
            "target_nodeids": self.id[at].tolist(),
            "target_ids": target.tolist(),
            "target_weights": self.leaves[at, target].tolist(),
        }
        kept = {"aggregate_function": "SUM", "post_transform": "NONE"}
        del self.node.attribute[:]
        self.node.attribute.extend(helper.make_attribute(n, v) for n, v in {**kept, **attributes}.items())
        return bytes(self.model.SerializeToString(deterministic=True))


def parts(package: Package) -> Iterator[tuple[str, bytes]]:
    """The model's own files."""
    for name, data in package.files.items():
        if name.startswith("model/"):
            yield name.removeprefix("model/"), data


def repeated(data: Encoded, target: Array, weight: Array) -> Encoded:
    """Each row once for each class, weighted: soft answers for a model that learns hard ones."""
    classes = weight.shape[1]
    matrix = np.repeat(data.matrix, classes, axis=0)
    own = np.ones(len(data)) if data.weight is None else data.weight
    return replace(data, matrix=matrix, target=target, weight=(weight * own[:, None]).ravel())
