"""Clean: raw values to typed ones, one spelling per thing, and a ledger of every change."""

import inspect
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
import polars as pl

from thirtyfold.core.door import Unreadable, read_column, typed
from thirtyfold.core.errors import DataError, Fault, SpecError
from thirtyfold.core.evidence import Evidence
from thirtyfold.core.family import Choice, Family, nearest, split_choice
from thirtyfold.core.fieldtype import FieldType, Sample
from thirtyfold.core.laid import rest
from thirtyfold.core.load import WORKERS
from thirtyfold.core.mending import mend_frame
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import ROW, Column, Role, Table, to_array
from thirtyfold.core.task import suits
from thirtyfold.data.answers import UNANSWERED, outside_of, prepared
from thirtyfold.data.draft import Change, Cleaner, Draft, Proposal, Stretch
from thirtyfold.data.ledger import evidence_of, expand, rows_aside
from thirtyfold.data.looks import Look, Looks, copied, different
from thirtyfold.data.review import Review

__all__ = ["Clean", "Cleaned", "recognize", "sample_of"]

CLEANERS: Family[Cleaner] = Family("data.cleaners")
TYPES: Family[FieldType] = Family("data.types")


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
        self.target, self.task = spec.target, split_choice(spec.task, "task")[0]
        self.classes = self.task != "auto" and suits(("classification",), self.task)
        self.fields: dict[str, Choice] = dict(spec.fields)
        self.label: Choice = spec.label
        self.roles = spec.roles.model_dump()
        self.clean = spec.clean.model_dump()

    def outside(self) -> list[str]:
        """What decides the result besides the Spec: the answers of a labeler that makes the target."""
        return outside_of(self.label)

    def run(self, collected: Table, context: Context) -> Cleaned:
        """Ask each cleaner in its stretch, apply what is accepted, and write all of it down."""
        collected, made = prepared(self.label, collected, self.target, self.roles["weight"], context)
        self._check(collected)
        asked = _Asked(self.clean)
        raw = collected.frame
        table = collected.describe(*self._roles(collected))
        context.progress("looking at values")
        looks = Looks(raw)
        done = partial(rest, collected.frame)
        looks.find(done)
        table, changes = asked.propose("raw", Draft(table, raw, known=looks))
        ledger = expand(raw, changes)
        done()
        raw = mend_frame(table.columns.values(), raw)
        table, looks = replace(table, frame=raw), looks.of(raw)
        context.progress("recognizing field types")
        once = _once(table.frame.select(list(table.columns)))
        table = table.describe(*(self._typed(c, looks[c.name], once) for c in table.columns.values()))
        context.progress("reading values")
        table, unreadable, read = _read(table, looks, done)
        self._check_said(collected, table, unreadable)
        read_looks = Looks(table.frame)
        for name, look in read.items():
            read_looks.take(name, look)
        table, more = asked.propose("typed", Draft(table, raw, unreadable, known=read_looks, known_raw=looks))
        del looks
        done()
        table, changes = _spelled(table), [*changes, *more]
        ledger = pl.concat([ledger, expand(raw, more)])
        table, without = self._set_aside(table)
        _check_weights(table)
        table, whole = asked.propose("whole", Draft(table, raw, known=read_looks))
        copies = asked.copies if asked.copies is not None else np.arange(len(table), dtype=np.int64)
        dropped = [(int(table.rows[at]), rule) for at, rule in sorted(asked.aside.items())]
        if dropped:
            kept = np.setdiff1d(np.arange(len(table)), np.fromiter(asked.aside, dtype=np.int64))
            table, copies = table.take(kept), copies[kept]
        labels = made.with_columns(pl.lit(self.target).alias("column")).select(ledger.columns)
        ledger = pl.concat([ledger, rows_aside([*without, *dropped], self.target), expand(raw, whole), labels])
        table, ledger = asked.review.rows(table, ledger)
        notes = [*asked.review.unused(ledger), *asked.notes]
        evidence = evidence_of(raw, table, ledger, changes, notes, without)
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
                odd = ", ".join(list(wrong)[:5])
                hint = f"Leave it out of fields, or list what means missing in clean.missing: {odd}."
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

    def _typed(self, column: Column, look: Look, once: pl.Series | None) -> Column:
        """The column with its field type: as said in the Spec, or the one that is surest of it.

        Rows in ``once`` tell which type it is: in all rows a copy would make the name of a row look like no name.
        """
        sample = _sample(column, look)
        if column.name in self.fields:
            word, options = split_choice(self.fields[column.name], f"fields.{column.name}")
            if not options:
                options = _infer(word, sample)
            return replace(column, type=word, options=_as_dict(word, options), why="said in fields")
        kept = column.name in self.clean["keep"] and column.role != "id"
        without = frozenset({"id"} if kept else ())  # to be learned from, it must be what its values are
        word, why = recognize(sample if once is None else sample_of(column, look.values.gather(once)), without)
        if column.role == "id" and word not in ("category", "text"):
            word, why = "id", "said: id"
        if column.role == "target":
            word, why = self._target_type(word, why, sample)
        if column.role in ("weight",) and word != "number":
            word, why = "number", "said: weight"
        return replace(column, type=word, options=_infer(word, sample), why=why)

    def _target_type(self, word: str, why: str, sample: Sample) -> tuple[str, str]:
        """A target of few answers is a category, so that its labels stay as they are written."""
        if self.classes or word in ("boolean", "text", "id"):
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
        rows = [(int(r), UNANSWERED) for r in table.rows[missing]]
        return (table.where(~missing) if missing.any() else table), rows


def recognize(sample: Sample, without: frozenset[str] = frozenset()) -> tuple[str, str]:
    """The word of the field type (but those in ``without``) that is surest of a column, with how sure it is."""
    if not len(sample.values):
        return "category", "empty"
    scores = {w: float(_class(w).recognize(sample)) for w in TYPES.words() if w not in without}
    word = max(sorted(scores), key=lambda w: scores[w])
    if scores[word] <= 0:
        return "category", "nothing else fits"
    return word, f"recognized, sureness {scores[word]:.2f} of 1"


def _check_weights(table: Table) -> None:
    """How much a row counts is a number from 0 on; raises DataError that says how many are not."""
    for name in table.named("weight"):
        values = to_array(table[name])
        known = values[np.isfinite(values)]
        odd = {"missing or not finite": len(values) - len(known), "below 0": int((known < 0).sum())}
        told = " and ".join(f"{many:,} {kind}" for kind, many in odd.items() if many)
        if not told and not known.any():
            told = "all 0"
        if told:
            hint = "Give each row a weight, or leave 'roles.weight' out."
            what = f"'{name}' says how much each row counts, and of {len(values):,} values there are {told}."
            raise DataError(Fault("roles.weight", what, "numbers from 0 on", hint))


def _once(frame: pl.DataFrame) -> pl.Series | None:
    """The rows that are no exact copy of an earlier one; None where there is no copy."""
    first = copied(frame)
    here = np.flatnonzero(first == np.arange(len(first)))
    return pl.Series("row ", here) if len(here) < len(first) else None


def sample_of(column: Column, values: pl.Series, most: int = 2000) -> Sample:
    """What recognition looks at; markers of missing values are left out."""
    return _sample(column, Look(values), most)


def _sample(column: Column, look: Look, most: int = 2000) -> Sample:
    counts, rows = look.counts, len(look.values)
    if counts is not None:
        known = counts.filter(~_marked(column, counts["value"]))
        return _sampled(column.name, known, rows, known.height, most)
    values = look.values.drop_nulls()
    marked = _marked(column, values)
    values = values.filter(~marked) if marked.any() else values
    distinct = different(values) if marked.any() else look.distinct
    if distinct == len(values):
        known = pl.DataFrame({"value": values.head(most), "count": pl.repeat(1, min(most, distinct), eager=True)})
        return _sampled(column.name, known, rows, distinct, most)
    size = 10 * most
    while (first := values.head(size).unique(maintain_order=True).head(most)).len() < most and size < len(values):
        size *= 10
    often = values.filter(values.is_in(first.implode())).alias("value").value_counts()
    known = pl.DataFrame([first.alias("value")]).join(often, on="value", how="left", maintain_order="left")
    return _sampled(column.name, known, rows, distinct, most)


def _sampled(name: str, counts: pl.DataFrame, rows: int, distinct: int, most: int) -> Sample:
    head = counts.head(most)
    return Sample(name, head["value"].alias(name), tuple(int(c) for c in head["count"].to_list()), rows, distinct)


def _marked(column: Column, values: pl.Series) -> pl.Series:
    """Which values mean missing in this column."""
    if column.markers and values.dtype == pl.String:
        return values.is_in(list(column.markers))
    if column.markers and values.dtype.is_numeric():
        return values.cast(pl.Float64).is_in([float(m) for m in column.markers if _whole(m)])
    return pl.repeat(value=False, n=len(values), eager=True)


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
        self.review = Review(options["undo"], options["accept"])
        self._made: list[Cleaner] = []
        for word in CLEANERS.words():
            names = inspect.signature(CLEANERS.find(word)).parameters
            self._made.append(CLEANERS.find(word)(**{n: options[n] for n in names if n in options}))

    def propose(self, stretch: Stretch, draft: Draft) -> tuple[Table, list[Change]]:
        """Ask every cleaner of a stretch; each sees the columns as the one before left them."""
        changes: list[Change] = []
        for cleaner in self._made:
            if cleaner.stretch == stretch:
                said: Proposal = self.review.decide(draft.table, cleaner.propose(draft), stretch)
                self.copies = self.copies if said.copies is None else said.copies
                draft = replace(draft, table=draft.table.describe(*said.columns), copies=self.copies)
                changes += said.changes
                self.notes += said.notes
                self.aside |= said.aside
        return draft.table, changes


def _read(
    table: Table, looks: Looks, let_go: Callable[[], None]
) -> tuple[Table, dict[str, dict[str, str]], dict[str, Look]]:
    """Every column read as its type; a word that repeats where it cannot be read is a marker of missing values.

    Also what could not be read, by column, with why; and what is known of the columns as they were read.
    """
    done: list[pl.Series] = [table.frame[ROW]]
    columns: dict[str, Column] = {}
    unreadable: dict[str, dict[str, str]] = {}
    known: dict[str, Look] = {}
    with ThreadPoolExecutor(WORKERS) as pool:
        found = []
        for read in pool.map(lambda c: _read_column(c, looks[c.name]), table.columns.values()):
            found.append(read)
            let_go()
    for (name, column), (look, wrong) in zip(table.columns.items(), found, strict=True):
        times: dict[str, int] = {}
        for fault in wrong:
            unreadable.setdefault(name, {})[fault.value] = fault.why
            times[fault.value] = times.get(fault.value, 0) + 1
        again = sorted(v for v, n in times.items() if n > 1 and any(c.isalpha() for c in v))
        columns[name] = replace(column, markers=(*column.markers, *again)) if again else column
        done.append(look.values.alias(name))
        known[name] = look
    return Table(pl.DataFrame(done), columns), unreadable, known


def _read_column(column: Column, look: Look) -> tuple[Look, list[Unreadable]]:
    """As ``read_column``; what reading would find out again is known of the column already."""
    plain = column.type == "number" and column.options.get("decimal", ".") == "." and not column.markers
    if plain and look.numbers is not None:
        return Look(look.numbers.alias(column.name)), []
    written = getattr(typed(column), "as_written", False) and not column.markers and not column.spellings
    if written and look.counts is None and look.numbers is not None:
        return look, []
    if look.counts is None or len(look.values) <= look.counts.height:
        values, wrong = read_column(column, look.values)
        return Look(values), wrong
    distinct = look.counts["value"].alias(column.name)
    read, wrong = read_column(column, distinct)
    if read.dtype == distinct.dtype and read.drop_nulls().equals(distinct.filter(read.is_not_null())):
        gone = distinct.filter(read.is_null())
        values = look.values.set(look.values.is_in(gone.implode()), None) if len(gone) else look.values
        return Look(values, look.counts.filter(read.is_not_null())), _everywhere(wrong, distinct, look.values)
    values = look.values.replace_strict(distinct, read, return_dtype=read.dtype)
    return Look(values), _everywhere(wrong, distinct, look.values)


def _everywhere(wrong: list[Unreadable], distinct: pl.Series, values: pl.Series) -> list[Unreadable]:
    """Faults of different values, for every row that has one."""
    if not wrong:
        return []
    why = {distinct[fault.at]: fault for fault in wrong}
    places = values.is_in(pl.Series(list(why), dtype=distinct.dtype).implode()).fill_null(value=False).arg_true()
    found = zip(places.to_list(), values.gather(places).to_list(), strict=True)
    return [replace(why[value], at=at) for at, value in found]


def _spelled(table: Table) -> Table:
    """Accepted spellings applied."""
    swaps = [
        pl.col(c.name).replace(c.spellings)
        for c in table.columns.values()
        if c.spellings and table[c.name].dtype == pl.String
    ]
    return replace(table, frame=table.frame.with_columns(swaps)) if swaps else table
