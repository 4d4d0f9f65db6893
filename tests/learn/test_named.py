"""What the glass box says of classes carries the user's own names."""

from thirtyfold.core.charts import bars
from thirtyfold.core.evidence import Evidence, TableView
from thirtyfold.learn.train import named

CLASSES = ("<=50K", "a & b", "x" * 80)


def test_codes_become_names_in_text_tables_and_pictures() -> None:
    table = TableView("class 0 first", ("class 1", "rows"), (("class 0", 3),), "class 12 is none")
    told = named(
        Evidence(
            16,
            "class 0 76.1%, class 1 23.9%; subclass 1",
            {"row": 0},
            (table,),
            (bars("The first guess", ["class 0", "class 1", "class 2"], [0.5, 0.3, 0.2]),),
        ),
        CLASSES,
    )
    assert told.why == "'<=50K' 76.1%, 'a & b' 23.9%; subclass 1"
    assert told.tables == (TableView("'<=50K' first", ("'a & b'", "rows"), (("'<=50K'", 3),), "class 12 is none"),)
    svg = told.pictures[0].svg
    assert "'&lt;=50K'" in svg and "'a &amp; b'" in svg and "class 1" not in svg and "x" * 30 not in svg


def test_columns_keep_their_names_and_values_have_no_classes() -> None:
    split = Evidence(19, "The first tree asks whether class 1 is at most 3.")
    assert named(split, CLASSES) == split
    plain = Evidence(16, "every row gets class 0 of nothing")
    assert named(plain, ()) == plain


def test_large_numbers_lose_the_decimals_that_nobody_reads():
    from thirtyfold.learn.train import rounded

    said = "a loss of 6554285765.1658, a gain of 3,094,860,005,376.0 at 0.25; LightGBM 4.7.0, rate 3.92e-05, 123.4"
    assert rounded(said) == (
        "a loss of 6,554,285,765, a gain of 3,094,860,005,376 at 0.25; LightGBM 4.7.0, rate 3.92e-05, 123.4"
    )
