"""Databases: real files and real servers; types, streams, names that are only names, and servers that go away."""

import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import urlsplit

import polars as pl
import pytest

from thirtyfold.core.errors import DataError
from thirtyfold.core.quiet import Quiet
from thirtyfold.data.databases import BATCH, address_of
from thirtyfold.data.naming import choice_of, source_of
from thirtyfold.testing.sources import check_source

EVIL = 'x"; DROP TABLE victims; --'


def _read(choice):
    return source_of(choice).read(Quiet())


@pytest.fixture(scope="module")
def filled(postgres):
    """A server with a table of every type, a shop with keys, and a table with a hostile name."""
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as made:
        made.execute(
            "CREATE TABLE kinds (small int, big bigint, exact numeric(20,4), free numeric, moment timestamptz,"
            " wall timestamp, day date, yes boolean, real double precision, words text, doc jsonb, many int[],"
            " id uuid, span interval, raw bytea, huge numeric)"
        )
        made.execute(
            "INSERT INTO kinds VALUES (1, 9007199254740993, 1234567890123456.7891, 0.10,"
            " '2024-03-31 02:30:00+02', '2024-03-31 02:30:00', '2024-02-29', true, 0.1, 'é', '{\"a\": [1]}', '{1,2}',"
            " '6b1f2c5e-0000-4000-8000-000000000001', '1 day 02:00', '\\xff00', 1e60), (NULL, 1, 0.0001, 1.123456789,"
            " '2024-01-01 00:00+00', NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'NaN')"
        )
        made.execute("CREATE TABLE long AS SELECT i AS number, 'row ' || i AS words FROM generate_series(1, 120001) i")
        made.execute("CREATE TABLE victims (a int)")
        made.execute("INSERT INTO victims VALUES (1)")
        made.execute('CREATE TABLE "x""; DROP TABLE victims; --" (a int)')
        made.execute('INSERT INTO "x""; DROP TABLE victims; --" VALUES (7)')
        made.execute("CREATE SEQUENCE counter")
        made.execute("CREATE SCHEMA other")
        made.execute("CREATE TABLE other.kinds (z int)")
        made.execute("INSERT INTO other.kinds VALUES (3)")
        made.execute("CREATE TABLE customer (id int PRIMARY KEY, city text)")
        made.execute('CREATE TABLE "Order" (id int PRIMARY KEY, customer int REFERENCES customer, day timestamptz)')
        made.execute('CREATE TABLE line ("order" int REFERENCES "Order", no int, price numeric(8,2), what text)')
        made.execute("INSERT INTO customer VALUES (1, 'Rome'), (2, 'Oslo')")
        made.execute("INSERT INTO \"Order\" VALUES (10, 1, '2024-01-01'), (11, 2, '2024-01-02'), (12, NULL, NULL)")
        made.execute("INSERT INTO line VALUES (10,1,0.10,'a'),(10,2,0.20,'b'),(10,3,0.20,'b'),(11,1,5.00,'c')")
    return postgres


@pytest.mark.step(4, 5)
def test_postgres_types_are_kept(filled):
    frame = check_source(
        source_of({"postgres": {"address": filled, "table": "kinds"}}),
        2,
        [
            "small",
            "big",
            "exact",
            "free",
            "moment",
            "wall",
            "day",
            "yes",
            "real",
            "words",
            "doc",
            "many",
            "id",
            "span",
            "raw",
            "huge",
        ],
    )
    row = frame.row(0, named=True)
    assert row["big"] == 9007199254740993  # 2**53 + 1: not a float
    assert row["exact"] == Decimal("1234567890123456.7891") and row["free"] == Decimal("0.10")
    assert frame["free"].to_list()[1] == Decimal("1.123456789")
    assert row["moment"] == datetime(2024, 3, 31, 0, 30, tzinfo=UTC) and str(row["wall"]) == "2024-03-31 02:30:00"
    assert row["day"] == date(2024, 2, 29) and row["yes"] is True and row["real"] == 0.1 and row["words"] == "é"
    assert row["doc"] == '{"a": [1]}' and row["many"] == "[1, 2]" and row["span"] == 93600.0 and row["raw"] == "ff00"
    assert frame.row(1, named=True)["small"] is None


def test_postgres_streams_in_batches_and_says_so(filled):
    said = []

    class Told(Quiet):
        def progress(self, text, done=None, total=None):
            said.append(text)

    read = source_of({"postgres": {"address": filled, "table": "long"}}).read(Told())
    assert read.frame.height == 120001 > 2 * BATCH and read.frame["number"].sum() == 120001 * 120002 // 2
    assert [s.rsplit(": ", 1)[-1] for s in said[1:]] == ["50,000 rows", "100,000 rows", "120,001 rows"]


def test_a_database_that_goes_away_in_mid_stream_is_one_clear_message(filled):
    import psycopg

    class Cruel(Quiet):
        def progress(self, text, done=None, total=None):
            if "50,000 rows" in text:
                with psycopg.connect(filled, autocommit=True) as other:
                    other.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'thirtyfold'"
                    ).fetchall()

    with pytest.raises(DataError, match=r"went away after 50,000 rows \(.*terminat") as error:
        source_of({"postgres": {"address": filled, "table": "long"}}).read(Cruel())
    assert len(error.value.faults) == 1


def test_a_table_name_is_only_a_name(filled):
    assert _read({"postgres": {"address": filled, "table": EVIL}}).frame["a"].to_list() == [7]
    assert _read({"postgres": {"address": filled, "table": "victims"}}).frame.height == 1
    assert _read({"postgres": {"address": filled, "table": "other.kinds"}}).frame["z"].to_list() == [3]
    with pytest.raises(DataError, match=r"there is no table 'victim; DROP TABLE victims'.*Did you mean"):
        _read({"postgres": {"address": filled, "table": "victim; DROP TABLE victims"}})


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("DELETE FROM victims RETURNING a", "syntax"),
        ("SELECT 1; DROP TABLE victims", "cannot insert multiple commands|multiple|syntax"),
        ("SELECT nothing FROM victims", "nothing"),
        ("SELECT nextval('counter')", "read-only transaction"),
        ("UPDATE victims SET a = 2", "read-only|syntax|cannot"),
    ],
)
def test_a_query_can_only_read(query, said, filled):
    with pytest.raises(DataError, match=said):
        _read({"postgres": {"address": filled, "query": query}})
    assert _read({"postgres": {"address": filled, "table": "victims"}}).frame["a"].to_list() == [1]


def test_which_table_and_empty_tables(filled):
    with pytest.raises(DataError, match=r"has \d+ tables; say which"):
        _read(filled)
    with pytest.raises(DataError, match="no rows"):
        _read({"postgres": {"address": filled, "query": "SELECT * FROM victims WHERE false"}})
    with pytest.raises(DataError, match="not both"):
        _read({"postgres": {"address": filled, "query": "SELECT 1", "table": "victims"}})


def test_a_password_is_never_in_the_spec_nor_in_the_lineage(filled, monkeypatch):
    secret = filled.replace("tester@", "tester:hush@")
    with pytest.raises(DataError, match=r"\$NAME") as error:
        source_of(secret)
    assert "hush" not in str(error.value)
    monkeypatch.setenv("SHOP", secret)
    read = _read({"postgres": {"address": "$SHOP", "query": "SELECT 1 AS one"}})
    assert read.frame["one"].to_list() == [1] and "hush" not in str(read.lineage) and "tester" not in str(read.lineage)
    with pytest.raises(DataError, match="SHUT is not set"):
        source_of({"postgres": {"address": "$SHUT"}})


def test_no_server_is_one_message():
    with pytest.raises(DataError, match="the database says"):
        _read({"postgres": {"address": "postgresql://a@127.0.0.1:1/b", "table": "t"}})
    with pytest.raises(DataError, match="the database says"):
        _read({"mysql": {"address": "mysql://a@127.0.0.1:1/b", "table": "t"}})
    with pytest.raises(DataError, match="port is not a number"):
        source_of("postgresql://a@h:99999/b")
    with pytest.raises(DataError, match="is not an address"):
        source_of({"postgres": {"address": "http://h/b"}})


def test_addresses_choose_the_source():
    assert choice_of("postgresql://h/d") == {"postgres": {"address": "postgresql://h/d"}}
    assert choice_of("mariadb://h/d") == {"mysql": {"address": "mariadb://h/d"}}
    at = address_of("mysql://me@h:3307/d%20b?socket=/s", ("mysql",))
    assert at[:4] == ("h", 3307, "me", "d b") and at.options == {"socket": "/s"} and at.shown == "mysql://h:3307/d%20b"
    with pytest.raises(DataError, match="no source reads 'oracle://'"):
        choice_of("oracle://h/d")


@pytest.mark.step(4)
def test_a_row_for_each_order_with_its_customer_and_its_lines(filled):
    made = {"relations": {"database": filled, "table": "Order", "leave_out": ["line.no.*"]}}
    frame = _read(made).frame
    assert frame.columns == [
        *("id", "customer", "day", "customer.city", "line.count"),
        *("line.price.sum", "line.price.mean", "line.price.min", "line.price.max"),
        *("line.what.most_frequent", "line.what.distinct"),
    ]
    by_hand = {  # added up by hand from the rows that the fixture wrote
        10: ("Rome", 3, 0.5, 0.5 / 3, 0.1, 0.2, "b", 2),
        11: ("Oslo", 1, 5.0, 5.0, 5.0, 5.0, "c", 1),
        12: (None, 0, None, None, None, None, None, None),
    }
    for row in frame.iter_rows():
        assert row[3:] == pytest.approx(by_hand[row[0]], nan_ok=True)
    with pytest.raises(DataError, match="no column is named 'lines"):
        _read({"relations": {"database": filled, "table": "Order", "leave_out": ["lines.*"]}})
    with pytest.raises(DataError, match="is not a database"):
        source_of({"relations": {"database": {"csv": "x.csv"}, "table": "Order"}})


def test_chinook_agrees_with_its_own_sums(mirror):
    path = str(mirror / "chinook/Chinook_Sqlite.sqlite")
    read = _read({"relations": {"database": path, "table": "Invoice", "depth": 3}})
    frame = read.frame
    assert frame.height == 412 and frame["InvoiceLine.count"].sum() == 2240
    # an invoice's total is the sum of its lines: both stand in the database
    paid = frame["InvoiceLine.UnitPrice.sum"] - frame["Total"]
    assert paid.abs().max() < 1e-9
    with sqlite3.connect(path) as known:
        asked = (
            "select l.InvoiceId, g.Name, count(*) n from InvoiceLine l join Track t using (TrackId) "
            "join Genre g using (GenreId) group by 1, 2 order by 1, n desc, 2"
        )
        first = {}
        for invoice, genre, _ in known.execute(asked):
            first.setdefault(invoice, genre)
        city = dict(known.execute("select InvoiceId, City from Invoice join Customer using (CustomerId)").fetchall())
    known.close()
    assert dict(zip(frame["InvoiceId"], frame["InvoiceLine.Track.Genre.Name.most_frequent"], strict=True)) == first
    assert dict(zip(frame["InvoiceId"], frame["Customer.City"], strict=True)) == city
    assert read.lineage["tables"] == [
        *("Album", "Customer", "Employee", "Genre", "Invoice", "InvoiceLine", "MediaType", "Track")
    ]


def test_rows_that_point_to_nothing_are_counted(tmp_path):
    path = tmp_path / "s.sqlite"
    with sqlite3.connect(path) as made:
        made.execute("create table a (id integer primary key, x int)")
        made.execute("create table b (a int references a, y int)")
        made.executemany("insert into a values (?, ?)", [(1, 5), (2, 6)])
        made.executemany("insert into b values (?, ?)", [(1, 1), (9, 2), (None, 3)])
    made.close()
    down = _read({"relations": {"database": str(path), "table": "a"}})
    assert down.frame.rows() == [(1, 5, 1, 1, 1.0, 1, 1), (2, 6, 0, None, None, None, None)]
    assert down.lineage["unmatched"] == {"b -> a": 1}
    up = _read({"relations": {"database": str(path), "table": "b"}})
    assert up.frame["a.x"].to_list() == [5, None, None] and up.lineage["unmatched"] == {"b -> a": 1}


@pytest.mark.step(4)
def test_duckdb_tables_queries_and_keys(tmp_path):
    import duckdb

    path = tmp_path / "t.duckdb"
    with duckdb.connect(str(path)) as made:
        made.execute("create table a (id int primary key, price decimal(18,3), moment timestamptz)")
        made.execute("insert into a values (1, 0.100, '2024-06-01 12:00+02'), (2, 12.345, null)")
        made.execute("create table b (a int references a(id), w text)")
        made.execute("insert into b values (1, 'x'), (1, 'x'), (2, 'y')")
        made.execute('create table "x""; drop table a; --" (q int)')
        made.execute('insert into "x""; drop table a; --" values (1)')
    frame = check_source(source_of({"duckdb": {"path": str(path), "table": "a"}}), 2, ["id", "price", "moment"])
    assert frame["price"].to_list() == [Decimal("0.100"), Decimal("12.345")]
    assert frame["moment"].to_list() == [datetime(2024, 6, 1, 10, tzinfo=UTC), None]
    joined = _read({"relations": {"database": str(path), "table": "a"}}).frame
    assert joined["b.count"].to_list() == [2, 1] and joined["b.w.most_frequent"].to_list() == ["x", "y"]
    assert _read({"duckdb": {"path": str(path), "table": 'x"; drop table a; --'}}).frame.height == 1
    for query in ("delete from a", f"select * from read_text('{__file__}')", "select * from 'https://x.invalid/a.csv'"):
        with pytest.raises(DataError, match="the database says"):
            _read({"duckdb": {"path": str(path), "query": query}})
    (tmp_path / "cut.duckdb").write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match="the database says"):
        _read(str(tmp_path / "cut.duckdb"))


def test_sqlite_with_a_hostile_name_bad_text_and_whole_numbers(tmp_path):
    path = tmp_path / "t.sqlite"
    with sqlite3.connect(path) as made:
        made.execute('create table "x""; drop table t; --" (a, b)')
        made.execute('insert into "x""; drop table t; --" values (9223372036854775807, cast(x\'ff41\' as text))')
    made.close()
    frame = _read({"sqlite": {"path": str(path), "table": 'x"; drop table t; --'}}).frame
    assert frame.row(0) == (9223372036854775807, "\ufffdA")


@pytest.mark.step(4)
def test_mysql_types_names_and_keys(mariadb):
    import pymysql

    at = urlsplit(mariadb)
    made = pymysql.connect(host=at.hostname, port=at.port, user="root", autocommit=True)
    with made, made.cursor() as ask:
        ask.execute("CREATE DATABASE IF NOT EXISTS shop CHARACTER SET utf8mb4")
        ask.execute("USE shop")
        ask.execute("SET time_zone = '+02:00'")
        ask.execute("CREATE TABLE kinds (n BIGINT, exact DECIMAL(20,4), at TIMESTAMP NULL, wall DATETIME, w TEXT)")
        ask.execute(
            "INSERT INTO kinds VALUES (9007199254740993, 1234567890123456.7891, '2024-06-01 12:00:00', "
            "'2024-06-01 12:00:00', 'é😀'), (NULL, 0.1, NULL, NULL, NULL)"
        )
        ask.execute("CREATE TABLE `a``; DROP TABLE kinds; --` (id INT PRIMARY KEY)")
        ask.execute("INSERT INTO `a``; DROP TABLE kinds; --` VALUES (5)")
        ask.execute("CREATE TABLE shops (id INT PRIMARY KEY, city VARCHAR(20)) ENGINE=InnoDB")
        ask.execute("CREATE TABLE sales (shop INT, paid DECIMAL(8,2), FOREIGN KEY (shop) REFERENCES shops (id))")
        ask.execute("INSERT INTO shops VALUES (1, 'Rome'), (2, 'Oslo')")
        ask.execute("INSERT INTO sales VALUES (1, 1.25), (1, 2.50)")
        ask.execute("CREATE TABLE numbers AS SELECT seq AS n FROM seq_1_to_120001")
    frame = check_source(
        source_of({"mysql": {"address": mariadb, "table": "kinds"}}), 2, ["n", "exact", "at", "wall", "w"]
    )
    n, exact, moment, wall, words = frame.row(0)
    assert (n, exact, words) == (9007199254740993, Decimal("1234567890123456.7891"), "é😀")
    assert (str(moment), str(wall)) == ("2024-06-01 10:00:00", "2024-06-01 12:00:00")
    assert _read({"mysql": {"address": mariadb, "table": "a`; DROP TABLE kinds; --"}}).frame.height == 1
    assert source_of({"mysql": {"address": mariadb, "table": "numbers"}}).peek(3).height == 3
    joined = _read({"relations": {"database": mariadb, "table": "shops"}}).frame
    assert joined["sales.paid.sum"].to_list() == [3.75, None] and joined["sales.count"].to_list() == [2, 0]
    with pytest.raises(DataError, match="the database says"):
        _read({"mysql": {"address": mariadb, "query": "DELETE FROM sales"}})

    class Cruel(Quiet):
        def progress(self, text, done=None, total=None):
            if "50,000 rows" in text:
                other = pymysql.connect(host=at.hostname, port=at.port, user="root")
                with other, other.cursor() as ask:
                    ask.execute("SELECT id FROM information_schema.processlist WHERE db = 'shop'")
                    for (number,) in ask.fetchall():
                        ask.execute(f"KILL {number}")

    big = "SELECT a.n, REPEAT('x', 500) AS t FROM numbers a"
    with pytest.raises(DataError, match="went away after 50,000 rows"):
        source_of({"mysql": {"address": mariadb, "query": big}}).read(Cruel())


def test_batches_of_different_types_become_one():
    from thirtyfold.data.databases import _joined, _series

    parts = [[1, None], [2.5, 3], [None, None]]
    assert _joined([pl.DataFrame([_series("a", p)]) for p in parts])["a"].to_list() == [1.0, None, 2.5, 3.0, None, None]
    parts = [[Decimal("1.5")], [Decimal("0.25"), 3]]
    assert _joined([pl.DataFrame([_series("a", p)]) for p in parts])["a"].to_list() == [
        Decimal("1.50"), Decimal("0.25"), Decimal("3.00")
    ]  # fmt: skip
    parts = [[1], ["x"]]
    assert _joined([pl.DataFrame([_series("a", p)]) for p in parts])["a"].to_list() == ["1", "x"]


@pytest.mark.slow
@pytest.mark.step(4, 5)
def test_a_whole_run_from_a_server_takes_up_new_rows_and_reuses_the_rest(postgres, tmp_path, capsys):
    import json

    import psycopg

    from thirtyfold.cli import main

    with psycopg.connect(postgres, autocommit=True) as made:
        made.execute(
            "CREATE TABLE visits AS SELECT i AS id, (50 + 30 * sin(i))::numeric(8,2) AS paid, "
            "'2024-01-01 00:00+02'::timestamptz + i * interval '7 hours' AS moment, "
            "CASE WHEN sin(i) + 0.3 * cos(i * 7) > 0 THEN 'yes' ELSE 'no' END AS again FROM generate_series(1, 400) i"
        )
    spec = tmp_path / "s.yaml"
    spec.write_text(f"target: again\nmodel: linear\ncollect: {{postgres: {{address: '{postgres}', table: visits}}}}\n")

    def run():
        assert main(["run", str(spec), "--json"]) == 0
        steps = json.loads(capsys.readouterr().out)
        return steps["score"], {s["stage"]: s["status"] for s in steps["steps"]}

    score, _ = run()
    again, stages = run()
    assert again["test"] == score["test"] > 0.9
    assert stages["collect"] == "done" and stages["clean"] == "reused" and stages["tune"] == "reused"
    with psycopg.connect(postgres, autocommit=True) as made:
        made.execute("INSERT INTO visits VALUES (401, 1.5, now(), 'no')")
    _, stages = run()
    assert stages["collect"] == "done" and stages["clean"] == "done"
