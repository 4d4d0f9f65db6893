"""Every transform and every function of a formula gives in ONNX Runtime what it gives in NumPy."""

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thirtyfold.core import transform as t
from thirtyfold.core.errors import SpecError
from thirtyfold.core.expression import FUNCTIONS, Expression
from thirtyfold.ship.formats.onnx.formula import formula
from thirtyfold.ship.formats.onnx.graph import Graph, Value
from thirtyfold.ship.formats.onnx.ops import LONGEST, add

quick = settings(max_examples=8, deadline=None)
numbers = st.lists(
    st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6), st.integers(-1000, 1000).map(float), st.floats(-1e-9, 1e-9)),
    min_size=1,
    max_size=40,
)
moments = st.lists(
    st.one_of(
        st.just(float("nan")), st.floats(-6.2e10, 2.5e11), st.integers(-62_000_000_000, 250_000_000_000).map(float)
    ),
    min_size=1,
    max_size=40,
)
safe = st.characters(codec="utf-8", exclude_characters="\x00\x01")
texts = st.lists(
    st.one_of(
        st.none(),
        st.sampled_from(["red", "Red", "blue", "one two", "two_one", "ſtop \u212a"]),
        st.text(safe, min_size=1),
    ),
    min_size=1,
    max_size=40,
)


def array(values: list[Any]) -> np.ndarray[Any, Any]:
    if any(isinstance(v, str) or v is None for v in values):
        out = np.empty(len(values), dtype=object)
        out[:] = values
        return out
    return np.array(values, dtype=np.float64)


def run(g: Graph, value: str, feed: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    g.name(value, "out")
    model = g.model([helper.make_tensor_value_info("out", TensorProto.DOUBLE, ["rows", "width"])], "test")
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    fed = {n: np.array([["" if v is None else v] for v in x], dtype=x.dtype) for n, x in feed.items()}
    return np.asarray(session.run(None, fed)[0])


def onnx_of(op: t.Transform, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    g = Graph()
    value = g.input("x", "text" if x.dtype == object else "number")
    return run(g, add(g, op, value).name, {"x": x})


def agree(op: t.Transform, values: list[Any]) -> None:
    x = array(values)
    wanted = op.apply(x)
    wanted = wanted[:, None] if wanted.ndim == 1 else wanted
    np.testing.assert_allclose(onnx_of(op, x), wanted, rtol=1e-12, atol=1e-12)


NUMBER_OPS: list[t.Transform] = [
    t.Fill(value=-3.5),
    t.IsMissing(),
    t.Clip(low=-2, high=7.25),
    t.Log(),
    t.Scale(center=1.5, scale=0.1),
    t.Cycle(period=7),
]
TEXT_OPS: list[t.Transform] = [
    t.IsMissing(),
    t.Lookup(table={"red": 1.5, "blue": -2.0, "one two": 0.1}),
    t.Lookup(table={"red": 1 / 3}, unknown=9.0, missing=-1.0),
    t.Lookup(table={}, unknown=4.0),
    t.OneHot(categories=("red", "blue")),
    t.OneHot(categories=("red", "blue"), other=False),
    t.OneHot(categories=()),
    t.Words(words=("one", "red", "stop", "k", "Red", "one"), weights=(0.5, 2.0, 3.0, 4.0, 5.0, 0.25)),
    t.Words(words=(), weights=()),
    t.Length(),
]
PARTS = get_args(t.Calendar.model_fields["part"].annotation)


def test_every_transform_is_tested_here() -> None:
    tested = {type(op) for op in [*NUMBER_OPS, *TEXT_OPS]} | {t.Calendar, *get_args(t.Decoder)}  # these open files
    assert tested == set(get_args(get_args(t.Transform)[0]))


@pytest.mark.parametrize("op", NUMBER_OPS, ids=repr)
@quick
@given(values=numbers)
def test_transforms_of_numbers(op: t.Transform, values: list[Any]) -> None:
    agree(op, values)


@pytest.mark.parametrize("op", TEXT_OPS, ids=repr)
@quick
@given(values=texts)
def test_transforms_of_text(op: t.Transform, values: list[Any]) -> None:
    agree(op, [*values, None, "red"])


@pytest.mark.parametrize("part", PARTS)
@quick
@given(values=moments)
def test_parts_of_a_moment(part: Any, values: list[Any]) -> None:
    agree(t.Calendar(part=part), [*values, -1.0, 0.0, 951782400.0, 4107542400.0])  # 2000-02-29 and 2100-03-01


def test_length_counts_characters_not_bytes_up_to_the_longest() -> None:
    agree(t.Length(), ["", "é", "日本\n語", "x" * 1023, "y" * 1024, "ü" * 1500, "z" * LONGEST])


def test_a_chain_keeps_its_width() -> None:
    g = Graph()
    value = g.input("x", "text")
    for op in (t.OneHot(categories=("a", "b")), t.Scale(center=0.5, scale=2.0)):
        value = add(g, op, value)
    np.testing.assert_allclose(
        run(g, value.name, {"x": array(["a", None])}), [[0.25, -0.25, -0.25], [-0.25, -0.25, 0.25]]
    )


FORMULAS = [
    "a + b * 2 - a / b",
    "a % b",
    "a ** 2 + b ** 0.5",
    "-a + +b",
    "a > b and not (b == 0) or a <= 3",
    "(a >= b) + (a != b) + (a < 1)",
    "if_else(missing(a), b, a)",
    "if_else(a, 1, 2)",
    "missing(a) + missing(b) + missing(s)",
    "max(a, b) - min(a, b)",
    "abs(a) + floor(b) + sqrt(a) + exp(b / 1000000) + log(a) + log1p(b)",
    "exp(a) > 1",
    "1 / 0",
    "3",
    's == "red"',
    's != "red"',
    's == ""',
    "s == u",
    'if_else(a > 0, s, "blue") == "blue"',
    "length(s) + length(u)",
    'col("a") * True',
    *(f"{part}(m)" for part in PARTS),
    "year(m) - month(m) / 12",
]


def test_every_function_is_tested_here() -> None:
    assert {name for name in FUNCTIONS if not any(f"{name}(" in f for f in FORMULAS)} == set()


@pytest.mark.parametrize("text", FORMULAS)
@quick
@given(data=st.data())
def test_formulas(text: str, data: st.DataObject) -> None:
    rows = 6
    some = {name: data.draw(numbers) for name in "ab"} | {"m": data.draw(moments)}
    feed = {name: np.resize(array(v), rows) for name, v in some.items()}
    for name in "su":
        feed[name] = np.resize(array([*data.draw(texts), None]), rows)
    g = Graph()
    values = {n: g.input(n, "text" if n in "su" else "number") for n in feed}
    like = values["a"].name
    out = formula(g, Expression(text), values, like)
    wanted = Expression(text).evaluate(feed)
    np.testing.assert_allclose(run(g, out.name, feed)[:, 0], wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("text", ['s + "x" == "y"', 's > "a"', "s", 'a == "red"', 'if_else(a, "x", 1)'])
def test_a_formula_that_onnx_cannot_compute_is_refused(text: str) -> None:
    g = Graph()
    values = {"s": Value("s", "text"), "a": Value("a", "number")}
    with pytest.raises(SpecError, match="in ONNX"):
        formula(g, Expression(text), values, "a")


def test_what_opens_files_is_no_part_of_a_graph() -> None:
    for op in (t.Pixels(height=2, width=2, color=False), t.LogMel(rate=8000, frames=2, window=64, hop=32, bands=8)):
        with pytest.raises(SpecError, match="opens files"):
            add(Graph(), op, Value("x", "number"))
