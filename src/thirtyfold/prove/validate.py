"""Step 21: score every trained candidate on the validation rows, and on the training rows to see the gap."""

from typing import ClassVar, NamedTuple

import numpy as np

from thirtyfold.core.aim import Aim, Goal, evaluate, truth_of
from thirtyfold.core.charts import bars, number
from thirtyfold.core.encoder import Encoded
from thirtyfold.core.evidence import Evidence, TableView
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.learned import Score, Trained
from thirtyfold.core.spec import Spec
from thirtyfold.core.table import Table

__all__ = ["Validate", "Validated"]

SAMPLE = 5_000
"""Training rows scored for the gap; more would not change its second digit."""


class Validated(NamedTuple):
    """What this stage gives."""

    scores: list[Score]
    evidence: list[Evidence]


class Validate:
    """May be repeated as often as one likes: validation rows are there to choose by. Test rows are not seen here."""

    steps: ClassVar[tuple[int, ...]] = (21,)

    def __init__(self, spec: Spec) -> None:
        self.seed = spec.seed

    def run(
        self,
        trained: list[Trained],
        train_rows: dict[str, Encoded],
        validation_rows: dict[str, Encoded],
        validation: Table,
        goal: Goal,
        aim: Aim,
    ) -> Validated:
        columns = goal.arrays(validation)
        scores = []
        for one in trained:
            form = one.candidate.form
            train = _sample(train_rows[form], self.seed)
            scores.append(
                Score(
                    one.candidate,
                    evaluate(goal.task, aim.metrics, *_answers(one, validation_rows[form], goal), columns),
                    evaluate(goal.task, aim.metrics, *_answers(one, train, goal), train.reads),
                )
            )
        return Validated(scores, [self._evidence(scores, aim, len(validation))])

    @staticmethod
    def _evidence(scores: list[Score], aim: Aim, rows: int) -> Evidence:
        def key(score: Score) -> float:
            value = score.validation[aim.metric]
            return -np.inf if np.isnan(value) else value if aim.greater else -value

        ranked = sorted(scores, key=key, reverse=True)
        best = ranked[0]
        value = best.validation[aim.metric]
        why = (
            f"On {rows:,} validation rows {best.candidate.word} has {aim.metric} {number(value)} "
            f"(training rows: {number(best.train[aim.metric])})"
        )
        if len(ranked) > 1:
            why += f", ahead of {ranked[1].candidate.word} with {number(ranked[1].validation[aim.metric])}"
        table = TableView(
            "Candidates on validation rows",
            ("model", *aim.metrics),
            tuple((s.candidate.word, *(round(s.validation[m], 5) for m in aim.metrics)) for s in ranked),
        )
        picture = bars(
            f"{aim.metric} on validation rows",
            [s.candidate.word for s in ranked],
            [s.validation[aim.metric] for s in ranked],
        )
        numbers = {s.candidate.word: s.validation for s in ranked}
        return Evidence(21, why + ".", {"scores": numbers, "rows": rows}, (table,), (picture,))


def _sample(rows: Encoded, seed: int) -> Encoded:
    if len(rows) <= SAMPLE:
        return rows
    return rows.take(np.sort(np.random.default_rng(seed).choice(len(rows), SAMPLE, replace=False)))


def _answers(one: Trained, rows: Encoded, goal: Goal) -> tuple[Array, Array]:
    return truth_of(goal.task, rows), one.model.predict(rows.matrix)
