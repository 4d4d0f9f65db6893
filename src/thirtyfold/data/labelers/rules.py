"""rules: labels made by rules that are often right (weak supervision)."""

from typing import Annotated, Any

import numpy as np
import polars as pl
from pydantic import AfterValidator, Field

from thirtyfold.core.charts import bars
from thirtyfold.core.errors import SpecError
from thirtyfold.core.evidence import TableView
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.step import Context
from thirtyfold.core.table import Column, Table
from thirtyfold.data.answers import SUSPECTS, Case, Prepared, Reviewed, changed, sureness
from thirtyfold.data.weak import Combined, Said, answers_of, columns_of, combine, sound

__all__ = ["Rules"]

RULE = "label: by rules"


class Rules:
    """Labels for rows that have none, by rules: keyword, regular expression, formula, Python function, saved model.

    Each rule says a class of some rows and nothing of the others; what they say is combined into probabilities, and a
    row counts in training as much as its label is surer than a guess. Where the data has labels for some rows, these
    stay, judge the rules, and are all that validation and test see; the rules label the rest for training alone. Where
    it has none, the rules make the target, and the test is against the rules' own answers.
    ``least`` is the probability below which a row gets no label.

    A rule is a ``label`` (and a ``name``, if it should have one) with one of ``keyword`` (a word or a list) or
    ``regex`` in a ``column``, ``where`` (a formula), ``function`` (``file.py:name``: a row as a dict to a label, True
    or None), or ``package`` (a folder or ``name@champion``, believed ``above`` a confidence).
    """

    def __init__(
        self,
        rules: Annotated[list[dict[str, Any]], Field(min_length=1), AfterValidator(sound)],
        least: Annotated[float, Field(ge=0, lt=1)] = 0.6,
    ) -> None:
        self.rules, self.least = list(rules), least

    def asks(self) -> list[tuple[str, str]]:
        """The columns in which rules look."""
        return columns_of(self.rules)

    def prepare(self, collected: Table, target: str, context: Context) -> Prepared:
        """The target by the rules, where the data has no label at all; else the table as it came."""
        if _labels(collected, target):
            return Prepared(collected)
        said = answers_of(self.rules, collected)
        if len(said.classes) < 2:
            given = ", ".join(said.classes) or "no label"
            raise SpecError(f"label.rules: the rules give {given} alone. Add a rule that gives another label.")
        found = combine(said)
        names, _ = self._named(said, found)
        table = collected.with_column(pl.Series(target, names, dtype=pl.String), Column(target))
        return Prepared(table, np.where([n is not None for n in names], sureness(found.chances), 0.0))

    def review(self, case: Case, context: Context) -> Reviewed:
        """How the rules did on training rows, labels for the rows that have none, and rules against given labels."""
        train, goal = case.train, case.goal
        given = bool(_labels(case.collected, str(train.target)))
        classes = list(goal.task.classes)
        truth = goal.truth(train) if given else None
        here = answers_of(self.rules, case.raw(train.rows), classes)
        rest = answers_of(self.rules, case.raw(np.array(case.unlabeled, dtype=np.int64)), classes) if given else None
        whole = here if rest is None else Said(np.vstack([here.codes, rest.codes]), classes, here.names)
        known = None
        if truth is not None:
            known = np.concatenate([truth, np.full(len(case.unlabeled), -1)])
        found = combine(whole, known)
        tables, numbers, said = _told(here, found, truth)
        picture = bars("Estimated accuracy of rules when they speak", here.names, found.accuracy.tolist())
        suspects = _against(case, here, combine(here)) if truth is not None else _empty()
        more: dict[str, Any] = {"numbers": numbers, "tables": (tables,), "pictures": (picture,)}
        if rest is None:
            said += " There is no label but the rules': validation and test judge against these; label some by hand."
            return Reviewed(train, suspects, said, **more)
        learning, weight, changes = self._added(case, rest, Combined(found.chances[len(train) :], found.accuracy))
        return Reviewed(learning, suspects, said, weight, changes, **more)

    def _named(self, said: Said, found: Combined) -> tuple[list[str | None], Array]:
        """The label of each row of which a rule speaks and that is likely enough, and how likely."""
        sure = found.chances.max(axis=1)
        likeliest = found.chances.argmax(axis=1)
        able = (said.codes >= 0).any(axis=1) & (sure >= self.least)
        return [said.classes[k] if a else None for k, a in zip(likeliest, able, strict=True)], sure

    def _added(self, case: Case, rest: Said, found: Combined) -> tuple[Table, Array | None, pl.DataFrame | None]:
        """Training rows with those that had no label and now have one; these count as much as they are sure."""
        names, sure = self._named(rest, found)
        got = np.array([n is not None for n in names], dtype=bool)
        if not got.any():
            return case.train, None, None
        target = str(case.train.target)
        new = case.rest.with_column(pl.Series(target, names, dtype=pl.String), case.train.columns[target]).where(got)
        frame = pl.concat([case.train.frame, new.frame.select(case.train.frame.columns)])
        weight = np.concatenate([np.ones(len(case.train)), sureness(found.chances[got])])
        labels = [n for n in names if n is not None]
        changes = changed(new.rows, [None] * len(new), labels, RULE, sure[got])
        return Table(frame, case.train.columns), weight, changes


def _labels(table: Table, target: str) -> int:
    """How many rows have a label."""
    if target not in table.columns:
        return 0
    text = table[target].cast(pl.String).str.strip_chars()
    return int((text.is_not_null() & (text != "")).sum())


def _empty() -> pl.DataFrame:
    return pl.DataFrame(schema=SUSPECTS)


def _told(said: Said, found: Combined, truth: Array | None) -> tuple[TableView, dict[str, Any], str]:
    """Coverage, overlap, conflict and accuracy of every rule on training rows."""
    spoken = said.codes >= 0
    rows = []
    for j, name in enumerate(said.names):
        mine, others = spoken[:, j], np.delete(spoken, j, axis=1)
        apart = (np.delete(said.codes, j, axis=1) != said.codes[:, [j]]) & others
        right = (
            None if truth is None or not mine.any() else round(float((said.codes[mine, j] == truth[mine]).mean()), 4)
        )
        rows.append(
            {
                "rule": name,
                "rows": int(mine.sum()),
                "coverage": round(float(mine.mean()), 4),
                "overlap": round(float((mine & others.any(axis=1)).mean()), 4),
                "conflict": round(float((mine & apart.any(axis=1)).mean()), 4),
                "estimated_accuracy": round(float(found.accuracy[j]), 4),
                **({} if truth is None else {"right_on_given_labels": right}),
            }
        )
    covered = spoken.any(axis=1)
    clash = np.array([len({v for v in r if v >= 0}) > 1 for r in said.codes.tolist()], dtype=bool)
    silent = [str(r["rule"]) for r in rows if not r["rows"]]
    text = (
        f"{len(said.names)} rules speak of {int(covered.sum()):,} of {len(said.codes):,} training rows "
        f"({100 * covered.mean():.1f} %) and contradict each other on {int(clash.sum()):,}."
    )
    text += f" Never heard: {', '.join(silent)}." if silent else ""
    numbers = {"rules": rows, "coverage": float(covered.mean()), "conflict": float(clash.mean())}
    heads = tuple(rows[0])
    return TableView("Rules", heads, tuple(tuple(r.values()) for r in rows)), numbers, text


def _against(case: Case, said: Said, found: Combined) -> pl.DataFrame:
    """Training rows whose given label the rules contradict, the surest first."""
    truth = case.goal.truth(case.train)
    sure, likeliest = np.round(found.chances.max(axis=1), 4), found.chances.argmax(axis=1)
    at = np.flatnonzero((said.codes >= 0).any(axis=1) & (likeliest != truth) & (sure >= 0.5))
    at = at[np.lexsort((case.train.rows[at], -sure[at]))]
    labels = np.array(said.classes, dtype=object)
    columns = [
        case.train.rows[at].tolist(),
        labels[truth[at]].tolist(),
        labels[likeliest[at]].tolist(),
        sure[at].tolist(),
    ]
    return pl.DataFrame(dict(zip(SUSPECTS, columns, strict=True)), schema=SUSPECTS)
