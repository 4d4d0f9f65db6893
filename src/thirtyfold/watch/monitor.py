"""Step 30, first half: would we notice? Monitors are calibrated, must keep still on rows like ours and see a change."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import polars as pl

from thirtyfold.core.aim import Aim
from thirtyfold.core.charts import bars, lines
from thirtyfold.core.content import embedded
from thirtyfold.core.door import typed
from thirtyfold.core.evidence import Evidence, Picture, TableView
from thirtyfold.core.family import Choice, Family, split_choice
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.core.profile import Profile
from thirtyfold.core.sealed import Sealed
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.core.traffic import Traffic
from thirtyfold.core.verdict import Verdict
from thirtyfold.watch.live import Live

__all__ = ["Monitor", "Watcher", "Watching", "check"]

WINDOWS = 20
"""Windows of unchanged rows on which every monitor is tried."""
SHIFTS = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)
"""By how many standard deviations the tried column is moved (or which share of it is replaced)."""


class Watcher(Protocol):
    """Notices one kind of change; ``thirtyfold.testing.check_monitor`` runs a member through it."""

    def calibrate(self, package: Package) -> dict[str, Any]:
        """What is normal, from the Package alone; JSON-able. The same Package gives the same."""
        ...

    def look(self, package: Package, state: Mapping[str, Any], live: Live) -> list[Verdict]:
        """One Verdict a thing that is watched, named ``word`` or ``word.detail``; not passed is an alarm."""
        ...


class Watching(NamedTuple):
    """``watching`` holds the Package's hash, what each monitor was calibrated to, and how the trial went."""

    watching: dict[str, Any]
    evidence: list[Evidence]


def check(package: Package, traffic: Traffic, spec: Spec, now: float) -> list[Verdict]:
    """What every monitor of the Spec says about the traffic of a Package up to ``now`` (seconds since 1970)."""
    live = Live.of(traffic, package.hash, now)
    return [v for m in _monitors(spec.monitor).values() for v in m.look(package, m.calibrate(package), live)]


def _monitors(choices: Sequence[Choice]) -> dict[str, Watcher]:
    family: Family[Watcher] = Family("watch.monitors")
    return {split_choice(c, "monitor")[0]: family.build(c, "monitor") for c in choices}


class Monitor:
    """Calibrate every monitor of the Spec and try it: held-out rows must be quiet, changed rows must raise an alarm."""

    steps: ClassVar[tuple[int, ...]] = (30,)

    def __init__(self, spec: Spec) -> None:
        self.monitors = _monitors(spec.monitor)

    def run(
        self,
        exported: Package,
        profile: Profile,
        learning: Table,
        validation: Table,
        test: Sealed,
        aim: Aim,
        context: Context,
    ) -> Watching:
        context.progress("trying the monitors")
        states = {word: m.calibrate(exported) for word, m in self.monitors.items()}
        trial = _Trial(exported, self.monitors, states, (test.table, validation, learning), context.seed)
        alarms = trial.quiet()
        column, power = trial.power(learning)
        noticed = trial.changed(column)
        watching = {
            "package": exported.hash,
            "monitors": states,
            "rows": profile.rows,
            "windows": WINDOWS,
            "false_alarms": alarms,
            "noticed": {w: {k: v for k, v in n.items() if k != "why"} for w, n in noticed.items()},
            "tried_on": column,
        }
        return Watching(watching, [_evidence(watching, noticed, power, states)])


class _Trial:
    """Rows as they might come in, made from rows that were held out; no clock and no network."""

    def __init__(
        self,
        package: Package,
        monitors: dict[str, Watcher],
        states: dict[str, dict[str, Any]],
        parts: tuple[Table, Table, Table],
        seed: int,
    ) -> None:
        held, labeled, learning = parts
        self.package, self.monitors, self.states, self.labeled = package, monitors, states, labeled
        self.rows = max([int(getattr(m, "rows", 500)) for w, m in monitors.items() if w != "accuracy"], default=500)
        few = len(held) + len(labeled) < self.rows
        self.columns = _joined([package.arrays(t) for t in ((held, labeled, learning) if few else (held, labeled))])
        self.rng = np.random.default_rng(seed)

    def look(self, word: str, live: Live) -> list[Verdict]:
        return self.monitors[word].look(self.package, self.states[word], live)

    def quiet(self) -> dict[str, int]:
        """In how many windows of unchanged rows each monitor raised an alarm."""
        alarms = dict.fromkeys(self.monitors, 0)
        labeled = _labeled_live(self.package, self.labeled, None)
        for at in range(WINDOWS):
            live = replace(labeled, typed=self.draw(), predictions=_answers(self.rows, 2.0), total=self.rows)
            for word in self.monitors:
                if word == "accuracy" and at:
                    continue  # the labeled rows are the same in each window
                alarms[word] += any(not v.passed for v in self.look(word, live))
        return alarms

    def draw(self) -> dict[str, Array]:
        """A window of rows that the profile was not made from, each once; of all rows where those are too few."""
        have = len(next(iter(self.columns.values())))
        which = self.rng.choice(have, self.rows, replace=have < self.rows)
        return {n: x[which] for n, x in self.columns.items()}

    def power(self, learning: Table) -> tuple[str, dict[str, list[float]]]:
        """How often a change of one column is noticed, by its size; the column is the first number, or the first."""
        numbers = [c.name for c in self.package.columns if typed(c).dtype == "number"]
        known = self.package.profile.columns if self.package.profile else {}
        # The one with the most intervals: a number of three values may move by a deviation and cross no border.
        numbers.sort(key=lambda n: -len(known[n].edges) if n in known else 0)
        name = (numbers or [c.name for c in self.package.columns])[0]
        if "drift" not in self.monitors:
            return name, {}
        spread = float(np.nanstd(self.package.arrays(learning)[name])) if numbers else 1.0
        noticed = []
        for size in SHIFTS:
            hits = [
                self.alarm(_moved(self.draw(), name, size, spread, self.strange(name))) for _ in range(WINDOWS // 4)
            ]
            noticed.append(float(np.mean(hits)))
        return name, {"share of windows with an alarm": noticed}

    def alarm(self, columns: dict[str, Array]) -> bool:
        live = _live(_answers(self.rows, 2.0), typed=columns)
        return any(not v.passed for v in self.look("drift", live))

    def strange(self, column: str) -> str:
        """A text that no row has: of pictures and sounds a made-up one, since there must be something to open."""
        kind = next((typed(c) for c in self.package.columns if c.name == column), None)
        if kind is None or not hasattr(kind, "content"):
            return "\u2603"
        return str(kind.schema(pl.Series(dtype=pl.String))["examples"][0])

    def changed(self, column: str) -> dict[str, dict[str, Any]]:
        """What each monitor says when just what it watches has changed for the worse."""
        spread = float(np.nanstd(self.columns[column])) if self.columns[column].dtype != object else 1.0
        slow, lost = _answers(self.rows, 60_000.0), _failures(self.rows)
        usual = {
            "drift": _live(
                _answers(self.rows, 2.0), typed=_moved(self.draw(), column, 1.0, spread, self.strange(column))
            ),
            "latency": _live(slow),
            "failures": replace(_live(_answers(self.rows, 2.0)), failures=lost),
            "accuracy": _labeled_live(self.package, self.labeled, self.rng),
        }
        found = {}
        for word in self.monitors:
            said = self.look(word, usual.get(word, usual["drift"]))
            alarms = [v for v in said if not v.passed]
            found[word] = {"alarm": bool(alarms), "why": (alarms or said)[0].why}
        return found


def _joined(parts: list[dict[str, Array]]) -> dict[str, Array]:
    return {n: np.concatenate([p[n] for p in parts]) for n in parts[0]}


def _live(predictions: pl.DataFrame, typed: Mapping[str, Array] | None = None) -> Live:
    return Live(predictions, _failures(0), _feedback([], [], []), predictions.height, 3600.0, typed)


def _answers(rows: int, latency: float) -> pl.DataFrame:
    took = np.full(rows, latency)
    return pl.DataFrame({"id": [f"{i}-0" for i in range(rows)], "time": np.full(rows, 3000.0), "latency_ms": took})


def _failures(rows: int) -> pl.DataFrame:
    schema = {"time": pl.Float64, "status": pl.Int64}
    return pl.DataFrame({"time": np.full(rows, 3000.0), "status": np.full(rows, 500)}, schema=schema)


def _feedback(ids: list[str], rows: list[dict[str, Any]], truths: list[Any]) -> pl.DataFrame:
    texts = {"id": pl.String, "truth": pl.String, "row": pl.String, "answer": pl.String}
    filled = {
        "id": ids,
        "truth": [json.dumps(t) for t in truths],
        "row": [json.dumps(r) for r in rows],
        "answer": ["{}"] * len(ids),
    }
    frame = pl.DataFrame(filled, schema=texts)
    return frame.with_columns(asked=pl.lit(3000.0), time=pl.lit(3100.0))


def _labeled_live(package: Package, labeled: Table, shuffle: np.random.Generator | None) -> Live:
    """Validation rows as if their truth had come in later; with ``shuffle`` the answers no longer fit the rows."""
    part = labeled.take(np.arange(min(len(labeled), 1000)))
    files = {c.name for c in package.columns if hasattr(typed(c), "content")}
    rows = [
        {c.name: embedded(row[c.name]) if c.name in files else _plain(row[c.name]) for c in package.columns}
        for row in part.frame.to_dicts()
    ]
    truths = [_plain(v) for v in part[str(part.target)].to_list()]
    if shuffle is not None:
        truths = [truths[i] for i in shuffle.permutation(len(truths))]
    ids = [f"{i}-0" for i in range(len(rows))]
    kept = [i for i, t in enumerate(truths) if t is not None]
    feedback = _feedback([ids[i] for i in kept], [rows[i] for i in kept], [truths[i] for i in kept])
    return replace(_live(_answers(len(rows), 2.0)), feedback=feedback)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return None if isinstance(value, float) and not np.isfinite(value) else value
    return value.isoformat()


def _moved(columns: dict[str, Array], name: str, size: float, spread: float, strange: str) -> dict[str, Array]:
    """The column moved by ``size`` standard deviations; of text, that share becomes one new value, ``strange``."""
    moved = columns[name].copy()
    if moved.dtype == object:
        moved[: int(size * len(moved))] = strange
    else:
        moved = moved + size * spread
    return {**columns, name: moved}


def _evidence(
    watching: dict[str, Any],
    noticed: dict[str, dict[str, Any]],
    power: dict[str, list[float]],
    states: dict[str, dict[str, Any]],
) -> Evidence:
    alarms = watching["false_alarms"]
    quiet = ", ".join(f"{w} {n}" for w, n in alarms.items())
    seen = [w for w, n in noticed.items() if n["alarm"]]
    missed = [w for w in noticed if w not in seen]
    why = (
        f"{len(alarms)} monitors were calibrated on {watching['rows']:,} training rows and tried. On {WINDOWS} windows "
        f"of unchanged held-out rows they raised alarms: {quiet or 'none'}. When what each watches was changed on "
        f"purpose, {', '.join(seen) or 'none'} noticed it" + (f"; {', '.join(missed)} did not." if missed else ".")
    )
    rows = tuple((w, alarms[w], "alarm" if n["alarm"] else "still", n["why"]) for w, n in noticed.items())
    title = f"Each monitor on {WINDOWS} unchanged windows and on one changed on purpose"
    table = TableView(title, ("monitor", "false alarms", "on the change", "what it said"), rows)
    pictures: list[Picture] = []
    if power:
        title = f"How large must a change of '{watching['tried_on']}' be to be noticed?"
        pictures.append(lines(title, list(SHIFTS), power, "shift in standard deviations", "share of windows"))
    limits = states.get("drift", {}).get("limits", {})
    known = {n: v for n, v in limits.items() if np.isfinite(v)}
    if known:
        names = sorted(known, key=lambda n: -known[n])[:30]
        note = "A column is called drifted when it differs from training by more than this."
        pictures.append(bars("Drift limit of each column (divergence, bits)", names, [known[n] for n in names], note))
    numbers = {k: v for k, v in watching.items() if k != "monitors"}
    if power:
        numbers["power"] = dict(zip(map(str, SHIFTS), next(iter(power.values())), strict=True))
    return Evidence(30, why, numbers, (table,), tuple(pictures))
