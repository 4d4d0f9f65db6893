"""Files that grow: only what came since is read, and the rows are those that a reading of the whole gives."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thirtyfold.core.errors import DataError
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.data import blocks
from thirtyfold.data.collect import Collect
from thirtyfold.data.naming import source_of
from thirtyfold.data.reading import Read
from thirtyfold.run import execute

HEADER = b"id,name,amount\n"


def rows(start: int, stop: int) -> bytes:
    return "".join(f"{i},person {i},{i / 7:.3f}\n" for i in range(start, stop)).encode()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def same(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Read]:
    """Reads a source where it was read before; asserts that reading all of it at a new place gives the very same."""
    fresh = iter(range(10_000))

    def read(path: Path) -> Read:
        found = source_of(str(path)).read(Quiet())
        with monkeypatch.context() as other:
            other.setenv("THIRTYFOLD_HOME", str(home / f"new{next(fresh)}"))
            whole = source_of(str(path)).read(Quiet())
        assert found.frame.equals(whole.frame) and found.frame.schema == whole.frame.schema
        assert found.quarantine.equals(whole.quarantine)
        assert found.lineage == whole.lineage
        return found

    return read


@pytest.mark.step(4, 5)
def test_only_what_came_since_is_read(home: Path, same: Callable[[Path], Read]) -> None:
    path = home / "sales.csv"
    path.write_bytes(HEADER + rows(0, 1000))
    first = same(path)
    assert first.arrived is not None and first.arrived[:2] == (0, 1000) and not first.arrived.says()
    with path.open("ab") as file:
        file.write(rows(1000, 1300))
    again = same(path)
    last = len(rows(999, 1000))  # the last record is read again, for it might have been cut
    assert again.arrived is not None
    assert again.arrived == (999, 301, len(HEADER + rows(0, 999)), last + len(rows(1000, 1300)), "")
    spec = Spec.of({"target": "amount", "collect": str(path)})
    told = Collect(spec).run(None, Quiet()).evidence
    assert "1,299 rows had been read before and were kept" in told[0].why and "1 row was read anew" in told[0].why
    assert told[1].tables[0].columns[-2:] == ("kept", "read anew")
    assert told[1].tables[0].rows[0][-2:] == (1299, 1)


@pytest.mark.parametrize("how", ["changed", "shorter", "other columns"])
def test_a_file_whose_old_part_changed_is_read_whole_and_says_why(home: Path, same: Callable, how: str) -> None:
    path = home / "sales.csv"
    path.write_bytes(HEADER + rows(0, 1000))
    same(path)
    if how == "changed":
        path.write_bytes(HEADER + rows(0, 1100).replace(b"person 500,", b"person x,"))
    elif how == "shorter":
        path.write_bytes(HEADER + rows(0, 900))
    else:
        path.write_bytes(b"id,who,amount\n" + rows(0, 1100))
    read = same(path)
    assert read.arrived is not None and not read.arrived.known_rows
    why = "is shorter than before" if how == "shorter" else "are no longer those that were read before"
    assert why in read.arrived.says() and read.arrived.says().startswith("Read again as a whole")


@pytest.mark.parametrize(
    "came",
    [
        b"7,caf\xe9,1\n",  # not UTF-8 any more
        b'8,"a ""quoted"", name",2\n9,"two\nlines",3\n',
        b'10,"never closes,4\n11,x,5\n',
        b"only\na,b,c,d\n\n12,y,6",
        HEADER + b"13,z,7\n",
        b"total,,100\n",
        b"14,old mac,1\r15,x,2\r",
    ],
)
def test_odd_lines_that_come(home: Path, same: Callable[[Path], Read], came: bytes) -> None:
    path = home / "odd.csv"
    path.write_bytes(HEADER + rows(0, 300) + b'"x, y",half a li')
    same(path)
    for more in (b"ne,5\n", came, b"16,after,8\n", b"17,after,9\n"):
        with path.open("ab") as file:
            file.write(more)
        same(path)


CELLS = st.sampled_from(["", "a", "12", " x", "é", 'q"', '"q"', '"a,b"', '"a\nb"', '"', "\r", "id,name,amount", "\n"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=10), st.lists(st.integers(0, 400), max_size=4))
def test_any_text_that_grows_in_any_steps(home: Path, same: Callable, odd: list[list[str]], steps: list[int]) -> None:
    path = home / "any.csv"
    path.unlink(missing_ok=True)
    whole = HEADER + rows(0, 220) + "\n".join(",".join(cells) for cells in odd).encode() + b"\n" + rows(220, 225)
    at = len(HEADER) + 200
    for step in [*steps, len(whole)]:
        with path.open("ab") as file:
            file.write(whole[at if path.stat().st_size else 0 : at + step])
        at += step
        try:
            same(path)
        except DataError:  # a half that cannot be read as it is
            continue


def test_a_large_file_that_grows(home: Path, same: Callable[[Path], Read], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LARGE", 0)
    monkeypatch.setattr(blocks, "BLOCK", 1500)
    path = home / "large.csv"
    path.write_bytes(b"\xef\xbb\xbf" + HEADER + rows(0, 400) + b"bad\n" + rows(400, 600) + b"7,cut")
    same(path)
    for start in (600, 1000):
        with path.open("ab") as file:
            file.write(b"\n" + rows(start, start + 400))
        read = same(path)
        assert read.arrived is not None and read.arrived.known_rows > start - 100  # all but the last block
        assert read.numbered is not None
        assert read.numbered["__row__"].to_list() == list(range(read.frame.height))
        assert read.quarantine["row"].to_list() == [402, 603] + [1004] * 0


@pytest.mark.step(4, 5)
def test_of_a_folder_only_new_and_grown_parts_are_read(home: Path, same: Callable[[Path], Read]) -> None:
    folder = home / "days"
    folder.mkdir()
    (folder / "a.csv").write_bytes(HEADER + rows(0, 300))
    (folder / "b.csv").write_bytes(HEADER + rows(300, 600))
    same(folder)
    (folder / "c.csv").write_bytes(HEADER + rows(700, 750))
    with (folder / "b.csv").open("ab") as file:
        file.write(rows(600, 700))
    read = same(folder)
    assert read.frame["id"].cast(int).to_list() == list(range(750))
    assert read.arrived is not None and read.arrived[:2] == (300 + 299, 101 + 50)
    pattern = source_of(str(folder / "*.csv")).read(Quiet())
    assert pattern.arrived is not None and pattern.arrived[:2] == (750, 0)


_GROW = """
import sys
from pathlib import Path
from thirtyfold.core.quiet import Quiet
from thirtyfold.data.sources.csv import Csv
path = Path(sys.argv[1])
print("ready", flush=True)
for at in range(10**6):
    with path.open("ab") as file:
        file.write("".join(f"{at},row {i},{i}\\n" for i in range(500)).encode())
    Csv(str(path)).read(Quiet())
"""


def test_killed_at_any_moment_nothing_is_lost_or_doubled(home: Path, same: Callable[[Path], Read]) -> None:
    path, chance = home / "live.csv", random.Random(3)
    path.write_bytes(HEADER + rows(0, 500))
    for _ in range(4):
        child = subprocess.Popen([sys.executable, "-c", _GROW, str(path)], stdout=subprocess.PIPE, env=dict(os.environ))
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        time.sleep(0.05 + 0.2 * chance.random())
        child.send_signal(signal.SIGKILL)
        child.communicate()
        same(path)
    read = same(path)
    assert read.arrived is not None and read.arrived.new_rows == 1


@pytest.mark.step(4, 10)
def test_a_test_row_of_yesterday_is_no_training_row_of_tomorrow(home: Path) -> None:
    from thirtyfold.core.home import Home

    chance = random.Random(0)

    def people(start: int, stop: int) -> bytes:
        made = ((i, chance.choice("abc"), chance.gauss(0, 1), chance.choice(["yes", "no"])) for i in range(start, stop))
        return "".join(f"{i},{a},{b:.4f},{c}\n" for i, a, b, c in made).encode()

    path = home / "people.csv"
    path.write_bytes(b"id,kind,size,bought\n" + people(0, 6000))
    spec = Spec.of({"name": "people", "target": "bought", "collect": str(path), "roles": {"id": ["id"]}})

    def parts() -> tuple[dict[int, str], str]:
        outcome = execute(spec, Home(home / "home"), until="split")
        assert outcome.error is None, outcome.error
        splits = pl.read_parquet(outcome.folder / "splits.parquet")
        told = (outcome.folder / "evidence.json").read_text("utf-8")
        return dict(splits.select("row", "part").iter_rows()), told

    before, _ = parts()
    with path.open("ab") as file:
        file.write(people(6000, 8000))
    after, told = parts()
    assert "5,999 rows had been read before and were kept" in told
    assert len(after) == 8000 and set(before) < set(after)
    assert all(after[row] == part for row, part in before.items())  # every class has 2,000 rows or more: none moves
    new = [part for row, part in after.items() if row not in before]
    assert 0.11 < new.count("test") / len(new) < 0.19


def test_where_no_home_is_told_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THIRTYFOLD_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "asked.csv").write_bytes(HEADER + rows(0, 300))
    read = source_of("asked.csv").read(Quiet())
    assert read.arrived is not None and read.arrived.new_rows == 300
    assert [p.name for p in tmp_path.iterdir()] == ["asked.csv"]
