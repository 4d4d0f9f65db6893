"""The whole way of one run: resolve what comes from outside, execute, write the report, register what may serve."""

import json
from pathlib import Path
from typing import Any

import yaml

from thirtyfold.core.errors import Fault, PackageError, SpecError
from thirtyfold.core.home import Home
from thirtyfold.core.owncode import trust
from thirtyfold.core.package import Package
from thirtyfold.core.registry import Champion, Registry
from thirtyfold.core.spec import Spec
from thirtyfold.core.store import write_text
from thirtyfold.pages.report import write_report
from thirtyfold.run import Listener, Outcome, execute, unbroken

__all__ = ["find_package", "run_spec"]


def find_package(name: str, home: Home) -> Package:
    """A Package by folder, run id, or ``name@champion``. Raises PackageError or SpecError that says what there is."""
    if Path(name).is_dir():
        folder = Path(name)
        return Package.open(folder if (folder / "manifest.json").is_file() else folder / "package")
    model, at, which = name.partition("@")
    if at:
        if which != "champion":
            raise SpecError(Fault(name, f"there is no '@{which}'.", "@champion"))
        champion = Registry(home.root, model).champion()
        if champion is None:
            raise SpecError(Fault(name, f"'{model}' has no champion yet.", hint="Use 'thirtyfold promote PACKAGE'."))
        _trust_run(home, champion.run)
        return champion.open()
    _trust_run(home, home.run(name).name)
    folder = home.run(name) / "package"
    if not folder.is_dir():
        raise PackageError(f"The run {name} has no Package: it did not get that far.")
    return Package.open(folder)


def _trust_run(home: Home, run: str) -> None:
    """Code that a run of one's own named may be loaded for what it made; a Package from elsewhere has no such run."""
    path = home.runs / run / "spec.yaml"
    if run and path.is_file():
        trust(yaml.safe_load(path.read_text(encoding="utf-8")), home.root.parent)


def run_spec(
    spec: Spec, home: Home, *, frame: Any = None, until: str | None = None, listener: Listener | None = None
) -> Outcome:
    """Run a Spec with the model now in service as champion and, for fine-tuning, the Package it names; then report.

    The first Package of a name that passes every gate becomes its champion; a later one must be promoted, because
    ``watch`` and people compare first.
    """
    registry = Registry(home.root, spec.name)
    champion = registry.champion()
    if champion is not None:
        _trust_run(home, champion.run)
    previous = find_package(spec.finetune.package, home) if spec.finetune else None
    outcome = execute(
        spec,
        home,
        frame=frame,
        champion=champion.open() if champion else None,
        champion_run=home.runs / champion.run if champion and champion.run else None,
        previous=previous,
        until=until,
        listener=listener,
    )
    with unbroken():
        write_report(outcome.folder)
        _register(registry, champion, outcome)
    return outcome


def _register(registry: Registry, champion: Champion | None, outcome: Outcome) -> None:
    """Keep what passed as a version, the first one as champion; and say in the summary which one serves."""
    if outcome.package is not None and outcome.status == 0 and outcome.summary["addresses"]:
        registry.add(outcome.package, run=outcome.folder.name)
        if champion is None:
            champion = registry.promote(outcome.package.hash, why="the first version that passed every gate")
    outcome.summary["champion"] = champion.hash if champion else ""
    write_text(outcome.folder / "summary.json", json.dumps(outcome.summary, indent=1))
