"""annotators: labels made of what several annotators said of each row."""

from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from thirtyfold.core.charts import bars, grid
from thirtyfold.core.errors import DataError, Fault, SpecError
from thirtyfold.core.evidence import Picture, TableView
from thirtyfold.core.family import nearest
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.step import Context
from thirtyfold.core.table import ROW, Column, Table
from thirtyfold.data.answers import SUSPECTS, Case, Prepared, Reviewed, sureness
from thirtyfold.data.votes import Agreement, Believed, Votes, alpha, believe, kappas

__all__ = ["Annotators"]

NOTHING = ("", "?", "-", "na", "n/a", "nan", "null", "none")
DISPUTED = 0.25
"""A row is listed when its second class is at least this likely."""


class _Told(NamedTuple):
    """Votes on items, with the names of voters and classes; ``first`` is the row that stands for an item."""

    votes: Votes
    voters: list[str]
    classes: list[str]
    first: Array
    codes: Array | None


class Annotators:
    """The target is made of several answers a row: a column an annotator, a row an answer, or counts of answers.

    ``columns``: one column an annotator (``[ann, bob, eve]``). ``counts``: one column a class with how often it was
    said (``{hate: hate_speech, neither: neither}``). ``item``, ``annotator`` and ``vote``: one row an answer, one item
    a training row. ``how`` is ``dawid_skene`` (each annotator's own errors are estimated) or ``majority``. With
    ``weigh`` a row counts in training as much as its label is surer than a guess. The target's name is a new one.
    """

    def __init__(
        self,
        columns: list[str] | None = None,
        counts: dict[str, str] | None = None,
        item: str | None = None,
        annotator: str | None = None,
        vote: str | None = None,
        how: Literal["dawid_skene", "majority"] = "dawid_skene",
        weigh: bool = True,  # noqa: FBT001, FBT002 - an option of the Spec
    ) -> None:
        self.columns, self.counts, self.long = columns, counts, (item, annotator, vote)
        self.how, self.weigh = how, weigh
        ways = [columns is not None, counts is not None, any(self.long)]
        if sum(ways) != 1 or (any(self.long) and not all(self.long)):
            raise SpecError(
                Fault(
                    "label.annotators",
                    "say where the answers are in exactly one way.",
                    "columns: [a, b, ...]; counts: {class: column, ...}; item, annotator and vote",
                )
            )
        if columns is not None and len(columns) < 2:
            raise SpecError(Fault("label.annotators.columns", "at least two annotators are needed."))

    @property
    def used(self) -> list[str]:
        """The columns with answers, which are not known at serving."""
        long = [n for n in self.long[1:] if n]
        return list(self.columns or (self.counts or {}).values() or long)

    def asks(self) -> list[tuple[str, str]]:
        """The columns with answers."""
        return [("label.annotators", n) for n in [*self.used, *(n for n in self.long[:1] if n)]]

    def prepare(self, collected: Table, target: str, context: Context) -> Prepared:
        """One row an item, with the target and how much it counts; a row that nobody answered has no label."""
        self._check(collected, target)
        told = self._told(collected.frame)
        found = believe(told.votes, self.how)
        likeliest = found.chances.argmax(axis=1)
        voted = np.bincount(told.votes.row, minlength=told.votes.rows) > 0
        names = [told.classes[k] if v else None for k, v in zip(likeliest, voted, strict=True)]
        table = collected.take(told.first).with_column(pl.Series(target, names, dtype=pl.String), Column(target))
        aside = [Column(n, role="ignore", why="what annotators said: not known at serving") for n in self.used]
        table = table.describe(*(a for a in aside if a.name in table.columns))
        return Prepared(table, np.where(voted, sureness(found.chances), 0.0) if self.weigh else None)

    def review(self, case: Case, context: Context) -> Reviewed:
        """Agreement, each annotator's quality, and the rows most disputed; of training rows alone."""
        told = self._told(self._rows(case))
        found = believe(told.votes, self.how)
        train = case.train
        place = {int(r): i for i, r in enumerate(told.first)}
        at = np.array([place.get(int(r), -1) for r in train.rows], dtype=np.int64)
        suspects = _disputed(train, at, found, told.classes, case.goal.task.classes)
        agreed = alpha(told.votes, context.seed)
        total = told.votes.total
        several = total.sum(axis=1) >= 2
        same = float((total.max(axis=1) == total.sum(axis=1))[several].mean()) if several.any() else float("nan")
        said = (
            f"{int(total.sum()):,} answers on {len(told.first):,} rows were combined by {self.how.replace('_', '-')}; "
            f"{100 * same:.1f} % of the rows with several answers are unanimous; Krippendorff's alpha is "
            f"{_said(agreed)}. {suspects.height:,} rows are disputed."
        )
        pairs = [] if told.codes is None else _pairs(told)
        numbers = {
            "alpha": list(agreed),
            "unanimous": same,
            "classes": told.classes,
            "shares": np.round(found.shares, 5).tolist(),
            "annotators": _qualities(told, found),
            "kappas": [[*names, *k] for names, k, _ in pairs],
        }
        tables, pictures = _views(told, found, pairs)
        return Reviewed(train, suspects, said, None, None, numbers, tables, pictures)

    def _rows(self, case: Case) -> pl.DataFrame:
        """The collected rows with the answers on training rows."""
        item = self.long[0]
        raw = case.raw(case.train.rows).frame
        if item is None:
            return raw
        return case.collected.frame.filter(pl.col(item).is_in(raw[item].unique().to_list()))

    def _check(self, collected: Table, target: str) -> None:
        names = list(collected.columns)
        faults = [
            Fault(where, f"there is no column '{n}'.", ", ".join(names), nearest(n, names))
            for where, n in self.asks()
            if n not in names
        ]
        if target in names:
            hint = "The target is made of the annotators' answers: give it a new name, and set that column aside."
            faults.append(Fault("target", f"the data has a column '{target}' already.", hint=hint))
        if faults:
            raise DataError(faults)

    def _told(self, frame: pl.DataFrame) -> _Told:
        if self.columns is not None:
            said = [_answers(frame[n]) for n in self.columns]
            classes = sorted({v for s in said for v in s.drop_nulls().unique().to_list()})
            codes = np.column_stack([_codes(s, classes) for s in said])
            return _Told(Votes.of(codes, len(classes)), self.columns, classes, frame[ROW].to_numpy(), codes)
        if self.counts is not None:
            counts = np.column_stack([_whole(frame[c]) for c in self.counts.values()])
            return _Told(Votes.counted(counts), ["all annotators"], list(self.counts), frame[ROW].to_numpy(), None)
        return self._long(frame)

    def _long(self, frame: pl.DataFrame) -> _Told:
        item, annotator, vote = (str(n) for n in self.long)
        said = _answers(frame[vote])
        kept = frame.with_columns(said.alias(vote)).filter(pl.col(item).is_not_null())
        items = kept.group_by(item, maintain_order=True).agg(pl.col(ROW).first())
        known = kept.filter(pl.col(vote).is_not_null() & pl.col(annotator).is_not_null())
        classes, voters = (sorted(known[n].cast(pl.String).unique().to_list()) for n in (vote, annotator))
        row = _codes(known[item].cast(pl.String), items[item].cast(pl.String).to_list())
        voter = _codes(known[annotator].cast(pl.String), voters)
        code = _codes(known[vote], classes)
        votes = Votes(row, voter, code, np.ones(len(row)), items.height, len(voters), len(classes))
        codes = None
        if items.height * len(voters) <= 20_000_000:
            codes = np.full((items.height, len(voters)), -1, dtype=np.int64)
            codes[row, voter] = code
        return _Told(votes, voters, classes, items[ROW].to_numpy(), codes)


def _answers(values: pl.Series) -> pl.Series:
    """Answers as text; what means nothing is missing."""
    text = values.cast(pl.Int64).cast(pl.String) if _is_whole(values) else values.cast(pl.String)
    text = text.str.strip_chars()
    return text.set(text.str.to_lowercase().is_in(NOTHING).fill_null(value=False), None)


def _is_whole(values: pl.Series) -> bool:
    return values.dtype.is_float() and bool((values.drop_nulls() == values.drop_nulls().round(0)).all())


def _codes(values: pl.Series, classes: list[str]) -> Array:
    place = pl.int_range(len(classes), eager=True, dtype=pl.Int64)
    return values.replace_strict(classes, place, default=-1, return_dtype=pl.Int64).fill_null(-1).to_numpy()


def _whole(values: pl.Series) -> Array:
    counts = values.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
    wrong = counts.is_null() | (counts < 0) | (counts != counts.round(0))
    if wrong.any():
        at = int(wrong.arg_true()[0])
        raise DataError(
            Fault(f"label.annotators.counts: {values.name}", f"row {at} holds {values[at]!r}, not a count.")
        )
    return np.asarray(counts.cast(pl.Int64).to_numpy())


def _disputed(train: Table, at: Array, found: Believed, classes: list[str], able: tuple[str, ...]) -> pl.DataFrame:
    """Training rows whose second class is nearly as likely, the most disputed first."""
    here = np.flatnonzero(at >= 0)
    chances = found.chances[at[here]]
    label = train[str(train.target)].cast(pl.String).to_numpy()[here]
    second = np.where(np.array(classes)[None, :] == label[:, None].astype(str), -1.0, chances)
    best = second.argmax(axis=1)
    sure = second[np.arange(len(here)), best]
    named = np.array(classes, dtype=object)[best]
    kept = np.flatnonzero((sure >= DISPUTED) & np.isin(named.astype(str), np.array(able, dtype=str)))
    order = kept[np.lexsort((train.rows[here][kept], -np.round(sure[kept], 4)))]
    columns = [train.rows[here][order].tolist(), label[order].tolist(), named[order].tolist(), np.round(sure[order], 4)]
    return pl.DataFrame(dict(zip(SUSPECTS, columns, strict=True)), schema=SUSPECTS)


def _said(k: Agreement) -> str:
    return f"{k.value:.3f} (95 % interval {k.low:.3f} to {k.high:.3f}, {k.rows:,} rows)"


def _qualities(told: _Told, found: Believed) -> list[dict[str, Any]]:
    """Each annotator's answers and estimated share of right ones, were the classes met in their shares."""
    many = np.bincount(told.votes.voter, told.votes.times, told.votes.voters)
    right = np.einsum("k,vkk->v", found.shares, found.errors)
    return [
        {"annotator": n, "answers": int(m), "accuracy": round(float(a), 4)}
        for n, m, a in zip(told.voters, many, right, strict=True)
    ]


def _pairs(told: _Told) -> list[tuple[tuple[str, str], Agreement, str]]:
    """Every pair with its kappa, and what they disagree on most; the worst agreement first."""
    assert told.codes is not None
    if len(told.voters) > 40:  # eight hundred pairs: nobody reads more
        busy = np.sort(np.argsort(-np.bincount(told.votes.voter, minlength=told.votes.voters), kind="stable")[:40])
    else:
        busy = np.arange(len(told.voters))
    out = []
    for (a, b), k in kappas(told.codes[:, busy], told.votes.classes).items():
        first, second = told.codes[:, busy[a]], told.codes[:, busy[b]]
        off = (first >= 0) & (second >= 0) & (first != second)
        cells = np.bincount(first[off] * len(told.classes) + second[off], minlength=1)
        top = int(cells.argmax())
        one, other = told.classes[top // len(told.classes)], told.classes[top % len(told.classes)]
        what = f"{one} against {other}, {int(cells[top]):,} times" if off.any() else "nothing"
        out.append(((told.voters[busy[a]], told.voters[busy[b]]), k, what))
    return sorted(out, key=lambda p: (p[1].value, p[0]))


def _views(told: _Told, found: Believed, pairs: list[Any]) -> tuple[tuple[TableView, ...], tuple[Picture, ...]]:
    qualities = sorted(_qualities(told, found), key=lambda q: (q["accuracy"], q["annotator"]))
    tables = [TableView("Annotators", tuple(qualities[0]), tuple(tuple(q.values()) for q in qualities[:100]))]
    if pairs:
        rows = tuple((*n, *(round(v, 3) for v in k[:3]), k.rows, what) for n, k, what in pairs[:100])
        head = ("one", "other", "Cohen's kappa", "low", "high", "rows", "they disagree most on")
        tables.append(TableView("Who disagrees with whom", head, rows))
    total = told.votes.total
    mixed = total.T @ total - np.diag(total.sum(axis=0))
    np.fill_diagonal(mixed, 0)
    pictures = [grid("Which answers are given to the same row", told.classes, told.classes, mixed.tolist())]
    if len(qualities) > 1:
        worst = qualities[:20]
        pictures.append(
            bars(
                "Estimated accuracy of annotators, lowest first",
                [q["annotator"] for q in worst],
                [q["accuracy"] for q in worst],
            )
        )
    return tuple(tables), tuple(pictures)
