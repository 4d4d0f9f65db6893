"""Every source keeps its contract on a real file; bad files end in one clear DataError."""

import hashlib
import http.server
import io
import json
import sqlite3
import threading
from typing import ClassVar

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.family import Family
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.data.collect import Collect, source_of
from thirtyfold.data.reading import Source
from thirtyfold.testing.sources import check_source

SOURCES: Family[Source] = Family("data.sources")
ROWS = pl.DataFrame({"city": ["Paris", "Rome", None], "n": [1, 2, 3], "x": [0.5, None, 2.5]})


SERVERS = {"postgres", "mysql", "object_store", "files"}
"""Those that need a server: each is run through the same check in the file that starts it."""


@pytest.fixture
def made(tmp_path):
    """For every word of the family a source with three rows, and the columns it has."""
    files = {s: tmp_path / f"t.{s}" for s in ("csv", "parquet", "jsonl", "xlsx", "sqlite")}
    ROWS.write_csv(files["csv"])
    ROWS.write_parquet(files["parquet"])
    ROWS.write_ndjson(files["jsonl"])
    _write_xlsx(files["xlsx"])
    with sqlite3.connect(files["sqlite"]) as database:
        database.execute("create table t (city text, n integer, x real)")
        database.executemany("insert into t values (?, ?, ?)", ROWS.rows())
    database.close()
    with duckdb.connect(str(tmp_path / "t.duckdb")) as other:
        other.execute("create table t (city text, n bigint, x double)")
        other.executemany("insert into t values (?, ?, ?)", ROWS.rows())
    csv = str(files["csv"])
    return {
        "csv": ({"path": csv}, 3),
        "parquet": ({"path": str(files["parquet"])}, 3),
        "json_lines": ({"path": str(files["jsonl"])}, 3),
        "xlsx": ({"path": str(files["xlsx"])}, 3),
        "sqlite": ({"path": str(files["sqlite"])}, 3),
        "duckdb": ({"path": str(tmp_path / "t.duckdb")}, 3),
        "relations": ({"database": str(files["sqlite"]), "table": "t"}, 3),
        "frame": ({"frame": ROWS}, 3),
        "json": ({"path": _text(tmp_path / "t.json", json.dumps({"rows": ROWS.to_dicts()}))}, 3),
        "xml": ({"path": _text(tmp_path / "t.xml", _xml())}, 3),
        "parts": ({"path": _parts(tmp_path / "parts")}, 3),
        "stdin": ({}, 3),
        "join": ({"left": csv, "right": _text(tmp_path / "k.csv", "n\n1\n"), "on": ["n"]}, 3),
        "hugging_face": ({"name": _parts(tmp_path / "set")}, 3),
        "folder": ({"path": _texts(tmp_path / "texts")}, 3),
        "logs": ({"path": _text(tmp_path / "t.log", "2024-01-01 10:00:00 INFO a: up\n" * 3)}, 3),
        "stack": ({"sources": [csv, {"csv": {"path": csv}}]}, 6),
        "url": ({"address": "https://example.org/t.csv", "sha256": _mirrored(files["csv"], tmp_path)}, 3),
        "sklearn": ({"name": "iris"}, 150),
    }


def _text(path, text):
    path.write_text(text)
    return str(path)


def _xml():
    rows = ("".join(f"<{k}>{v}</{k}>" for k, v in row.items() if v is not None) for row in ROWS.to_dicts())
    return f"<all><about>x</about>{''.join(f'<row>{r}</row>' for r in rows)}</all>"


def _texts(folder):
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.txt").write_text("hello")
    return str(folder)


def _parts(folder):
    folder.mkdir()
    ROWS.head(2).write_csv(folder / "1.csv")
    ROWS.tail(1).write_csv(folder / "2.csv")
    return str(folder)


class _Piped:
    """Standard input that holds a file."""

    def __init__(self, path):
        self.buffer = io.BytesIO(path.read_bytes())

    def isatty(self):
        return False


def _write_xlsx(path):
    from openpyxl import Workbook

    book = Workbook()
    for row in [["A title"], [], ["city", "n", "x"], ["Paris", 1, 0.5], ["Rome", 2, None], [None, 3, 2.5]]:
        book.active.append(row)
    book.save(path)


def _mirrored(path, folder):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{digest}  {path.name}\n")
    return digest


@pytest.mark.step(4, 5)
@pytest.mark.parametrize("word", sorted(set(SOURCES.words()) - SERVERS))
def test_every_member_keeps_the_contract(word, made, tmp_path, monkeypatch):
    monkeypatch.setenv("THIRTYFOLD_MIRROR", str(tmp_path))
    if word == "stdin":
        monkeypatch.setattr("sys.stdin", _Piped(tmp_path / "t.csv"))
    options, rows = made[word]
    iris = [*(f"{p} {s} (cm)" for p in ("sepal", "petal") for s in ("length", "width")), "target"]
    own = {"sklearn": iris, "logs": ["time", "level", "component", "message", "template", "event", "parameters"]}
    own["folder"] = ["path", "bytes", "text", "words"]
    frame = check_source(SOURCES.find(word)(**options), rows, own.get(word, ["city", "n", "x"]))
    if word not in (*own, "stack"):
        assert frame["city"].to_list() == ["Paris", "Rome", None]
        assert [None if v is None else float(v) for v in frame["x"].to_list()] == [0.5, None, 2.5]


def _read(path, **options):
    return SOURCES.build({"csv": {"path": str(path), **options}}, "collect").read(Quiet())


@pytest.mark.parametrize(
    ("data", "columns", "first"),
    [
        (b"a,b\n1,2\n3,4\n", ["a", "b"], ("1", "2")),
        (b"a;b\r\n1,5;2\r\n3;4\r\n", ["a", "b"], ("1,5", "2")),
        (b"a\tb\n1\t2\n3\t4\n", ["a", "b"], ("1", "2")),
        (b"a|b\n1|2\n3|4", ["a", "b"], ("1", "2")),
        ("stadt,zahl\nKöln,2\nBonn,3\n".encode("latin-1"), ["stadt", "zahl"], ("Köln", "2")),
        ("\ufeffa,b\nü,2\n".encode(), ["a", "b"], ("ü", "2")),
        ("a,b\nü,2\n".encode("utf-16"), ["a", "b"], ("ü", "2")),
        (b"39, State-gov, 77516\n50, Private, 83311\n", ["c0", "c1", "c2"], ("39", "State-gov", "77516")),
        (b'a,b\n"x, y",2\n"say ""hi""\nthere",3\n', ["a", "b"], ("x, y", "2")),
        (b"name\nAnn\nBob\nCy\n", ["name"], ("Ann",)),
        (b"yes,no\nyes,yes\nno,no\nyes,no\n", ["c0", "c1"], ("yes", "no")),
        (b"label,text\nham,\nspam,hi\n", ["label", "text"], ("ham", None)),
        (b"country,2010,2011,2012\nFR,1,2,3\nDE,4,5,6\n", ["country", "2010", "2011", "2012"], ("FR", "1", "2", "3")),
        (b"-1.5,'-1'\n2.5,'1'\n", ["c0", "c1"], ("-1.5", "'-1'")),
    ],
)
def test_csv_dialects(data, columns, first, tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    frame = _read(path).frame
    assert frame.columns == columns
    assert frame.row(0) == first


@pytest.mark.parametrize("quote", [False, True])
def test_ragged_lines_are_quarantined_with_line_and_reason(quote, tmp_path):
    path = tmp_path / "t.csv"
    q = '"' if quote else ""
    path.write_text(f"a,b,c\n1,2,{q}3{q}\n4,5\n\n6,7,8,9\n1,1,1\n2,2")
    read = _read(path)
    assert read.frame.height == 2
    assert read.quarantine["row"].to_list() == [3, 5, 7]
    assert read.quarantine["raw"].to_list() == ["4,5", "6,7,8,9", "2,2"]
    assert read.quarantine["reason"][0] == "2 fields instead of 3"


def test_names_and_header_can_be_said(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\nz,w\n")
    assert _read(path, header=False).frame.rows() == [("x", "y"), ("z", "w")]
    assert _read(path, header=False, names=["p", "q"]).frame.columns == ["p", "q"]
    assert _read(path, names=["p", "q"], header=True).frame.rows() == [("z", "w")]


def test_a_file_that_is_cut_off_loses_only_its_end(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,2\n3,4\n5,"six\n' + "7,8\n" * 30)
    read = _read(path)
    assert read.frame.height == 2 + 30
    assert read.quarantine.rows() == [(4, "a quote opens here and never closes", '5,"six')]
    path.write_bytes("a,b\n1,ü\n2,ü".encode()[:-1])
    assert _read(path).frame["a"].to_list() == ["1", "2"]


def test_a_cell_of_ten_megabytes_is_quarantined_not_lost(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3," + "x" * 10_000_000 + "\n5,6\n")
    read = _read(path)
    assert read.frame.height == 2 and read.quarantine.height == 1
    assert "4,194,304 characters" in read.quarantine["reason"][0]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("t.csv", b"", "empty (0 bytes)"),
        ("t.csv", b"\n\n  \n", "blank lines"),
        ("t.csv", b"a,b\n", "no rows"),
        ("t.csv", b"a,b,a\n1,2,3\n", "2 columns are named 'a' (numbers 1, 3)"),
        ("t.csv", b"PAR1\x00\x00\x15\x04", "looks like parquet"),
        ("t.csv", bytes(range(256)) * 40, "control characters"),
        ("t.parquet", b"PAR1 and then nothing", "not a Parquet file"),
        ("t.xlsx", b"PK\x03\x04 cut off", "not a spreadsheet"),
        ("t.sqlite", b"SQLite format 3\x00 cut off" * 9, "the database says"),
        ("t.jsonl", b"a,b\n1,2\n", "no JSON object"),
        ("t.what", b"a,b\n1,2\n", "the ending '.what'"),
    ],
)
def test_bad_files_end_in_one_clear_message(name, data, said, tmp_path):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        Collect(Spec.of({"target": "a", "collect": str(path)})).run(None, Quiet())
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "adult.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"Did you mean 'adult\.csv'"):
        source_of(str(tmp_path / "adlut.csv")).read(Quiet())
    with pytest.raises(DataError, match="is a folder"):
        SOURCES.build({"csv": str(tmp_path)}, "collect").read(Quiet())
    with pytest.raises(SpecError, match="Did you mean 'sklearn'"):
        source_of("sklaern")


def test_a_truncated_parquet_and_a_half_json_line(tmp_path):
    whole = tmp_path / "w.parquet"
    ROWS.write_parquet(whole)
    (tmp_path / "t.parquet").write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(DataError, match="cut off"):
        source_of(str(tmp_path / "t.parquet")).read(Quiet())
    half = tmp_path / "t.jsonl"
    half.write_text('{"a": 1, "b": {"c": 2}}\n{"a": 2, "b"')
    read = source_of(str(half)).read(Quiet())
    assert read.frame.to_dicts() == [{"a": 1, "b.c": 2}]
    assert read.quarantine.row(0) == (2, "not a JSON object", '{"a": 2, "b"')


def test_sqlite_tables_and_queries(made):
    path = made["sqlite"][0]["path"]
    query = SOURCES.build({"sqlite": {"path": path, "query": "select city, n * 2 as m from t where n > 1"}}, "collect")
    assert query.read(Quiet()).frame.rows() == [("Rome", 4), (None, 6)]
    with pytest.raises(DataError, match="no table 'tt'"):
        SOURCES.build({"sqlite": {"path": path, "table": "tt"}}, "collect").read(Quiet())
    with pytest.raises(DataError, match="readonly"):
        SOURCES.build({"sqlite": {"path": path, "query": "delete from t"}}, "collect").read(Quiet())


@pytest.mark.parametrize(
    "given",
    [
        pd.DataFrame({"city": ["Paris", "Rome", None], "n": [1, 2, 3], "x": [0.5, None, 2.5]}),
        pa.table({"city": ["Paris", "Rome", None], "n": [1, 2, 3], "x": [0.5, None, 2.5]}),
        {"city": ["Paris", "Rome", None], "n": [1, 2, 3], "x": [0.5, None, 2.5]},
        ROWS.to_dicts(),
        ROWS.lazy(),
    ],
)
def test_frames_of_every_kind_are_one(given):
    assert SOURCES.build("frame", "collect", frame=given).read(Quiet()).frame.equals(ROWS, null_equal=True)


def test_pandas_columns_of_one_name_are_refused():
    doubled = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(DataError, match="2 columns are named 'a'"):
        SOURCES.build("frame", "collect", frame=doubled).read(Quiet())


def test_stacked_files_must_have_the_same_columns(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,z\n1,2\n")
    with pytest.raises(DataError, match=r"other columns than .*: y, z"):
        source_of({"stack": {"sources": [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]}}).read(Quiet())


class _Server(http.server.BaseHTTPRequestHandler):
    data = b"a,b\n" + b"1,2\n" * 200_000
    asked: ClassVar[list[str | None]] = []
    fail_once = True

    def do_GET(self):
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        type(self).asked.append(self.headers.get("Range"))
        body = self.data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if type(self).fail_once:
            type(self).fail_once = False
            self.wfile.write(body[:300_000])
            self.connection.close()
            return
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def test_a_download_that_breaks_off_is_resumed_and_checked(tmp_path, monkeypatch):
    monkeypatch.delenv("THIRTYFOLD_MIRROR", raising=False)
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/t.csv"
        sha = hashlib.sha256(_Server.data).hexdigest()
        source = SOURCES.build({"url": {"address": address, "sha256": sha}}, "collect")
        with pytest.raises(DataError, match="could not be downloaded"):
            source.read(Quiet())
        read = source.read(Quiet())
        assert read.frame.height == 200_000 and read.lineage["sha256"] == sha and read.lineage["address"] == address
        assert _Server.asked[-1] == "bytes=262144-" or int((_Server.asked[-1] or "bytes=0-")[6:-1]) > 0
        asked = len(_Server.asked)
        source.read(Quiet())  # kept: not asked again
        assert len(_Server.asked) == asked
        wrong = SOURCES.build({"url": {"address": address, "sha256": "0" * 64}}, "collect")
        with pytest.raises(DataError, match="has the sha256"):
            wrong.read(Quiet())
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_mirror_is_asked_before_the_network(mirror):
    sums = dict(line.split("  ")[::-1] for line in (mirror / "SHA256SUMS").read_text().splitlines())
    address = "https://no.such.host.invalid/x/pima-indians-diabetes.csv"
    sha = sums["pima_diabetes/pima-indians-diabetes.csv"]
    read = source_of({"url": {"address": address, "sha256": sha}}).read(Quiet())
    assert read.frame.shape == (768, 9) and json.dumps(read.lineage)


@pytest.mark.step(4, 5)
@pytest.mark.parametrize(
    ("path", "shape"),
    [  # rows and columns as the data sets' own descriptions give them
        ("adult/adult-train.csv", (32561, 15)),
        ("adult/adult-test.csv", (16281, 15)),
        ("telco_churn/Telco-Customer-Churn.csv", (7043, 21)),
        ("titanic/titanic.csv", (891, 12)),
        ("pima_diabetes/pima-indians-diabetes.csv", (768, 9)),
        ("mammography/mammography.csv", (11183, 7)),
        ("ames_house/house.csv", (1460, 81)),
        ("bike_sharing/bike.csv", (17379, 15)),
        ("chicago_taxi/data.csv", (15000, 18)),
        ("raha_hospital/dirty.csv", (1000, 20)),
        ("sms_spam/smsspamcollection.tsv", (5572, 4)),
        ("agri_lasrosas_corn/lasrosas.corn.txt", (3443, 9)),
        ("xlsx_names_jobs/job_prestige_score.xlsx", (502, 3)),
    ],
)
def test_real_files(path, shape, mirror):
    read = source_of(str(mirror / path)).read(Quiet())
    assert read.frame.shape == shape and not read.quarantine.height


def test_a_header_below_title_rows_and_a_database(mirror):
    names = source_of(str(mirror / "xlsx_names_jobs/Names_2010Census_Top1000.xlsx")).read(Quiet())
    assert names.lineage["header_row"] == 3 and names.frame.columns[:2] == ["SURNAME", "RANK"]
    assert names.frame.row(0)[:3] == ("SMITH", "1", "2442977")
    path = str(mirror / "chinook/Chinook_Sqlite.sqlite")
    with pytest.raises(DataError, match="has 11 tables; say which"):
        source_of(path).read(Quiet())
    assert source_of({"sqlite": {"path": path, "table": "InvoiceLine"}}).read(Quiet()).frame.height == 2240
