"""Summary: what ``thirtyfold show --json`` prints. Others read it, so its keys stay."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from thirtyfold.core.aim import Aim
from thirtyfold.core.errors import Stopped, ThirtyfoldError
from thirtyfold.core.evidence import NAMES, Evidence
from thirtyfold.core.tested import Tested
from thirtyfold.core.verdict import Verdict

__all__ = ["NOT_REACHED", "Stamp", "summarize"]


@dataclass(frozen=True)
class Stamp:
    """One stage of a run: how it ended and what it left."""

    stage: str
    steps: tuple[int, ...]
    status: str
    why: str = ""
    seconds: float = 0.0
    evidence: tuple[Evidence, ...] = ()


def summarize(
    *,
    run: str,
    name: str,
    aim: Aim | None,
    tested: Tested | None,
    gates: Sequence[Verdict],
    stamps: Sequence[Stamp],
    package: str,
    package_hash: str,
    report: str,
    seconds: float,
    error: ThirtyfoldError | None,
    addresses: Sequence[str],
    until: str | None = None,
) -> dict[str, Any]:
    """The whole run as one JSON object, with all thirty numbers present. ``until`` is where the user had it stop."""
    steps = [_step(number, stamps, "failed" if error is not None else "not_applicable") for number in NAMES]
    if isinstance(error, Stopped):
        status = "stopped"
    elif error is not None:
        status = "failed"
    else:
        refused = any(s["status"] == "refused" for s in steps) or any(not g.passed for g in gates)
        status = "refused" if refused else "stopped" if until else "done"
    return {
        "run": run,
        "name": name,
        "task": aim.task if aim else "",
        "target": aim.target if aim else "",
        "status": status,
        "error": str(error) if error else "",
        "score": _score(tested),
        "gates": [
            {"name": g.name, "passed": g.passed, "value": g.value, "limit": g.limit, "why": g.why} for g in gates
        ],
        "steps": steps,
        "package": package,
        "package_hash": package_hash,
        "addresses": list(addresses),
        "report": report,
        "seconds": round(seconds, 3),
    }


NOT_REACHED = "not reached"
"""What is said of a step that a run did not come to."""
_CUT = "done; what it found is written when the run ends, and this one was cut off"


def _unreached(status: str) -> str:
    return NOT_REACHED if status == "failed" else f"{NOT_REACHED}: the run was to end before it"


def _score(tested: Tested | None) -> dict[str, Any]:
    if tested is None:
        return {}
    metric = tested.metric
    return {
        "metric": metric,
        "validation": tested.validation.get(metric),
        "test": tested.scores[metric],
        "interval": list(tested.interval),
        "baseline": tested.baseline,
        "champion": tested.champion,
        "rows": tested.rows,
        "looks": tested.looks,
        "all": tested.scores,
    }


def _step(number: int, stamps: Sequence[Stamp], unreached: str) -> dict[str, Any]:
    """One of the thirty, from every stage that left something under its number; ``unreached`` when none did."""
    own = [s for s in stamps if number in s.steps or any(e.step == number for e in s.evidence)]
    evidence = [e for s in own for e in s.evidence if e.step == number]
    kinds: list[str] = [e.status for e in evidence] or [s.status for s in own] or [unreached]
    first = next((k for k in ("failed", "refused", "done") if k in kinds), kinds[0])
    failed = next((s for s in own if s.status in ("failed", "refused") and not s.evidence), None)
    if failed is not None and first != "refused":
        first = failed.status
    if first == "done" and own and all(s.status == "reused" for s in own):
        first = "reused"
    why = " ".join(e.why for e in evidence if e.status != "not_applicable" or first == "not_applicable")
    return {
        "number": number,
        "step": NAMES[number],
        "stage": own[0].stage if own else "",
        "status": first,
        "why": why or next((s.why for s in own if s.why), "") or (_CUT if own else _unreached(unreached)),
        "seconds": round(sum(s.seconds / len(s.steps) for s in own if number in s.steps), 4),
        "evidence": {k: v for e in evidence for k, v in e.numbers.items()},
    }
