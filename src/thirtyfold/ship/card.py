"""Card: what a Package is for, what it was made from, how good it is and where it is not, in one page of Markdown."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from thirtyfold.core.aim import Aim
from thirtyfold.core.charts import spread
from thirtyfold.core.package import Package
from thirtyfold.core.tested import Tested
from thirtyfold.ship.server.schema import example_rows

__all__ = ["card", "metrics_json"]


def metrics_json(package: Package, result: Tested) -> bytes:
    """The scores as JSON: what ``/model`` tells and what a registry lists."""
    scores = {
        "package": package.hash,
        "metric": result.metric,
        "test": result.scores,
        "validation": result.validation,
        "interval": list(result.interval),
        "baseline": result.baseline,
        "rows": result.rows,
    }
    return json.dumps(scores, indent=1, sort_keys=True).encode()


def card(
    package: Package,
    *,
    purpose: Mapping[str, str],
    aim: Aim,
    result: Tested,
    lineage: Mapping[str, Any],
    ledger: pl.DataFrame,
    notes: Sequence[str],
) -> bytes:
    """``purpose`` has ``goal`` and ``users`` as the Spec says; ``notes`` are limits found while exporting.

    Sections as in Mitchell et al. 2019, Model cards for model reporting. No clock: the same Package has the same card.
    """
    parts = [
        f"# {package.name}",
        f"Version `{package.hash[:12]}`, model `{package.manifest['model']}`, for {package.manifest['task']}.",
        "## What it is for",
        purpose.get("goal") or f"Predicting `{aim.target}`.",
        f"Who uses it: {purpose['users']}" if purpose.get("users") else "Who uses it: not stated in the Spec.",
        "## What goes in, what comes out",
        _fields(package),
        "## How good it is",
        _scores(result),
        _slices(result),
        *(f"**{question}** {answer}" for question, answer in result.questions.items()),
        "## What it was made from",
        _origin(lineage, ledger),
        "## Where not to trust it",
        _bullets([*_bounds(package, result), *notes]),
        "## How to use it",
        _usage(package),
    ]
    return ("\n\n".join(p for p in parts if p) + "\n").encode()


def _fields(package: Package) -> str:
    lines = ["| field | type |", "|---|---|", *(f"| {_cell(c.name)} | {c.type} |" for c in package.asked)]
    out = ", ".join(f"`{n}`" for n in package.task.schema()["properties"])
    windows = package.windows
    told = "Every field must be sent; `null` is missing."
    if windows is not None:
        told += (
            f" A request holds the history of one series or several, a row a time, {windows.least} known values of "
            f"`{windows.target}` at least and {windows.reach} to be answered as it was tested. Answers are for the "
            f"next {windows.horizon} times."
        )
        told += f" {', '.join(windows.known)} must be told for these, `{windows.target}` null." if windows.known else ""
    return "\n".join(lines) + f"\n\n{told} Answer: {out}."


def _scores(result: Tested) -> str:
    name, own = result.metric, result.scores[result.metric]
    first = (
        f"`{name}` is **{own:.4f}** on {result.rows:,} test rows that nothing was chosen by "
        f"({spread(*result.interval, result.rows)}); the naive answer gets {result.baseline:.4f}."
    )
    rows = [f"| {n} | {v:.4f} | {result.validation.get(n, float('nan')):.4f} |" for n, v in result.scores.items()]
    return "\n".join([first, "", "| metric | test | validation |", "|---|---|---|", *rows])


def _slices(result: Tested) -> str:
    if not result.slices:
        return ""
    names = list(result.slices[0])[:6]
    head = ["Errors by slice:", "", "| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    rows = ["| " + " | ".join(_cell(s.get(n)) for n in names) + " |" for s in result.slices[:20]]
    return "\n".join([*head, *rows])


def _origin(lineage: Mapping[str, Any], ledger: pl.DataFrame) -> str:
    told = [f"{lineage.get('rows', 0):,} rows from `{lineage.get('address', 'a frame')}`."]
    if lineage.get("sha256"):
        told.append(f"Content sha256 `{lineage['sha256']}`, {lineage.get('bytes', 0):,} bytes.")
    done = ledger.filter(pl.col("accepted"))
    counts = done.group_by("rule").len().sort("len", "rule", descending=[True, False])
    told += [f"- {rule}: {count:,} cells" for rule, count in counts.rows()[:12]]
    if done.height:
        told.insert(len(told) - min(12, counts.height), f"Cleaning changed {done.height:,} cells, by rule:\n")
    return "\n".join(told)


def _bounds(package: Package, result: Tested) -> list[str]:
    told = ["It knows only what the data above shows; other places, times and groups of people are untested."]
    if package.profile is not None:
        few = [n for n, c in package.profile.columns.items() if c.missing > c.rows / 2]
        told += [f"More than half of the values of {', '.join(few)} were missing in training."] if few else []
    told.append("Numbers outside the range seen in training are answered, but not known to be answered well.")
    low, high = result.interval
    if not min(low, high) > result.baseline and not max(low, high) < result.baseline:
        told.append("On the test rows it is not clearly better than the naive answer.")
    return told


def _usage(package: Package) -> str:
    rows = example_rows(package)
    many = package.windows is not None
    row = json.dumps({"rows": [*rows[:2], "..."]} if many else rows[0], ensure_ascii=False)
    python = "predict(polars.read_csv('history.csv'))" if many else f"predict_rows([{rows[0]!r}])"
    shown = row.replace("'", "'\\''")
    return "\n".join(
        [
            "```bash",
            f"thirtyfold predict PACKAGE {'history' if many else 'rows'}.csv",
            "thirtyfold serve PACKAGE",
            f"curl -s localhost:8000/predict -H 'Content-Type: application/json' -d '{shown}'",
            "```",
            "",
            "```python",
            "import thirtyfold",
            f"thirtyfold.load({'PACKAGE'!r}).{python}",
            "```",
            "",
            "`exports/model.onnx` runs in ONNX Runtime alone: numbers as float64 (missing is NaN), moments as seconds",
            'since the start of 1970 (UTC), text as strings (missing is ""), each of shape [rows, 1].',
            *(
                ["Its inputs are the columns that are made of a history, not the history: see docs/forecasting.md."]
                * many
            ),
        ]
    )


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _cell(value: Any) -> str:
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    return shown.replace("|", "\\|").replace("\n", " ")
