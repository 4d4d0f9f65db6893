"""``run``: the whole lifecycle, a pleasure to watch, ending with one page of results."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from thirtyfold.cli.making import overrides, spec_of_data
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.home import Home
from thirtyfold.core.spec import Spec

__all__ = ["run", "spec_of"]


def spec_of(told: argparse.Namespace) -> tuple[Spec, Home]:
    """The Spec that the command line asks for, and the home beside it."""
    override: dict[str, Any] = overrides(told.set)
    for name in ("metric", "minutes"):
        if getattr(told, name) is not None:
            override[name] = getattr(told, name)
    if Path(told.spec).suffix in (".yaml", ".yml"):
        if told.target is not None:
            override["target"] = told.target
        return Spec.read(told.spec, **override), Home.beside(told.spec)
    return spec_of_data(told.spec, told.target, **override), Home.beside()


def run(told: argparse.Namespace) -> int:
    """Check everything, run, write the report, and say how it ended."""
    from thirtyfold.checking import faults_of

    try:
        spec, home = spec_of(told)
    except SpecError as error:  # what is sound by itself is checked too, so that all is told at once
        raise SpecError([*error.faults, *(faults_of(error.sound) if error.sound else [])]) from None
    faults = faults_of(spec)
    if faults:
        raise SpecError(faults)
    from thirtyfold.cli.screen import Screen, closing_page
    from thirtyfold.lifecycle import run_spec

    if told.folds is not None:
        if told.until:
            raise SpecError(Fault("--until", "goes not together with --folds, which ends with the test."))
        return _folded(told, spec, home)
    show = sys.stdout.isatty() and not told.quiet and not told.json
    with Screen(shown=show) as screen:
        outcome = run_spec(spec, home, until=told.until, listener=screen.see)
    if told.json:
        print(json.dumps(outcome.summary, indent=1))
    elif not told.quiet:
        closing_page(outcome.summary)
    elif outcome.status == 3:
        print(
            *(f"gate refused: {g['why']}" for g in outcome.summary["gates"] if not g["passed"]),
            sep="\n",
            file=sys.stderr,
        )
    if outcome.error is not None:
        raise outcome.error
    return outcome.status


def _folded(told: argparse.Namespace, spec: Spec, home: Home) -> int:
    """Every fold, a line each, and what they say together."""
    from thirtyfold.cli.screen import Screen
    from thirtyfold.core.charts import number
    from thirtyfold.folds import cross_validate

    show = sys.stdout.isatty() and not told.quiet and not told.json
    with Screen(shown=show) as screen:
        folded = cross_validate(spec, home, told.folds, listener=screen.see)
    if told.json:
        print(json.dumps(folded.summary(), indent=1))
    elif not told.quiet:
        for at, fold in enumerate(folded.folds):
            score = number(fold["scores"][folded.metric])
            print(f"fold {at}  {folded.metric} {score:<8} on {fold['rows']:,} rows  {fold['model']:<10} {fold['run']}")
        low, high = (number(v) for v in folded.interval)
        print(
            f"{folded.name}: {folded.metric} {number(folded.mean)} on average, {low} to {high} (95 %, folds share "
            f"training rows); between folds it varies by {number(folded.deviation)}; naive answer "
            f"{number(folded.baseline)}."
        )
        print(*(f"gate refused: {why}" for why in folded.failed), sep="\n", end="\n" if folded.failed else "")
    return folded.status
