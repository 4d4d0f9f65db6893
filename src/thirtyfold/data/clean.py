"""Clean: raw values to typed ones, one spelling per thing, and a ledger of every change."""

import inspect
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import polars as pl

from thirtyfold.core.charts import bars
from thirtyfold.core.door import read_column
from thirtyfold.core.errors import DataError, Fault, SpecError
from thirtyfold.core.evidence import Evidence, Picture, TableView
from thirtyfold.core.family import Choice, Family, nearest, split_choice
from thirtyfold.core.fieldtype import FieldType, Sample
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import ROW, Column, Role, Table
from thirtyfold.data.draft import Change, Cleaner, Draft, Proposal, Stretch

__all__ = ["LEDGER", "Clean", "Cleaned", "recognize", "sample_of"]

CLEANERS: Family[Cleaner] = Family("data.cleaners")
TYPES: Family[FieldType] = Family("data.types")

LEDGER: dict[str, Any] = {
    "row": pl.Int64,
    "column": pl.String,
    "before": pl.String,
    "after": pl.String,
    "rule": pl.String,
    "confidence": pl.Float64,
    "accepted": pl.Boolean,
}
"""One line a change: the row in the collected table, what stood there, what stands there now (null: missing)."""


class Cleaned(NamedTuple):
    """The gifts of this stage."""

    table: Table
    ledger: pl.DataFrame
    copies: np.ndarray
    evidence: list[Evidence]


class Clean:
    """Steps 6 and 7: what is missing, which type a column has, which spellings are one thing, which rows are copies."""

    steps: ClassVar[tuple[int, ...]] = (6, 7)

    def __init__(self, spec: Spec) -> None:
        self.target, self.task = spec.target, spec.task
        self.fields: dict[str, Choice] = dict(spec.fields)
        self.roles = spec.roles.model_dump()
        self.clean = spec.clean.model_dump()

    def run(self, collected: Table, context: Context) -> Cleaned:
        """Ask each cleaner in its stretch, apply what is accepted, and write all of it down."""
        self._check(collected)
        asked = _Asked(self.clean)
        raw = collected.frame
        table = collected.describe(*self._roles(collected))
        table, changes = asked.propose("raw", Draft(table, raw))
        context.progress("recognizing field types")
        table = table.describe(*(self._typed(c, table[c.name]) for c in table.columns.values()))
        context.progress("reading values")
        table, unreadable = _read(table)
        self._check_said(collected, table, unreadable)
        table, more = asked.propose("typed", Draft(table, raw, unreadable))
        table, changes = _spelled(table), [*changes, *more]
        ledger = _expand(raw, changes)
        table, without = self._set_aside(table)
        table, whole = asked.propose("whole", Draft(table, raw))
        copies = asked.copies if asked.copies is not None else np.arange(len(table), dtype=np.int64)
        dropped = [(int(table.rows[at]), rule) for at, rule in sorted(asked.aside.items())]
        if dropped:
            kept = np.setdiff1d(np.arange(len(table)), np.fromiter(asked.aside, dtype=np.int64))
            table, copies = table.take(kept), copies[kept]
        ledger = pl.concat([ledger, _rows_aside([*without, *dropped], self.target), _expand(raw, whole)])
        evidence = _evidence(raw, table, ledger, changes, [*asked.notes], without)
        return Cleaned(table, ledger.sort("row", "column", maintain_order=True), copies, evidence)

    def _check(self, collected: Table) -> None:
        """Every column that the Spec names is there, and types are words that exist."""
        names = list(collected.columns)
        asked: list[tuple[str, str]] = [("target", self.target)]
        for role in ("group", "time", "weight", "part"):
            asked += [(f"roles.{role}", self.roles[role])] if self.roles[role] else []
        asked += [(f"roles.{r}", n) for r in ("id", "ignore") for n in self.roles[r]]
        asked += [(f"fields.{n}", n) for n in self.fields] + [("clean.keep", n) for n in self.clean["keep"]]
        asked += [(f"clean.{k}.{n}", n) for k in ("same", "different") for n in self.clean[k]]
        faults = [
            Fault(where, f"there is no column '{n}'.", ", ".join(names), nearest(n, names))
            for where, n in asked
            if n not in names
        ]
        if faults:
            raise DataError(faults)
        wrong: list[Fault] = []
        for name, choice in self.fields.items():
            try:
                TYPES.check(choice, f"fields.{name}")
            except SpecError as error:
                wrong += error.faults
        if wrong:
            raise SpecError(wrong)

    def _check_said(self, collected: Table, table: Table, unreadable: dict[str, dict[str, str]]) -> None:
        """A type that was said for a column must be able to read most of it."""
        faults = []
        for name in self.fields:
            wrong = unreadable.get(name, {})
            known = len(collected) - collected[name].null_count()
            read = len(table) - table[name].null_count()
            if wrong and read < 0.5 * known:
                why = next(iter(wrong.values()))
                word = table.columns[name].type
                hint = f"Leave it out of fields, or list what means missing in clean.missing: {', '.join(list(wrong)[:5])}."
                faults.append(
                    Fault(
                        f"fields.{name}", f"only {read:,} of {known:,} values can be read as {word}: {why}.", hint=hint
                    )
                )
        if faults:
            raise DataError(faults)

    def _roles(self, table: Table) -> Iterable[Column]:
        given: dict[str, Role] = dict.fromkeys(self.roles["id"], "id") | dict.fromkeys(self.roles["ignore"], "ignore")
        for role in ("group", "time", "weight", "part"):
            if self.roles[role]:
                given[self.roles[role]] = role
        given[self.target] = "target"
        return [replace(table.columns[n], role=r, why=f"said: {r}") for n, r in given.items()]

    def _typed(self, column: Column, values: pl.Series) -> Column:
        """The column with its field type: as said in the Spec, or the one that is surest of it."""
        sample = sample_of(column, values)
        if column.name in self.fields:
            word, options = split_choice(self.fields[column.name], f"fields.{column.name}")
            if not options:
                options = _infer(word, sample)
            return replace(column, type=word, options=_as_dict(word, options), why="said in fields")
        word, why = recognize(sample)
        if column.role == "id" and word not in ("category", "text"):
            word, why = "id", "said: id"
        if column.role == "target":
            word, why = self._target_type(word, why, sample)
        if column.role in ("weight",) and word != "number":
            word, why = "number", "said: weight"
        return replace(column, type=word, options=_infer(word, sample), why=why)

    def _target_type(self, word: str, why: str, sample: Sample) -> tuple[str, str]:
        """A target of few answers is a category, so that its labels stay as they are written."""
        if self.task == "classification" or word in ("boolean", "text", "id"):
            return ("category", "the answer: labels are kept as they are written") if word != "text" else (word, why)
        if word == "number" and self.task == "auto" and 2 <= sample.distinct <= 10:
            whole = [_whole(v) for v in sample.values.to_list()]
            if all(whole) and sample.rows >= 5 * sample.distinct:
                return "category", f"{sample.distinct} whole numbers as answers: classes, kept as they are written"
        return word, why

    def _set_aside(self, table: Table) -> tuple[Table, list[tuple[int, str]]]:
        """Rows without an answer teach nothing: they leave the table and stay in the ledger."""
        missing = table[self.target].is_null().to_numpy()
        if missing.all():
            wrong = "no value could be read" if len(table) else "there are no rows"
            raise DataError(Fault(self.target, f"the target is missing in every row: {wrong}."))
        rows = [(int(r), "target missing: row set aside") for r in table.rows[missing]]
        return (table.where(~missing) if missing.any() else table), rows


def recognize(sample: Sample) -> tuple[str, str]:
    """The word of the field type that is surest of a column, with how sure it is."""
    if not len(sample.values):
        return "category", "empty"
    scores = {w: float(_class(w).recognize(sample)) for w in TYPES.words()}
    word = max(sorted(scores), key=lambda w: scores[w])
    if scores[word] <= 0:
        return "category", "nothing else fits"
    return word, f"recognized, sureness {scores[word]:.2f} of 1"


def sample_of(column: Column, values: pl.Series, most: int = 2000) -> Sample:
    """What recognition looks at; markers of missing values are left out."""
    known = values.drop_nulls()
    if known.dtype == pl.String:
        known = known.filter(~known.is_in(list(column.markers))) if column.markers else known
    elif column.markers and known.dtype.is_numeric():
        known = known.filter(~known.cast(pl.Float64).is_in([float(m) for m in column.markers if _whole(m)]))
    counts = known.value_counts() if not len(known) else _counted(known)
    head = counts.head(most)
    times = tuple(int(c) for c in head.to_series(1).to_list())
    return Sample(column.name, head.to_series(0), times, len(values), counts.height)


def _counted(known: pl.Series) -> pl.DataFrame:
    """Distinct values with counts, in order of first appearance."""
    name = known.name or "value"
    frame = known.alias(name).to_frame()
    return frame.group_by(name, maintain_order=True).agg(pl.len().alias("__count__"))


def _class(word: str) -> Any:
    return TYPES.find(word, "fields")


def _infer(word: str, sample: Sample) -> dict[str, Any]:
    """Options that a type finds out from the column (decimal mark, order of a date), where it has any."""
    infer = getattr(_class(word), "infer", None)
    return dict(infer(sample)) if infer and len(sample.values) else {}


def _as_dict(word: str, options: Any) -> dict[str, Any]:
    if isinstance(options, dict):
        return options
    first = next(iter(inspect.signature(_class(word)).parameters))
    return {first: options}


def _whole(value: Any) -> bool:
    try:
        return float(value).is_integer()
    except (TypeError, ValueError):
        return False


class _Asked:
    """The cleaners, made with the options of the Spec's clean section, and what they said so far."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.notes: list[str] = []
        self.aside: dict[int, str] = {}
        self.copies: np.ndarray[Any, np.dtype[np.int64]] | None = None
        self._made: list[Cleaner] = []
        for word in CLEANERS.words():
            names = inspect.signature(CLEANERS.find(word)).parameters
            self._made.append(CLEANERS.find(word)(**{n: options[n] for n in names if n in options}))

    def propose(self, stretch: Stretch, draft: Draft) -> tuple[Table, list[Change]]:
        """Ask every cleaner of a stretch; each sees the columns as the one before left them."""
        changes: list[Change] = []
        for cleaner in self._made:
            if cleaner.stretch == stretch:
                said: Proposal = cleaner.propose(draft)
                draft = replace(draft, table=draft.table.describe(*said.columns))
                changes += said.changes
                self.notes += said.notes
                self.aside |= said.aside
                self.copies = self.copies if said.copies is None else said.copies
        return draft.table, changes


def _read(table: Table) -> tuple[Table, dict[str, dict[str, str]]]:
    """Every column read as its type; a word that repeats where it cannot be read is a marker of missing values."""
    done: list[pl.Series] = [table.frame[ROW]]
    columns: dict[str, Column] = {}
    unreadable: dict[str, dict[str, str]] = {}
    for name, column in table.columns.items():
        values, wrong = read_column(column, table[name])
        times: dict[str, int] = {}
        for fault in wrong:
            unreadable.setdefault(name, {})[fault.value] = fault.why
            times[fault.value] = times.get(fault.value, 0) + 1
        again = sorted(v for v, n in times.items() if n > 1 and any(c.isalpha() for c in v))
        columns[name] = replace(column, markers=(*column.markers, *again)) if again else column
        done.append(values.alias(name))
    return Table(pl.DataFrame(done), columns), unreadable


def _spelled(table: Table) -> Table:
    """Accepted spellings applied."""
    swaps = [
        pl.col(c.name).replace(c.spellings)
        for c in table.columns.values()
        if c.spellings and table[c.name].dtype == pl.String
    ]
    return replace(table, frame=table.frame.with_columns(swaps)) if swaps else table


def _expand(raw: pl.DataFrame, changes: list[Change]) -> pl.DataFrame:
    """Changes of values to one line a row that has the value."""
    parts = [pl.DataFrame(schema=LEDGER)]
    for name in dict.fromkeys(c.column for c in changes):
        mine = [c for c in changes if c.column == name]
        table = pl.DataFrame(
            [(c.before, c.after, c.rule, c.confidence, c.accepted) for c in mine],
            schema={k: LEDGER[k] for k in ("before", "after", "rule", "confidence", "accepted")},
            orient="row",
        ).unique("before", keep="last", maintain_order=True)
        here = raw.select(pl.col(ROW).alias("row"), _as_text(raw[name]).alias("before"))
        hits = here.join(table, on="before", how="inner", maintain_order="left")
        parts.append(
            hits.with_columns(pl.lit(name).alias("column")).select(pl.col(n).cast(t) for n, t in LEDGER.items())
        )
    return pl.concat(parts)


def _as_text(values: pl.Series) -> pl.Series:
    """Values as changes name them: whole numbers without a decimal point."""
    if values.dtype == pl.String:
        return values.str.strip_chars()
    if values.dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        return pl.select(
            pl.when(whole.cast(pl.Float64) == values).then(whole.cast(pl.String)).otherwise(values.cast(pl.String))
        ).to_series()
    return values.cast(pl.String)


def _rows_aside(rows: list[tuple[int, str]], target: str) -> pl.DataFrame:
    lines = [(r, target, None, None, rule, 1.0, True) for r, rule in rows]
    return pl.DataFrame(lines, schema=LEDGER, orient="row")


def _evidence(
    raw: pl.DataFrame,
    table: Table,
    ledger: pl.DataFrame,
    changes: list[Change],
    notes: list[str],
    without: list[tuple[int, str]],
) -> list[Evidence]:
    return [_cleaned(raw, table, ledger, notes, without), _normalized(table, ledger, changes)]


def _cleaned(
    raw: pl.DataFrame, table: Table, ledger: pl.DataFrame, notes: list[str], without: list[tuple[int, str]]
) -> Evidence:
    names = list(table.columns)
    gaps = {n: table[n].null_count() for n in names}
    cells = sum(gaps.values())
    holes = {n: g for n, g in sorted(gaps.items(), key=lambda p: -p[1]) if g}
    said = [f"{cells:,} of {len(table) * len(names):,} cells in {_many(len(holes), 'column')} are missing."]
    marked = ledger.filter(pl.col("rule").str.starts_with("missing") & pl.col("accepted"))
    if marked.height:
        how = marked["before"].value_counts().sort("count", "before", descending=[True, False]).head(4)
        spelled = ", ".join(f"'{v}' ({n:,})" for v, n in how.iter_rows())
        said.append(f"{marked.height:,} values were written that mean missing: {spelled}.")
    if without:
        said.append(
            f"{_many(len(without), 'row')} without an answer {'was' if len(without) == 1 else 'were'} set aside."
        )
    said += notes[:6]
    pictures: list[Picture] = []
    if holes:
        shown = dict(list(holes.items())[:20])
        shares = [100 * g / len(table) for g in shown.values()]
        pictures.append(bars("Missing values by column, in percent", list(shown), shares))
    out_of = {c.name: c.why for c in table.columns.values() if c.role in ("ignore", "id")}
    numbers = {
        "rows_in": raw.height,
        "rows_out": len(table),
        "missing": holes,
        "rules": _rules(ledger),
        "set_aside": out_of,
    }
    aside = tuple(out_of.items())
    views = [TableView("Columns set aside", ("column", "why"), aside)] if aside else []
    return Evidence(6, " ".join(said), numbers, (*_ledger_view(ledger), *views), tuple(pictures))


def _normalized(table: Table, ledger: pl.DataFrame, changes: list[Change]) -> Evidence:
    kinds: dict[str, int] = {}
    for column in table.columns.values():
        kinds[column.type] = kinds.get(column.type, 0) + 1
    said = [
        f"{len(table.columns)} columns were typed: " + ", ".join(f"{n} {t}" for t, n in sorted(kinds.items())) + "."
    ]
    spelled = [c for c in changes if c.rule.startswith("spelling")]
    done = ledger.filter(pl.col("rule").str.starts_with("spelling") & pl.col("accepted")).height
    if spelled:
        open_ones = sum(not c.accepted for c in spelled)
        said.append(
            f"{_many(len(spelled) - open_ones, 'spelling')} became another ({_many(done, 'cell')}); "
            f"{open_ones} more {'is' if open_ones == 1 else 'are'} only proposed."
        )
    else:
        said.append("No two spellings of one thing were found.")
    unread = ledger.filter(pl.col("rule").str.starts_with("unreadable")).height
    if unread:
        said.append(f"{_many(unread, 'cell')} could not be read as the column's type and count as missing.")
    rows = tuple((c.name, c.type, c.role, c.why) for c in table.columns.values())
    views = [TableView("Columns", ("column", "type", "role", "why"), rows)]
    if spelled:
        lines = tuple(
            (c.column, c.before, c.after, c.rule, c.confidence, "yes" if c.accepted else "proposed")
            for c in spelled[:200]
        )
        views.append(TableView("Spellings", ("column", "before", "after", "rule", "confidence", "accepted"), lines))
    numbers = {"types": kinds, "spellings": len(spelled), "spelled_cells": done, "unreadable": unread}
    return Evidence(7, " ".join(said), numbers, tuple(views))


def _rules(ledger: pl.DataFrame) -> dict[str, int]:
    counts = ledger.filter("accepted")["rule"].value_counts()
    return dict(sorted(counts.iter_rows()))


def _ledger_view(ledger: pl.DataFrame) -> list[TableView]:
    if not ledger.height:
        return []
    keys = ["column", "before", "after", "rule", "confidence", "accepted"]
    grouped = (
        ledger.group_by(keys, maintain_order=True)
        .agg(pl.len().alias("rows"))
        .sort("rows", descending=True, maintain_order=True)
    )
    rows = tuple((*(_short(v) for v in r),) for r in grouped.head(60).iter_rows())
    return [TableView("What was changed", (*keys, "rows"), rows, f"{ledger.height:,} lines in the ledger")]


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _short(value: Any) -> Any:
    return value if not isinstance(value, str) or len(value) <= 60 else value[:57] + "..."
