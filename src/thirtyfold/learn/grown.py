"""Grown: what Tree and Forest share: scikit-learn's trees as one ONNX graph, and what growing them did as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thirtyfold.core.charts import bars
from thirtyfold.core.encoder import Encoded
from thirtyfold.core.evidence import Evidence, counted, not_applicable
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.learn.graph import Graph, Trees, floor32

__all__ = ["default_leaf", "grown_story", "to_graph"]


def default_leaf(rows: int) -> int:
    """Rows in a leaf at least: finer leaves of a large table cost megabytes and bring nothing measurable."""
    return max(2, rows // 2500)


def to_graph(estimators: Sequence[Any], features: int, classes: int, prior: float = 0.0) -> bytes:
    """scikit-learn trees to ONNX; each leaf holds its share of the mean over all trees.

    Thresholds are rounded down to float32, which leaves the branch of every float32 row as it was. Each leaf's shares
    are pulled to the root's as if it held ``prior`` more rows like those (m-estimate, Cestnik 1990), so that a leaf of
    few rows does not claim to be certain.
    """
    trees = Trees(1 if classes == 2 else max(1, classes))
    for estimator in estimators:
        _add(trees, estimator.tree_, classes, len(estimators), prior)
    graph = Graph()
    if classes == 2:
        # Sums of many float32 shares may pass 1 by a millionth.
        limits = [graph.constant("low", 0.0), graph.constant("high", 1.0)]
        graph.pair(graph.add("Clip", [trees.add_to(graph, "sum"), *limits], "chance"), "raw")
    else:
        trees.add_to(graph, "raw")
    return graph.bytes(features, classes or 1)


def _add(trees: Trees, tree: Any, classes: int, many: int, prior: float) -> None:
    trees.next()
    values = _leaf_values(tree, classes, prior) / many
    features, left, right = tree.feature.tolist(), tree.children_left.tolist(), tree.children_right.tolist()
    thresholds = floor32(tree.threshold).astype(float).tolist()
    missing = np.asarray(tree.missing_go_to_left, dtype=bool).tolist()
    for node in range(tree.node_count):
        if left[node] < 0:
            trees.leaf(node, [(t, float(v)) for t, v in enumerate(values[node]) if v])
        else:
            trees.split(node, features[node], thresholds[node], left[node], right[node], missing=missing[node])


def _leaf_values(tree: Any, classes: int, prior: float) -> Array:
    """(nodes, targets): shares of the classes (of the second alone when there are two), or the mean."""
    flat = tree.value[:, 0, :]
    if not classes:
        return np.asarray(flat)
    shares = flat / flat.sum(axis=1, keepdims=True)
    rows = tree.weighted_n_node_samples[:, None]
    shares = (shares * rows + shares[0] * prior) / (rows + prior)
    return np.asarray(shares[:, 1:] if classes == 2 else shares)


def grown_story(estimators: Sequence[Any], train: Encoded, spread: Array, word: str) -> list[Evidence]:
    """Steps 13 to 20. ``spread`` is the raw answer of the first row by each tree."""
    import sklearn

    first = estimators[0].tree_
    nodes = sum(e.tree_.node_count for e in estimators)
    leaves = sum(e.tree_.n_leaves for e in estimators)
    depth = max(e.tree_.max_depth for e in estimators)
    measure = "Gini impurity" if train.classes else "variance"
    after = _inner_impurity(first)
    importance = np.mean([e.tree_.compute_feature_importances() for e in estimators], axis=0)
    top = np.argsort(-importance, kind="stable")[:15]
    answer, width = float(np.mean(spread)), float(np.std(spread))
    what = f"a chance of class {int(np.asarray(train.target)[0])}" if train.classes else "a value"
    root = "no question" if first.feature[0] < 0 else _question(first, train)
    return [
        Evidence(
            13,
            f"scikit-learn {sklearn.__version__} on the CPU grows the {word}; ONNX Runtime answers from it.",
            {"framework": "scikit-learn", "version": sklearn.__version__, "device": "cpu"},
        ),
        Evidence(
            14,
            f"{counted(len(estimators), 'tree')} with {nodes:,} nodes, of which {leaves:,} are leaves; the deepest "
            f"asks {depth} questions in a row.",
            {"trees": len(estimators), "nodes": int(nodes), "leaves": int(leaves), "depth": int(depth)},
        ),
        not_applicable(15, "A tree has no weights to draw; it starts as one leaf."),
        Evidence(
            16,
            f"The first training row falls through {counted(len(estimators), 'tree')} and gets {what} of {answer:.4g} "
            f"on average (they differ by {width:.3g}). The first tree's first question: {root}",
            {"answer": answer, "spread": width},
        ),
        Evidence(
            17,
            f"Each question lowers the {measure}: in the first tree from {first.impurity[0]:.4f} with no question to "
            f"{after:.4f} on average over its leaves.",
            {"before": float(first.impurity[0]), "after": after},
        ),
        not_applicable(18, "No backward pass: the best question is found by trying, not by a slope."),
        Evidence(
            19,
            f"In place of weights, questions are chosen one by one; most of the gain comes from "
            f"{', '.join(train.names[i] for i in top[:3])}.",
            {train.names[i]: float(importance[i]) for i in top},
            pictures=(bars("Share of the gain by feature", [train.names[i] for i in top], importance[top].tolist()),),
        ),
        not_applicable(20, "No epochs: each tree is grown once, from its root to its leaves."),
    ]


def _inner_impurity(tree: Any) -> float:
    leaf = tree.children_left < 0
    return float(np.average(tree.impurity[leaf], weights=tree.weighted_n_node_samples[leaf]))


def _question(tree: Any, train: Encoded) -> str:
    name = train.names[tree.feature[0]]
    return f"is {name} at most {tree.threshold[0]:.6g}?"
