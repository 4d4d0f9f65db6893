"""Ledger: every change that cleaning made or proposes, row by row, and what is told of it."""

from typing import Any

import polars as pl

from thirtyfold.core.charts import bars
from thirtyfold.core.evidence import Evidence, Picture, TableView
from thirtyfold.core.table import ROW, Table
from thirtyfold.data.draft import Change

__all__ = ["FIXED", "LEDGER", "evidence_of", "expand", "rows_aside"]

LEDGER: dict[str, Any] = {
    "row": pl.Int64,
    "column": pl.String,
    "before": pl.String,
    "after": pl.String,
    "rule": pl.String,
    "confidence": pl.Float64,
    "accepted": pl.Boolean,
}
"""One line a change: the row in the collected table, what stood there, what stands there now (null: missing)."""

FIXED = ("unreadable", "notation", "target missing")
"""Rules of the reading itself: a cell cannot be put back to what its column cannot hold."""
_MENDED = r"^(repair|form|text|unit|phone|outlier|figures|swapped|a code)"


def expand(raw: pl.DataFrame, changes: list[Change]) -> pl.DataFrame:
    """Changes of values to one line a row that has the value."""
    parts = [pl.DataFrame(schema=LEDGER)]
    everywhere = [c for c in changes if c.rows is None]
    for name in dict.fromkeys(c.column for c in everywhere):
        mine = [c for c in everywhere if c.column == name]
        table = pl.DataFrame(
            [(c.before, c.after, c.rule, c.confidence, c.accepted) for c in mine],
            schema={k: LEDGER[k] for k in ("before", "after", "rule", "confidence", "accepted")},
            orient="row",
        ).sort("accepted", maintain_order=True)
        table = table.unique("before", keep="last", maintain_order=True)
        here = raw.select(pl.col(ROW).alias("row"), _as_text(raw[name]).alias("before"))
        here = here.filter(pl.col("before").is_in(table["before"].implode()))
        hits = here.join(table, on="before", how="inner", maintain_order="left")
        parts.append(
            hits.with_columns(pl.lit(name).alias("column")).select(pl.col(n).cast(t) for n, t in LEDGER.items())
        )
    single = [
        (row, c.column, c.before, c.after, c.rule, c.confidence, c.accepted) for c in changes for row in c.rows or ()
    ]
    parts.append(pl.DataFrame(single, schema=LEDGER, orient="row"))
    return _settled(pl.concat(parts)) if single else pl.concat(parts)  # a value of a column has one line a row


def _settled(lines: pl.DataFrame) -> pl.DataFrame:
    """One line for a cell that is changed: what was done last (nothing that is only proposed any more)."""
    cell = ["row", "column"]
    if not lines.height or not lines.select(cell).is_duplicated().any():
        return lines
    done = lines.filter("accepted").unique(cell, keep="last", maintain_order=True)
    return pl.concat([done, lines.filter(~pl.col("accepted")).join(done.select(cell), on=cell, how="anti")])


def _as_text(values: pl.Series) -> pl.Series:
    """Values as changes name them: whole numbers without a decimal point."""
    if values.dtype == pl.String:
        return values.str.strip_chars()
    if values.dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        return pl.select(
            pl.when(whole.cast(pl.Float64) == values).then(whole.cast(pl.String)).otherwise(values.cast(pl.String))
        ).to_series()
    return values.cast(pl.String)


def rows_aside(rows: list[tuple[int, str]], target: str) -> pl.DataFrame:
    """Rows that left the table, by the rule that sent them; ``after`` is missing."""
    lines = [(r, target, None, None, rule, 1.0, True) for r, rule in rows]
    return pl.DataFrame(lines, schema=LEDGER, orient="row")


def evidence_of(
    raw: pl.DataFrame,
    table: Table,
    ledger: pl.DataFrame,
    changes: list[Change],
    notes: list[str],
    without: list[tuple[int, str]],
) -> list[Evidence]:
    """What is told of steps 6 and 7, with this run's numbers."""
    return [_cleaned(raw, table, ledger, notes, without), _normalized(table, ledger, changes)]


def _cleaned(
    raw: pl.DataFrame, table: Table, ledger: pl.DataFrame, notes: list[str], without: list[tuple[int, str]]
) -> Evidence:
    names = list(table.columns)
    gaps = {n: table[n].null_count() for n in names}
    cells = sum(gaps.values())
    holes = {n: g for n, g in sorted(gaps.items(), key=lambda p: -p[1]) if g}
    where = f"{len(table) * len(names):,} cells in {_many(len(holes), 'column')}"
    said = [f"{cells:,} of {where} {'is' if cells == 1 else 'are'} missing."]
    marked = ledger.filter(pl.col("rule").str.starts_with("missing") & pl.col("accepted"))
    if marked.height:
        how = marked["before"].value_counts().sort("count", "before", descending=[True, False]).head(4)
        spelled = ", ".join(f"'{v}' ({n:,})" for v, n in how.iter_rows())
        means = "was written that means" if marked.height == 1 else "were written that mean"
        said.append(f"{_many(marked.height, 'value')} {means} missing: {spelled}.")
    if without:
        said.append(
            f"{_many(len(without), 'row')} without an answer {'was' if len(without) == 1 else 'were'} set aside."
        )
    mended = ledger.filter(pl.col("rule").str.contains(_MENDED))
    if mended.height:
        done = int(mended["accepted"].sum())
        told = mended.height - done
        if done:
            said.append(f"{_many(done, 'cell')} that looked wrong {'was' if done == 1 else 'were'} put right.")
        if told:
            said.append(
                f"{_many(told, 'cell')} may be wrong and {'is' if told == 1 else 'are'} only told in the ledger."
            )
    said += notes[:8]
    pictures: list[Picture] = []
    if holes:
        shown = dict(list(holes.items())[:20])
        shares = [100 * g / len(table) for g in shown.values()]
        pictures.append(bars("Missing values by column, in percent", list(shown), shares))
    out_of = {c.name: c.why for c in table.columns.values() if c.role in ("ignore", "id")}
    numbers = {
        "rows_in": raw.height,
        "rows_out": len(table),
        "missing": holes,
        "rules": _rules(ledger),
        "set_aside": out_of,
    }
    aside = tuple(out_of.items())
    views = [TableView("Columns set aside", ("column", "why"), aside)] if aside else []
    return Evidence(6, " ".join(said), numbers, (*_rules_view(ledger), *_ledger_view(ledger), *views), tuple(pictures))


def _normalized(table: Table, ledger: pl.DataFrame, changes: list[Change]) -> Evidence:
    kinds: dict[str, int] = {}
    for column in table.columns.values():
        kinds[column.type] = kinds.get(column.type, 0) + 1
    said = [
        f"{_many(len(table.columns), 'column')} {'was' if len(table.columns) == 1 else 'were'} typed: "
        + ", ".join(f"{n} {t}" for t, n in sorted(kinds.items()))
        + "."
    ]
    spelled = [c for c in changes if c.rule.startswith("spelling")]
    done = ledger.filter(pl.col("rule").str.starts_with("spelling") & pl.col("accepted")).height
    if spelled:
        open_ones = sum(not c.accepted for c in spelled)
        said.append(
            f"{_many(len(spelled) - open_ones, 'spelling')} became another ({_many(done, 'cell')}); "
            f"{open_ones} more {'is' if open_ones == 1 else 'are'} only proposed."
        )
    else:
        said.append("No two spellings of one thing were found.")
    unread = ledger.filter(pl.col("rule").str.starts_with("unreadable")).height
    if unread:
        said.append(f"{_many(unread, 'cell')} could not be read as the column's type and count as missing.")
    rows = tuple((c.name, c.type, c.role, c.why) for c in table.columns.values())
    views = [TableView("Columns", ("column", "type", "role", "why"), rows)]
    if spelled:
        lines = tuple(
            (c.column, c.before, c.after, c.rule, c.confidence, "yes" if c.accepted else "proposed")
            for c in spelled[:200]
        )
        views.append(TableView("Spellings", ("column", "before", "after", "rule", "confidence", "accepted"), lines))
    numbers = {"types": kinds, "spellings": len(spelled), "spelled_cells": done, "unreadable": unread}
    return Evidence(7, " ".join(said), numbers, tuple(views))


def _rules(ledger: pl.DataFrame) -> dict[str, int]:
    counts = ledger.filter("accepted")["rule"].value_counts()
    return dict(sorted(counts.iter_rows()))


def _rules_view(ledger: pl.DataFrame) -> list[TableView]:
    """What each rule did, and the words of the Spec that decide otherwise."""
    if not ledger.height:
        return []
    counts = (
        ledger.group_by("rule", "accepted")
        .agg(pl.len().alias("cells"), pl.col("column").n_unique().alias("columns"), pl.col("confidence").mean())
        .sort(["cells", "rule", "accepted"], descending=[True, False, False])
    )
    rows = tuple(
        (
            rule,
            "done" if done else "proposed",
            cells,
            columns,
            round(sure, 2),
            "" if rule.startswith(FIXED) else f'clean.{"undo" if done else "accept"}: ["{rule}"]',
        )
        for rule, done, cells, columns, sure in counts.head(60).iter_rows()
    )
    note = "A decision may also name a column, a value or a row: {rule, column, before, row}."
    return [TableView("Rules", ("rule", "state", "cells", "columns", "confidence", "to decide otherwise"), rows, note)]


def _ledger_view(ledger: pl.DataFrame) -> list[TableView]:
    if not ledger.height:
        return []
    views = []
    for accepted, title in ((True, "What was changed"), (False, "What was found and left as it is")):
        some = ledger.filter(pl.col("accepted") == accepted)
        if some.height:
            views.append(_grouped(some, title))
    return views


def _grouped(ledger: pl.DataFrame, title: str) -> TableView:
    """Equal lines together, the most frequent first."""
    keys = ["column", "before", "after", "rule", "confidence"]
    grouped = (
        ledger.group_by(keys, maintain_order=True)
        .agg(pl.len().alias("rows"))
        .sort("rows", descending=True, maintain_order=True)
    )
    rows = tuple((*(_short(v) for v in r),) for r in grouped.head(60).iter_rows())
    return TableView(title, (*keys, "rows"), rows, f"{_many(ledger.height, 'line')} in the ledger")


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _short(value: Any) -> Any:
    return value if not isinstance(value, str) or len(value) <= 60 else value[:57] + "..."
