"""Portraits: the pictures of step 9, each of which answers one question a person has of the data."""

from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.aim import Goal
from thirtyfold.core.charts import bars, grid, histogram, lines
from thirtyfold.core.charts import number as said
from thirtyfold.core.evidence import Picture
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.profile import ColumnProfile
from thirtyfold.core.table import ROW, Table, to_array
from thirtyfold.data.decoded import FACTS, Seen
from thirtyfold.data.languages import able, languages_of
from thirtyfold.data.oddities import Gaps

__all__ = ["answer_by", "contact_sheet", "media", "missing", "portrait", "templates"]

WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def portrait(p: ColumnProfile, values: pl.Series) -> list[Picture]:
    """One column: amounts and moments over equal intervals, categories by name, texts by length and by words."""
    if not p.bins or sum(p.bins.values()) == 0 or p.numbers.get("distinct") == 1:
        return []
    note = f"{p.missing:,} missing" if p.missing else ""
    if p.type == "number":
        return _amounts(p, values, note)
    if p.type == "moment":
        return _moments(p, values, note)
    if p.type == "text":
        return _texts(p, values, note)
    top = list(p.bins.items())[:15]
    return [bars(p.name, [k for k, _ in top], [float(v) for _, v in top], note)]


def _amounts(p: ColumnProfile, values: pl.Series, note: str) -> list[Picture]:
    known = values.drop_nulls().to_numpy()
    if p.numbers["distinct"] <= 12:
        each, times = np.unique(known, return_counts=True)
        return [bars(p.name, [said(v) for v in each.tolist()], [float(t) for t in times], note)]
    low, high = np.quantile(known, [0.001, 0.999]).tolist()
    if not low < high:
        top = list(p.bins.items())[:15]
        return [bars(p.name, [k for k, _ in top], [float(v) for _, v in top], note)]
    out = int(((known < low) | (known > high)).sum())
    facts = [note, f"{out:,} beyond both ends" if out else "", _shape(p.numbers)]
    counts, edges = np.histogram(known[(known >= low) & (known <= high)], 24)
    text = "; ".join(f for f in facts if f)
    return [histogram(p.name, [float(e) for e in edges], [float(c) for c in counts], text)]


def _shape(n: dict[str, Any]) -> str:
    return f"half below {said(n['median'])}, mean {said(n['mean'])}"


def _moments(p: ColumnProfile, values: pl.Series, note: str) -> list[Picture]:
    known = values.drop_nulls().cast(pl.Datetime("us"))
    seconds = known.dt.epoch("us").to_numpy() / 1e6
    made: list[Picture] = []
    first, last = float(seconds.min()), float(seconds.max())
    if last > first:
        counts, edges = np.histogram(seconds, 24)
        unit, size = ("days", 86400.0) if last - first > 3 * 86400 else ("hours", 3600.0)
        text = "; ".join(t for t in (f"{unit} since {p.numbers['first']}", note) if t)
        past = [(float(e) - first) / size for e in edges]
        made.append(histogram(f"{p.name}: rows over time", past, [float(c) for c in counts], text))
    days = np.bincount(known.dt.weekday().cast(pl.Int64).to_numpy() - 1, minlength=7)
    if (days > 0).sum() > 1:
        made.append(bars(f"{p.name}: rows by weekday", WEEK, [float(d) for d in days], note))
    hours = np.bincount(known.dt.hour().cast(pl.Int64).to_numpy(), minlength=24)
    if (hours > 0).sum() > 1:
        ends = [float(h) for h in range(25)]
        made.append(histogram(f"{p.name}: rows by hour of the day (UTC)", ends, [float(h) for h in hours], note))
    return made


def _texts(p: ColumnProfile, values: pl.Series, note: str) -> list[Picture]:
    long = values.drop_nulls().str.len_chars().to_numpy().astype(np.float64)
    top = max(float(np.quantile(long, 0.99)), float(long.min()) + 1)
    counts, edges = np.histogram(long[long <= top], 24)
    ends = [float(e) for e in edges]
    facts = "; ".join(f for f in (note, _spoken(values)) if f)
    made = [histogram(f"{p.name}: characters in a text", ends, [float(c) for c in counts], facts)]
    words = dict(list(p.numbers.get("words", {}).items())[:15])
    if words:
        text = "of the first 5,000 texts" if p.rows > 5000 else ""
        made.append(bars(f"{p.name}: texts with a word", list(words), [float(v) for v in words.values()], text))
    return made


def _spoken(values: pl.Series) -> str:
    """The languages of some of the texts, where the library that tells them is installed."""
    if not able():
        return ""
    count = languages_of(values)
    told = {k: n for k, n in count.items() if k}
    total = sum(told.values())
    return "languages: " + ", ".join(f"{k} {n / total:.0%}" for k, n in list(told.items())[:5]) if total else ""


def answer_by(name: str, values: pl.Series, truth: Array, goal: Goal) -> Picture | None:
    """How the answer goes with one column: its share, or its mean, in each group or in ten equal parts of the rows."""
    classes = goal.task.classes
    shown = [classes[-1]] if len(classes) == 2 else list(classes)[:6]
    answers = {str(c): (truth == list(classes).index(c)).astype(np.float64) for c in shown} if classes else {"": truth}
    what = f"Share of '{shown[0]}'" if len(shown) == 1 else "Share of each answer" if classes else "Mean of the target"
    x = to_array(values)
    if x.dtype != object and len(np.unique(x[np.isfinite(x)])) > 10:
        known = np.isfinite(x)
        ends = np.unique(np.quantile(x[known], np.linspace(0, 1, 11)[1:-1], method="higher"))
        place = np.searchsorted(ends, x[known], side="left")
        parts = [np.flatnonzero(place == k) for k in range(len(ends) + 1) if (place == k).any()]
        middle = [float(np.median(x[known][part])) for part in parts]
        series = {k: [float(y[known][part].mean()) for part in parts] for k, y in answers.items()}
        if values.dtype.is_temporal():
            middle = [(m - middle[0]) / 86400 for m in middle]
        unit = f"{values.name}, days after the first part" if values.dtype.is_temporal() else values.name
        return lines(f"{what} by {name}", middle, {k or what: v for k, v in series.items()}, unit, "",
                     "each point is about a tenth of the rows")  # fmt: skip
    if x.dtype == object:
        groups = pl.Series("group", x.tolist(), dtype=pl.String)
    else:
        groups = pl.Series("group", [f"{v:.10g}" if np.isfinite(v) else None for v in x.tolist()], dtype=pl.String)
    seen = (
        groups.alias("group").fill_null("(missing)").value_counts().sort(["count", "group"], descending=[True, False])
    )
    kept = seen["group"].head(12).to_list()
    if x.dtype != object:
        kept.sort(key=lambda g: float("inf") if g == "(missing)" else float(g))
    if len(kept) < 2:
        return None
    at = {g: (groups.fill_null("(missing)") == g).to_numpy() for g in kept}
    overall = {k: float(y.mean()) for k, y in answers.items()}
    if len(answers) > 1:
        table = [[float(y[rows].mean()) for y in answers.values()] for rows in at.values()]
        return grid(f"{what} by {name}", kept, list(answers), table)
    (key, y), count = next(iter(answers.items())), dict(seen.iter_rows())
    labels = [f"{g} ({count[g]:,})" for g in kept]
    return bars(f"{what} by {name}", labels, [float(y[r].mean()) for r in at.values()],
                f"over all rows {said(overall[key])}; rows in brackets")  # fmt: skip


def missing(gaps: Gaps, rows: int) -> list[Picture]:
    """How much is missing by column, and whether it is missing together."""
    if not gaps.names:
        return []
    share = [100 * gaps.rows[n] / rows for n in gaps.names[:20]]
    made = [bars("Missing cells by column", gaps.names[:20], share, "percent of the training rows")]
    many = min(12, len(gaps.names))
    if many > 1:
        values = [[round(float(v), 2) for v in row[:many]] for row in gaps.alike[:many]]
        note = "correlation of being missing: 1 is always together, below 0 is instead of each other"
        made.append(grid("What is missing together", gaps.names[:many], gaps.names[:many], values, note))
    return made


def media(column: str, seen: Seen) -> list[Picture]:
    """What the opened files of one column are like, a histogram a fact."""
    made = []
    for name, values in seen.facts.items():
        x = np.array(values)
        if len(x) > 3 and x.min() < x.max():
            counts, edges = np.histogram(x, 16)
            note = f"{FACTS[seen.kind][name]}; {len(x):,} files opened"
            ends = [float(e) for e in edges]
            made.append(histogram(f"{column}: {name}", ends, [float(c) for c in counts], note))
    return made


def contact_sheet(column: str, seen: Seen, answers: list[str]) -> Picture | None:
    """Small pictures with their answers, by answer; ``answers`` by row."""
    if not seen.thumbs:
        return None
    from html import escape

    order = sorted(seen.thumbs, key=lambda at: (answers[at], at))
    across, cell, tall = 8, 80, 96
    parts = []
    for i, at in enumerate(order):
        x, y = (i % across) * cell, (i // across) * tall
        text = answers[at] if len(answers[at]) <= 12 else answers[at][:11] + "…"
        parts.append(
            f'<image x="{x + 4}" y="{y + 2}" width="72" height="72" href="data:image/jpeg;base64,{seen.thumbs[at]}">'
            f"<title>{escape(answers[at])}</title></image>"
            f'<text x="{x + 40}" y="{y + 88}" text-anchor="middle" font-family="system-ui,sans-serif" font-size="11" '
            f'fill="currentColor">{escape(text)}</text>'
        )
    height = (len(order) + across - 1) // across * tall
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across * cell} {height}" role="img" '
        f'aria-label="{escape(column, quote=True)}: some of the rows">{"".join(parts)}</svg>'
    )
    return Picture(f"{column}: some of the rows", svg, f"{len(order)} of {len(seen.rows):,} that were opened")


def templates(table: Table) -> tuple[list[Picture], dict[str, Any]]:
    """Of a log's lines: the templates by how often they come, and how soon all of them had been seen."""
    if not {"template", "event"} <= set(table.columns) or table["template"].dtype != pl.String:
        return [], {}
    found = table["template"].drop_nulls()
    counts = found.alias("value").value_counts().sort(["count", "value"], descending=[True, False])
    if not counts.height:
        return [], {}
    many = counts["count"].to_numpy()
    in_order = table.frame.sort(ROW)["template"].drop_nulls()
    first = in_order.is_first_distinct().to_numpy().cumsum()
    numbers = {
        "templates": counts.height,
        "top_10_share": round(float(many[:10].sum() / many.sum()), 4),
        "seen_once": int((many == 1).sum()),
        "seen_in_first_half": int(first[(len(first) - 1) // 2]),
    }
    names = [" ".join(str(t).split()) for t in counts["value"].head(15).to_list()]
    top = bars("Templates of the lines", names, [float(c) for c in many[:15]], f"{counts.height:,} in all")
    at = np.unique(np.linspace(0, len(first) - 1, 50).astype(int))
    note = "a line that goes on rising says that tomorrow's logs will have templates nobody has seen"
    past, seen = [float(a + 1) for a in at], {"templates": [float(first[a]) for a in at]}
    curve = lines("How soon all templates had been seen", past, seen, "training lines", "", note)
    return [top, curve], numbers
