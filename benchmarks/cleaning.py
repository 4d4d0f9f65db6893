"""Cleaning measured against a truth: a dirty and a clean file of the same rows, columns aligned by position.

usage: python benchmarks/cleaning.py DIRTY CLEAN [--repair all] [--spelling all] [--misses 20] [--by-column]
       python benchmarks/cleaning.py --look FILE --target COLUMN [--sample 200] [--score]

The first form cleans DIRTY with no labeled cell and prints, as one JSON line, precision, recall and F1 of detection
(cells that the ledger names as wrong, mended or only proposed) and of repair (cells that were changed). Values are
compared as text without blanks around them; what only means "missing" and how a number is written are no errors.
The second form prints a random sample of the changes on a table without a truth, for a person to judge, and with
``--score`` what a plain model (LightGBM, 5 folds) scores with the accepted changes and without them.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.core.table import ROW, Table
from thirtyfold.data.clean import Clean, Cleaned
from thirtyfold.data.collect import Collect, source_of

NO_ERROR = ("missing", "notation", "target missing", "duplicate")
"""Rules that say what a value means, not that it is wrong."""
OFF = {"repair": "off", "spelling": "off", "characters": "off", "units": "off"}
ANSWER = "made-up answer"


def cleaned(frame: pl.DataFrame, target: str, options: dict[str, Any]) -> tuple[Table, Cleaned]:
    """The frame collected and cleaned with these keys of the Spec's clean section."""
    spec = Spec.of({"target": target, "collect": "frame", "clean": options})
    collected = Collect(spec).run(frame, Quiet()).collected
    return collected, Clean(spec).run(collected, Quiet())


def compare(dirty: pl.DataFrame, clean: pl.DataFrame, options: dict[str, Any]) -> tuple[dict[str, Any], pl.DataFrame]:
    """The figures, and every cell that is wrong, named or changed: row, column, before, after, should."""
    frame = dirty.with_columns(pl.Series(ANSWER, [str(i % 2) for i in range(dirty.height)]))
    start = time.process_time()
    ledger = cleaned(frame, ANSWER, options)[1].ledger
    seconds = time.process_time() - start
    named = ledger.filter(~pl.any_horizontal(pl.col("rule").str.starts_with(r) for r in NO_ERROR))
    named = named.filter(pl.col("column") != ANSWER)
    found: dict[tuple[int, str], tuple[Any, bool]] = {}
    for row, column, after, accepted in named.select("row", "column", "after", "accepted").iter_rows():
        found[row, column] = (after, accepted) if accepted or (row, column) not in found else found[row, column]
    cells = []
    for at, name in enumerate(dirty.columns):
        before, should = _text(dirty[name]), _text(clean.to_series(at))
        for row, (b, s) in enumerate(zip(before.to_list(), should.to_list(), strict=True)):
            after, accepted = found.get((row, name), (None, False))
            if b != s or (row, name) in found:
                cells.append((row, name, b, (after or "") if accepted else b, s, (row, name) in found, accepted))
    schema = {"row": pl.Int64, **dict.fromkeys(["column", "before", "after", "should"], pl.String)}
    table = pl.DataFrame(cells, schema={**schema, "named": pl.Boolean, "changed": pl.Boolean}, orient="row")
    wrong, right = pl.col("before") != pl.col("should"), pl.col("after") == pl.col("should")
    errors = table.filter(wrong).height
    numbers = {
        "cells": dirty.height * dirty.width,
        "errors": errors,
        "detection": _measures(table.filter(wrong & pl.col("named")).height, table.filter("named").height, errors),
        "repair": _measures(
            table.filter(wrong & right & pl.col("changed")).height, table.filter("changed").height, errors
        ),
        "seconds": round(seconds, 2),
    }
    return numbers, table


def _text(values: pl.Series) -> pl.Series:
    return values.cast(pl.String).str.strip_chars().fill_null("")


def _measures(hits: int, found: int, errors: int) -> dict[str, float]:
    precision, recall = hits / found if found else 1.0, hits / errors if errors else 1.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4), "found": found}


def look(ledger: pl.DataFrame, sample: int) -> pl.DataFrame:
    """A sample of what was changed, drawn with one seed."""
    done = ledger.filter(pl.col("accepted"))
    return done.sample(min(sample, done.height), seed=0).sort("row", "column") if done.height else done


def plain_score(table: Table, folds: int = 5) -> float:
    """A plain LightGBM's mean score over folds: ROC AUC of the most frequent answer, or R2."""
    import lightgbm
    from sklearn.metrics import r2_score, roc_auc_score
    from sklearn.model_selection import KFold

    target = table[str(table.target)]
    columns = []
    for name in table.inputs:
        values = table[name]
        codes = values.rank("dense") if values.dtype == pl.String else values.cast(pl.Float64, strict=False)
        columns.append(codes.cast(pl.Float64).to_numpy())
    x = np.stack(columns, axis=1)
    number = target.dtype == pl.Float64
    y = target.to_numpy() if number else (target == target.mode().sort()[0]).to_numpy().astype(int)
    scores = []
    for train, test in KFold(folds, shuffle=True, random_state=0).split(x):
        kind = lightgbm.LGBMRegressor if number else lightgbm.LGBMClassifier
        model = kind(n_estimators=200, learning_rate=0.05, verbose=-1, num_threads=2, seed=0, deterministic=True)
        model.fit(x[train], y[train])
        said = model.predict(x[test]) if number else model.predict_proba(x[test])[:, 1]
        scores.append(r2_score(y[test], said) if number else roc_auc_score(y[test], said))
    return round(float(np.mean(scores)), 5)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--look", nargs="+")
    parser.add_argument("--target")
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--score", action="store_true")
    parser.add_argument("--repair", default="safe")
    parser.add_argument("--spelling", default="safe")
    parser.add_argument("--misses", type=int, default=0)
    parser.add_argument("--by-column", action="store_true")
    asked = parser.parse_args(argv)
    options = {"repair": asked.repair, "spelling": asked.spelling}
    if asked.look:
        _look(asked, options)
        return
    if len(asked.files) != 2:
        parser.error("give a dirty and a clean file")
    dirty, clean = (source_of(str(f)).read(Quiet()).frame for f in asked.files)
    if dirty.shape != clean.shape:
        sys.exit(f"The files differ in shape: {dirty.shape} and {clean.shape}.")
    numbers, cells = compare(dirty, clean, options)
    print(json.dumps({"file": str(asked.files[0]), **options, **numbers}))
    pl.Config.set_tbl_rows(1000).set_fmt_str_lengths(60).set_tbl_width_chars(200)
    wrong = pl.col("before") != pl.col("should")
    if asked.by_column:
        sums = {
            "errors": wrong, "named right": wrong & pl.col("named"), "named wrongly": ~wrong & pl.col("named"),
            "mended right": wrong & (pl.col("after") == pl.col("should")),
            "changed wrongly": pl.col("changed") & (pl.col("after") != pl.col("should")),
        }  # fmt: skip
        print(cells.group_by("column", maintain_order=True).agg(e.sum().alias(n) for n, e in sums.items()))
    if asked.misses:
        print(cells.filter(pl.col("after") != pl.col("should")).sort("changed", descending=True).head(asked.misses))


def _look(asked: argparse.Namespace, options: dict[str, Any]) -> None:
    source = asked.look[0] if len(asked.look) == 1 else {"stack": {"sources": asked.look}}
    frame = source_of(source).read(Quiet()).frame
    table, done = cleaned(frame.drop(ROW, strict=False), asked.target, options)
    rules = done.ledger.group_by("rule", "accepted").len().sort("rule", "accepted")
    print(
        json.dumps({"rows": len(table), "changes": {f"{r}{'' if a else ' (proposed)'}": n for r, a, n in rules.rows()}})
    )
    if asked.score:
        off = cleaned(frame, asked.target, OFF)[1]
        print(json.dumps({"without": plain_score(off.table), "with": plain_score(done.table)}))
    for line in look(done.ledger, asked.sample).iter_rows(named=True):
        print("\t".join(str(line[k]) for k in ("row", "column", "before", "after", "rule", "confidence")))


if __name__ == "__main__":
    main()
