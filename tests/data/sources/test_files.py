"""Files as they come: ugly text, compressed, in parts, spreadsheets, and archives that are traps."""

import bz2
import csv
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import zipfile

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thirtyfold.core.errors import DataError
from thirtyfold.core.quiet import Quiet
from thirtyfold.data import opening
from thirtyfold.data.naming import choice_of, ending_of, source_of
from thirtyfold.data.reading import outside_of

FRAME = pl.DataFrame({"a": ["1", "2"], "b": ["x", "y"]})
TEXT = "a,b\n1,x\n2,y\n"


def _read(choice):
    return source_of(choice if isinstance(choice, dict) else str(choice)).read(Quiet())


_CUT = "1 field instead of 3; it is the last line, the file may be cut off"


@pytest.mark.parametrize(
    ("text", "columns", "rows", "aside"),
    [
        ("# by hand\n# in 2024\na,b\n1,x\n# half\n2,y\n", ["a", "b"], 2, dict.fromkeys((1, 2, 5), "a comment")),
        ("#a,b,c\n1,2,3\n4,5,6\n", ["a", "b", "c"], 2, {}),
        ("Sales of 2024\n\na,b,c\n1,2,3\n4,5,6\n7,8,9\n", ["a", "b", "c"], 3, {1: "above the header"}),
        ('"Sales, all of them"\na,b,c\n1,"2",3\n4,5,6\n7,8,9\n', ["a", "b", "c"], 3, {1: "above the header"}),
        ("a,b\n1,2\na,b\n3,4\n", ["a", "b"], 2, {3: "the header again"}),
        ('a,b\n1,"2"\na,b\n3,4\n', ["a", "b"], 2, {3: "the header again"}),
        ("a,b,c\n1,2,3\n4,5,6\nTotal,7,9\n", ["a", "b", "c"], 2, {4: "a footer: it adds up the rows above"}),
        ("a,b,c\n1,2,3\n4,5,6\n(2 rows)\n", ["a", "b", "c"], 2, {4: _CUT}),
        ("a,b\n1,2,\n3,4,\n5,6,\n", ["a", "b"], 3, {}),
        ("a\tb\nr1\t1\t2\nr2\t3\t4\nr3\t5\t6\n", ["row", "a", "b"], 3, {}),
        ("name;total\nx;1\nTotal;2\ny;3\nTotal;5\n", ["name", "total"], 4, {}),
    ],
)
def test_what_stands_around_a_table_is_set_aside_with_its_line(text, columns, rows, aside, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text)
    read = _read(path)
    assert read.frame.columns == columns and read.frame.height == rows
    assert dict(zip(read.quarantine["row"], read.quarantine["reason"], strict=True)) == aside
    assert source_of(str(path)).columns() == columns


_CELL = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\x85\u2028\u2029"), max_size=6)
_TABLE = st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(_CELL, min_size=n, max_size=n), min_size=1, max_size=8))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_TABLE, delimiter=st.sampled_from(",;\t|"), end=st.sampled_from(["\n", "\r\n"]))
def test_any_table_that_is_written_is_read_back(rows, delimiter, end, tmp_path):
    """What Python's own writer wrote comes back cell by cell, but for spaces around values."""
    width = len(rows[0])
    text = io.StringIO(newline="")
    names = [f"name{i}" for i in range(width)]
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([names, *rows])
    path = tmp_path / "t.csv"
    path.write_bytes(text.getvalue().encode())
    wanted = [tuple(c.strip() or None for c in r) for r in rows]
    made = {"csv": {"path": str(path), "delimiter": delimiter, "header": True, "comment": "", "names": names}}
    assert _read(made).frame.rows() == wanted


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300) | st.text(',;\t|"\n\r#a1 .', max_size=200).map(str.encode))
def test_no_bytes_are_more_than_a_message(data, tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    try:
        read = _read(path)
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert read.frame.height > 0


PACKS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def _zst(data):
    import zstandard

    return zstandard.compress(data)


@pytest.mark.step(4)
@pytest.mark.parametrize("kind", [*PACKS, "zst"])
def test_compressed_text(kind, tmp_path):
    pack = PACKS.get(kind, _zst)
    (tmp_path / f"t.csv.{kind}").write_bytes(pack(TEXT.encode()))
    (tmp_path / f"t.jsonl.{kind}").write_bytes(pack(b'{"a": "1", "b": "x"}\n{"a": "2", "b": "y"}\n'))
    (tmp_path / f"t.json.{kind}").write_bytes(pack(b'[{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]'))
    (tmp_path / f"t.xml.{kind}").write_bytes(pack(b"<t><r><a>1</a><b>x</b></r><r><a>2</a><b>y</b></r></t>"))
    for name in ("csv", "jsonl", "json", "xml"):
        assert _read(tmp_path / f"t.{name}.{kind}").frame.equals(FRAME), name
        assert source_of(str(tmp_path / f"t.{name}.{kind}")).peek(1).height == 1
    half = pack(os.urandom(200_000))
    (tmp_path / f"h.csv.{kind}").write_bytes(half[: len(half) // 2])
    with pytest.raises(DataError, match="cut off or damaged"):
        _read(tmp_path / f"h.csv.{kind}")


@pytest.mark.parametrize("kind", [*PACKS, "zst"])
def test_a_bomb_is_refused_before_it_fills_the_memory(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "FREE", 3_000_000)
    path = tmp_path / f"t.csv.{kind}"
    path.write_bytes(PACKS.get(kind, _zst)(b"a,b\n" + b"1,2\n" * 5_000_000))
    with pytest.raises(DataError, match="decompression bomb"):
        _read(path)
    assert source_of(str(path)).peek(3).height == 3  # looking takes only the first two megabytes


def _zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _tar(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data.encode()))
    return path


@pytest.mark.parametrize(("make", "ending"), [(_zip, ".zip"), (_tar, ".tar.gz")])
def test_archives_of_parts(make, ending, tmp_path):
    inside = {"y/2.csv": "b,a\ny,2\n", "y/1.csv": "a,b\n1,x\n", "__MACOSX/y/._1.csv": "\0", "about.md": "hello"}
    read = _read(make(tmp_path / f"t{ending}", inside))
    assert read.frame.equals(FRAME) and [p["address"] for p in read.lineage["parts"]] == ["y/1.csv", "y/2.csv"]


@pytest.mark.parametrize("name", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "..\\evil.csv", "C:\\evil.csv"])
@pytest.mark.parametrize(("make", "ending"), [(_zip, ".zip"), (_tar, ".tar.gz")])
def test_names_that_lead_out_of_an_archive_are_refused(make, ending, name, tmp_path):
    path = make(tmp_path / f"t{ending}", {name: TEXT})
    with pytest.raises(DataError, match="leads out of its folder"):
        _read(path)
    assert not list(tmp_path.parent.rglob("evil.csv"))


def test_links_encrypted_and_swollen_archives_are_refused(tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "l.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("passwd.csv")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(DataError, match="is a link"):
        _read(tmp_path / "l.tar.gz")
    monkeypatch.setattr(opening, "FREE", 1_000_000)
    _zip(tmp_path / "b.zip", {"t.csv": "a,b\n" + "1,2\n" * 2_000_000})
    with pytest.raises(DataError, match="decompression bomb"):
        _read(tmp_path / "b.zip")
    (tmp_path / "c.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match="cut off or damaged"):
        _read(tmp_path / "c.zip")
    _zip(tmp_path / "b.xlsx", {"xl/worksheets/sheet1.xml": "<a>" + " " * 3_000_000})
    with pytest.raises(DataError, match="decompression bomb"):
        _read(tmp_path / "b.xlsx")


@pytest.mark.step(4, 5)
def test_folders_and_patterns_are_one_table_with_a_report(tmp_path):
    (tmp_path / "2023").mkdir()
    (tmp_path / "2024").mkdir()
    (tmp_path / "2023/a.csv").write_text("a,b\n1,x\n")
    (tmp_path / "2024/a.csv").write_text("a,b,new\n2,y,7\n3\n")
    (tmp_path / "2024/b.csv").write_text("only a line")
    (tmp_path / "2024/_tmp.csv").write_text(TEXT)
    (tmp_path / "2024/notes.md").write_text("no table")
    (tmp_path / "2024/empty.csv").write_text("")
    for choice in (str(tmp_path), str(tmp_path / "**/*.csv")):
        read = _read({"parts": {"path": choice, "origin": "part"}})
        assert read.frame.rows() == [("1", "x", None, "2023/a.csv"), ("2", "y", "7", "2024/a.csv")]
        assert read.quarantine["reason"].to_list()[0].startswith("2024/a.csv: 1 field instead of 3")
        assert "2024/b.csv: the part cannot be read" in read.quarantine["reason"].to_list()[1]
        assert "Part 2023/a.csv has no column 'new'; it is missing there." in read.lineage["notes"]
    assert choice_of(str(tmp_path)) == {"parts": {"path": str(tmp_path)}}
    assert choice_of("x/*.csv") == {"parts": {"path": "x/*.csv"}}
    with pytest.raises(DataError, match="has no column 'new'"):
        _read({"parts": {"path": str(tmp_path), "columns": "same"}})
    with pytest.raises(DataError, match=r"no file fits this pattern\. .* holds 2023, 2024"):
        _read(str(tmp_path / "*.parquet"))


def test_only_new_parts_are_read_again(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.csv").write_text(f"a,b\n{i},x\nbad\n{i},y\n")
    said = []

    class Told(Quiet):
        def progress(self, text, done=None, total=None):
            said.append(text)

    source = source_of(str(folder))
    first, before = source.read(Told()), outside_of(source)
    assert said[-1] == "3 parts, 0 of them known already"
    (folder / "3.csv").write_text("a,b\n9,z\n8,z\n")
    (folder / "0.csv").write_text("a,b\n0,changed\n")
    second = source.read(Told())
    assert said[-1] == "4 parts, 2 of them known already"
    assert second.frame["b"].to_list() == ["changed", "x", "y", "x", "y", "z", "z"]
    assert second.quarantine.height == first.quarantine.height - 1
    assert outside_of(source) != before  # a run takes it up


def _sheet(path, rows, merged=(), hidden=False):
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    if hidden:
        sheet.title = "hidden"
        sheet.append(["secret"])
        sheet.sheet_state = "hidden"
        sheet = book.create_sheet("A & B")
    for row in rows:
        sheet.append(row)
    for area in merged:
        sheet.merge_cells(area)
    book.save(path)
    return path


def test_merged_cells_and_headers_of_two_rows(tmp_path):
    rows = [
        ["Sales by region", None, None, None, None, None],
        ["region", "city", "2023", None, "2024", None],
        [None, None, "Q1", "Q2", "Q1", "Q2"],
        ["north", "Oslo", 1, 2, 3, 4],
        [None, "Bergen", 5, 6, 7, 8],
        ["south", "Rome", 9, 10, 11, 12],
    ]
    merged = ["A1:F1", "A2:A3", "B2:B3", "C2:D2", "E2:F2", "A4:A5"]
    read = _read(_sheet(tmp_path / "t.xlsx", rows, merged, hidden=True))
    assert read.lineage["sheet"] == "A & B" and read.lineage["merged"] == 6
    assert read.frame.columns == ["region", "city", "2023 Q1", "2023 Q2", "2024 Q1", "2024 Q2"]
    assert read.frame["region"].to_list() == ["north", "north", "south"]
    with pytest.raises(DataError, match="no sheet 'A and B'"):
        _read({"xlsx": {"path": str(tmp_path / "t.xlsx"), "sheet": "A and B"}})


def test_formatted_cells_are_what_they_hold(tmp_path):
    from datetime import date, datetime

    from openpyxl import Workbook

    book = Workbook()
    book.active.append(["day", "moment", "share", "paid", "yes"])
    book.active.append([date(2024, 2, 29), datetime(2024, 2, 29, 13, 30), 0.125, 1234.5, True])  # noqa: DTZ001
    book.active["C2"].number_format = "0.0%"
    book.active["D2"].number_format = '"$"#,##0.00'
    book.save(tmp_path / "t.xlsx")
    assert _read(tmp_path / "t.xlsx").frame.row(0) == (
        *("2024-02-29 00:00:00", "2024-02-29 13:30:00", "0.125", "1234.5", "true"),
    )


ODS = """<?xml version="1.0"?><office:document-content office:version="1.2"
 xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>
<table:table table:name="One">{rows}</table:table></office:spreadsheet></office:body></office:document-content>"""


def test_opendocument_sheets(tmp_path):
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    number = '<table:table-cell office:value-type="float" office:value="{0}"><text:p>{0}</text:p></table:table-cell>'
    rows = [cell.format("city") + cell.format("n"), cell.format("Rome") + number.format(5)]
    content = ODS.format(rows="".join(f"<table:table-row>{r}</table:table-row>" for r in rows))
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>'
    )
    made = {"mimetype": kind, "content.xml": content, "META-INF/manifest.xml": manifest}
    assert _read(_zip(tmp_path / "t.ods", made)).frame.rows() == [("Rome", "5")]


def test_arrow_and_feather_keep_types(tmp_path):
    frame = pl.DataFrame({"n": [1, None], "t": ["a", "b"]})
    frame.write_ipc(tmp_path / "t.feather")
    frame.write_ipc(tmp_path / "t.arrow", compression="zstd")
    for name in ("t.feather", "t.arrow"):
        assert _read(tmp_path / name).frame.equals(frame)


@pytest.mark.parametrize(("data", "rows"), [(TEXT, 2), ('{"a": 1}\n{"a": 2}\n{"a": 3}\n', 3), ('[{"a": 1}]', 1)])
def test_standard_input(data, rows, tmp_path):
    code = (
        "from thirtyfold.core.quiet import Quiet; from thirtyfold.data.naming import source_of\n"
        "s = source_of('-'); n = s.peek(1).height; r = s.read(Quiet()); print(n, r.frame.height, r.lineage['address'])"
    )
    made = subprocess.run(
        [sys.executable, "-c", code], input=data, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert made.stdout.split() == ["1", str(rows), "-"]
    none = subprocess.run(
        [sys.executable, "-c", code], input="", capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert "standard input is empty" in none.stderr


def test_endings_say_what_is_inside():
    assert [ending_of(n) for n in ("A.CSV", "a.csv.gz", "a.tar.gz", "a.b.parquet", "a", "x/y.z/a.jsonl.zst")] == [
        *(".csv", ".csv", ".tar.gz", ".parquet", "", ".jsonl")
    ]
