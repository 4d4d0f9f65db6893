"""Split: training, validation and test rows; copies on one side; the test part sealed."""

from dataclasses import asdict, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import polars as pl

from thirtyfold.core.aim import Aim
from thirtyfold.core.charts import bars
from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.evidence import Evidence, Picture, TableView, counted
from thirtyfold.core.family import Choice, Family, split_choice
from thirtyfold.core.laid import rest
from thirtyfold.core.sealed import Sealed
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import ROW, Column, Table
from thirtyfold.core.task import Task, suits
from thirtyfold.core.windows import Windows
from thirtyfold.data.doubts import doubts
from thirtyfold.data.looks import LARGE
from thirtyfold.data.lots import KEY, key_column
from thirtyfold.data.parts import NAMES, Splitter, alone
from thirtyfold.data.windowing import windowed

__all__ = ["Parted", "Split"]

SPLITTERS: Family[Splitter] = Family("data.splitters")
TASKS: Family[Task] = Family("aim.tasks")


class Parted(NamedTuple):
    """The gifts of this stage; ``splits`` has the columns row and part."""

    train: Table
    validation: Table
    test: Sealed
    splits: pl.DataFrame
    windows: Windows | None
    evidence: list[Evidence]
    decided: dict[str, Any]


class Split:
    """Step 10: who is learned from, who is chosen by, and who is looked at once."""

    steps: ClassVar[tuple[int, ...]] = (10,)

    def __init__(self, spec: Spec) -> None:
        split = spec.split
        self.shares = (split.train, split.validation, split.test)
        self.how: Choice = split.how
        self.ids = spec.roles.id

    def run(self, table: Table, collected: Table, copies: np.ndarray, aim: Aim, context: Context) -> Parted:
        """Deal the rows out, check that each part can do its work, and seal the test rows."""
        if getattr(TASKS.find(aim.task, "task"), "windows", False):
            return self._windowed(table, aim)
        keyed = table.with_column(self._keys(table, collected), Column(KEY, "id", "ignore"))
        how, why = (self.how, "the Spec says so") if self.how != "auto" else _auto(table, aim)
        parts = SPLITTERS.build(how, "split.how").parts(keyed, copies, self.shares, context.seed)
        _check(parts, table)
        train, validation, test = _apart(table, parts)
        splits = _splits(table, parts)
        evidence = _evidence(table, parts, copies, how, why)
        doubted = doubts(train, split_choice(how, "split.how")[0], context)
        if doubted:
            told = " ".join([evidence.why, *(d.says for d in doubted)])
            evidence = replace(evidence, why=told, numbers=evidence.numbers | {"doubts": [asdict(d) for d in doubted]})
        return Parted(train, validation, Sealed(test), splits, None, [evidence], {"split.how": how})

    def _windowed(self, table: Table, aim: Aim) -> Parted:
        """Series are cut in time and become windows: see ``data.windowing``."""
        made = windowed(table, aim, self.shares, self.how)
        decided = {"split.how": "chronological", "task": {aim.task: made.options}}
        parts = (made.train, made.validation, Sealed(made.test), _splits(table, made.parts))
        return Parted(*parts, made.windows, [made.evidence], decided)

    def _keys(self, table: Table, collected: Table) -> pl.Series:
        """The key of each row; of a large table that of all rows that were collected, without a copy of them."""
        if len(collected) <= LARGE:
            return key_column(collected.frame[table.rows].drop(ROW), self.ids)
        keys = key_column(collected.frame.drop(ROW), self.ids, lambda: rest(collected.frame))
        rest(collected.frame)
        return keys if len(table) == len(collected) else keys.gather(table.rows)


def _splits(table: Table, parts: np.ndarray) -> pl.DataFrame:
    names = pl.Series("part", [*NAMES, "aside"], dtype=pl.String).gather(parts)
    return pl.DataFrame([pl.Series("row", table.rows), names])


def _auto(table: Table, aim: Aim) -> tuple[str, str]:
    if table.named("part"):
        return "given", f"the column '{table.named('part')[0]}' says the parts"
    if table.named("time"):
        return "chronological", f"'{table.named('time')[0]}' is the time: the future is to be foretold from the past"
    if table.named("group"):
        return "grouped", f"rows of one '{table.named('group')[0]}' must not be on two sides"
    if suits(("classification",), aim.task):
        return "stratified", "every part should have the classes in the same shares"
    return "random", "nothing in the data asks for another way"


def _apart(table: Table, parts: np.ndarray) -> list[Table]:
    """The rows of each part; of a large table piece by piece, so that little of the file it lies in is in memory."""
    found: list[list[pl.DataFrame]] = [[], [], []]
    for at in range(0, len(table), LARGE):
        piece, here = table.frame[at : at + LARGE], parts[at : at + LARGE]
        for part, rows in enumerate(found):
            rows.append(piece.filter(pl.Series(here == part)))
        rest(table.frame)
    return [replace(table, frame=pl.concat(rows, rechunk=len(table) <= LARGE)) for rows in found]


def _check(parts: np.ndarray, table: Table) -> None:
    rows = np.bincount(parts, minlength=4)
    empty = [NAMES[p] for p in range(3) if not rows[p]]
    if empty:
        raise DataError(
            Fault(
                "split",
                f"no row is left for {' and '.join(empty)}: there are {len(table):,} rows.",
                hint="More rows are needed, or other shares, or fewer groups or copies that must stay together.",
            )
        )


def _evidence(table: Table, parts: np.ndarray, copies: np.ndarray, how: Choice, why: str) -> Evidence:
    *rows, aside = np.bincount(parts, minlength=4).tolist()
    total = len(table)
    word = how if isinstance(how, str) else next(iter(how))
    said = [
        f"{total:,} rows were split {word}: "
        + ", ".join(f"{n:,} {name} ({100 * n / total:.1f} %)" for n, name in zip(rows, NAMES, strict=True))
        + f", because {why}."
    ]
    if aside:
        said.append(f"{counted(aside, 'row')} in the gaps between the parts are in none of them.")
    shared = 0 if alone(copies) else int(len(copies) - len(np.unique(copies)))
    if shared:
        said.append(f"{counted(shared, 'row')} that copy others, exactly or nearly, stay on their side.")
    said += _parted(table, parts)
    view, lacking = _answers(table, parts)
    said += [f"Warning: '{c}' does not occur in {part}." for c, part in lacking[:5]]
    said.append("The test rows are sealed: every look at them is counted.")
    numbers: dict[str, Any] = {"how": word, "rows": dict(zip(NAMES, rows, strict=True)), "copies": shared}
    numbers |= {"aside": aside} if aside else {}
    numbers["lacking"] = [list(pair) for pair in lacking]
    times = table.named("time")
    if times:
        numbers["times"] = _times(table, parts, times[0])
    picture: Picture = bars("Rows in each part", list(NAMES), [float(n) for n in rows])
    return Evidence(10, " ".join(said), numbers, (view,), (picture,))


def _parted(table: Table, parts: np.ndarray) -> list[str]:
    """A warning where rows of one group are on two sides, because the Spec also asks for another way to split."""
    for name in table.named("group"):
        sides = pl.DataFrame({"group": table[name], "part": parts}).drop_nulls("group").group_by("group")
        torn = int((sides.agg(pl.col("part").n_unique())["part"] > 1).sum())
        if torn:
            return [
                f"Warning: {counted(torn, 'group')} of '{name}' have rows on two sides; 'how: grouped' prevents it."
            ]
    return []


def _answers(table: Table, parts: np.ndarray) -> tuple[TableView, list[tuple[str, str]]]:
    """The target by part, and the classes that a part lacks."""
    target = table[str(table.target)]
    if target.dtype == pl.Float64:
        by = [target.filter(pl.Series(parts == p)) for p in range(3)]
        lines = tuple(
            (NAMES[p], len(s), *(_number(v) for v in (s.mean(), s.std(), s.min(), s.max()))) for p, s in enumerate(by)
        )
        return TableView(
            f"'{target.name}' in each part", ("part", "rows", "mean", "deviation", "least", "most"), lines
        ), []
    frame = pl.DataFrame([target.cast(pl.String).alias("answer"), pl.Series("part", parts)])
    counts = frame.group_by("answer", "part").agg(pl.len()).rows()
    table_of = {(a, p): n for a, p, n in counts}
    answers = sorted({str(a) for a, _, _ in counts}, key=lambda a: (-sum(table_of.get((a, p), 0) for p in range(3)), a))
    sizes = np.bincount(parts, minlength=4)
    rows = tuple(
        (a, *(f"{table_of.get((a, p), 0):,} ({100 * table_of.get((a, p), 0) / sizes[p]:.1f} %)" for p in range(3)))
        for a in answers[:50]
    )
    lacking = [(a, NAMES[p]) for a in answers for p in range(3) if not table_of.get((a, p))]
    return TableView(f"'{target.name}' in each part", ("answer", *NAMES), rows), lacking


def _number(value: Any) -> Any:
    return round(float(value), 6) if isinstance(value, int | float) else None


def _times(table: Table, parts: np.ndarray, name: str) -> dict[str, list[str]]:
    spans = {}
    for p in range(3):
        here = table[name].filter(pl.Series(parts == p)).drop_nulls()
        spans[NAMES[p]] = [str(here.min()), str(here.max())] if len(here) else []
    return spans
