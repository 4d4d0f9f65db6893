"""Checks that every model passes, ours and a stranger's: ``check_model(Class)``."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from thirtyfold.core.encoder import Block, Encoded
from thirtyfold.core.fieldtype import Array, Form
from thirtyfold.core.quiet import Quiet

__all__ = ["check_model", "easy_table"]


def easy_table(classes: int, form: Form = "levels", rows: int = 600, seed: int = 7) -> Encoded:
    """Rows that can be learned: numbers and a category decide. ``levels`` has missing numbers and codes as they are;
    in ``vector`` they are filled, scaled and one-hot; in ``image`` and ``frames`` two of them are drawn.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4))
    code = rng.integers(0, 6, rows)
    score = 1.5 * x[:, 0] - x[:, 1] + 1.2 * np.isin(code, [1, 3, 4]) - 0.6 + 0.3 * rng.normal(size=rows)
    if classes:
        edges = np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])
        target: Array = np.searchsorted(edges, score).astype(np.int64)
    else:
        target = 50 + 10 * score
    if form in SHAPED:
        return _shaped_table(x, code, target, classes, form)
    categories: tuple[int, ...]
    hidden = rng.random(rows) < 0.1
    if form == "levels":
        x[hidden, 2] = np.nan
        known = np.where(rng.random(rows) < 0.05, np.nan, code)
        matrix, categories = np.column_stack([x, known]), (0, 0, 0, 0, 6)
    else:
        x[hidden, 2] = 0
        matrix, categories = np.column_stack([x, np.eye(6)[code]]), (0,) * 10
    names = tuple(f"x{i}" for i in range(matrix.shape[1]))
    return Encoded(matrix.astype(np.float32), names, categories, target, None, classes)


SHAPED: dict[Form, tuple[int, ...]] = {"image": (1, 4, 6), "frames": (5, 4), "tokens": (6,)}
"""The shapes in which rows are drawn for models that read pictures, sounds and texts."""
STEPS = 8
"""Different tokens for each of the two numbers that are written as tokens."""


def _shaped_table(x: Array, code: Array, target: Array, classes: int, form: Form) -> Encoded:
    """The same rows with their first two numbers drawn, as the brightness of the left and the right half or as tokens,
    and all else as plain numbers beside them: two blocks of different kinds in one row.
    """
    shape = SHAPED[form]
    plain = np.column_stack([x[:, 2:], np.eye(6)[code]])
    if form == "tokens":
        drawn, codes = _written(x[:, :2], shape[0]), 2 + 2 * STEPS
    else:
        drawn, codes = _brightness(x[:, :2], shape, form), 0
    layout = (Block(form, shape, "drawn", codes), Block("vector", (plain.shape[1],)))
    matrix = np.column_stack([drawn, plain]).astype(np.float32)
    names = tuple(f"x{i}" for i in range(matrix.shape[1]))
    return Encoded(matrix, names, (0,) * len(names), target, None, classes, layout)


def _written(numbers: Array, length: int) -> Array:
    """Two numbers as two tokens, then padding."""
    steps = np.clip(np.floor((numbers + 2) / 4 * STEPS), 0, STEPS - 1) + 2 + np.array([0, STEPS])
    return np.column_stack([steps, np.zeros((len(steps), length - 2))])


def _brightness(numbers: Array, shape: tuple[int, ...], form: Form) -> Array:
    halves = np.repeat(np.clip(numbers, -3, 3), shape[-1] // 2, axis=1)
    middle, spread = (128.0, 40.0) if form == "image" else (-6.0, 2.0)
    return np.asarray(middle + spread * np.tile(halves, (1, int(np.prod(shape)) // shape[-1])))


def check_model(member: Any, **options: Any) -> None:
    """Run a model class through the contract; raises AssertionError that says what is wrong."""
    shaped = [f for f in member.forms if f in SHAPED]
    sizes = _sizes(member)
    for at, form in enumerate(shaped):  # rows of a shape have plain numbers beside it, and networks take their time
        _check_one(member, options, form, sizes[-1 - at % len(sizes)])
    for form in () if shaped else member.forms:
        for classes in sizes:
            _check_one(member, options, form, classes)


def _sizes(member: Any) -> list[int]:
    sizes = {"classification": [2, 3], "regression": [0]}
    return [n for task in member.tasks for n in sizes.get(task, [])]


def _check_one(member: Any, options: dict[str, Any], form: Form, classes: int) -> None:
    name = f"{member.__name__} ({form}, {classes or 'no'} classes)"
    table = easy_table(classes, form)
    train, validation = table.take(np.arange(400)), table.take(np.arange(400, 600))
    model = _fit(member, options, train, validation)
    raw = model.predict(validation.matrix)
    _shape(name, raw, len(validation), classes)
    loss, naive = _loss(raw, validation), _loss(_baseline(train, len(validation)), validation)
    assert loss < 0.8 * naive, f"{name}: loss {loss:.4f} on new rows, the baseline has {naive:.4f}"
    alone = np.concatenate([model.predict(validation.matrix[i : i + 1]) for i in range(50)])
    _close(f"{name}: a row alone and among others", alone, raw[:50], 1e-6)
    files = model.save()
    assert files == _fit(member, options, train, validation).save(), f"{name}: same seed, other bytes"
    _no_pickle(name, files)
    again = member.load(files)
    assert np.array_equal(again.predict(validation.matrix), raw), f"{name}: predicts otherwise after save and load"
    assert again.save() == files, f"{name}: saves otherwise after load"
    _close(f"{name}: ONNX and predict", _onnx(model.onnx(), validation.matrix), raw, 1e-5)
    _evidence(name, model)
    _refits(name, member, options, model, table)
    _weights(name, member, {**options, **model.refit()}, train, validation)


def _fit(member: Any, options: dict[str, Any], train: Encoded, validation: Encoded | None) -> Any:
    model = member(**options)
    model.fit(train, validation, Quiet(seed=3))
    return model


def _shape(name: str, raw: Array, rows: int, classes: int) -> None:
    wanted = (rows, classes or 1)
    assert raw.shape == wanted, f"{name}: raw has shape {raw.shape}, not {wanted}"
    assert raw.dtype == np.float64, f"{name}: raw is {raw.dtype}, not float64"
    assert np.isfinite(raw).all(), f"{name}: raw has values that are not finite"
    if classes:
        assert raw.min() >= 0 and np.allclose(raw.sum(axis=1), 1, atol=1e-5), f"{name}: rows do not sum to 1"


def _loss(raw: Array, data: Encoded) -> float:
    target = np.asarray(data.target)
    if not data.classes:
        return float(np.mean((raw[:, 0] - target) ** 2))
    return float(-np.log(np.clip(raw[np.arange(len(raw)), target], 1e-9, 1)).mean())


def _baseline(train: Encoded, rows: int) -> Array:
    target = np.asarray(train.target)
    guess = np.bincount(target) / len(target) if train.classes else np.array([target.mean()])
    return np.tile(guess, (rows, 1))


def _close(what: str, a: Array, b: Array, limit: float) -> None:
    scale = max(1.0, float(np.abs(b).max()))
    worst = float(np.abs(a - b).max()) / scale
    assert worst <= limit, f"{what} differ by {worst:.2e}, more than {limit:g}"


def _onnx(data: bytes, matrix: Array) -> Array:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    answer: Array = session.run(["raw"], {"features": matrix})[0]
    return answer


def _no_pickle(name: str, files: Mapping[str, bytes]) -> None:
    for file, data in files.items():
        assert isinstance(data, bytes), f"{name}: {file} is not bytes"
        assert not data.startswith(b"\x80"), f"{name}: {file} looks like a pickle"


def _evidence(name: str, model: Any) -> None:
    assert all(isinstance(v, int) for v in model.size().values()), f"{name}: size() must count in whole numbers"
    told = {e.step for e in model.story()}
    missing = set(range(13, 21)) - told
    assert not missing, f"{name}: story() says nothing of steps {sorted(missing)}"


def _refits(name: str, member: Any, options: dict[str, Any], model: Any, table: Encoded) -> None:
    again = _fit(member, {**options, **model.refit()}, table, None)
    raw = again.predict(table.matrix)
    _shape(f"{name} refitted without validation rows", raw, len(table), table.classes)


def _weights(name: str, member: Any, options: dict[str, Any], train: Encoded, validation: Encoded) -> None:
    """Rows that count 50 times as much pull the answers to their side."""
    target = np.asarray(train.target)
    chosen = target == 1 if train.classes else target > np.median(target)
    heavy = replace(train, weight=np.where(chosen, 50.0, 1.0))
    even = _fit(member, options, train, None).predict(validation.matrix)
    pulled = _fit(member, options, heavy, None).predict(validation.matrix)
    column = 1 if train.classes else 0
    moved = float((pulled - even)[:, column].mean())
    assert moved > 0.01, f"{name}: weights are not honored (the answers moved by {moved:.4f})"
