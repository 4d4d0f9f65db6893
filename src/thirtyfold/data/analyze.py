"""Analyze: what the training rows look like, what goes with what, and which columns give the answer away."""

from typing import Any, ClassVar, NamedTuple

import numpy as np
import polars as pl

from thirtyfold.core.aim import Aim, Goal
from thirtyfold.core.charts import bars, grid, histogram
from thirtyfold.core.door import typed
from thirtyfold.core.evidence import Evidence, Picture, TableView
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.profile import ColumnProfile, Profile
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table, to_array
from thirtyfold.data.measures import Coded, association, coded, gives_away

__all__ = ["Analyze", "Analyzed"]

LEAK = 0.99
"""A column that alone answers this much of what there is to answer is taken for the answer in other words."""
ROWS = 20_000
"""Associations are measured on at most so many rows: their standard error is then below 0.008."""
WIDE = 40
"""Associations among columns are shown for at most so many."""


class Analyzed(NamedTuple):
    """The gifts of this stage."""

    profile: Profile
    inputs: list[str]
    evidence: list[Evidence]


class Analyze:
    """Step 9, and step 3's question whether a column gives the answer away."""

    steps: ClassVar[tuple[int, ...]] = (9, 3)

    def __init__(self, spec: Spec) -> None:
        self.keep = frozenset(spec.clean.keep)

    def run(self, learning: Table, aim: Aim, goal: Goal, context: Context) -> Analyzed:
        """Profile every column, measure associations on at most 20,000 rows, and set aside what leaks."""
        profiles = {n: typed(c).profile(n, learning[n]) for n, c in learning.columns.items()}
        profile = Profile(len(learning), profiles)
        context.progress("measuring associations")
        rng = np.random.default_rng(context.seed)
        rows = len(learning)
        at = np.arange(rows) if rows <= ROWS else np.sort(rng.choice(rows, ROWS, replace=False))
        looked = learning.take(at)
        truth = goal.truth(looked)
        names = learning.inputs
        columns = {n: coded(to_array(looked[n])) for n in names}
        answer = _answer(truth, len(goal.task.classes))
        strengths = {n: association(c, answer) for n, c in columns.items()}
        leaks = self._leaks(columns, truth, len(goal.task.classes), rng)
        inputs = [n for n in names if n not in leaks]
        if names and not inputs:  # nothing would be left to learn from: warn, and keep them
            inputs = names
        evidence = [
            _analyzed(learning, profile, goal, strengths, _among(columns, strengths)),
            _asked(learning, leaks, inputs, self.keep, aim),
        ]
        return Analyzed(profile, inputs, evidence)

    def _leaks(
        self, columns: dict[str, Coded], truth: Array, classes: int, rng: np.random.Generator
    ) -> dict[str, float]:
        """Columns that alone answer the question on rows they were not fitted on, unless ``clean.keep`` has them."""
        if len(truth) < 100 or ((truth < 0).any() and classes):
            return {}
        half = np.zeros(len(truth), dtype=bool)
        half[rng.permutation(len(truth))[: len(truth) // 2]] = True
        found = {n: gives_away(c, truth, classes, half) for n, c in columns.items() if n not in self.keep}
        return {n: s for n, s in found.items() if s >= LEAK}


def _answer(truth: Array, classes: int) -> Coded:
    if not classes:
        return coded(truth.astype(np.float64))
    return Coded(ranks=None, codes=truth.astype(np.int64) + 1, levels=classes + 1)


def _among(columns: dict[str, Coded], strengths: dict[str, tuple[float, str]]) -> tuple[list[str], Array]:
    """Associations of each pair of the columns that go most with the target; shape (columns, columns)."""
    ordered = sorted(columns, key=lambda n: (-strengths[n][0], n))[:WIDE]
    names = [n for n in columns if n in set(ordered)]
    out = np.eye(len(names))
    ranked = [i for i, n in enumerate(names) if columns[n].ranks is not None]
    if len(ranked) > 1:
        stacked = np.array([columns[names[i]].ranks for i in ranked])
        deviation = stacked.std(axis=1)
        stacked = (stacked - stacked.mean(axis=1, keepdims=True)) / np.where(deviation > 0, deviation, 1.0)[:, None]
        out[np.ix_(ranked, ranked)] = np.abs(stacked @ stacked.T) / stacked.shape[1]
    for i, a in enumerate(names):
        for j, b in enumerate(names[:i]):
            if columns[a].ranks is None or columns[b].ranks is None:
                out[i, j] = out[j, i] = association(columns[a], columns[b])[0]
    np.fill_diagonal(out, 1.0)
    return names, np.clip(out, 0.0, 1.0)


def _analyzed(
    learning: Table,
    profile: Profile,
    goal: Goal,
    strengths: dict[str, tuple[float, str]],
    among: tuple[list[str], Array],
) -> Evidence:
    target = profile.columns[str(learning.target)]
    said = [f"{profile.rows:,} training rows of {len(strengths)} inputs were profiled.", _target_said(target, goal)]
    order = sorted(strengths, key=lambda n: (-strengths[n][0], n))
    if order:
        said.append(
            "Most goes with the target: " + ", ".join(f"'{n}' ({strengths[n][0]:.2f})" for n in order[:3]) + "."
        )
    names, values = among
    twins = _twins(names, values)
    if twins:
        a, b, strength = twins[0]
        said.append(f"'{a}' and '{b}' all but follow from each other ({strength:.2f}).")
    holes = _missing_together(learning)
    if holes:
        said.append(f"'{holes[0][0]}' and '{holes[0][1]}' are missing in the same rows ({holes[0][2]:,}).")
    numbers = {
        "rows": profile.rows,
        "association": {n: {"value": round(v, 4), "measure": m} for n, (v, m) in strengths.items()},
        "alike": [[a, b, round(v, 4)] for a, b, v in twins[:20]],
        "missing_together": [list(h) for h in holes[:20]],
        "outliers": {n: p.numbers["outliers"] for n, p in profile.columns.items() if p.numbers.get("outliers")},
        "classes": dict(target.bins) if goal.task.classes else {},
    }
    tables, pictures = _tables(profile, strengths, order), _pictures(learning, profile, strengths, order, among)
    return Evidence(9, " ".join(said), numbers, tables, pictures)


def _target_said(target: ColumnProfile, goal: Goal) -> str:
    if not goal.task.classes:
        n = target.numbers
        return f"The target runs from {n['min']:g} to {n['max']:g}, half of it below {n['median']:g}."
    counts = {k: v for k, v in target.bins.items() if v}
    rare = min(counts, key=lambda k: (counts[k], k))
    share = counts[rare] / max(1, sum(counts.values()))
    even = share * len(counts)
    how = ("strongly imbalanced", "imbalanced", "balanced enough")[(even >= 0.1) + (even >= 0.6)]
    return f"The rarest of {len(counts)} classes, '{rare}', has {counts[rare]:,} rows ({100 * share:.1f} %): {how}."


def _twins(names: list[str], values: Array) -> list[tuple[str, str, float]]:
    pairs = [(names[j], names[i], float(values[i, j])) for i in range(len(names)) for j in range(i)]
    return sorted((p for p in pairs if p[2] >= 0.95), key=lambda p: (-p[2], p[0], p[1]))


def _missing_together(table: Table) -> list[tuple[str, str, int]]:
    """Pairs of columns whose missing cells are mostly in the same rows."""
    gaps = {n: table[n].is_null().to_numpy() for n in table.inputs if 0 < table[n].null_count() < len(table)}
    names = sorted(gaps, key=lambda n: (-int(gaps[n].sum()), n))[:30]
    found: list[tuple[str, str, int]] = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            both = int((gaps[a] & gaps[b]).sum())
            if both > 1 and both >= 0.9 * int((gaps[a] | gaps[b]).sum()):
                found.append((a, b, both))
    return sorted(found, key=lambda p: (-p[2], p[0], p[1]))


def _tables(profile: Profile, strengths: dict[str, tuple[float, str]], order: list[str]) -> tuple[TableView, ...]:
    rows = []
    for name, p in profile.columns.items():
        n = p.numbers
        middle = n.get("median", n.get("top", n.get("first", "")))
        ends = (_short(n.get("min", "")), _short(n.get("max", "")), n.get("outliers", ""))
        rows.append((name, p.type, p.missing, n.get("distinct"), _short(middle), *ends))
    head = ("column", "type", "missing", "different", "median or most frequent", "least", "most", "outliers")
    pairs = tuple((n, round(strengths[n][0], 3), strengths[n][1]) for n in order[:100])
    return TableView("Columns", head, tuple(rows)), TableView(
        "With the target", ("column", "strength", "measure"), pairs
    )


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    return value if not isinstance(value, str) or len(value) <= 40 else value[:37] + "..."


def _pictures(
    learning: Table,
    profile: Profile,
    strengths: dict[str, tuple[float, str]],
    order: list[str],
    among: tuple[list[str], Array],
) -> tuple[Picture, ...]:
    made: list[Picture] = []
    if order:
        values = [strengths[n][0] for n in order[:20]]
        made.append(bars("How much each column goes with the target", order[:20], values, "0 is nothing, 1 is all"))
    names, table = among
    if len(names) >= 2:
        made.append(grid("What goes with what", names, names, [[float(v) for v in row] for row in table]))
    first = [n for n in profile.columns if n not in strengths]
    for name in [*first, *order][:60]:
        picture = _picture(profile.columns[name], learning[name])
        if picture:
            made.append(picture)
    return tuple(made)


def _picture(p: ColumnProfile, values: pl.Series) -> Picture | None:
    """Amounts over 24 equal intervals, categories by name; nothing for what has no bins."""
    if not p.bins or sum(p.bins.values()) == 0:
        return None
    note = f"{p.missing:,} missing" if p.missing else ""
    if p.type == "number" and len(p.edges) > 4:
        known = values.drop_nulls().to_numpy()
        low, high = np.quantile(known, [0.001, 0.999]).tolist()
        if low < high:
            counts, edges = np.histogram(known[(known >= low) & (known <= high)], 24)
            return histogram(p.name, [float(e) for e in edges], [float(c) for c in counts], note)
    top = list(p.bins.items())[:15]
    return bars(p.name, [k for k, _ in top], [float(v) for _, v in top], note)


def _asked(learning: Table, leaks: dict[str, float], inputs: list[str], keep: frozenset[str], aim: Aim) -> Evidence:
    aside = [c for c in learning.columns.values() if c.role in ("ignore", "id")]
    kept = sorted(n for n in leaks if n in inputs)
    said = []
    for name, score in sorted(leaks.items(), key=lambda p: (-p[1], p[0])):
        what = "kept, because nothing else is left" if name in kept else "set aside; list it in clean.keep to use it"
        said.append(f"'{name}' alone gives '{aim.target}' away ({100 * score:.1f} % of what can be known): {what}.")
    if not leaks:
        said.append(f"No column alone gives '{aim.target}' away.")
    if keep & set(learning.columns):
        said.append(f"Kept as asked: {', '.join(sorted(keep & set(learning.columns)))}.")
    if aside:
        shown = ", ".join(f"'{c.name}'" for c in aside[:8]) + (" ..." if len(aside) > 8 else "")
        verb = "columns say nothing or only name" if len(aside) > 1 else "column says nothing or only names"
        said.append(f"{len(aside)} {verb} the row: {shown}.")
    said.append(f"{len(inputs)} columns are left to learn from.")
    numbers = {"leaks": leaks, "set_aside": {c.name: c.why for c in aside}, "inputs": inputs}
    rows: tuple[tuple[Any, ...], ...] = tuple((n, "gives the answer away", round(s, 4)) for n, s in leaks.items())
    rows += tuple((c.name, c.why, None) for c in aside)
    views = (TableView("Columns not learned from", ("column", "why", "score"), rows),) if rows else ()
    return Evidence(3, " ".join(said), numbers, views)
