"""Boosted: what Boosting needs around LightGBM: its text made exact, its trees as ONNX, and what it did as evidence."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from thirtyfold.core.charts import lines, number
from thirtyfold.core.evidence import Evidence, TableView, not_applicable
from thirtyfold.core.late import np
from thirtyfold.core.lean import lightgbm
from thirtyfold.learn.graph import Graph, Trees, floor32

if TYPE_CHECKING:
    from thirtyfold.core.encoder import Encoded

__all__ = ["story", "to_graph", "trimmed"]

ZERO: float = struct.unpack("f", struct.pack("f", 1e-35))[0]
"""LightGBM's kZeroThreshold."""


def trimmed(text: str) -> str:
    """LightGBM's text with thresholds that float32 can hold and without the run's settings (threads, say).

    Each threshold is rounded down (see ``floor32``), so the branch of every float32 row stays as it was.
    """
    head, *trees = text.split("\nTree=")
    last, _, _ = trees[-1].partition("end of trees")
    tail = text[text.index("end of trees") :]
    if "\nparameters:" in tail:
        start, end = tail.index("\nparameters:"), tail.index("end of parameters")
        tail = tail[:start] + tail[end + len("end of parameters") :]
    done = [_exact("Tree=" + tree) for tree in [*trees[:-1], last]]
    # Each tree runs up to the next one; the header tells the reader how long each of them is.
    bodies = [*(f"{tree}\n" for tree in done[:-1]), done[-1]]
    sizes = " ".join(str(len(body.encode())) for body in bodies)
    header = "\n".join(f"tree_sizes={sizes}" if li.startswith("tree_sizes=") else li for li in head.splitlines())
    return f"{header}\n\n{''.join(bodies)}{tail}"


def _exact(tree: str) -> str:
    lines_of = tree.split("\n")
    place = {line.partition("=")[0]: at for at, line in enumerate(lines_of)}
    at = place.get("threshold")
    if at is None or not lines_of[at].partition("=")[2]:
        return tree
    values = np.array(lines_of[at].partition("=")[2].split(), dtype=np.float64)
    kinds = np.array(lines_of[place["decision_type"]].partition("=")[2].split(), dtype=np.int64)
    rounded = floor32(values).astype(np.float64)
    shown = [repr(float(r)) if not k & 1 else repr(int(v)) for r, v, k in zip(rounded, values, kinds, strict=True)]
    lines_of[at] = "threshold=" + " ".join(shown)
    return "\n".join(lines_of)


def to_graph(booster: Any, classes: int) -> bytes:
    """The booster as ONNX: the trees, and sigmoid or softmax on top of their sum."""
    model = booster.dump_model()
    outputs = classes if classes > 2 else 1
    trees = Trees(outputs)
    for at, tree in enumerate(model["tree_info"]):
        trees.next()
        _walk(trees, tree["tree_structure"], at % outputs)
    graph, features = Graph(), model["max_feature_idx"] + 1
    if not classes:
        trees.add_to(graph, "raw")
        return graph.bytes(features, 1)
    total = trees.add_to(graph, "total")
    if classes == 2:
        graph.pair(graph.add("Sigmoid", [total], "chance"), "raw")
    else:
        graph.add("Softmax", [total], "raw", axis=1)
    return graph.bytes(features, classes)


def _walk(trees: Trees, root: Mapping[str, Any], target: int) -> None:
    """One tree. A set of categories becomes a chain of ``x == c`` whose yes-branches all lead to the same node."""
    waiting: list[tuple[int, Mapping[str, Any]]] = [(0, root)]
    used = 1
    while waiting:
        node, part = waiting.pop()
        if "leaf_value" in part and "split_feature" not in part:
            trees.leaf(node, [(target, float(part["leaf_value"]))])
            continue
        yes, no = used, used + 1
        used += 2
        if part["decision_type"] == "==":
            used = _members(trees, node, part, (yes, no, used))
        else:
            value = _past_zero(float(part["threshold"]))
            trees.split(node, part["split_feature"], value, yes, no, missing=_missing_goes_left(part))
        waiting += [(no, part["right_child"]), (yes, part["left_child"])]


def _members(trees: Trees, node: int, part: Mapping[str, Any], numbers: tuple[int, int, int]) -> int:
    """``x in {a, b, c}``: three nodes. Missing and unknown categories are in no set. Returns the next free number."""
    yes, no, used = numbers
    members = [float(c) for c in str(part["threshold"]).split("||")]
    for at, member in enumerate(members):
        after = no if at == len(members) - 1 else used
        trees.split(node, part["split_feature"], member, yes, after, missing=False, equal=True)
        node, used = after, used + (at < len(members) - 1)
    return used


def _past_zero(threshold: float) -> float:
    """LightGBM reads every x with |x| <= ZERO as 0; a threshold in there is moved out, to the side that 0 is not on."""
    if abs(threshold) > ZERO:
        return threshold
    return ZERO if threshold >= 0 else float(np.nextafter(np.float32(-ZERO), np.float32(-np.inf)))


def _missing_goes_left(part: Mapping[str, Any]) -> bool:
    """LightGBM reads NaN as 0 in a column that had none missing in training; else the split says where it goes."""
    if part["missing_type"] == "None":
        return float(part["threshold"]) >= 0
    return bool(part["default_left"])


def story(
    train: Encoded, curves: Mapping[str, Sequence[float]], facts: Mapping[str, Any], size: Mapping[str, int]
) -> list[Evidence]:
    """Steps 13 to 20 of one fit. ``facts`` are ``rate``, ``best``, ``rounds``, ``patience`` and the first ``root``."""
    library = lightgbm()
    prior = _first_guess(train)
    gradient = prior["gradients"]
    row = prior["row"]
    best, rounds = facts["best"], facts["rounds"]
    loss = curves["train"]
    known = {name: list(values) for name, values in curves.items()}
    picture = lines(
        "Loss by round",
        list(range(1, len(loss) + 1)),
        known,
        "round",
        "loss",
        note=f"Loss after each of {len(loss)} rounds; round {best} is kept.",
    )
    seen = "all of them" if facts["seen"] == len(gradient) else f"followed on {facts['seen']:,} of them"
    return [
        Evidence(
            13,
            f"LightGBM {library.__version__} on the CPU: gradient boosting needs no graph of layers and no GPU.",
            {"framework": "lightgbm", "version": library.__version__, "device": "cpu"},
        ),
        Evidence(
            14,
            f"Built {size['trees']:,} trees with {size['leaves']:,} leaves in all over {size['features']} features.",
            dict(size),
        ),
        Evidence(
            15,
            f"No weights to draw: the model starts from one number for all rows, {prior['said']}, and no tree.",
            {"start": prior["start"]},
        ),
        Evidence(
            16,
            f"Before the first tree every row gets the same guess: {prior['guess']}. "
            f"The first training row is in truth {prior['truth']}.",
            {"guess": prior["chances"], "row": row},
        ),
        Evidence(
            17,
            f"That guess costs the first row a loss of {prior['row_loss']:.4f}; over all training rows the loss is "
            f"{prior['loss']:.4f} before the first tree and {loss[0]:.4f} after it.",
            {"row": prior["row_loss"], "before": prior["loss"], "after_first_round": loss[0]},
        ),
        Evidence(
            18,
            f"In place of a backward pass each row gives the slope of its loss: {gradient[0]:+.4f} for the first row, "
            f"from {gradient.min():+.4f} to {gradient.max():+.4f} over {len(gradient):,} rows, "
            f"{np.abs(gradient).mean():.4f} in size on average. The next tree is fitted to these.",
            {
                "first_row": float(gradient[0]),
                "least": float(gradient.min()),
                "most": float(gradient.max()),
                "mean_size": float(np.abs(gradient).mean()),
            },
        ),
        _first_tree(facts),
        Evidence(
            20,
            f"{rounds:,} rounds; the loss on training rows ({seen}) went from {prior['loss']:.4f} to "
            f"{loss[best - 1]:.4f}"
            + (
                f", on validation rows it was lowest, {min(curves['validation']):.4f}, after round {best:,}, which "
                f"is kept."
                if "validation" in curves
                else f"; all {best:,} are kept."
            ),
            {"rounds": rounds, "best": best, "train": loss[best - 1], **_last("validation", curves, best)},
            pictures=(picture,),
        ),
    ]


def _last(name: str, curves: Mapping[str, Sequence[float]], best: int) -> dict[str, float]:
    return {name: curves[name][best - 1]} if name in curves else {}


def _first_tree(facts: Mapping[str, Any]) -> Evidence:
    """Step 19: what the first tree changed, at its first split."""
    root, names, rate = facts["root"], facts["names"], facts["rate"]
    if "split_feature" not in root:
        return not_applicable(19, "The first tree found no split that lowers the loss, so nothing was changed.")
    name, asked = names[root["split_feature"]], _question(root)
    return Evidence(
        19,
        f"The first tree asks first whether {name} {asked}, which lowers the loss by a gain of "
        f"{root['split_gain']:,.1f} over {root['internal_count']:,} rows; each leaf's correction is taken times the "
        f"rate {rate:g}.",
        {"feature": name, "gain": root["split_gain"], "rate": rate},
        tables=(TableView("The first tree's first leaves", ("leaf", "rows", "value"), _first_leaves(root)),),
    )


def _question(root: Mapping[str, Any]) -> str:
    """A split as a person says it. Codes of categories go by how often each came: 0 is the most frequent."""
    if root["decision_type"] != "==":
        limit = float(root["threshold"])
        return f"is at most {number(limit) if abs(limit) > ZERO else 0}"
    codes = str(root["threshold"]).split("||")
    if len(codes) == 1:
        return f"is its value number {int(codes[0]) + 1} by frequency"
    places = ", ".join(str(int(c) + 1) for c in codes[:8]) + (", ..." if len(codes) > 8 else "")
    return f"is one of {len(codes)} of its values (numbers {places} by frequency)"


def _first_guess(train: Encoded) -> dict[str, Any]:
    """The best guess that is the same for every row, its loss, and the slope of the loss at each row."""
    target = np.asarray(train.target)
    weight = np.ones(len(target)) if train.weight is None else np.asarray(train.weight, dtype=np.float64)
    if not train.classes:
        start = float(np.average(target, weights=weight))
        miss = start - target
        loss = float(np.average(miss**2, weights=weight))
        told = f"the mean {start:.6g}"
        return {
            "start": start, "said": told, "guess": told, "truth": f"{target[0]:.6g}", "chances": [start], "row": 0,
            "row_loss": float(miss[0] ** 2), "loss": loss, "gradients": miss,
        }  # fmt: skip
    shares = np.bincount(target, weights=weight, minlength=train.classes) / weight.sum()
    chances = np.clip(shares, 1e-12, 1)
    losses = -np.log(chances[target])
    guess = ", ".join(f"class {c} {p:.1%}" for c, p in enumerate(shares[:6]))
    start = float(np.log(chances[1] / chances[0])) if train.classes == 2 else float(np.log(chances.max()))
    said = f"the log-odds {start:+.4f} of class 1" if train.classes == 2 else "the logarithm of each class's share"
    shown = chances[1] - (target == 1) if train.classes == 2 else chances[target] - 1
    return {
        "start": start, "said": said, "guess": guess, "truth": f"class {target[0]}", "chances": shares.tolist(),
        "row": 0, "row_loss": float(losses[0]), "loss": float(np.average(losses, weights=weight)),
        "gradients": np.asarray(shown, dtype=np.float64),
    }  # fmt: skip


def _first_leaves(root: Mapping[str, Any], many: int = 8) -> tuple[tuple[Any, ...], ...]:
    """The leaves of a tree from the left: number, rows and value."""
    out: list[tuple[Any, ...]] = []
    waiting = [root]
    while waiting and len(out) < many:
        part = waiting.pop()
        if "split_feature" in part:
            waiting += [part["right_child"], part["left_child"]]
        else:
            out.append((int(part.get("leaf_index", 0)), int(part.get("leaf_count", 0)), float(part["leaf_value"])))
    return tuple(out)
