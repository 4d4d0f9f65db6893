"""Cycle: once round the loop of a model in service: look, decide, retrain, compare, promote or roll back.

The phases decide from values; this is where what they decide is done. Everything is written to ``watch/NAME.jsonl``.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.aim import Aim
from thirtyfold.core.door import read_column
from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import Family, split_choice
from thirtyfold.core.home import Home
from thirtyfold.core.package import Package
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.record import Record
from thirtyfold.core.registry import Champion, Registry
from thirtyfold.core.spec import Spec
from thirtyfold.core.table import Column, Table
from thirtyfold.core.task import Metric
from thirtyfold.core.traffic import Traffic
from thirtyfold.core.verdict import Verdict
from thirtyfold.core.windows import clocked
from thirtyfold.data.naming import source_of
from thirtyfold.lifecycle import run_spec
from thirtyfold.run import Listener
from thirtyfold.watch.monitor import check
from thirtyfold.watch.retrain import LEAST, compare, decide, live_check

__all__ = ["Looked", "go_round"]

HELD = 0.3
"""Share of the new labeled rows, the newest, that no challenger learns from: both are compared on them."""


@dataclass
class Looked:
    """What one look found and what was done about it."""

    name: str
    champion: str
    action: str = "kept"
    why: str = ""
    verdicts: list[Verdict] = field(default_factory=list)
    collected: int | None = None
    """Rows of the source, where they were learned from."""

    def summary(self) -> dict[str, Any]:
        verdicts = [{"name": v.name, "passed": v.passed, "why": v.why} for v in self.verdicts]
        return {
            "name": self.name,
            "champion": self.champion,
            "action": self.action,
            "why": self.why,
            "verdicts": verdicts,
        }


def go_round(spec: Spec, home: Home, now: Callable[[], float], listener: Listener | None = None) -> Looked:
    """One look. Without a champion the Spec is run first; the clock is given, so that it can be another in a test."""
    registry = Registry(home.root, spec.name)
    record = Record(home.root / "watch" / f"{spec.name}.jsonl")
    champion = registry.champion()
    if champion is None:
        return _first(spec, home, record, now(), listener)
    traffic = Traffic(home.root / "traffic" / f"{spec.name}.sqlite").prepare()
    package = champion.open()
    aim = _aim(spec, package)
    at = now()
    fallen = _fallen(spec, registry, champion, package, traffic, aim, at)
    if fallen is not None:
        back = registry.rollback(why=fallen.why)
        looked = Looked(spec.name, back.hash, "rolled_back", fallen.why, [fallen])
    else:
        verdicts = check(package, traffic, spec, at)
        since = max(champion.time, _last_retrained(record))
        lineage = dict(package.manifest["lineage"])
        arrived = _arrived(spec, home, record, lineage)
        decision = decide(verdicts, spec, traffic, lineage, now=at, since=since, arrived=arrived)
        looked = Looked(spec.name, champion.hash, "kept", decision.why, verdicts)
        if decision.go:
            looked = _retrain(spec, home, registry, package, traffic, aim, looked, listener)
    learned = {} if looked.collected is None else {"collected": looked.collected}
    record.add(looked.action, time=now(), champion=looked.champion, why=looked.why, **learned,
               verdicts=[{"name": v.name, "passed": v.passed, "why": v.why} for v in looked.verdicts])  # fmt: skip
    return looked


def _first(spec: Spec, home: Home, record: Record, at: float, listener: Listener | None) -> Looked:
    outcome = run_spec(spec, home, listener=listener)
    if outcome.error is not None:
        raise outcome.error
    champion = Registry(home.root, spec.name).champion()
    action = "promoted" if champion else "refused"
    why = "the first version that passed every gate" if champion else "no version has passed its gates yet"
    looked = Looked(spec.name, champion.hash if champion else "", action, why)
    record.add(looked.action, time=at, champion=looked.champion, why=why, run=outcome.folder.name)
    return looked


def _fallen(
    spec: Spec, registry: Registry, champion: Champion, package: Package, traffic: Traffic, aim: Aim, at: float
) -> Verdict | None:
    """The verdict against a champion whose live numbers fell below those of the one before it."""
    if not spec.retrain.rollback or not champion.previous:
        return None
    folders = {v["hash"]: v["folder"] for v in registry.versions()}
    before = Package.open(folders[champion.previous[-1]])
    verdict = live_check(package, before, traffic, aim, since=champion.time, now=at, confidence=spec.retrain.confidence)
    return None if verdict.passed else verdict


def _last_retrained(record: Record) -> float:
    times = [float(e["time"]) for e in record if e["event"] in ("promoted", "not_better", "refused", "rolled_back")]
    return max(times, default=0.0)


def _arrived(spec: Spec, home: Home, record: Record, lineage: Mapping[str, Any]) -> int:
    """Rows that the source has more than when it was last learned from; it is asked only where a trigger wants it."""
    if not any(split_choice(c, "retrain.when")[0] == "arrivals" for c in spec.retrain.when):
        return 0
    before = next((int(e["collected"]) for e in reversed(list(record)) if "collected" in e), None)
    before = int(lineage.get("rows", 0)) if before is None else before
    return max(0, _collected(spec, home).height - before)


def _collected(spec: Spec, home: Home) -> pl.DataFrame:
    """All rows of the source; what was read before and has not changed is not read again."""
    with home.told():
        return source_of(spec.collect).read(Quiet()).frame


def _retrain(
    spec: Spec,
    home: Home,
    registry: Registry,
    champion: Package,
    traffic: Traffic,
    aim: Aim,
    looked: Looked,
    listener: Listener | None,
) -> Looked:
    """Run the Spec on the collected and the new labeled rows; promote the outcome when it is better beyond noise."""
    base = _collected(spec, home)
    looked = replace(looked, collected=base.height)
    labeled = _labeled(traffic, spec.target, base) if champion.windows is None else base.clear()
    held = max(LEAST, round(HELD * len(labeled))) if len(labeled) >= 2 * LEAST else 0
    learn = labeled.head(len(labeled) - held)
    frame = pl.concat([base, learn], how="vertical") if len(learn) else None
    outcome = run_spec(spec, home, frame=frame, listener=listener)
    if outcome.error is not None:
        raise outcome.error
    if outcome.status != 0 or outcome.package is None:
        no = "; ".join(g["why"] for g in outcome.summary["gates"] if not g["passed"])
        return replace(looked, action="refused", why=f"{looked.why.rstrip('.')}. The challenger did not pass: {no}")
    challenger = outcome.package
    if challenger.hash == champion.hash:
        return replace(looked, action="not_better", why=f"{looked.why.rstrip('.')}. Nothing new was learned.")
    rows = labeled.tail(held) if held else _test_rows(outcome.folder, base)
    whole = base if challenger.windows is not None else None
    table = _table(challenger, rows, aim) if whole is None else _windows(champion, challenger, whole, rows)
    verdict = compare(champion, challenger, table, aim, spec.retrain.confidence)
    looked = replace(looked, why=f"{looked.why.rstrip('.')}. {verdict.why}", verdicts=[*looked.verdicts, verdict])
    if not verdict.passed:
        return replace(looked, action="not_better")
    promoted = registry.promote(challenger.hash, why=verdict.why)
    return replace(looked, action="promoted", champion=promoted.hash)


def _labeled(traffic: Traffic, target: str, like: pl.DataFrame) -> pl.DataFrame:
    """Rows that were answered and whose truth came in, oldest first, in the columns and types of the collected data."""
    told = traffic.feedback().drop_nulls("truth").unique("id", keep="last", maintain_order=True).sort("asked")
    rows = [
        {**json.loads(row), target: json.loads(truth)}
        for row, truth in zip(told["row"].to_list(), told["truth"].to_list(), strict=True)
    ]
    columns = {
        name: pl.Series(name, [_as(row.get(name), dtype) for row in rows], dtype=dtype, strict=False)
        for name, dtype in like.schema.items()
    }
    return pl.DataFrame(columns)


def _as(value: Any, dtype: Any) -> Any:
    return str(value) if value is not None and dtype == pl.String else value


def _test_rows(folder: Any, base: pl.DataFrame) -> pl.DataFrame:
    """The challenger's own test rows, where too few labels came in: the champion may have learned from some of them,
    which can only speak for the champion.
    """
    splits = pl.read_parquet(folder / "splits.parquet").filter(pl.col("part") == "test")
    rows = splits["row"].filter(splits["row"] < base.height)
    if rows.is_empty():
        raise DataError(Fault("watch", "there are no rows to compare champion and challenger on."))
    return base[rows.to_numpy()]


def _table(package: Package, frame: pl.DataFrame, aim: Aim) -> Table:
    """Raw rows as the Package types them, with the target; rows that cannot be read are left out."""
    table, faults = package.door.table(frame)
    kind = "category" if package.task.classes else "number"
    target, wrong = read_column(Column(aim.target, kind, "target"), frame[aim.target])
    table = table.with_column(target, Column(aim.target, kind, "target"))
    bad = {int(f.where.split(".")[1]) for f in faults} | {u.at for u in wrong}
    return table.take([i for i in range(len(table)) if i not in bad])


def _windows(champion: Package, challenger: Package, base: pl.DataFrame, test: pl.DataFrame) -> Table:
    """The windows of the challenger's own test rows, with all that was before to look back at."""
    windows = challenger.windows
    assert windows is not None
    if missing := [c.name for c in champion.columns if c.name not in windows.inner()]:
        what = f"it reads {', '.join(missing[:5])}, which the challenger's windows do not have"
        raise DataError(Fault("watch", f"the champion cannot be compared: {what}.", hint="Promote the run by hand."))
    table, _ = windows.door.table(base)
    rows, _ = windows.door.table(test)
    times = clocked(windows.typed(rows), windows.time, windows.hour)
    return windows.since(windows.typed(table), float(np.nanmin(times)))


def _aim(spec: Spec, package: Package) -> Aim:
    task = str(package.manifest["task"])
    kind: Any = Family("aim.tasks").find(task)
    told = json.loads(package.files.get("metrics.json", b"{}")).get("metric")
    metric = spec.metric if spec.metric != "auto" else told or kind.metrics[0]
    judged: Any = Family[Metric]("aim.metrics").find(metric, "metric")
    return Aim(spec.target, task, metric, bool(judged.greater), (metric,))
