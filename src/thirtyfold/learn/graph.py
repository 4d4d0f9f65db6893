"""Graph: ONNX graphs of models, built node by node, and the one way in which they are run.

Every graph has the input ``features`` float32 [rows, features] and the output ``raw`` float32 [rows, outputs], opset
20 and ai.onnx.ml 3, so that ship can join it to the encoder's graph. A graph is built from numbers alone, so the same
model gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from thirtyfold.core.late import Array, np

__all__ = ["Graph", "Session", "Trees", "floor32"]

OPSET = 20
ML_OPSET = 3
IR = 9


class Graph:
    """Collects nodes and constants; ``bytes`` closes it. Values are named, so nodes refer to each other by name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Any, dtype: Any = "float32") -> str:
        """Keep an array (or a number) under a name."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name))
        return name

    def add(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Append a node with one output; returns the output's name."""
        from onnx import helper

        domain = "ai.onnx.ml" if op.startswith("TreeEnsemble") else ""
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=output, domain=domain, **attributes))
        return output

    def pair(self, chance: str, output: str) -> str:
        """The chance of the second of two classes, [rows, 1], as both: [rows, 2]."""
        other = self.add("Sub", [self.constant(f"{output}_one", 1.0), chance], f"{output}_other")
        return self.add("Concat", [other, chance], output, axis=1)

    def top(self, values: str, many: int, least: str, which: str) -> None:
        """The ``many`` smallest of each row under ``least`` and their places under ``which``; of equals, the first."""
        from onnx import helper

        count = self.constant(f"{which}_many", [many], np.int64)
        self.nodes.append(helper.make_node("TopK", [values, count], [least, which], name=which, axis=1, largest=0))

    def bytes(self, features: int, outputs: int) -> bytes:
        """The finished model; its last node must give ``raw``."""
        from onnx import TensorProto, helper

        given = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", features])
        answer = helper.make_tensor_value_info("raw", TensorProto.FLOAT, ["rows", outputs])
        graph = helper.make_graph(self.nodes, "model", [given], [answer], self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="thirtyfold")
        data: bytes = model.SerializeToString(deterministic=True)
        return data


class Session:
    """Runs a graph on one thread: for one row that is fastest, and a server has its own threads."""

    def __init__(self, data: bytes, rows: int = 65_536) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._run = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"]).run
        self._rows = rows

    def __call__(self, matrix: Array) -> Array:
        """float32 (rows, features) to float64 (rows, outputs); at most ``rows`` at once, so memory stays bounded."""
        x = np.ascontiguousarray(matrix, dtype=np.float32)
        if len(x) <= self._rows:
            return np.asarray(self._run(None, {"features": x})[0], dtype=np.float64)
        starts = range(0, len(x), self._rows)
        parts = [self._run(None, {"features": x[s : s + self._rows]})[0] for s in starts]
        return np.concatenate(parts).astype(np.float64)


def floor32(values: Array) -> Array:
    """The largest float32 that is not above each value.

    A tree asks ``x <= t`` with t in double and x in float32. With t rounded to nearest, an x between t and the rounded
    t would take the other branch; with t rounded down, every float32 x takes the branch that it took before.
    """
    wide = np.asarray(values, dtype=np.float64)
    with np.errstate(over="ignore"):
        near = wide.astype(np.float32)
    return np.where(near.astype(np.float64) > wide, np.nextafter(near, np.float32(-np.inf)), near)


class _Split(NamedTuple):
    feature: int
    value: float
    mode: str
    yes: int
    no: int
    missing_yes: bool


class Trees:
    """Trees node by node, to one TreeEnsembleRegressor that sums the leaves. Add a whole tree, then the next.

    Node numbers of a tree are free but unique; the first one that is added is its root.
    """

    def __init__(self, targets: int) -> None:
        self.targets = targets
        self.count = 0
        self._nodes: list[tuple[int, int, _Split | None]] = []
        self._leaves: list[tuple[int, int, int, float]] = []

    def next(self) -> None:
        """Begin a tree."""
        self.count += 1

    def split(
        self, node: int, feature: int, value: float, yes: int, no: int, *, missing: bool, equal: bool = False
    ) -> None:
        """``x <= value`` (or ``x == value``) goes to ``yes``, as does NaN where ``missing``; all else to ``no``."""
        mode = "BRANCH_EQ" if equal else "BRANCH_LEQ"
        self._nodes.append((self.count - 1, node, _Split(feature, value, mode, yes, no, missing)))

    def leaf(self, node: int, values: Sequence[tuple[int, float]]) -> None:
        """A leaf that adds each value to its target."""
        self._nodes.append((self.count - 1, node, None))
        # A leaf without a value is refused by the runtime, so an empty one adds zero.
        self._leaves += [(self.count - 1, node, t, v) for t, v in values] or [(self.count - 1, node, 0, 0.0)]

    def attributes(self) -> dict[str, Any]:
        """The attributes of the ONNX node."""
        none = _Split(0, 0.0, "LEAF", 0, 0, missing_yes=False)
        splits = [s or none for _, _, s in self._nodes]
        return {
            "n_targets": self.targets,
            "aggregate_function": "SUM",
            "post_transform": "NONE",
            "nodes_treeids": [t for t, _, _ in self._nodes],
            "nodes_nodeids": [n for _, n, _ in self._nodes],
            "nodes_featureids": [s.feature for s in splits],
            "nodes_values": self._values(splits),
            "nodes_modes": [s.mode for s in splits],
            "nodes_truenodeids": [s.yes for s in splits],
            "nodes_falsenodeids": [s.no for s in splits],
            "nodes_missing_value_tracks_true": [int(s.missing_yes) for s in splits],
            "target_treeids": [leaf[0] for leaf in self._leaves],
            "target_nodeids": [leaf[1] for leaf in self._leaves],
            "target_ids": [leaf[2] for leaf in self._leaves],
            "target_weights": [leaf[3] for leaf in self._leaves],
        }

    @staticmethod
    def _values(splits: Sequence[_Split]) -> list[float]:
        """What is asked, as float32: ONNX would round a threshold to the nearest one, which may be the next above."""
        found = np.array([s.value for s in splits], dtype=np.float64)
        return [float(v) for v in np.where([s.mode == "BRANCH_LEQ" for s in splits], floor32(found), found)]

    def add_to(self, graph: Graph, output: str) -> str:
        """Append the ensemble to a graph that reads ``features``."""
        return graph.add("TreeEnsembleRegressor", ["features"], output, **self.attributes())
