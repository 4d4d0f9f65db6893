"""Steps 23 and 24: what keeps the winner from learning its rows by heart, and how wide the gap is with and without."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from thirtyfold.core.aim import Aim, Goal
from thirtyfold.core.charts import bars, number
from thirtyfold.core.encoder import Encoded
from thirtyfold.core.evidence import Evidence, TableView, counted, not_applicable
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.core.learned import Score, Winner
from thirtyfold.core.model import Candidate
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.learn.augmented import augmented
from thirtyfold.learn.bench import Bench
from thirtyfold.learn.inner import Inner
from thirtyfold.learn.options import written

__all__ = ["Regularize", "Regularized"]

ROWS = 2_000
"""Training rows that both fits see at most; the gap is wider on fewer rows, for both alike. And validation rows that
both are compared on at most.
"""
HURRY = 30.0
"""Seconds left of the budget under which a tenth of the rows must do."""


class Regularized(NamedTuple):
    """What this stage gives."""

    gap: dict[str, Any]
    evidence: list[Evidence]


class Regularize:
    """Fits the winner twice on the same rows, with its measures and without, and compares."""

    steps: ClassVar[tuple[int, ...]] = (23, 24)

    def __init__(self, spec: Spec) -> None:
        self.seed = spec.seed

    def run(
        self,
        winner: Winner,
        train_rows: dict[str, Encoded],
        validation_rows: dict[str, Encoded],
        validation: Table,
        goal: Goal,
        aim: Aim,
        context: Context,
    ) -> Regularized:
        metric, score = aim.metric, winner.score
        whole = {"train": score.train[metric], "validation": score.validation[metric]}
        gap: dict[str, Any] = {"metric": metric, **whole, "gap": _gap(score, aim), "measures": {}}
        candidate, what = _alone(winner.trained.candidate)
        kept = self._kept(len(validation))
        held = {form: rows.take(kept) for form, rows in validation_rows.items()}
        bench = Bench.of(self._fewer(train_rows, context), held, validation.take(kept), goal, aim)
        context.progress(f"fitting {candidate.word} with its measures")
        on_model = bench.fit(candidate, Inner(context, "with"))
        measures = on_model.measures()
        if not measures:
            why = f"{candidate.word} has no measure against overfitting switched on."
            return Regularized(gap, [not_applicable(23, why), self._told(gap, aim, None)])
        off = Candidate(
            candidate.word, written(candidate.options, {n: v for n, (_, v) in measures.items()}), candidate.form
        )
        context.progress(f"fitting {candidate.word} without its measures")
        on, without = bench.score(candidate, on_model), bench.score(off, bench.fit(off, Inner(context, "without")))
        rows = len(bench.train_rows[candidate.form])
        gap |= {
            "model": candidate.word,
            "rows": rows,
            "measures": {n: [a, b] for n, (a, b) in measures.items()},
            "with": _pair(on, aim),
            "without": _pair(without, aim),
        }
        listed = TableView(
            "Measures", ("option", "on", "off"), tuple((n, str(a), str(b)) for n, (a, b) in measures.items())
        )
        named = Evidence(
            23,
            f"{what}{counted(len(measures), 'measure')} against learning by heart switched on: {', '.join(measures)}.",
            {"measures": gap["measures"]},
            (listed,),
            tuple(augmented(candidate, bench.train_rows[candidate.form], self.seed)),
        )
        return Regularized(gap, [named, self._told(gap, aim, (on, without))])

    def _kept(self, many: int) -> Array:
        """Which validation rows: all, or a sample of them."""
        if many <= ROWS:
            return np.arange(many)
        return np.sort(np.random.default_rng(self.seed).choice(many, ROWS, replace=False))

    def _fewer(self, rows: dict[str, Encoded], context: Context) -> dict[str, Encoded]:
        left = context.remaining()
        limit = ROWS // 4 if left is not None and left < HURRY else ROWS
        many = len(next(iter(rows.values())))
        if many <= limit:
            return rows
        which = np.sort(np.random.default_rng(self.seed).choice(many, limit, replace=False))
        return {form: r.take(which) for form, r in rows.items()}

    @staticmethod
    def _told(gap: dict[str, Any], aim: Aim, pair: tuple[Score, Score] | None) -> Evidence:
        metric = aim.metric
        why = (
            f"The winner has {metric} {number(gap['train'])} on training rows and {number(gap['validation'])} on "
            f"validation rows: a gap of {number(gap['gap'])}."
        )
        numbers = {n: gap[n] for n in ("metric", "train", "validation", "gap")}
        if pair is None:
            return Evidence(24, why, numbers)
        on, off = gap["with"], gap["without"]
        verdict = "narrower" if abs(on["gap"]) < abs(off["gap"]) else "not narrower"
        held = "better" if _better(on, off, aim) else "no better"
        why += (
            f" Fitted twice on the same {gap['rows']:,} rows, the gap of {gap['model']} is {number(on['gap'])} with "
            f"its measures and {number(off['gap'])} without: {verdict} with them, and {held} on validation rows "
            f"({number(on['validation'])} against {number(off['validation'])})."
        )
        labels = ["train, with", "validation, with", "train, without", "validation, without"]
        values = [on["train"], on["validation"], off["train"], off["validation"]]
        return Evidence(
            24,
            why,
            {**numbers, "with": on, "without": off},
            pictures=(bars(f"{metric} with and without", labels, values),),
        )


def _alone(candidate: Candidate) -> tuple[Candidate, str]:
    """The candidate itself; of an ensemble the member that counts most, which stands for all."""
    if candidate.word != "ensemble":
        return candidate, ""
    options = candidate.options
    at = int(np.argmax(options["weights"]))
    word, inner = next(iter(options["members"][at].items()))
    from thirtyfold.core.family import Family

    kind: Any = Family("learn.models").find(word, "model")
    return Candidate(word, inner, kind.forms[0]), f"In {word}, which counts most in the ensemble, "


def _gap(score: Score, aim: Aim) -> float:
    difference = score.train[aim.metric] - score.validation[aim.metric]
    return float(difference if aim.greater else -difference)


def _pair(score: Score, aim: Aim) -> dict[str, float]:
    return {"train": score.train[aim.metric], "validation": score.validation[aim.metric], "gap": _gap(score, aim)}


def _better(on: dict[str, float], off: dict[str, float], aim: Aim) -> bool:
    return on["validation"] > off["validation"] if aim.greater else on["validation"] < off["validation"]
