"""Does 80 % mean 80 %? Calibration of the probabilities, and when to say "unsure"."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from thirtyfold.core.charts import lines, number
from thirtyfold.core.evidence import TableView
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.core.step import Context
from thirtyfold.core.verdict import Verdict
from thirtyfold.prove.audit import Case, Finding

__all__ = ["Calibration"]

BINS = 10
USUAL = 0.05


class Calibration:
    """The expected calibration error (Naeini et al. 2015; ten bins of equal width over the confidence).

    ``at_most``: the largest error allowed. ``accuracy``: when set, answers are flagged ``unsure`` below the confidence
    above which this accuracy holds on validation rows.
    """

    def __init__(
        self,
        at_most: Annotated[float, Field(ge=0, le=1)] | None = None,
        accuracy: Annotated[float, Field(gt=0, lt=1)] | None = None,
    ) -> None:
        self.at_most, self.accuracy = at_most, accuracy

    def ask(self, case: Case, context: Context) -> Finding:
        """Confidence against how often it was right, on test rows."""
        if not case.package.task.classes:
            why = "the answers are numbers without a probability"
            return Finding(Verdict("safety.calibration", passed=True, why=why), applicable=False)
        confidence, right = _confidence(case, "test")
        bins = np.clip((confidence * BINS).astype(int), 0, BINS - 1)
        rows, error = [], 0.0
        for at in range(BINS):
            own = bins == at
            if own.any():
                said, was = float(confidence[own].mean()), float(right[own].mean())
                error += own.mean() * abs(said - was)
                rows.append(
                    (f"{at / BINS:.1f} to {(at + 1) / BINS:.1f}", int(own.sum()), round(said, 4), round(was, 4))
                )
        fixed, flagged = self._abstaining(case)
        why = f"confidence and accuracy differ by {number(error)} on average"
        if self.at_most is None and error > USUAL:
            why += f" (more than the usual {USUAL:g})"
        if flagged:
            why += f"; {flagged}"
        tables = (
            TableView("Confidence and what happened", ("confidence", "rows", "said", "was right"), tuple(rows)),
            _coverage(confidence, right),
        )
        picture = lines(
            "Was right, by confidence",
            [r[2] for r in rows],
            {"model": [r[3] for r in rows], "perfect": [r[2] for r in rows]},
            "confidence",
            "share right",
        )
        passed = self.at_most is None or error <= self.at_most
        verdict = Verdict("safety.calibration", bool(passed), why, float(error), self.at_most, case.package.hash)
        return Finding(verdict, tables, (picture,), fixed=fixed)

    def _abstaining(self, case: Case) -> tuple[Package | None, str]:
        if self.accuracy is None or case.final:
            return None, ""
        confidence, right = _confidence(case, "validation")
        order = np.argsort(-confidence, kind="stable")
        so_far = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
        enough = np.flatnonzero(so_far >= self.accuracy)
        if not len(enough):
            return None, f"no confidence reaches an accuracy of {self.accuracy:g} on validation rows"
        below = float(confidence[order][enough[-1]])
        task: Any = case.package.task
        said = f"answers below {number(below)} are flagged unsure, {1 - (enough[-1] + 1) / len(order):.0%} of rows"
        return case.package.with_task(task.with_abstention(below)), said


def _confidence(case: Case, part: Literal["validation", "test"]) -> tuple[Array, Array]:
    truth, raw, columns = case.answers(part)
    known = truth >= 0
    decided = case.package.task.decide(raw, columns)
    return raw[np.arange(len(raw)), decided][known], (decided == truth)[known] * 1.0


def _coverage(confidence: Array, right: Array) -> TableView:
    order = np.argsort(-confidence, kind="stable")
    rows = []
    for share in (1.0, 0.9, 0.8, 0.7, 0.5):
        kept = order[: max(1, int(share * len(order)))]
        rows.append((f"{share:.0%}", round(float(confidence[kept[-1]]), 4), round(float(right[kept].mean()), 4)))
    return TableView("If it may say 'unsure'", ("answered", "confidence at least", "accuracy"), tuple(rows))
