"""Boosting: the same answers from LightGBM's text, ours and ONNX for every float32 row; one text on any threads."""

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnxruntime
import pytest

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.quiet import Quiet
from thirtyfold.learn.boosted import to_graph, trimmed
from thirtyfold.learn.graph import floor32
from thirtyfold.learn.models.boosting import Boosting
from thirtyfold.testing.models import easy_table


def _rows(classes: int, rows: int = 4000, seed: int = 0) -> Encoded:
    """Numbers with few distinct values (so that rows fall on thresholds), gaps, and categories of 3 and 60 codes."""
    rng = np.random.default_rng(seed)
    x = np.column_stack(
        [
            rng.normal(size=rows),
            np.round(rng.normal(size=rows), 1),
            rng.integers(0, 5, rows) / 3,
            np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows)),
            rng.integers(0, 3, rows),
            np.where(rng.random(rows) < 0.1, np.nan, rng.integers(0, 60, rows)),
        ]
    ).astype(np.float32)
    few = np.isin(x[:, 5], [3, 7, 11, 19, 42, 55])
    score = x[:, 0] + x[:, 1] * x[:, 2] + np.isnan(x[:, 3]) + 2 * few + (x[:, 4] == 1) + rng.normal(size=rows)
    edges = np.quantile(score, np.linspace(0, 1, max(classes, 1) + 1)[1:-1])
    target = np.searchsorted(edges, score) if classes else 1000 + 50 * score
    return Encoded(x, tuple("abcdef"), (0, 0, 0, 0, 3, 60), target, None, classes)


def _hard(booster: Any, rows: Encoded, many: int = 12_000) -> np.ndarray[Any, Any]:
    """Rows made of thresholds, their float32 neighbors on both sides, gaps and codes never seen."""
    rng = np.random.default_rng(1)
    thresholds: dict[int, list[float]] = {i: [0.0] for i in range(6)}

    def walk(node: dict[str, Any]) -> None:
        if "split_feature" in node:
            if node["decision_type"] == "<=":
                thresholds[node["split_feature"]].append(float(node["threshold"]))
            walk(node["left_child"])
            walk(node["right_child"])

    for tree in booster.dump_model()["tree_info"]:
        walk(tree["tree_structure"])
    out = rows.matrix[rng.integers(0, len(rows), many)].copy()
    for i in range(4):
        near = np.clip(floor32(np.array(thresholds[i])), -1e30, 1e30)
        every = np.concatenate([near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])
        chosen = rng.random(many) < 0.6
        out[chosen, i] = rng.choice(every, chosen.sum())
    out[rng.random((many, 6)) < 0.05] = np.nan
    out[:50, 5], out[50:100, 4] = 99, 77
    return out


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_text_and_graph_answer_like_lightgbm_on_rows_that_lie_on_thresholds(classes: int) -> None:
    rows = _rows(classes)
    objective = {0: "regression", 2: "binary", 3: "multiclass"}[classes]
    settings = {"objective": objective, "num_class": 3 if classes == 3 else 1, "verbose": -1, "cat_smooth": 1}
    data = lightgbm.Dataset(rows.matrix.astype(np.float64), rows.target, categorical_feature=[4, 5])
    booster = lightgbm.train(settings, data, 60)
    text = booster.model_to_string()
    assert "cat_threshold" in text, "no split on a set of categories: the test would show nothing"
    hard = _hard(booster, rows)
    wanted = booster.predict(hard)
    ours = lightgbm.Booster(model_str=trimmed(text))
    np.testing.assert_array_equal(ours.predict(hard), wanted)
    wanted = np.stack([1 - wanted, wanted], axis=1) if classes == 2 else wanted.reshape(len(hard), -1)
    scale = np.abs(wanted).max()
    for thresholds in (ours, booster):  # those of the second are doubles that float32 cannot hold
        session = onnxruntime.InferenceSession(to_graph(thresholds, classes))
        raw = session.run(["raw"], {"features": hard})[0]
        assert np.abs(raw - wanted).max() / scale < 1e-5


def test_without_rounding_down_some_rows_take_another_branch() -> None:
    """What the rounding is for: to the nearest float32 a threshold may pass a row."""
    threshold = 0.1  # float32(0.1) lies above 0.1
    x = np.float32(0.1)
    assert not float(x) <= threshold
    assert x <= np.float32(threshold)
    assert not x <= floor32(np.array([threshold]))[0]
    values = np.random.default_rng(0).normal(size=1000)
    down = floor32(values)
    assert (down.astype(float) <= values).all()
    assert (np.nextafter(down, np.float32(np.inf)).astype(float) > values).all()


def test_the_text_is_the_same_on_one_thread_and_two() -> None:
    train, held = _rows(2), _rows(2, 800, 5)
    texts = []
    for threads in (1, 2, 1):
        model = Boosting(rounds=60)
        model.fit(train, held, Quiet(threads=threads))
        texts.append(model.save()["model.txt"])
    assert texts[0] == texts[1] == texts[2]


def test_early_stopping_keeps_the_best_round_and_refit_uses_it() -> None:
    train, held = _rows(2, 1500), _rows(2, 800, 5)
    model = Boosting(rate=0.3, patience=10)
    model.fit(train, held, Quiet())
    best = model.refit()["rounds"]
    assert best == model.size()["trees"] < 1000
    target = np.asarray(held.target)
    loss = -np.log(model.predict(held.matrix)[np.arange(len(held)), target]).mean()
    told = next(e for e in model.story() if e.step == 20).numbers
    assert told["best"] == best
    assert np.isclose(told["validation"], loss, rtol=1e-6)


@pytest.mark.step(26)
def test_more_adds_trees_and_keeps_the_old_ones() -> None:
    old, new = easy_table(2, seed=1), easy_table(2, seed=2)
    model = Boosting(rounds=20)
    model.fit(old, None, Quiet())
    again = Boosting.load(model.save())
    again.more(new, None, Quiet())
    assert again.size()["trees"] > model.size()["trees"]
    first = model.save()["model.txt"].decode().split("Tree=1\n")[0].split("Tree=0\n")[1]
    assert first in again.save()["model.txt"].decode()
    assert _loss(again, new) < _loss(model, new)


def _loss(model: Boosting, rows: Encoded) -> float:
    return float(-np.log(model.predict(rows.matrix)[np.arange(len(rows)), np.asarray(rows.target)]).mean())


@pytest.mark.step(23, 24)
def test_measures_switched_off_fit_closer_to_the_training_rows() -> None:
    train, held = _rows(2, 1000), _rows(2, 800, 5)
    on = Boosting(rounds=200)
    on.fit(train, held, Quiet())
    off = Boosting(**{**on.options, **{n: v for n, (_, v) in on.measures().items()}})
    off.fit(train, held, Quiet())
    assert _loss(off, train) < _loss(on, train)
    assert _loss(off, held) > _loss(on, held)


def _adult(folder: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], tuple[int, ...]]:
    """Both files of adult as codes and numbers, "?" as missing."""
    lines = [
        [v.strip() for v in line.rstrip(".\n").split(",")]
        for name in ("adult-train.csv", "adult-test.csv")
        for line in next(folder.rglob(name)).read_text().splitlines()
        if line.strip()
    ]
    columns = list(zip(*lines, strict=True))
    matrix, counts = [], []
    for values in columns[:-1]:
        number = values[0].lstrip("-").isdigit()
        known = [] if number else sorted(set(values) - {"?"})
        place: dict[str, float] = {v: float(i) for i, v in enumerate(known)}
        matrix.append([float(v) if number else place.get(v, np.nan) for v in values])
        counts.append(len(known))
    target = np.array([v == ">50K" for v in columns[-1]]).astype(np.int64)
    return np.array(matrix, dtype=np.float32).T, target, tuple(counts)


@pytest.mark.slow
def test_adult_is_at_least_as_good_as_plain_lightgbm(mirror: Path) -> None:
    """Three splits, 85% to learn from (15% find the rounds, then all are fitted again), against LightGBM as it is."""
    from sklearn.metrics import roc_auc_score

    x, y, categories = _adult(mirror)
    assert len(y) == 48_842
    names = tuple(map(str, range(14)))

    def rows(which: np.ndarray[Any, Any]) -> Encoded:
        return Encoded(x[which], names, categories, y[which], None, 2)

    codes = [i for i, n in enumerate(categories) if n]
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(y))
        train, held, test = np.split(order, [int(0.7 * len(y)), int(0.85 * len(y))])
        first = Boosting()
        first.fit(rows(train), rows(held), Quiet())
        both = np.concatenate([train, held])
        model = Boosting(**{**first.options, **first.refit()})
        model.fit(rows(both), None, Quiet())
        plain = lightgbm.LGBMClassifier(verbose=-1, n_jobs=1).fit(x[both], y[both], categorical_feature=codes)
        ours = roc_auc_score(y[test], model.predict(x[test])[:, 1])
        theirs = roc_auc_score(y[test], plain.booster_.predict(x[test]))
        assert ours > theirs, f"split {seed}: {ours:.5f} against {theirs:.5f}"
        session = onnxruntime.InferenceSession(model.onnx())
        raw = session.run(["raw"], {"features": x[:12_000]})[0]
        assert np.abs(raw - model.predict(x[:12_000])).max() < 1e-5
