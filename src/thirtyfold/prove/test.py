"""Step 25: how good is it on rows that were never used to choose anything? Asked once, counted, with an interval."""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from thirtyfold.core.aim import Aim, evaluate
from thirtyfold.core.charts import bars, grid, number, scatter, spread
from thirtyfold.core.door import typed
from thirtyfold.core.errors import DataError
from thirtyfold.core.evidence import Evidence, Picture, TableView, counted
from thirtyfold.core.family import Family
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.learned import Winner
from thirtyfold.core.package import Package
from thirtyfold.core.sealed import Sealed
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.core.task import Metric, Task
from thirtyfold.core.tested import Tested
from thirtyfold.core.verdict import Verdict
from thirtyfold.prove.audit import Case
from thirtyfold.prove.forecasts import Shown, blocks_of, shown
from thirtyfold.prove.safety import audit_all, audits_of, numbers_of
from thirtyfold.prove.score import answers, bootstrap, claimed, compare, scorer, slices

__all__ = ["Prove", "Proved", "Test", "TestGiven"]

FEW = 30
"""With fewer test rows it is said that they are few, whatever they show."""
BAD_SLICE = 4.0
"""Standard errors by which a slice's error exceeds the whole's before it is called out."""


class TestGiven(NamedTuple):
    """What this stage gives."""

    tested: Tested
    gates: list[Verdict]
    evidence: list[Evidence]


class Test:
    """Open the sealed rows, score the Package once, and answer the three questions."""

    steps: ClassVar[tuple[int, ...]] = (25,)

    def __init__(self, spec: Spec) -> None:
        self.success, self.seed = dict(spec.success), spec.seed

    def run(
        self,
        learned: Package,
        learning: Table,
        test: Sealed,
        aim: Aim,
        winner: Winner,
        champion: Package | None,
        context: Context,
    ) -> TestGiven:
        rows, looks = test.open(context, f"test of {learned.hash[:12]}")
        examined = _Examined(learned, learning, rows, aim, winner, self.seed)
        tested, pictures = examined.tested(champion, looks)
        gates = _gates(tested, aim, self.success, examined.lead)
        return TestGiven(tested, gates, [_evidence(tested, gates, aim, pictures, examined)])


class Proved(NamedTuple):
    """What this stage gives."""

    final: Package
    verdicts: list[Verdict]
    result: Tested
    evidence: list[Evidence]


class Prove:
    """What a fix or compression made is a new Package: it is tested and audited again, or the verdicts stand."""

    steps: ClassVar[tuple[int, ...]] = (25, 27)

    def __init__(self, spec: Spec) -> None:
        self.success, self.seed = dict(spec.success), spec.seed
        self.audits = audits_of(spec.safety)

    def run(
        self,
        compressed: Package,
        safe: Package,
        tested: Tested,
        gates: list[Verdict],
        safety: list[Verdict],
        learning: Table,
        validation: Table,
        test: Sealed,
        aim: Aim,
        winner: Winner,
        champion: Package | None,
        context: Context,
    ) -> Proved:
        if compressed.hash == tested.package:
            evidence = [
                Evidence(25, "No fix or compression made a new Package, so the test above stands."),
                Evidence(27, "The Package is the one that was audited above, so those verdicts stand."),
            ]
            return Proved(compressed, [*gates, *safety], tested, evidence)
        made = "compression" if compressed.hash != safe.hash else "the safety fix"
        rows, looks = test.open(context, f"test of {compressed.hash[:12]} made by {made}")
        examined = _Examined(compressed, learning, rows, aim, winner, self.seed)
        again, pictures = examined.tested(champion, looks)
        fresh = _gates(again, aim, self.success, examined.lead)
        findings = audit_all(self.audits, Case(compressed, learning, validation, rows, aim, winner, self.seed), context)
        before, after = tested.scores[aim.metric], again.scores[aim.metric]
        first = _evidence(again, fresh, aim, pictures, examined)
        why = (
            f"The new Package made by {made} was tested again on the same rows: {aim.metric} {number(after)} "
            f"instead of {number(before)}. {first.why}"
        )
        table = TableView(
            "Audits of the new Package",
            ("audit", "passed", "what was found"),
            tuple((f.verdict.name, f.verdict.word, f.verdict.why) for f in findings),
        )
        audited = Evidence(
            27, f"{counted(len(findings), 'audit')} made again on the new Package.", numbers_of(findings), (table,)
        )
        verdicts = [*fresh, *(f.verdict for f in findings)]
        return Proved(
            compressed, verdicts, again, [Evidence(25, why, first.numbers, first.tables, first.pictures), audited]
        )


class _Examined:
    """One Package on the opened rows."""

    def __init__(self, package: Package, learning: Table, rows: Table, aim: Aim, winner: Winner, seed: int) -> None:
        self.package, self.aim, self.seed, self.rows = package, aim, seed, rows
        self.task: Task = package.task
        self.truth, self.raw, self.columns = answers(package, rows)
        known = self.truth >= 0 if self.task.classes else np.isfinite(self.truth)
        if not known.any():
            raise DataError("No test row has a target that the training rows have.")
        if not known.all():
            self.rows = rows.where(known)
            self.truth, self.raw = self.truth[known], self.raw[known]
            self.columns = {n: c[known] for n, c in self.columns.items()}
        start = self.task.baseline(self.task.encode(learning[str(learning.target)]))
        self.naive = np.tile(start, (len(self.truth), 1))
        # Not the Package's own score there: it may have been fitted again on those rows since.
        self.validation = winner.score.validation
        self.lead: tuple[float, float] | None = None
        self.runs: tuple[Array, int] | None = None
        self.forecasts: Shown | None = None
        if package.windows is not None:  # what an origin does not know, none of its rows knows
            self.runs = blocks_of(self.rows)
            self.forecasts = shown(self.task, self.rows, self.truth, self.raw, self.columns)

    def tested(self, champion: Package | None, looks: int) -> tuple[Tested, tuple[Picture, ...]]:
        metric, rows = self.aim.metric, len(self.truth)
        scores = evaluate(self.task, self.aim.metrics, self.truth, self.raw, self.columns)
        own = scorer(self.task, metric, self.truth, self.raw, self.columns, self.runs)
        interval = bootstrap(own, self.seed)
        baseline = evaluate(self.task, (metric,), self.truth, self.naive, self.columns)[metric]
        rival, versus = self._champion(champion, own)
        decided = self.task.decide(self.raw, self.columns)
        wrong = (decided != self.truth) * 1.0 if self.task.classes else np.abs(decided - self.truth)
        worst = slices(self.rows, wrong, [c.name for c in self.package.columns])
        questions = self._questions(scores, interval, baseline, worst, rows)
        if self.forecasts is not None:
            questions["better than the seasonal-naive forecast?"] = self._against_naive(own, baseline)
        if versus:
            questions["better than the model in service?"] = versus
        result = Tested(
            self.package.hash, metric, rows, looks, scores, self.validation, interval, baseline, rival, worst, questions
        )
        return result, _pictures(self.task, self.truth, decided, worst)

    def _against_naive(self, own: Any, baseline: float) -> str:
        """Both on the same windows, which are drawn together: what makes one hard to foretell does so for both."""
        plain = scorer(self.task, self.aim.metric, self.truth, self.naive, self.columns, self.runs)
        low, high = bootstrap(plain, self.seed)
        first, second = (own, plain) if self.aim.greater else (plain, own)
        self.lead = compare(first, second, self.seed)[:2]
        said = "Yes" if self.lead[0] > 0 else "Not beyond noise"
        return (
            f"{said}: that has {number(baseline)} ({number(low)} to {number(high)}); on the same windows the model is "
            f"better by {number(self.lead[0])} to {number(self.lead[1])}."
        )

    def _champion(self, champion: Package | None, own: Any) -> tuple[float | None, str]:
        if champion is None:
            return None, ""
        missing = [c.name for c in champion.columns if c.name not in self.rows.columns]
        if missing or champion.task.classes != self.task.classes:
            return None, "It cannot be compared: it reads other columns or has other classes."
        other = [c for c in champion.columns if typed(c).dtype != typed(self.rows.columns[c.name]).dtype]
        if other:
            names = ", ".join(f"'{c.name}' was read as {c.type}" for c in other[:3])
            return None, f"It cannot be compared: {names} then."
        truth, raw, columns = answers(champion, self.rows)
        rival = scorer(champion.task, self.aim.metric, truth, raw, columns, self.runs)
        low, high, _ = compare(own, rival, self.seed)
        sign = 1 if self.aim.greater else -1
        low, high = (low, high) if sign > 0 else (-high, -low)
        said = "Yes, beyond noise" if low > 0 else "No, it is worse" if high < 0 else "Not beyond noise"
        return rival(np.arange(len(truth))), f"{said}: better by {number(low)} to {number(high)} on the same rows."

    def _questions(
        self,
        scores: dict[str, float],
        interval: tuple[float, float],
        baseline: float,
        worst: list[dict[str, Any]],
        rows: int,
    ) -> dict[str, str]:
        aim, (low, high) = self.aim, interval
        least, most = claimed(interval, rows, aim.metric)
        better = least > baseline if aim.greater else most < baseline
        naive = f"the naive answer has {number(baseline)}"
        value, chosen = scores[aim.metric], self.validation[aim.metric]
        within = low <= chosen <= high or (low == high and abs(chosen - value) <= 3 / rows)
        bad = [s for s in worst if s["z"] >= BAD_SLICE]
        errors = "Yes: no group of rows is clearly worse than the rest."
        if bad:
            first = bad[0]
            errors = (
                f"Look at {counted(len(bad), 'group')}: where {first['column']} is {first['slice']} the error is "
                f"{number(first['error'])} against {number(first['all'])} overall ({first['rows']:,} rows)."
            )
        gap = f"validation had {number(chosen)}, test has {number(value)}"
        return {
            "acceptable?": f"{'Yes' if better else 'No'}: {naive}; {spread(low, high, rows)}.",
            "are the errors reasonable?": errors,
            "does it generalize?": f"Yes: {gap}, within what this many rows can tell."
            if within
            else f"With care: {gap}, outside the interval ({spread(low, high, rows)}).",
        }


def _gates(
    tested: Tested, aim: Aim, success: dict[str, float], lead: tuple[float, float] | None = None
) -> list[Verdict]:
    """The Spec's success gates, and one that is always there: the naive answer must be beaten beyond noise; by the
    interval of the ``lead`` over it on the same rows where that is known, else by the metric's own.
    """
    low, high = claimed(tested.interval, tested.rows, aim.metric)
    better = low > tested.baseline if aim.greater else high < tested.baseline
    reached, naive = tested.scores[aim.metric], tested.baseline
    why = f"{aim.metric} {number(reached)} ({number(low)} to {number(high)}), naive answer {number(naive)}"
    if lead is not None:
        better = lead[0] > 0
        why += f", better by {number(lead[0])} to {number(lead[1])} on the same windows"
    if tested.rows < FEW:
        why += f"; there are only {counted(tested.rows, 'test row')}, too few to rely on"
    gates = [
        Verdict("better_than_naive", bool(better), why, tested.scores[aim.metric], tested.baseline, tested.package)
    ]
    family: Family[Metric] = Family("aim.metrics")
    for metric, limit in success.items():
        greater = family.build(metric, "success").greater
        value = tested.scores[metric]
        passed = value >= limit if greater else value <= limit
        asked = f"at {'least' if greater else 'most'} {limit:g} is asked"
        why = f"{metric} is {number(value)} on {tested.rows:,} test rows; {asked}"
        gates.append(Verdict(f"success.{metric}", bool(passed), why, value, limit, tested.package))
    return gates


def _evidence(
    tested: Tested,
    gates: Sequence[Verdict],
    aim: Aim,
    pictures: tuple[Picture, ...],
    examined: _Examined,
) -> Evidence:
    few = f"Only {tested.rows} rows: another draw may say otherwise. " if tested.rows < FEW else ""
    why = (
        f"{aim.metric} {number(tested.scores[aim.metric])} on {tested.rows:,} sealed rows "
        f"({spread(*tested.interval, tested.rows)}; naive answer {number(tested.baseline)}). "
        f"{few}{_runs(tested.looks)} at these rows so far."
    )
    forecasts = examined.forecasts
    why += f" {forecasts.why}" if forecasts is not None else ""
    no = [g for g in gates if not g.passed]
    if no:
        why += " Not passed: " + "; ".join(g.why for g in no) + "."
    tables = [
        TableView("Three questions", ("question", "answer"), tuple(tested.questions.items())),
        TableView(
            "Metrics",
            ("metric", "test", "validation"),
            tuple((m, round(v, 5), tested.validation.get(m)) for m, v in tested.scores.items()),
        ),
    ]
    if tested.slices:
        tables.append(
            TableView(
                "Where it errs more",
                ("column", "slice", "rows", "error", "standard errors above"),
                tuple((s["column"], s["slice"], s["rows"], round(s["error"], 4), s["z"]) for s in tested.slices),
            )
        )
    numbers = {
        "scores": tested.scores,
        "interval": list(tested.interval),
        "baseline": tested.baseline,
        "looks": tested.looks,
        "rows": tested.rows,
        "questions": tested.questions,
    }
    if forecasts is None:
        return Evidence(25, why, numbers, tuple(tables), pictures)
    more = {"forecasts": forecasts.numbers, "lead": list(examined.lead or ())}
    return Evidence(25, why, numbers | more, (*tables, *forecasts.tables), (*forecasts.pictures, *pictures))


def _runs(looks: int) -> str:
    return "No other run than this one looked" if looks == 1 else f"{looks:,} runs, this one included, looked"


def _pictures(task: Task, truth: Array, decided: Array, worst: list[dict[str, Any]]) -> tuple[Picture, ...]:
    out = []
    if task.classes and len(task.classes) <= 12:
        counts = np.zeros((len(task.classes), len(task.classes)))
        np.add.at(counts, (truth, decided), 1)
        out.append(grid("Truth (rows) and answer (columns)", task.classes, task.classes, counts.tolist()))
    elif not task.classes:
        pick = np.linspace(0, len(truth) - 1, min(600, len(truth))).astype(int)
        out.append(scatter("Answer against truth", truth[pick], decided[pick], "truth", "answer", diagonal=True))
    if worst:
        names = [f"{s['column']}: {s['slice']}" for s in worst]
        out.append(bars("Error by slice", names, [s["error"] for s in worst], f"All rows: {number(worst[0]['all'])}."))
    return tuple(out)
