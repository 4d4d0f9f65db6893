"""Findings: what analyze found, said in sentences, numbers, tables and pictures that a person wants to read."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from thirtyfold.core.aim import Goal
from thirtyfold.core.charts import bars, grid
from thirtyfold.core.charts import number as short
from thirtyfold.core.evidence import Evidence, Picture, TableView, counted
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.profile import ColumnProfile, Profile
from thirtyfold.core.table import Table
from thirtyfold.data.files import Opened
from thirtyfold.data.oddities import Gaps
from thirtyfold.data.portraits import answer_by, contact_sheet, media, missing, portrait, templates
from thirtyfold.data.represented import SMALL, Unlike

__all__ = ["Findings", "found_of"]

TWINS = 0.95
"""Columns this much alike follow from each other."""
PAIRS = 0.3
"""A weaker pair of columns is not worth showing."""


@dataclass(frozen=True)
class Findings:
    """Everything that was found in ``rows`` training rows, of which ``learning`` were looked at.

    ``strengths`` and ``more`` are with the target, ``among`` between the columns.
    """

    rows: int
    learning: Table
    profile: Profile
    goal: Goal
    truth: Array
    looked: int
    strengths: dict[str, tuple[float, str]]
    more: dict[str, dict[str, float]]
    among: tuple[list[str], Array]
    gaps: Gaps
    far: tuple[list[dict[str, Any]], int]
    differ: list[Unlike]
    compared: list[str]
    shares: list[Unlike]
    small: list[tuple[str, str, int, float]]
    opened: list[Opened]

    @property
    def target(self) -> ColumnProfile:
        return self.profile.columns[str(self.learning.target)]

    @property
    def order(self) -> list[str]:
        """Columns by how much they go with the target."""
        return sorted(self.strengths, key=lambda n: (-self.strengths[n][0], n))

    @property
    def pairs(self) -> list[tuple[str, str, float]]:
        """Pairs of columns, those that go most together first."""
        names, values = self.among
        found = [(names[j], names[i], float(values[i, j])) for i in range(len(names)) for j in range(i)]
        return sorted(found, key=lambda p: (-p[2], p[0], p[1]))


def found_of(f: Findings) -> Evidence:
    """The evidence of step 9."""
    pictures, log = templates(f.learning)
    told = [*_columns_said(f), *_rows_said(f), *_media_said(f)]
    if log:
        told.append(
            f"The lines have {log['templates']:,} templates; the ten most frequent are {100 * log['top_10_share']:.0f} "
            f"% of the lines, {log['seen_once']:,} came once, and {log['seen_in_first_half']:,} were seen in the first "
            "half."
        )
    numbers = _numbers(f) | ({"log": log} if log else {})
    return Evidence(9, " ".join(told), numbers, _tables(f), (*_pictures(f, pictures),))


def _columns_said(f: Findings) -> list[str]:
    drawn = "" if f.rows == f.profile.rows else f" of {f.rows:,}, drawn by lot,"
    said = [f"{f.profile.rows:,} training rows{drawn} of {counted(len(f.strengths), 'input')} were profiled."]
    if f.looked < f.profile.rows:
        said.append(f"What goes with what was measured on {f.looked:,} of them, drawn by lot.")
    said.append(_target_said(f.target, f.goal))
    if f.order:
        first = ", ".join(f"'{n}' ({f.strengths[n][0]:.2f})" for n in f.order[:3])
        said.append(f"Most goes with the target: {first}.")
    twins = [p for p in f.pairs if p[2] >= TWINS]
    if twins:
        a, b, strength = twins[0]
        said.append(f"'{a}' and '{b}' all but follow from each other ({strength:.2f}).")
    for names, rows in f.gaps.together[:1]:
        shown = f"'{names[0]}' and '{names[1]}'" if len(names) == 2 else f"{len(names)} columns ('{names[0]}' ...)"
        said.append(f"{shown} are missing in the same rows ({rows:,} of {f.looked:,}).")
    for name in sorted(f.gaps.telling, key=lambda n: (-f.gaps.telling[n], n))[:1]:
        if f.gaps.telling[name] >= 0.1:
            said.append(f"Whether '{name}' is missing goes with the target ({f.gaps.telling[name]:.2f}).")
    return said


def _rows_said(f: Findings) -> list[str]:
    said = []
    if f.far[1]:
        row = f.far[0][0]
        where = ", ".join(f"'{n}' {short(v)}" for n, v in list(row["values"].items())[:3])
        many = f"{counted(f.far[1], 'row')} {'lies' if f.far[1] == 1 else 'lie'} far from all others"
        said.append(f"{many}, farthest row {row['row']:,} ({where}).")
    if f.compared:
        where = f"{len(f.compared) - len(f.differ)} of {len(f.compared)} columns" if f.differ else "every column"
        said.append(f"The training rows are like the validation rows in {where}.")
        said += [u.says for u in f.differ[:2]]
    said += [u.says for u in f.shares if u.p < 0.01 and u.distance >= 0.02][:3]
    if f.small:
        name, group, rows, _ = f.small[0]
        said.append(
            f"{counted(len(f.small), 'group')} of fewer than {SMALL} rows: how the model does on them is hardly known, "
            f"such as '{group}' of '{name}' ({counted(rows, 'row')})."
        )
    return said


def _media_said(f: Findings) -> list[str]:
    said = []
    for one in f.opened:
        what = {"image": "pictures", "audio": "sounds", "video": "videos"}[one.seen.kind]
        facts = ", ".join(f"{n} {short(float(np.median(v)))}" for n, v in one.seen.facts.items())
        bad = f"; {one.seen.broken:,} could not be decoded" if one.seen.broken else ""
        said.append(f"{len(one.seen.rows):,} {what} of '{one.column}' were opened (medians: {facts}){bad}.")
    return said


def _target_said(target: ColumnProfile, goal: Goal) -> str:
    if not goal.task.classes:
        n = target.numbers
        return f"The target runs from {n['min']:g} to {n['max']:g}, half of it below {n['median']:g}."
    b = _balance(target)
    how = ("strongly imbalanced", "imbalanced", "balanced enough")[(b["of_even"] >= 0.1) + (b["of_even"] >= 0.6)]
    share = f"{counted(b['rows'], 'row')} ({100 * b['share']:.1f} %)"
    return f"The rarest of {b['classes']} classes, '{b['rarest']}', has {share}: {how}."


def _balance(target: ColumnProfile) -> dict[str, Any]:
    """The rarest class and its share; ``of_even`` is that share against equal ones, ``ratio`` most to rarest."""
    counts = {k: v for k, v in target.bins.items() if v}
    rare = min(counts, key=lambda k: (counts[k], k))
    total = max(1, sum(counts.values()))
    p = np.array(list(counts.values())) / total
    return {
        "classes": len(counts),
        "rarest": rare,
        "rows": counts[rare],
        "share": counts[rare] / total,
        "ratio": round(max(counts.values()) / counts[rare], 2),
        "of_even": counts[rare] / total * len(counts),
        "effective_classes": round(float(np.exp(-(p * np.log(p)).sum())), 3),
    }


def _numbers(f: Findings) -> dict[str, Any]:
    p = f.profile
    twins = [p for p in f.pairs if p[2] >= TWINS]
    found: dict[str, Any] = {
        "rows": f.rows,
        "profiled_on": p.rows,
        "measured_on": f.looked,
        "association": {
            n: {"value": round(v, 4), "measure": m} | {k: round(x, 4) for k, x in f.more.get(n, {}).items()}
            for n, (v, m) in f.strengths.items()
        },
        "alike": [[a, b, round(v, 4)] for a, b, v in twins[:20]],
        "pairs": [[a, b, round(v, 4), _measure(p, a, b)] for a, b, v in f.pairs[:30] if v >= PAIRS],
        "missing": f.gaps.rows,
        "missing_together": [[*names, rows] for names, rows in f.gaps.together[:20]],
        "missing_with_target": {n: round(v, 4) for n, v in f.gaps.telling.items()},
        "outliers": {n: c.numbers["outliers"] for n, c in p.columns.items() if c.numbers.get("outliers")},
        "far_rows": {"rows": f.far[1], "farthest": f.far[0]},
        "classes": dict(f.target.bins) if f.goal.task.classes else {},
        "imbalance": _balance(f.target) if f.goal.task.classes else {},
        "unlike_validation": [u.numbers() for u in f.differ],
        "compared_with_validation": f.compared,
        "shares": [u.numbers() for u in f.shares],
        "small_groups": [[c, g, n, round(s, 6)] for c, g, n, s in f.small[:100]],
        "columns": {n: {"type": c.type, "missing": c.missing, **c.numbers} for n, c in list(p.columns.items())[:300]},
    }
    if f.opened:
        found["files"] = [_file_numbers(one) for one in f.opened]
    return found


def _file_numbers(one: Opened) -> dict[str, Any]:
    facts = {n: [round(float(q), 4) for q in np.quantile(v, [0, 0.5, 1])] for n, v in one.seen.facts.items()}
    edge = {} if one.score is None else {one.edge_word: {"score": round(one.score, 4), "error": round(one.error, 4)}}
    return {"column": one.column, "kind": one.seen.kind, "opened": len(one.seen.rows), "broken": one.seen.broken,
            "least_median_most": facts, **edge}  # fmt: skip


def _measure(p: Profile, a: str, b: str) -> str:
    """Which measure two columns were compared by: as ``measures.association`` chooses."""
    amounts = sum(p.columns[n].type in ("number", "boolean", "moment") for n in (a, b))
    return ("Cramer's V", "correlation ratio", "Spearman")[amounts]


def _tables(f: Findings) -> tuple[TableView, ...]:
    rows = []
    for name, c in f.profile.columns.items():
        n = c.numbers
        middle = n.get("median", n.get("top", n.get("first", "")))
        ends = (_short(n.get("min", "")), _short(n.get("max", "")), n.get("outliers", ""))
        rows.append((name, c.type, c.missing, n.get("distinct"), _short(middle), *ends))
    head = ("column", "type", "missing", "different", "median or most frequent", "least", "most", "outliers")
    made = [TableView("Columns", head, tuple(rows[:300]))]
    extra = "explained" if f.goal.task.classes else "pearson"
    told = tuple(
        (n, round(f.strengths[n][0], 3), f.strengths[n][1], _round(f.more.get(n, {}).get(extra))) for n in f.order[:100]
    )
    word = "share of the answer it explains" if f.goal.task.classes else "Pearson (straight line)"
    made.append(TableView("With the target", ("column", "strength", "measure", word), told))
    pairs = tuple((a, b, round(v, 3), _measure(f.profile, a, b)) for a, b, v in f.pairs[:30] if v >= PAIRS)
    views: list[tuple[str, tuple[str, ...], tuple[tuple[Any, ...], ...]]] = [
        ("Columns that go together", ("one", "other", "strength", "measure"), pairs),
        ("Rows far from all others", ("row", "where"), tuple((r["row"], _values(r)) for r in f.far[0])),
        (
            "Groups with other shares",
            (
                "column",
                "group",
                "share in training",
                "share there",
                "where",
                "rows that would have to change",
                "chance",
            ),
            tuple(
                (u.column, u.group, round(u.here, 4), round(u.there, 4), u.against, round(u.distance, 4), u.p)
                for u in [*f.shares, *f.differ]
            ),
        ),
        (
            "Small groups",
            ("column", "group", "rows", "share"),
            tuple((c, g, n, round(s, 5)) for c, g, n, s in f.small[:100]),
        ),
        (
            "Missing in the same rows",
            ("columns", "rows"),
            tuple((", ".join(names), n) for names, n in f.gaps.together),
        ),
    ]
    return (*made, *(TableView(title, columns, found) for title, columns, found in views if found))


def _values(row: dict[str, Any]) -> str:
    return ", ".join(f"{n} = {short(v)}" for n, v in row["values"].items())


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    return value if not isinstance(value, str) or len(value) <= 40 else value[:37] + "..."


def _pictures(f: Findings, logs: list[Picture]) -> list[Picture]:
    """The target first, then what goes with it, what goes with what, what is missing, and each column."""
    target = str(f.learning.target)
    made = [*portrait(f.target, f.learning[target])]
    for one in f.opened:
        sheet = contact_sheet(one.column, one.seen, _answers(f, one))
        made += [*([sheet] if sheet else []), *media(one.column, one.seen)]
    made += logs
    if f.order:
        values = [round(f.strengths[n][0], 2) for n in f.order[:20]]
        made.append(bars("How much each column goes with the target", f.order[:20], values, "0 is nothing, 1 is all"))
    for name in f.order[:6]:
        if f.strengths[name][0] >= 0.05 and f.profile.columns[name].type != "text":
            by = answer_by(name, f.learning[name], f.truth, f.goal)
            made += [by] if by else []
    names, table = f.among
    if len(names) >= 2:
        shown = [n for n in names if n in set(f.order[:16])]
        at = [names.index(n) for n in shown]
        some = [[round(float(table[i, j]), 2) for j in at] for i in at]
        made.append(grid("What goes with what", shown, shown, some, "0 is nothing, 1 is all"))
    strong = [p for p in f.pairs[:10] if p[2] >= PAIRS]
    if strong:
        made.append(
            bars(
                "Columns that go most together", [f"{a} – {b}" for a, b, _ in strong], [round(v, 2) for *_, v in strong]
            )
        )
    made += missing(f.gaps, f.profile.rows)
    for name in [n for n in [*f.profile.columns, *f.order] if n != target and n not in f.order][:20] + f.order[:60]:
        made += portrait(f.profile.columns[name], f.learning[name])
    return made


def _answers(f: Findings, one: Opened) -> list[str]:
    """The answer of every row as text; only those of the opened files are asked for."""
    column = f.learning[str(f.learning.target)]
    out = [""] * len(f.learning)
    for at in one.seen.rows:
        value = column[at]
        out[at] = short(value) if isinstance(value, float) else str(value)
    return out
