"""A large CSV file is read in blocks, with the very rows, quarantine and lineage of reading it at once."""

import random

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thirtyfold.core.laid import Laid, lies_in, mapped
from thirtyfold.core.quiet import Quiet
from thirtyfold.data import blocks
from thirtyfold.data.collect import Collect
from thirtyfold.data.reading import Read
from thirtyfold.data.sources.csv import Csv

HEADER = "id,name,amount"


def lines(count: int = 400) -> list[str]:
    return [f"{i},person {i},{i / 7:.3f}" for i in range(count)]


@pytest.fixture
def both(tmp_path, monkeypatch):
    """Reads a file at once and in blocks of 1,500 bytes; asserts that both are the same and gives the second."""

    def read(data: bytes) -> Read:
        path = tmp_path / "rows.csv"
        path.write_bytes(data)
        monkeypatch.setattr(blocks, "LARGE", 1 << 40)
        whole = Csv(str(path)).read(Quiet())
        monkeypatch.setattr(blocks, "LARGE", 0)
        monkeypatch.setattr(blocks, "BLOCK", 1500)
        monkeypatch.setattr(blocks, "_STEP", 256)
        pieces = Csv(str(path)).read(Quiet())
        assert whole.numbered is None
        assert pieces.frame.equals(whole.frame) and pieces.frame.schema == whole.frame.schema
        assert pieces.quarantine.select("row", "reason").equals(whole.quarantine.select("row", "reason"))
        plain = pl.col("raw").str.replace_all(r'[ \t"]', "")  # of a file with quotes, raw is the record as it was read
        assert pieces.quarantine.select(plain).equals(whole.quarantine.select(plain))
        assert pieces.lineage == whole.lineage
        return pieces

    return read


def text(rows: list[str], header: str = HEADER, end: str = "\n") -> bytes:
    return (end.join([header, *rows]) + end).encode()


def test_regular_rows_and_their_numbers(both):
    read = both(text(lines()))
    assert read.frame.height == 400 and read.numbered is not None
    assert read.numbered["__row__"].to_list() == list(range(400))
    assert read.frame.row(399) == ("399", "person 399", "57.000")


def test_bad_lines_are_quarantined_with_their_numbers(both):
    rows = lines()
    rows[100], rows[250], rows[251], rows[399] = "only", "a,b,c,d", "", "cut,off"
    read = both(text(rows))
    assert read.quarantine["row"].to_list() == [102, 252, 401]
    assert read.quarantine["reason"][2] == "2 fields instead of 3; it is the last line, the file may be cut off"
    assert read.frame.height == 396 and read.numbered is not None
    assert read.numbered["__row__"].to_list() == list(range(396))


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: [*rows[:120], HEADER, *rows[120:]],
        lambda rows: [*rows[:50], ' 50 ,\tpadded , "x"', *rows[50:]],
        lambda rows: [*rows[:50], '50,"comma, and ""quote""",1', '51,"two\nlines",2', *rows[50:]],
        lambda rows: [*rows[:50], 'a "quote" within,b,c', *rows[50:], '""," ",""'],
        lambda rows: [*rows[:50], 'ab"c,d"e,1,2', 'x,"a"b,c"",3', *rows[50:]],
        lambda rows: [*rows[:90], "É,\u00a0São Paulo\u00a0,1", ",,", *rows[90:]],
        lambda rows: [*rows, "total,,100"],
        lambda rows: [*rows[:300], '7,"never closes,1', *rows[300:]],
    ],
)
def test_odd_lines(both, change):
    both(text(change(lines())))


def test_line_ends_and_marks_of_other_systems(both):
    assert both(text(lines(), end="\r\n")).frame.height == 400
    assert both(b"\xef\xbb\xbf" + text(lines())).lineage["encoding"] == "utf-8-sig"
    assert both(text(lines(), "id;name;amount").replace(b",", b";")).lineage["delimiter"] == ";"
    old_mac = text(lines()[:200]) + b"1,a,2\r2,b,3\r\n3,c,4\n"
    assert both(old_mac).frame.height == 203


def test_what_is_not_utf8_is_read_at_once(both):
    read = both(text(lines()) + "9,café,1\n".encode("cp1252"))
    assert read.numbered is None and read.frame["name"][-1] == "café"


CELLS = st.sampled_from(
    ["", "a", "12", " x", "é", 'q"', '"q"', '"a,b"', '"a\nb"', '""', '"', "\r", "\t", HEADER, ",", "\n"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=12), st.integers(0, 10_000))
def test_any_text(both, odd, seed):
    rows = lines(260)
    place = random.Random(seed)
    for cells in odd:
        rows.insert(place.randrange(200, len(rows)), ",".join(cells))
    both(text(rows))


def test_the_rows_lie_in_a_file_that_goes_with_them(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    path.write_bytes(text(lines()))
    monkeypatch.setattr(blocks, "LARGE", 0)
    read = Csv(str(path)).read(Quiet())
    laid = lies_in(read.numbered)
    assert laid is not None and mapped(Laid(laid.path, laid.name)).equals(read.numbered)
    place = laid.path
    del read
    assert not place.exists()


def test_collect_takes_the_rows_as_they_lie(tmp_path, monkeypatch):
    from thirtyfold.core.spec import Spec

    path = tmp_path / "rows.csv"
    path.write_bytes(text(lines()))
    spec = Spec.of({"target": "amount", "collect": str(path)})
    whole = Collect(spec).run(None, Quiet()).collected.frame
    monkeypatch.setattr(blocks, "LARGE", 0)
    pieces = Collect(spec).run(None, Quiet()).collected.frame
    assert pieces.equals(whole) and lies_in(pieces) is not None and lies_in(whole) is None
    assert pieces.schema["__row__"] == pl.Int64
