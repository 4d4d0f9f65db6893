# ruff: noqa: DTZ001 - moments are kept in UTC without a zone
"""Every field type keeps its contract; what each reads is checked against values worked out by hand."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest
from sklearn.preprocessing import StandardScaler, TargetEncoder

from thirtyfold.core.door import Door, read_column
from thirtyfold.core.encoder import Encoder
from thirtyfold.core.family import Family
from thirtyfold.core.fieldtype import FieldType, Signal
from thirtyfold.core.table import Column
from thirtyfold.data.clean import recognize
from thirtyfold.data.types.boolean import Boolean
from thirtyfold.data.types.category import Category
from thirtyfold.data.types.moment import Moment
from thirtyfold.data.types.number import Number
from thirtyfold.data.types.text import Text
from thirtyfold.testing.types import EXAMPLES, check_field_type, sample_of

TYPES: Family[FieldType] = Family("data.types")


@pytest.mark.step(7, 12)
@pytest.mark.parametrize("word", TYPES.words())
def test_every_member_keeps_the_contract(word):
    check_field_type(TYPES.find(word), EXAMPLES[word])


@pytest.mark.parametrize("word", sorted(EXAMPLES))
def test_each_is_recognized_among_all(word):
    assert recognize(sample_of(EXAMPLES[word]))[0] == word


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("$1,200.50", ".", 1200.5),
        ("1.200,50 €", ",", 1200.5),
        ("12 %", ".", 12.0),
        ("(3)", ".", -3.0),
        ("-$5", ".", -5.0),
        ("$ -5", ".", -5.0),
        ("1 234 567", ".", 1234567.0),
        ("1'234.5", ".", 1234.5),
        ("USD 7", ".", 7.0),
        ("3-", ".", -3.0),
        ("1e-3", ".", 0.001),
        (".5", ".", 0.5),
        ("1,5", ",", 1.5),
        ("−2", ".", -2.0),
        (True, ".", 1.0),
        (float("inf"), ".", None),
        ("nan", ".", None),
    ],
)
def test_number_reads_what_people_write(text, decimal, value):
    assert Number(decimal).read(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.3k", 12300.0),
        ("$2.3m", 2300000.0),
        ("USD 4 M", 4000000.0),
        ("1.5 bn", 1.5e9),
        ("12K USD", 12000.0),
        ("2 million", 2000000.0),
        ("3 thousand", 3000.0),
        ("(12k)", -12000.0),
        ("-$1.1k", -1100.0),
        ("1,200k", 1200000.0),
        ("Rs. 1,234", 1234.0),
        ("₹1,23,456.50", 123456.5),
        ("US$ 5", 5.0),
    ],
)
def test_number_reads_short_amounts_and_money_of_all_kinds(text, value):
    assert Number(short=True).read(text) == value


@pytest.mark.parametrize("text", ["300 K", "5 m", "k", "12kk", "12kg", "1e3k", "AB12k"])
def test_a_letter_that_is_no_amount_stays_unreadable(text):
    with pytest.raises(ValueError, match="is not a number"):
        Number(short=True).read(text)


def test_money_in_several_spellings_is_one_number_in_training_and_in_service():
    values = [f"${i},234.50" for i in range(1, 31)] + [f"USD {i}0000" for i in range(1, 31)]
    values += [f"{i}234.5" for i in range(1, 31)] + [f"{i}.3k" for i in range(1, 11)]
    sample = sample_of(values)
    assert recognize(sample)[0] == "number"
    assert Number.infer(sample) == {"short": True, "currency": "USD"}
    column = Column("price", "number", options=Number.infer(sample))
    table, wrong = read_column(column, pl.Series("price", values))
    assert not wrong
    assert table[-10] == 1300.0
    served = Door((column,)).rows([{"price": v} for v in values])
    assert served["price"].tolist() == table.to_list()
    rupees = sample_of([f"₹{i},234" for i in range(1, 30)] + [f"Rs. {i},234" for i in range(1, 30)])
    assert recognize(rupees)[0] == "number"
    assert Number.infer(rupees) == {"currency": "INR"}


def test_short_amounts_make_no_number_of_words_and_meters_no_millions():
    words = ["12k", "15k", "large", "small", "about 12k", "n. 5", "7k left", "none of it"]
    assert recognize(sample_of([f"{w} {i}" if " " in w else w for i in range(20) for w in words]))[0] != "number"
    assert Number.infer(sample_of([*[f"{i}m" for i in range(1, 9)], *[str(i) for i in range(1, 99)]])) == {}


@pytest.mark.parametrize("text", ["abc", "3x233", "12k", "1,2,3", "12/03", "E46", "1_000", "--1", "1.2.3", "$", "1,20"])
def test_number_refuses_what_is_none(text):
    with pytest.raises(ValueError, match="is not a number"):
        Number().read(text)


def test_a_column_with_decimal_commas_is_found():
    values = ["1,5", "2,25", "1.000,75", "3"] * 10
    sample = sample_of(values)
    assert recognize(sample)[0] == "number"
    assert Number.infer(sample) == {"decimal": ","}


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([f"0{1000 + i}" for i in range(50)] * 2, "category"),  # postal codes keep their zeros
        (["1", "2", "3"] * 30, "number"),
        (["0", "1"] * 30, "boolean"),
        (["T", "F"] * 30, "boolean"),
        ([str(i) for i in range(1, 100)], "id"),  # a counter
        ([str(i * i) for i in range(1, 100)], "number"),
        ([f"{i}" for i in range(1970, 2024)] * 2, "number"),  # years
        ([f"{1_400_000_000 + 7 * i * i}" for i in range(60)], "number"),  # nothing says that these are times
    ],
)
def test_recognition_of_the_hard_ones(values, word):
    assert recognize(sample_of(values))[0] == word


def test_epoch_seconds_are_times_when_the_name_says_so():
    sample = sample_of([f"{1_400_000_000 + 7 * i * i}" for i in range(60)], "created_at")
    assert recognize(sample)[0] == "moment"
    assert Moment(**Moment.infer(sample)).read("1400000000") == datetime(2014, 5, 13, 16, 53, 20)


@pytest.mark.parametrize(
    ("text", "order", "moment"),
    [
        ("1/2/2011", "day_first", datetime(2011, 2, 1)),
        ("1/2/2011", "month_first", datetime(2011, 1, 2)),
        ("2011-01-02 03:04:05+02:00", "day_first", datetime(2011, 1, 2, 1, 4, 5)),
        ("13/02/11 1:05 PM", "day_first", datetime(2011, 2, 13, 13, 5)),
        ("12/31/1999 12:00 AM", "month_first", datetime(1999, 12, 31)),
        ("10/Oct/2000:13:55:36 -0700", "day_first", datetime(2000, 10, 10, 20, 55, 36)),
        ("March 3rd, 2020", "day_first", datetime(2020, 3, 3)),
        ("31.12.99", "day_first", datetime(1999, 12, 31)),
    ],
)
def test_moment_reads(text, order, moment):
    assert Moment(order=order).read(text) == moment


@pytest.mark.parametrize("text", ["2020-13-01", "31/02/2020", "hello world", "12345", 5.0])
def test_moment_refuses(text):
    with pytest.raises(ValueError, match="date"):
        Moment().read(text)


def test_day_or_month_first_is_decided_by_the_column():
    american = [f"{m}/{d}/2011" for m in range(1, 13) for d in range(1, 28)]
    assert Moment.infer(sample_of(american)) == {"order": "month_first"}
    assert Moment.infer(sample_of([f"{d}/{m}/2011" for m in range(1, 13) for d in range(1, 28)])) == {}
    ambiguous = [f"{m}/{d}/2011" for m in range(1, 13) for d in range(1, 12)]  # rising when the month is first
    assert Moment.infer(sample_of(ambiguous)) == {"order": "month_first"}


def test_labels_stay_as_they_are_written():
    assert [Category().read(v) for v in ("<=50K", "'-1'", " A- ", 3.0, True)] == ["<=50K", "'-1'", "A-", "3", "true"]


def test_boolean_is_strict():
    with pytest.raises(ValueError, match="yes or no"):
        Boolean().read("maybe")
    assert [Boolean().read(v) for v in (True, "NO", 1, 0.0)] == [1.0, 0.0, 1.0, 0.0]


def test_target_encodings_are_those_of_scikit_learn():
    """Same smoothing and the same folds give the numbers of sklearn's TargetEncoder."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 150, 3000)
    column = np.array([f"v{c}" for c in codes], dtype=object)
    target = (rng.random(3000) < codes / 150).astype(np.int64)
    signal = Signal(target, 2, np.arange(3000) % 5)
    fitted = Category().fit("c", column, "levels", signal)
    at = next(i for i, f in enumerate(fitted.features) if f.names == ("c:target",))
    whole = Encoder("levels", (fitted.features[at],)).encode({"c": column})[:, 0]
    peer = TargetEncoder(smooth=10.0, target_type="binary").fit(column[:, None], target).transform(column[:, None])
    np.testing.assert_allclose(whole, peer[:, 0], rtol=1e-6)
    for fold in range(5):
        here = signal.folds == fold
        other = TargetEncoder(smooth=10.0, target_type="binary").fit(column[~here][:, None], target[~here])
        np.testing.assert_allclose(fitted.training[at][here], other.transform(column[here][:, None]), rtol=1e-9)


def test_numbers_are_scaled_like_scikit_learn():
    x = np.random.default_rng(0).normal(5, 3, 500)
    fitted = Number().fit("x", x, "vector", None)
    ours = Encoder("vector", fitted.features).encode({"x": x})
    np.testing.assert_allclose(ours, StandardScaler().fit_transform(x[:, None]), atol=1e-5)


def test_words_that_tell_of_the_target_come_first():
    texts = [f"free prize call {i}" if i % 4 == 0 else f"see you at home {i}" for i in range(400)]
    column = np.array(texts, dtype=object)
    signal = Signal(np.array([i % 4 == 0 for i in range(400)], dtype=np.int64), 2, np.arange(400) % 5)
    words = Text(words=3).fit("t", column, "vector", signal).features[0].names
    assert set(words) <= {"t:free", "t:prize", "t:call", "t:see", "t:you", "t:at", "t:home"}


def test_rare_and_unknown_categories_share_a_code():
    column = np.array(["a"] * 300 + ["b"] * 200 + ["rare"], dtype=object)
    feature = Category().fit("c", column, "levels", None).features[0]
    codes = Encoder("levels", (feature,)).encode({"c": np.array(["a", "b", "rare", "never", None], dtype=object)})
    assert codes[:4, 0].tolist() == [0, 1, 2, 2] and np.isnan(codes[4, 0])
    assert feature.categories == 3


def test_profile_of_numbers_is_that_of_numpy():
    x = np.random.default_rng(1).gamma(2, 3, 1000)
    found = Number().profile("x", pl.Series("x", x)).numbers
    assert found["mean"] == pytest.approx(x.mean()) and found["median"] == pytest.approx(np.median(x))
    assert found["q3"] == pytest.approx(np.quantile(x, 0.75))


def test_a_profile_of_texts_keeps_the_most_frequent_one_as_it_is_written():
    texts = pl.Series("note", ["Please call me back, soon!", "No, thanks.", "Please call me back, soon!", None])
    assert Text().profile("note", texts).numbers["typical"] == "Please call me back, soon!"


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([20200101 + i for i in range(12)], "moment"),
        ([f"202011{i:02d}" for i in range(1, 25)] * 2, "moment"),
        ([20201301 + i for i in range(12)] * 2, "number"),  # there is no 13th month
        ([20200101, 20200102] * 10, "number"),  # too few to say, of a column with no name of a time
        ([30200101 + i for i in range(12)] * 2, "number"),
    ],
)
@pytest.mark.step(7)
def test_days_in_eight_figures(values, word):
    sample = sample_of(pl.Series("c", values))
    assert recognize(sample)[0] == word
    if word == "moment":
        kind = Moment(**Moment.infer(sample))
        assert [kind.read(v) for v in ("20201026", 20201026, 20201026.0, "20201026.0")] == [datetime(2020, 10, 26)] * 4
        with pytest.raises(ValueError, match="not a date"):
            kind.read("20201399")
