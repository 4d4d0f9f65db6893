"""by_hand: labels that people gave on the page of ``thirtyfold label``, or that stand in a file."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from pydantic import Field

from thirtyfold.core.annotations import Annotations, Answer
from thirtyfold.core.evidence import TableView
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.step import Context
from thirtyfold.core.table import Column, Table
from thirtyfold.data.answers import SUSPECTS, Case, Prepared, Reviewed, changed, sureness
from thirtyfold.data.curve import learning_curve
from thirtyfold.data.exchange import Keyed, answers_in, keyed
from thirtyfold.data.votes import Votes, alpha, believe

__all__ = ["ByHand"]

RULE = "label: by hand"


class ByHand:
    """Labels given by people: the store of ``thirtyfold label``, Label Studio's JSON, or a table of row and label.

    A label given by hand takes the place of the one in the data; rows without either are not learned from. Several
    annotators of one row are combined by ``how`` (``majority``, ``dawid_skene``, or the ``last`` answer). ``id`` is the
    column that names a row. ``classes``, ``guidelines`` (a text file), ``overlap`` (how many people label each row) and
    ``boxes`` (the image column on which boxes are drawn) are for the page.
    """

    def __init__(
        self,
        store: str,
        how: Literal["majority", "dawid_skene", "last"] = "majority",
        id: str | None = None,  # noqa: A002 - the word of the Spec
        classes: list[str] | None = None,
        guidelines: str | None = None,
        overlap: Annotated[int, Field(ge=1)] = 1,
        boxes: str | None = None,
    ) -> None:
        self.store, self.how, self.id = store, how, id
        self.classes, self.guidelines, self.overlap, self.boxes = classes, guidelines, overlap, boxes

    def outside(self) -> list[str]:
        """The answers in the store, or the content of the file."""
        path = Path(self.store)
        if not path.is_file():
            return []
        if path.suffix.lower() in (".sqlite", ".db"):
            return [Annotations(path).digest()]
        return [hashlib.sha256(path.read_bytes()).hexdigest()]

    def prepare(self, collected: Table, target: str, context: Context) -> Prepared:
        """The target with what was said by hand in place of what stood there."""
        keys = keyed(collected, target, self.id)
        answers, _ = self._answers(keys)
        said, sure = self._combined(answers)
        if target in collected.columns:
            before = [_text(v) for v in collected[target].to_list()]
        else:
            before = [None] * len(collected)
        after = [said.get(k, b) for k, b in zip(keys.order, before, strict=True)]
        rows = np.array([i for i, (a, b) in enumerate(zip(after, before, strict=True)) if a != b], dtype=np.int64)
        table = collected.with_column(pl.Series(target, after, dtype=pl.String), Column(target))
        weight = np.array([sure.get(k, 1.0) for k in keys.order])
        certain = np.array([sure.get(keys.order[i], 1.0) for i in rows])
        lines = changed(collected.rows[rows], [before[i] for i in rows], [after[i] for i in rows], RULE, certain)
        return Prepared(table, weight if (weight < 1).any() else None, lines)

    def review(self, case: Case, context: Context) -> Reviewed:
        """Who labeled how much of the training rows, how far they agree, and what more labels would buy."""
        target = str(case.train.target)
        keys = keyed(case.collected, target, self.id)
        answers, wrong = self._answers(keys)
        here = {keys.order[int(r)] for r in case.train.rows}
        mine = [a for a in answers if a.key in here]
        people = sorted({a.annotator for a in mine})
        counts = {p: sum(a.annotator == p for a in mine) for p in people}
        said = f"{len({a.key for a in mine}):,} of them were given by hand by {', '.join(people) or 'nobody'}."
        numbers: dict[str, Any] = {"by_hand": len({a.key for a in mine}), "annotators": counts, "not_taken": wrong[:20]}
        said += f" {len(wrong):,} labels in the file fit no row." if wrong else ""
        votes = _votes(mine)
        if votes is not None and votes.voters > 1 and (agreed := alpha(votes, context.seed)).rows:
            numbers["alpha"] = list(agreed)
            said += (
                f" Krippendorff's alpha on {agreed.rows:,} rows with several answers is {agreed.value:.3f} "
                f"({agreed.low:.3f} to {agreed.high:.3f})."
            )
        curve = learning_curve(case.train, case.goal, context).told()
        tables = (TableView("Labels by hand", ("annotator", "labels"), tuple(counts.items())), *curve.get("tables", ()))
        numbers |= curve.get("numbers", {})
        text = f"{said} {curve['said']}"
        empty = pl.DataFrame(schema=SUSPECTS)
        return Reviewed(case.train, empty, text, None, None, numbers, tables, curve.get("pictures", ()))

    def _answers(self, keys: Keyed) -> tuple[list[Answer], list[str]]:
        answers, wrong = answers_in(Path(self.store), keys)
        return [a for a in answers if a.value is not None and a.key in keys.rows], wrong

    def _combined(self, answers: list[Answer]) -> tuple[dict[str, str], dict[str, float]]:
        """The label of each key, and how much it counts where several people did not agree."""
        last = {a.key: _written(a.value) for a in answers}
        votes = _votes(answers)
        if self.how == "last" or votes is None or votes.voters < 2:
            return last, {}
        order = list(dict.fromkeys(a.key for a in answers))
        classes = sorted({_written(a.value) for a in answers})
        found = believe(votes, self.how)
        best: Array = found.chances.argmax(axis=1)
        sure = sureness(found.chances) if len(classes) > 1 else np.ones(len(order))
        labels = {k: classes[int(c)] for k, c in zip(order, best, strict=True)}
        return labels, dict(zip(order, sure.tolist(), strict=True))


def _votes(answers: list[Answer]) -> Votes | None:
    """Answers as votes; None for boxes and amounts, which have no classes."""
    if not answers or any(not isinstance(a.value, str) for a in answers):
        return None
    keys = {k: i for i, k in enumerate(dict.fromkeys(a.key for a in answers))}
    people = {p: i for i, p in enumerate(sorted({a.annotator for a in answers}))}
    classes = {c: i for i, c in enumerate(sorted({a.value for a in answers}))}
    row = np.array([keys[a.key] for a in answers], dtype=np.int64)
    who = np.array([people[a.annotator] for a in answers], dtype=np.int64)
    said = np.array([classes[a.value] for a in answers], dtype=np.int64)
    return Votes(row, who, said, np.ones(len(row)), len(keys), len(people), len(classes))


def _written(value: Any) -> str:
    """A label as the target column holds it: a class as it is, an amount as a number, boxes as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True) if isinstance(value, list) else f"{value:.15g}"


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = (f"{value:.15g}" if isinstance(value, float) else str(value)).strip()
    return text or None
