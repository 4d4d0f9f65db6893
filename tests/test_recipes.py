"""Every recipe runs from start to end on its real data, and its report makes sense of all thirty steps."""

import json
from pathlib import Path

import pytest

from thirtyfold.cli import main

RECIPES = sorted((Path(__file__).resolve().parent.parent / "recipes").glob("*.yaml"))
FLOOR = {
    "bikes": ("rmse", 110.0),
    "cells": ("balanced_accuracy", 0.9),
    "churn": ("roc_auc", 0.80),
    "demand_forecast": ("mase", 1.0),
    "diabetes": ("roc_auc", 0.72),
    "diagnosis": ("roc_auc", 0.97),
    "digits": ("accuracy", 0.97),
    "houses": ("mae", 25_000.0),
    "income": ("roc_auc", 0.92),
    "jobs": ("mae", 10.0),
    "logs": ("roc_auc", 0.95),
    "music_store": ("mae", 0.6),
    "rare": ("average_precision", 0.45),
    "spoken_digits": ("accuracy", 0.93),
    "spam": ("f1", 0.88),
    "spam_rules": ("roc_auc", 0.97),
    "taxi": ("mae", 6.0),
    "titanic": ("roc_auc", 0.75),
    "votes": ("balanced_accuracy", 0.6),
    "tracks": ("mae", 110_000.0),
}
"""What any sound model reaches on these data; far worse means that something is broken. Each beats the naive answer."""


def test_there_are_recipes_and_each_has_a_floor():
    assert {r.stem for r in RECIPES} == set(FLOOR) and len(RECIPES) >= 9


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.stem)
def test_no_fault_is_found_in_it(recipe, capsys, request):
    if recipe.stem not in ("diagnosis", "digits"):
        request.getfixturevalue("mirror")
    assert main(["check", str(recipe)]) == 0
    assert "no fault found" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.step(*range(1, 31))
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.stem)
def test_it_runs_through_all_thirty_steps(recipe, capsys, request):
    if recipe.stem not in ("diagnosis", "digits"):
        request.getfixturevalue("mirror")
    status = main(["run", str(recipe), "--json"])
    summary = json.loads(capsys.readouterr().out)
    assert status == 0, summary["gates"]
    assert [s["number"] for s in summary["steps"]] == list(range(1, 31))
    for step in summary["steps"]:
        assert step["status"] in ("done", "not_applicable"), step
        assert len(step["why"]) > 20, step
        assert step["status"] == "not_applicable" or step["evidence"], step
    metric, limit = FLOOR[recipe.stem]
    score = summary["score"]
    assert score["metric"] == metric
    better = (lambda a, b: a < b) if metric in ("rmse", "mae", "mase") else (lambda a, b: a > b)
    assert better(score["test"], limit) and better(score["test"], score["baseline"])
    assert score["interval"][0] <= score["test"] <= score["interval"][1]
    report = Path(summary["report"]).read_text(encoding="utf-8")
    assert report.count("<article") == 30 and "nan" not in report.split("<details>")[0].lower().split()
