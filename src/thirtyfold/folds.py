"""Folds: the way to a tested model, once a fold, so that every row is tested on by a model that never saw it.

Nested: types, features, model, options and thresholds are chosen anew inside each fold, on its own validation rows, so
that the score is that of the whole way and not of one lucky split. Nothing is deployed or promoted.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.family import Family
from thirtyfold.core.home import Home
from thirtyfold.core.spec import Spec
from thirtyfold.core.store import write_text
from thirtyfold.core.task import Metric
from thirtyfold.lifecycle import run_spec
from thirtyfold.run import Listener

__all__ = ["Folded", "cross_validate"]


@dataclass(frozen=True)
class Folded:
    """The outcome: a score of each metric for each fold, and what they say together."""

    name: str
    metric: str
    folds: tuple[dict[str, Any], ...]
    """For each fold the run, its model, the rows tested on, the naive answer and every score."""
    mean: float
    deviation: float
    interval: tuple[float, float]
    baseline: float
    failed: tuple[str, ...] = ()
    """The gates of ``success`` that the mean does not reach."""

    def summary(self) -> dict[str, Any]:
        """Everything, JSON-able."""
        return {
            **self.__dict__,
            "folds": list(self.folds),
            "interval": list(self.interval),
            "failed": list(self.failed),
        }

    @property
    def status(self) -> int:
        """The exit status of the command: 3 where a gate said no."""
        return 3 if self.failed else 0


def cross_validate(
    spec: Spec, home: Home, count: int, *, frame: Any = None, listener: Listener | None = None
) -> Folded:
    """Run a Spec once a fold up to its test. Raises SpecError where the Spec splits in another way.

    The interval is of 95 %, by the t distribution with Nadeau and Bengio's (2003) correction: folds share training
    rows, so that their scores vary less than those of fresh data would.
    """
    if not 3 <= count <= 100:
        raise SpecError(Fault("--folds", f"there cannot be {count} folds.", "3 to 100"))
    if spec.split.how != "auto":
        raise SpecError(
            Fault("--folds", f"the Spec splits by {spec.split.how!r}.", hint="Leave 'split.how' out to use folds.")
        )
    if spec.roles.time or spec.roles.part:
        role = "time" if spec.roles.time else "part"
        raise SpecError(Fault("--folds", f"rows with 'roles: {{{role}: ...}}' cannot be dealt into folds by lot."))
    done = []
    for test in range(count):
        tree = spec.model_dump(mode="json")
        tree["split"]["how"] = {"folds": {"count": count, "test": test}}
        tree["name"] = f"{spec.name[:54]}-fold-{test}"
        outcome = run_spec(Spec.of(tree), home, frame=frame, until="test", listener=listener)
        if outcome.error is not None:
            raise outcome.error
        score = outcome.summary["score"]
        model = json.loads((outcome.folder / "evidence.json").read_text(encoding="utf-8"))
        done.append(
            {
                "run": outcome.folder.name,
                "model": _model(model),
                "rows": score["rows"],
                "baseline": score["baseline"],
                "scores": score["all"],
            }
        )
    metric = score["metric"]
    values = np.array([d["scores"][metric] for d in done])
    width = _width(values, count)
    mean = float(values.mean())
    low, high = Family[Metric]("aim.metrics").build(metric, "metric").bounds
    folded = Folded(
        spec.name,
        metric,
        tuple(done),
        mean,
        float(values.std(ddof=1)),
        (max(low, mean - width), min(high, mean + width)),
        float(np.mean([d["baseline"] for d in done])),
        _failed(spec, done),
    )
    _write(home, folded)
    return folded


def _model(evidence: dict[str, list[dict[str, Any]]]) -> str:
    """Which kind of model was chosen, as tuning said."""
    found = [e["numbers"].get("winner") or e["numbers"].get("chosen") for e in evidence.get("tune", ())]
    return next((str(f) for f in found if f), "")


def _width(values: Any, count: int) -> float:
    """Half of the 95 % interval; testing rows are one in ``count``, and as many per training row."""
    from scipy.special import stdtrit

    shared = 1 / count + 1 / (count - 1)
    return float(stdtrit(count - 1, 0.975) * np.sqrt(shared * values.var(ddof=1)))


def _failed(spec: Spec, done: list[dict[str, Any]]) -> tuple[str, ...]:
    family: Family[Metric] = Family("aim.metrics")
    failed = []
    for metric, limit in spec.success.items():
        mean = float(np.mean([d["scores"][metric] for d in done]))
        if (mean < limit) if family.build(metric, "success").greater else (mean > limit):
            failed.append(f"success.{metric}: {mean:.4g}, asked {limit:g}")
    return tuple(failed)


def _write(home: Home, folded: Folded) -> Path:
    path = home.root / "folds" / f"{folded.name}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(folded.summary(), indent=1))
    return path
