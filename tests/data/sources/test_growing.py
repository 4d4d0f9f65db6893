"""Tables that grow: only rows beyond the last key are asked for, and what changed before it is seen."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pytest

from thirtyfold.core.errors import DataError
from thirtyfold.core.quiet import Quiet
from thirtyfold.data.naming import source_of
from thirtyfold.data.reading import Read

Do = Callable[[str], None]
SHOP = "shop_that_grows"


def _sqlite(folder: Path, request: pytest.FixtureRequest) -> tuple[dict[str, Any], Do]:
    path = folder / "shop.sqlite"

    def do(sql: str) -> None:
        with closing(sqlite3.connect(path)) as base, base:
            base.execute(sql)

    return {"sqlite": {"path": str(path)}}, do


def _duckdb(folder: Path, request: pytest.FixtureRequest) -> tuple[dict[str, Any], Do]:
    duckdb = pytest.importorskip("duckdb")
    path = folder / "shop.duckdb"

    def do(sql: str) -> None:
        with duckdb.connect(str(path)) as base:
            base.execute(sql)

    return {"duckdb": {"path": str(path)}}, do


def _postgres(folder: Path, request: pytest.FixtureRequest) -> tuple[dict[str, Any], Do]:
    psycopg = pytest.importorskip("psycopg")
    address = request.getfixturevalue("postgres")

    def do(sql: str) -> None:
        with psycopg.connect(address, autocommit=True) as base:
            base.execute(sql)

    do(f"DROP TABLE IF EXISTS {SHOP}")
    return {"postgres": {"address": address}}, do


def _mysql(folder: Path, request: pytest.FixtureRequest) -> tuple[dict[str, Any], Do]:
    pymysql = pytest.importorskip("pymysql")
    address = request.getfixturevalue("mariadb")
    at = urlsplit(address)

    def do(sql: str) -> None:
        made = pymysql.connect(host=at.hostname, port=at.port, user="root", autocommit=True)
        with made, made.cursor() as ask:
            ask.execute("CREATE DATABASE IF NOT EXISTS shop CHARACTER SET utf8mb4")
            ask.execute("USE shop")
            ask.execute(sql)

    do(f"DROP TABLE IF EXISTS {SHOP}")
    return {"mysql": {"address": address}}, do


@pytest.fixture(params=[_sqlite, _duckdb, _postgres, _mysql], ids=lambda made: made.__name__[1:])
def shop(request, tmp_path, monkeypatch) -> tuple[dict[str, Any], Do]:
    """How to read a table of 600 orders that grows by ``id``, and how to do something to it."""
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    choice, do = request.param(tmp_path, request)
    do(f"CREATE TABLE {SHOP} (id BIGINT, moment TIMESTAMP, paid DECIMAL(8,2), what VARCHAR(40), late INTEGER)")
    do(_added(range(1, 601)))
    (word,) = choice
    return {word: choice[word] | {"table": SHOP, "growing": "id"}}, do


def _added(ids: range) -> str:
    rows = (f"({i}, '2024-01-01 00:{i // 60 % 60:02d}:{i % 60:02d}', {i / 4:.2f}, 'it''s {i % 7}', NULL)" for i in ids)
    return f"INSERT INTO {SHOP} VALUES {', '.join(rows)}"


def _read(choice: dict[str, Any]) -> Read:
    return source_of(choice).read(Quiet())


def _afresh(choice: dict[str, Any], monkeypatch: pytest.MonkeyPatch, folder: Path) -> pl.DataFrame:
    """What a reading of the whole gives."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("THIRTYFOLD_HOME", str(folder / "elsewhere"))
        return _read(choice).frame


@pytest.mark.step(4)
def test_only_what_came_since_is_asked_for(shop, monkeypatch, tmp_path):
    choice, do = shop
    first = _read(choice)
    assert first.arrived is not None and (first.arrived.known_rows, first.arrived.new_rows) == (0, 600)
    assert first.frame["id"].to_list() == list(range(1, 601)) and not first.arrived.why
    do(f"INSERT INTO {SHOP} VALUES (700, NULL, 1.5, 'late', 4)")  # a column of gaps has its first value
    second = _read(choice)
    assert second.arrived is not None and (second.arrived.known_rows, second.arrived.new_rows) == (600, 1)
    assert "the database still has as many" in second.arrived.says() and "1 row was read anew." in second.arrived.says()
    third = _read(choice)
    assert third.arrived is not None and (third.arrived.known_rows, third.arrived.new_rows) == (601, 0)
    whole = _afresh(choice, monkeypatch, tmp_path)
    assert third.frame.equals(whole) and third.frame.schema == whole.schema and second.frame.equals(whole)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (f"DELETE FROM {SHOP} WHERE id = 300", "up to 'id' 600 there are 599 rows, and 600 had been read"),
        (f"INSERT INTO {SHOP} VALUES (5, NULL, 1, 'committed late', 0)", "there are 601 rows"),
        (f"UPDATE {SHOP} SET what = 'other' WHERE id = 590", "1 of 234 rows that were looked at again have changed"),
        (f"UPDATE {SHOP} SET paid = 0", "234 of 234 rows"),
        (f"UPDATE {SHOP} SET id = 0 WHERE id = 1", "the least or the greatest 'id'"),
    ],
)
@pytest.mark.step(4)
def test_what_changed_before_is_seen(change, why, shop, monkeypatch, tmp_path):
    choice, do = shop
    _read(choice)
    do(change)
    read = _read(choice)
    assert read.arrived is not None and read.arrived.known_rows == 0 and why in read.arrived.why
    assert read.frame.equals(_afresh(choice, monkeypatch, tmp_path))


@pytest.mark.step(4)
def test_by_a_moment_and_by_a_query(shop, monkeypatch, tmp_path):
    choice, do = shop
    (word,) = choice
    by = {word: {k: v for k, v in choice[word].items() if k != "table"}}
    by[word] |= {"growing": "moment", "query": f"SELECT moment, paid AS was_paid FROM {SHOP} WHERE id > 10;"}
    _read(by)
    do(_added(range(601, 641)))
    read = _read(by)
    assert read.arrived is not None and (read.arrived.known_rows, read.arrived.new_rows) == (590, 40)
    do(f"INSERT INTO {SHOP} VALUES (9999, '2024-01-01 00:10:40', 3, 'a second one at the last moment', NULL)")
    read = _read(by)
    assert read.arrived is not None and "there are 631 rows, and 630 had been read" in read.arrived.why
    assert read.frame.height == 631 and read.frame.columns == ["moment", "was_paid"]


def test_mistakes_are_one_message(shop):
    choice, _ = shop
    (word,) = choice
    with pytest.raises(DataError, match="Did you mean 'paid'"):
        _read({word: choice[word] | {"growing": "payd"}})
    with pytest.raises(DataError, match="a column of whole numbers or moments"):
        _read({word: choice[word] | {"growing": "what"}})
    with pytest.raises(DataError, match="'late' is missing in 600 rows"):
        _read({word: choice[word] | {"growing": "late"}})
    with pytest.raises(DataError, match="there is no column"):
        _read({word: choice[word] | {"growing": 'id" > 0 OR "1'}})
