"""Steps 1 to 3: what is asked, how it will be judged, and whether this data can answer it at all."""

import difflib
from typing import Any, ClassVar, NamedTuple

import numpy as np
import polars as pl

from thirtyfold.core.aim import Aim
from thirtyfold.core.charts import bars, histogram, number
from thirtyfold.core.errors import DataError, Fault, SpecError
from thirtyfold.core.evidence import Evidence, Picture, TableView, counted
from thirtyfold.core.family import Family, split_choice
from thirtyfold.core.spec import Spec
from thirtyfold.core.table import Table
from thirtyfold.core.task import Metric, Task, suits

__all__ = ["Define", "Defined"]

TASKS: Family[Task] = Family("aim.tasks")
METRICS: Family[Metric] = Family("aim.metrics")

FEWEST = 3
"""Rows that a class must have: one to learn from, one to choose by, one to test on."""
FEWEST_ROWS = 20
IMBALANCED = 0.10
"""A rarest class with a smaller share makes accuracy a poor judge."""


class Defined(NamedTuple):
    """What this stage gives."""

    aim: Aim
    evidence: list[Evidence]
    decided: dict[str, Any]


class Define:
    """Read task and metric from the target where the Spec leaves them open, and refuse what cannot be answered."""

    steps: ClassVar[tuple[int, ...]] = (1, 2, 3)

    def __init__(self, spec: Spec) -> None:
        self.target, self.metric = spec.target, spec.metric
        self.task, self.options = split_choice(spec.task, "task")
        self.said = spec.task
        self.goal, self.users = spec.goal, spec.users
        self.success, self.limits = dict(spec.success), dict(spec.limits)

    def run(self, table: Table) -> Defined:
        if table.target is None:
            raise DataError(Fault("target", f"there is no column '{self.target}'.", ", ".join(table.columns)))
        target, type_word = table[table.target], table.columns[table.target].type
        word, why = self._task(target, type_word)
        facts = self._feasible(target, word, len(table))
        aim, judged = self._judge(word, target, facts)
        evidence = [
            self._problem(aim, target, why, facts),
            self._objectives(aim, judged),
            Evidence(3, self._needs(aim, table, facts), {**facts, "rows": len(table), "columns": len(table.inputs)}),
        ]
        return Defined(aim, evidence, {"task": self.said if self.options else aim.task, "metric": aim.metric})

    def _task(self, target: pl.Series, type_word: str) -> tuple[str, str]:
        if self.task != "auto":
            TASKS.find(self.task, "task")
            return self.task, "the Spec says so"
        sure = {w: TASKS.find(w).recognize(type_word, target) for w in TASKS.words()}  # type: ignore[attr-defined]
        best = max(sure, key=lambda w: sure[w])
        return best, f"the target is a {type_word} column with {target.n_unique():,} different values"

    def _feasible(self, target: pl.Series, task: str, rows: int) -> dict[str, Any]:
        """What the target looks like; raises DataError with every reason why it cannot be learned."""
        known = target.drop_nulls()
        faults = []
        if rows < FEWEST_ROWS:
            hint = "Three parts (train, validation, test) cannot be made of so few."
            faults.append(
                Fault(
                    "data", f"has {counted(rows, 'row')} with a target; at least {FEWEST_ROWS} are needed.", hint=hint
                )
            )
        if len(known) == 0:
            faults.append(Fault(self.target, "the target is missing in every row."))
        elif known.n_unique() == 1:
            faults.append(Fault(self.target, f"the target is always {known[0]!r}; there is nothing to learn."))
        if faults:
            raise DataError(faults)
        kind: Any = TASKS.find(task)
        if not kind().fit(known).classes:
            return {"mean": _float(known.mean()), "std": _float(known.std()), "low": _float(known.min())}
        counts = {str(v): int(n) for v, n in known.value_counts(sort=True).iter_rows()}
        if len(counts) > max(50, rows // 10):
            hint = "A number is wanted? Then set 'task: regression'; otherwise choose another target."
            raise DataError(Fault(self.target, f"has {len(counts):,} classes in {rows:,} rows.", hint=hint))
        small = {v: n for v, n in counts.items() if n < FEWEST}
        if len(counts) - len(small) < 2 or (len(counts) == 2 and small):
            raise DataError(Fault(self.target, f"has classes too small to learn and test: {_counts(small)}.",
                                  hint=f"Each class needs at least {FEWEST} rows; collect more."))  # fmt: skip
        shares = sorted(counts.values())
        return {"classes": counts, "small": small, "rarest_share": shares[0] / len(known)}

    def _judge(self, task: str, target: pl.Series, facts: dict[str, Any]) -> tuple[Aim, str]:
        named = [m for m in (*self.success, self.metric) if ".py:" in m]
        possible = tuple(w for w in [*METRICS.words(), *named] if suits(METRICS.find(w).tasks, task))  # type: ignore[attr-defined]
        faults = [
            Fault(f"success.{m}", f"cannot judge {task}.", ", ".join(possible), _near(m, possible))
            for m in self.success
            if m not in possible
        ]
        why = "the Spec says so"
        metric = self.metric
        if metric == "auto":
            metric = next(iter(self.success), "") or self._usual(task, facts)
            why = "it is what 'success' asks for" if self.success else _WHY.get(metric, "it is this task's own")
        if metric not in possible:
            faults.append(
                Fault("metric", f"'{metric}' cannot judge {task}.", ", ".join(possible), _near(metric, possible))
            )
        if faults:
            raise SpecError(faults)
        kind: Any = METRICS.find(metric)
        shown: Any = TASKS.find(task)
        metrics = tuple(dict.fromkeys([metric, *shown.metrics, *self.success]))
        options = TASKS.check({task: self.options}, "task")[1] if self.options else {}
        return Aim(
            str(target.name), task, metric, bool(kind.greater), metrics, options
        ), why  # a reason is no value: no key

    @staticmethod
    def _usual(task: str, facts: dict[str, Any]) -> str:
        if "classes" in facts and suits(("classification",), task):
            return "average_precision" if len(facts["classes"]) == 2 and facts["rarest_share"] < 0.05 else "roc_auc"
        first: Any = TASKS.find(task)
        return str(first.metrics[0])

    def _problem(self, aim: Aim, target: pl.Series, why: str, facts: dict[str, Any]) -> Evidence:
        said = f"{self.goal.rstrip('.')}. " if self.goal else ""
        text = f"{said}Predict '{aim.target}' for each row: {aim.task}, because {why}."
        if "classes" in facts:
            rare = min(facts["classes"], key=facts["classes"].__getitem__)
            text += f" The rarest class is '{rare}' with {facts['rarest_share']:.1%} of the rows."
        numbers = {"task": aim.task, "target": aim.target, "goal": self.goal, "users": self.users}
        return Evidence(1, text, numbers, pictures=(_picture(target, facts),))

    def _objectives(self, aim: Aim, why: str) -> Evidence:
        better = "more is better" if aim.greater else "less is better"
        text = f"Judged by {aim.metric} ({better}), because {why}."
        rows = [
            (f"success.{m}", f"at {'least' if METRICS.find(m).greater else 'most'} {v:g}")  # type: ignore[attr-defined]
            for m, v in self.success.items()
        ]
        rows += [(f"limits.{name}", f"at most {value:g}") for name, value in self.limits.items()]
        text += (
            f" {counted(len(rows), 'gate')} must pass before anything is deployed."
            if rows
            else " No gate was set: the model must still beat the naive answer."
        )
        table = TableView("Gates", ("gate", "must be"), tuple(rows)) if rows else None
        return Evidence(2, text, {"metric": aim.metric, "gates": dict(rows)}, (table,) if table else ())

    def _needs(self, aim: Aim, table: Table, facts: dict[str, Any]) -> str:
        text = (
            f"{len(table):,} rows with a target and {len(table.inputs)} possible inputs: enough to learn and to test."
        )
        if facts.get("small"):
            text += f" Very small classes will be hard: {_counts(facts['small'])}."
        if len(facts.get("classes", ())) == 2 and facts["rarest_share"] < IMBALANCED:
            text += " The classes are imbalanced, so a decision threshold will be chosen on validation rows."
        if self.users:
            text += f" Used by: {self.users.rstrip(chr(46))}."
        return text


_WHY = {
    "roc_auc": "it ranks rows well whatever the decision threshold",
    "average_precision": "the positive class is rare, and it shows how pure the top of the list is",
    "rmse": "large misses should count more",
}


def _near(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean '{near[0]}'?" if near else ""


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"'{v}' ({n})" for v, n in list(counts.items())[:8])


def _float(value: Any) -> float:
    return float(value) if value is not None else float("nan")


def _picture(target: pl.Series, facts: dict[str, Any]) -> Picture:
    if "classes" in facts:
        top = list(facts["classes"].items())[:20]
        return bars(f"Rows by {target.name}", [v for v, _ in top], [float(n) for _, n in top])
    known = target.drop_nulls()
    low, high = _float(known.quantile(0.005)), _float(known.quantile(0.995))
    if not high > low:
        high = low + 1.0
    edges = [low + (high - low) * i / 30 for i in range(31)]
    counts, _ = np.histogram(known.to_numpy(), edges)
    note = f"Mean {number(facts['mean'])}, standard deviation {number(facts['std'])}."
    return histogram(f"Rows by {target.name}", edges, [float(n) for n in counts], note)
