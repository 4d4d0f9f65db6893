"""Is it equally good for everyone? Gaps between groups, a fix, and what the fix costs."""

from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from pydantic import Field

from thirtyfold.core.aim import evaluate
from thirtyfold.core.charts import bars, number
from thirtyfold.core.evidence import TableView
from thirtyfold.core.family import Family
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.model import Model
from thirtyfold.core.package import Package
from thirtyfold.core.step import Context
from thirtyfold.core.verdict import Verdict
from thirtyfold.prove.audit import Case, Finding

__all__ = ["Fairness"]

FEWEST = 30
"""Rows of a group below which its rates are noise."""
USUAL = 0.2
"""The gap that is called out when the user set no limit (the four-fifths rule as a difference)."""
NAMES = ("sex", "gender", "race", "ethnic", "religion", "disab", "nationality", "native", "marital")


class Fairness:
    """Gaps in selection rate, true and false positive rate and accuracy between the groups of columns.

    ``by``: the columns; left out, columns with a telling name are looked at and only reported. ``at_most``: the largest
    gap allowed. ``measure``: ``selection_rate`` (demographic parity) or ``equalized_odds`` (the larger gap of true and
    false positive rate; Hardt et al. 2016). ``fix``: ``threshold`` (one per group, chosen on validation rows) or
    ``reweigh`` (training weights that make group and answer independent; Kamiran and Calders 2012).
    """

    def __init__(
        self,
        by: list[str] | str | None = None,
        at_most: Annotated[float, Field(ge=0, le=1)] | None = None,
        measure: Literal["selection_rate", "equalized_odds"] = "selection_rate",
        fix: Literal["none", "threshold", "reweigh"] = "none",
    ) -> None:
        self.by = [by] if isinstance(by, str) else by
        self.at_most, self.measure, self.fix = at_most, measure, fix

    def ask(self, case: Case, context: Context) -> Finding:
        """The widest gap over all columns on the test rows."""
        columns = self.by or [n for n in case.test.columns if any(part in n.lower() for part in NAMES)]
        columns = [n for n in columns if n in case.test.columns and n != case.aim.target]
        absent = sorted(set(self.by or []) - set(columns))
        if absent:
            return self._none(f"there is no column {', '.join(absent)}", passed=False)
        if len(case.package.task.classes) != 2:
            return self._none("it compares yes-or-no answers, and this task has other ones")
        if not columns:
            return self._none("no column has a name that tells of a protected group; name one with 'by'")
        rates = {name: self._groups(case, case.package, name) for name in columns}
        gaps = {name: _gap(groups, self.measure) for name, groups in rates.items()}
        worst = max(gaps, key=gaps.__getitem__)
        tables = [_table(name, groups) for name, groups in rates.items()]
        helped = max(columns, key=lambda n: self._gap(case, case.package, n))  # chosen on validation rows
        options = {} if case.final else self._options(case, helped, context)
        if options:
            tables.append(self._price(case, helped, options))
        asked = options.get(self.fix)
        fixed = asked if asked and self._gap(case, asked, helped) < self._gap(case, case.package, helped) else None
        after = {n: _gap(self._groups(case, fixed, n), self.measure) for n in columns} if fixed else gaps
        gap, limit = gaps[worst], self.at_most
        widest = max(after, key=after.__getitem__)
        why = f"{self.measure.replace('_', ' ')} differs by {number(after[widest])} between the groups of {widest}"
        if fixed:
            why += f" after the fix ({self.fix} by {helped}); before it by {number(gap)} between those of {worst}"
            others = [n for n in columns if n != helped]
            if others:
                why += f" (a fix is made for one column; {', '.join(others)} as it comes of that)"
        elif asked:
            why += f"; the fix ({self.fix}) does not narrow the gap on validation rows, so it is not taken"
        elif limit is None and gap > USUAL:
            why += f" (more than the usual {USUAL:g}: see the table for fixes and their price)"
        now = after[widest]
        passed = limit is None or bool(now <= limit)
        picture = bars(
            f"Share chosen, by {worst}",
            [g["group"] for g in rates[worst]],
            [g["selection_rate"] for g in rates[worst]],
        )
        told = {"gaps": after, "by": columns, **({"gaps_before_the_fix": gaps} if fixed else {})}
        verdict = Verdict("safety.fairness", passed, why, float(now), limit, case.package.hash, told)
        return Finding(verdict, tuple(tables), (picture,), fixed=fixed)

    @staticmethod
    def _none(why: str, *, passed: bool = True) -> Finding:
        return Finding(Verdict("safety.fairness", passed, why), applicable=not passed)

    def _gap(self, case: Case, package: Package, name: str) -> float:
        """The gap on validation rows: what a choice may depend on."""
        return _gap(self._groups(case, package, name, "validation"), self.measure)

    @staticmethod
    def _groups(
        case: Case, package: Package, name: str, part: Literal["validation", "test"] = "test"
    ) -> list[dict[str, Any]]:
        """Rates of each group with enough rows."""
        truth, raw, columns = case.answers(part, package)
        chosen = package.task.decide(raw, columns) == 1
        out = []
        for group, members in _masks(getattr(case, part)[name]):
            mask = members & (truth >= 0)
            if mask.sum() < FEWEST:
                continue
            yes, no = mask & (truth == 1), mask & (truth == 0)
            out.append(
                {
                    "group": group,
                    "rows": int(mask.sum()),
                    "selection_rate": float(chosen[mask].mean()),
                    "true_positive_rate": float(chosen[yes].mean()) if yes.any() else float("nan"),
                    "false_positive_rate": float(chosen[no].mean()) if no.any() else float("nan"),
                    "accuracy": float((chosen == (truth == 1))[mask].mean()),
                }
            )
        return out

    def _options(self, case: Case, name: str, context: Context) -> dict[str, Package]:
        """Packages with each fix. Per-group thresholds are always made, to show their price; others when asked for."""
        options: dict[str, Package] = {}
        if any(c.name == name for c in case.package.columns):
            limits = self._limits(case, name)
            if limits:
                task: Any = case.package.task
                options["threshold"] = case.package.with_task(task.with_thresholds(name, limits))
        if self.fix == "reweigh":
            refitted = _reweighed(case, name, context)
            if refitted is not None:
                options["reweigh"] = refitted
        return options

    def _limits(self, case: Case, name: str) -> dict[str, float]:
        """A threshold for each group, on validation rows, so that each has the rate that all have together now."""
        truth, raw, columns = case.answers("validation")
        chosen = case.package.task.decide(raw, columns) == 1
        counted = truth >= 0 if self.measure == "selection_rate" else truth == 1
        wanted = float(chosen[counted].mean()) if counted.any() else 0.0
        out = {}
        for group, mask in _masks(case.validation[name]):
            own = raw[mask & counted, 1]
            if len(own) >= FEWEST // 2 and 0 < wanted < 1:
                out[group] = float(np.quantile(own, 1 - wanted))
        return out

    def _price(self, case: Case, name: str, options: dict[str, Package]) -> TableView:
        rows = []
        for label, package in {"as it is": case.package, **options}.items():
            truth, raw, columns = case.answers("test", package)
            scores = evaluate(package.task, ("accuracy", case.aim.metric), truth, raw, columns)
            groups = self._groups(case, package, name)
            gaps = [_gap(groups, m) for m in ("selection_rate", "equalized_odds")]
            rows.append((label, *(round(v, 4) for v in (*gaps, *scores.values()))))
        head = ("fix", "selection rate gap", "equalized odds gap", *dict.fromkeys(("accuracy", case.aim.metric)))
        return TableView(f"Fixes for {name} and their price", head, tuple(rows))


def _masks(column: pl.Series) -> list[tuple[str, Array]]:
    """The groups of a column: its values; quarters of a number."""
    if column.dtype.is_numeric() and column.n_unique() > 10:
        cuts = sorted({float(column.quantile(q) or 0.0) for q in (0.25, 0.5, 0.75)})
        edges = [-np.inf, *cuts, np.inf]
        names = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
        places = np.digitize(column.fill_null(float("nan")).to_numpy(), cuts)
        column = pl.Series([names[p] if known else None for p, known in zip(places, column.is_not_null(), strict=True)])
    text = column.cast(pl.Float64).cast(pl.Int64).cast(pl.String) if column.dtype.is_numeric() else column
    values = text.cast(pl.String).fill_null("missing")
    return [(str(v), np.asarray(values == v)) for v in sorted(values.unique().to_list())]


def _gap(groups: list[dict[str, Any]], measure: str) -> float:
    names = ["selection_rate"] if measure == "selection_rate" else ["true_positive_rate", "false_positive_rate"]
    spans = []
    for name in names:
        known = [g[name] for g in groups if not np.isnan(g[name])]
        spans.append(max(known) - min(known) if len(known) > 1 else 0.0)
    return float(max(spans))


def _table(name: str, groups: list[dict[str, Any]]) -> TableView:
    head = ("group", "rows", "selection rate", "true positive rate", "false positive rate", "accuracy")
    rows = tuple((g["group"], g["rows"], *(round(g[k], 4) for k in list(g)[2:])) for g in groups)
    return TableView(f"Groups of {name}", head, rows, f"Groups with fewer than {FEWEST} rows are left out.")


def _reweighed(case: Case, name: str, context: Context) -> Package | None:
    """The same model fitted again with weights P(group) P(answer) / P(group, answer)."""
    word = case.winner.trained.candidate.word
    if word != case.package.manifest["model"] or word == "ensemble":
        return None
    truth, _, columns = case.answers("learning")
    weight = np.ones(len(truth))
    for _, mask in _masks(case.learning[name]):
        for code in (0, 1):
            both = mask & (truth == code)
            if both.any():
                weight[both] = mask.mean() * (truth == code).mean() / both.mean()
    encoder = case.package.encoder
    rows = encoder.encoded(columns, target=truth, weight=weight, classes=len(case.package.task.classes))
    options = {**case.winner.trained.candidate.options, **case.winner.trained.refit}
    model = Family[Model]("learn.models").build({word: options}, "safety.fairness")
    model.fit(rows, None, context)
    return case.package.with_model(word, model)
