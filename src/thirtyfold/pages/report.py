"""The report of a run: one HTML file that opens offline, in the order of the thirty steps, with pictures."""

import json
from pathlib import Path
from typing import Any

from thirtyfold.core.charts import number
from thirtyfold.core.evidence import NAMES
from thirtyfold.core.store import write_text

__all__ = ["PHASES", "write_report"]

PHASES: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("Aim", "What is asked, and how it will be judged", (1, 2, 3)),
    ("Data", "From raw rows to clean parts, without a leak", tuple(range(4, 11))),
    ("Learn", "From a first guess to a model", tuple(range(11, 25))),
    ("Prove", "What it is worth, and what harm it could do", (25, 26, 27)),
    ("Ship", "Smaller, exported, in service", (28, 29)),
    ("Watch", "Stays good, or goes round again", (30,)),
)
"""The six chapters of the report, in the order of the thirty steps."""

WORDS = {
    "done": "done",
    "reused": "done, reused",
    "not_applicable": "not applicable",
    "refused": "refused",
    "failed": "not done",
}


def write_report(folder: Path) -> Path:
    """Make ``report.html`` of a run from its summary and evidence; returns its path."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    evidence = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
    spec = (folder / "spec.yaml").read_text(encoding="utf-8")
    path = folder / "report.html"
    write_text(path, render(summary, evidence, spec))
    return path


def render(summary: dict[str, Any], evidence: dict[str, list[dict[str, Any]]], spec: str) -> str:
    """The page as text."""
    from jinja2 import Environment, PackageLoader

    env = Environment(loader=PackageLoader("thirtyfold.pages"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    env.filters["cell"] = _cell
    env.filters["number"] = number
    pieces: dict[int, list[dict[str, Any]]] = {n: [] for n in NAMES}
    aside: dict[int, list[dict[str, Any]]] = {n: [] for n in NAMES}
    chosen = _chosen(evidence)
    for stage, found in evidence.items():
        for one in found:
            lost = bool(chosen) and one.get("model", "") not in ("", *chosen)
            (aside if lost else pieces)[int(one["step"])].append({**one, "stage": stage})
    for told in pieces.values():
        _fold_repeated(told)
    phase_of = {n: phase for phase, _, numbers in PHASES for n in numbers}
    steps = [
        {**step, "word": WORDS[step["status"]], "phase": phase_of[step["number"]]}
        | {"pieces": pieces[step["number"]], "aside": aside[step["number"]]}
        for step in summary["steps"]
    ]
    page = env.get_template("report.html.j2")
    return page.render(summary=summary, steps=steps, phases=PHASES, scale=_scale(summary["score"]), spec=spec)


def _chosen(evidence: dict[str, list[dict[str, Any]]]) -> set[str]:
    """The words of the models that were taken, alone or into an ensemble; empty where none was yet."""
    found: set[str] = set()
    for one in evidence.get("tune", ()):
        numbers = one["numbers"]
        found |= {numbers["winner"]} if "winner" in numbers else set()
        found |= {str(part).split()[0] for part in numbers.get("members", ())}
    return found


def _fold_repeated(pieces: list[dict[str, Any]]) -> None:
    """Mark what a later stage tells anew, as the test of what compression made: the last word stands open."""
    later: set[str] = set()
    for piece in reversed(pieces):
        titles = {one["title"] for one in (*piece["tables"], *piece["pictures"])}
        piece["before"] = bool(titles) and titles <= later
        later |= titles


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _scale(score: dict[str, Any]) -> dict[str, float] | None:
    """Where baseline, interval and score stand on one line, in percent of its length."""
    if not score or None in (*score["interval"], score["baseline"], score["test"]):
        return None
    low, high = score["interval"]
    ends = [low, high, score["baseline"], score["test"]]
    ends += [score["champion"]] if score.get("champion") is not None else []
    start, stop = min(ends), max(ends)
    pad = (stop - start) * 0.08 or 1.0
    start, stop = start - pad, stop + pad

    def place(value: float) -> float:
        return float(round(100 * (value - start) / (stop - start), 2))

    found = {"low": place(low), "high": place(high), "baseline": place(score["baseline"]), "test": place(score["test"])}
    if score.get("champion") is not None:
        found["champion"] = place(score["champion"])
    return found
