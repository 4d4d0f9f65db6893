"""Can one tell who was in the training data? Membership inference by the loss."""

from typing import Annotated

import numpy as np
from pydantic import Field

from thirtyfold.core.charts import histogram, number
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.core.step import Context
from thirtyfold.core.verdict import Verdict
from thirtyfold.prove.audit import Case, Finding
from thirtyfold.prove.score import answers

__all__ = ["Privacy"]

MOST = 5_000
USUAL = 0.6


class Privacy:
    """The attack of Yeom et al. (2018): a row with a small loss is guessed to be a training row.

    The number is how often the attack ranks a training row before a test row (0.5: it learns nothing, 1: all is known).
    ``at_most``: the most that is allowed.
    """

    def __init__(self, at_most: Annotated[float, Field(ge=0.5, le=1)] | None = None) -> None:
        self.at_most = at_most

    def ask(self, case: Case, context: Context) -> Finding:
        """Compare the losses on as many training rows as there are test rows."""
        outside = _loss(case.package, case.answers("test"))
        rows = case.learning
        most = min(len(outside), MOST, len(rows))
        pick = np.sort(np.random.default_rng(case.seed).choice(len(rows), most, replace=False))
        inside = _loss(case.package, answers(case.package, rows.take(pick)))
        outside = outside[:most]
        area = _auc(inside, outside)
        said = (
            "hardly better than a coin's 0.5"
            if area <= USUAL
            else f"more than the usual {USUAL:g}: it remembers single rows"
        )
        why = f"an attacker tells a training row from a new one with AUC {number(area)}, {said}"
        passed = self.at_most is None or area <= self.at_most
        edges = np.quantile(np.concatenate([inside, outside]), np.linspace(0, 1, 21))
        edges = np.linspace(0, max(float(edges[-2]), 1e-6), 21)
        counts = np.histogram(inside, edges)[0] - np.histogram(outside, edges)[0]
        note = "Training rows more than new rows at each loss; the flatter, the more private."
        picture = histogram(
            "Loss of training rows", edges.tolist(), np.histogram(inside, edges)[0].astype(float).tolist(), note
        )
        evidence = {"rows": int(most), "advantage": float(np.abs(counts).sum() / 2 / max(1, most))}
        verdict = Verdict("safety.privacy", bool(passed), why, float(area), self.at_most, case.package.hash, evidence)
        return Finding(verdict, pictures=(picture,))


def _loss(package: Package, told: tuple[Array, Array, dict[str, Array]]) -> Array:
    truth, raw, columns = told
    if package.task.classes:
        known = truth >= 0
        return np.asarray(-np.log(np.clip(raw[known, truth[known]], 1e-12, 1)))
    wanted = package.task.learned(truth, columns) if hasattr(package.task, "learned") else truth
    loss = (wanted - raw[:, 0]) ** 2
    return np.asarray(loss[np.isfinite(loss)])


def _auc(inside: Array, outside: Array) -> float:
    """How often an inside row has the smaller loss, ties counted half (Mann-Whitney)."""
    ordered = np.sort(outside)
    above = len(outside) - np.searchsorted(ordered, inside, side="right")
    level = len(outside) - np.searchsorted(ordered, inside, side="left") - above
    return float((above + level / 2).mean() / len(outside))
