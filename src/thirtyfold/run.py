"""Run: do the stages in order, reuse what is stored, record what happened. The only place that knows the clock."""

import contextlib
import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from thirtyfold.core import content
from thirtyfold.core.codec import pack, pack_large, unpack
from thirtyfold.core.errors import Fault, SpecError, Stopped, ThirtyfoldError
from thirtyfold.core.evidence import Evidence
from thirtyfold.core.family import nearest
from thirtyfold.core.home import Home
from thirtyfold.core.laid import Laid
from thirtyfold.core.load import free_threads
from thirtyfold.core.owncode import file_of, place_of
from thirtyfold.core.package import Package
from thirtyfold.core.record import Record
from thirtyfold.core.spec import Spec
from thirtyfold.core.store import Folder, Stored, digest, write_folder
from thirtyfold.core.summary import Stamp, summarize
from thirtyfold.core.verdict import Verdict
from thirtyfold.plan import GIVEN, Planned, filled, plan, stage_names

__all__ = ["Event", "Listener", "Outcome", "execute", "unbroken"]

EVIDENCE = TypeAdapter(list[Evidence])
LIBRARIES = ("numpy", "polars", "scikit-learn", "lightgbm", "onnx", "onnxruntime")


@dataclass(frozen=True)
class Event:
    """Something to show while a run goes on: a stage starts, moves on or ends, or the run does."""

    kind: str
    stage: str = ""
    steps: tuple[int, ...] = ()
    text: str = ""
    done: float | None = None
    total: float | None = None
    seconds: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    reused: bool = False


Listener = Callable[[Event], None]


@dataclass(repr=False)
class Outcome:
    """How a run ended: its folder, its summary (what ``thirtyfold show --json`` prints), and its Package if any."""

    folder: Path
    summary: dict[str, Any]
    package: Package | None = None
    error: ThirtyfoldError | None = None

    def __repr__(self) -> str:
        score = self.summary.get("score") or {}
        told = f", test {score['metric']} {score['test']:.4g}" if score else ""
        return f"Outcome({self.summary['status']}{told}, {str(self.folder)!r})"

    @property
    def status(self) -> int:
        """The exit status of the command."""
        if self.error is not None:
            return self.error.status
        return 3 if self.summary["status"] == "refused" else 0


class _Context:
    """The runner's handle that a stage gets: see ``core.step.Context``."""

    def __init__(self, work: "_Work", stage: Planned, key: str) -> None:
        self._work, self._stage = work, stage
        self.seed, self.threads = work.spec.seed, work.threads
        self.checkpoint: Folder = work.home.store.partial(key)

    def progress(self, text: str, done: float | None = None, total: float | None = None) -> None:
        self._work.tell(Event("progress", self._stage.name, self._stage.steps, text, done, total))

    def remaining(self) -> float | None:
        return self._work.remaining()

    def look(self, seal: str, why: str) -> int:
        return self._work.home.look(seal, why, self._work.folder.name)


@dataclass
class _Work:
    """One run in progress."""

    spec: Spec
    home: Home
    folder: Path
    record: Record
    tell: Listener
    threads: int
    started: float = field(default_factory=time.monotonic)
    gifts: dict[str, tuple[Stored | Callable[[], Stored], Any, str]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    decided: dict[str, Any] = field(default_factory=dict)
    stamps: list[Stamp] = field(default_factory=list)
    until: str | None = None

    def remaining(self) -> float | None:
        if self.spec.minutes is None:
            return None
        return max(0.0, self.spec.minutes * 60 - (time.monotonic() - self.started))

    def give(self, name: str, value: Any) -> None:
        """Something from outside, named by its content."""
        files = pack(value)
        self.gifts[name], self.values[name] = (files, Any, digest(files)), value

    def value(self, name: str) -> Any:
        """A gift as the type it was declared to be; always read back from its stored form, so that a run that was
        interrupted and one that was not go on from the very same values.
        """
        if name in self.values:
            return self.values[name]
        given, hint, _ = self.gifts[name]
        files = given() if callable(given) else given
        value = unpack(files, hint)
        if not any(isinstance(data, Laid) for data in files.values()):  # what is large is mapped anew: that is quick
            self.values[name] = value
        return value

    @property
    def folders(self) -> list[Path]:
        """The folders that references in the table may be opened in: those that the rows were collected from."""
        return content.roots_of(self.value("lineage")) if "lineage" in self.gifts else []

    def known(self, name: str) -> Any:
        return self.value(name) if name in self.gifts else None


def execute(
    spec: Spec,
    home: Home,
    *,
    frame: Any = None,
    champion: Package | None = None,
    champion_run: Path | None = None,
    previous: Package | None = None,
    until: str | None = None,
    listener: Listener | None = None,
) -> Outcome:
    """Do the whole lifecycle, or up to and including the stage ``until``.

    A champion that was made of the model which is learned here (``champion_run`` tells) is not compared with itself:
    done again, such a run looks at no test row again.

    Raises SpecError for a fault of the Spec before anything runs. Whatever goes wrong later is in the Outcome, with all
    that was done kept: the same call goes on from there.
    """
    if until is not None and until not in stage_names():
        phase = stage_names(until)
        what = f"'{until}' is a phase, of the stages {', '.join(phase)}" if phase else f"there is no stage '{until}'"
        hint = f"--until {phase[-1]} does all of it." if phase else nearest(until, stage_names())
        raise SpecError(Fault("--until", f"{what}.", ", ".join(phase or stage_names()), hint))
    stages = plan(spec)
    folder = home.new_run(spec.name)
    work = _Work(spec, home, folder, Record(folder / "record.jsonl"), listener or (lambda _: None), free_threads())
    work.until = until if until != stages[-1].name else None
    work.record.add("run_started", name=spec.name, spec=spec.digest(), time=time.time(), pid=os.getpid(), until=until)
    (folder / "spec.yaml").write_text(filled(spec).to_yaml(), encoding="utf-8")
    for name, value in zip(GIVEN, (frame, champion, previous), strict=True):
        work.give(name, value)
    try:
        error = _stages(work, stages, until, champion_run)
    except Exception as fault:  # of ours: what is known of the run is kept all the same, and the fault goes on its way
        _end(work, ThirtyfoldError(f"a fault of ours: {type(fault).__name__}: {fault}"))
        raise
    with unbroken():
        return _end(work, error)


def _stages(work: _Work, stages: list[Planned], until: str | None, champion_run: Path | None) -> ThirtyfoldError | None:
    refused = ""
    try:
        with _surroundings(work):
            for stage in stages:
                if refused:
                    work.stamps.append(Stamp(stage.name, stage.steps, "refused", refused))
                    continue
                evidence = _stage(work, stage)
                if "learned" in stage.contract.gives and _made_by(champion_run, work):
                    work.give("champion", None)
                refused = next(
                    (f"not done, because {stage.name} was refused: {e.why}" for e in evidence if e.status == "refused"),
                    "",
                )
                if stage.name == until:
                    break
    except ThirtyfoldError as error:
        _failed(work, stages, error)
        return error
    except KeyboardInterrupt:
        stopped = Stopped("Stopped. What is done is kept; the same command goes on from here.")
        _failed(work, stages, stopped)
        return stopped
    except BaseException as error:
        _failed(work, stages, ThirtyfoldError(f"a fault of ours: {type(error).__name__}: {error}"))
        raise
    return None


def _made_by(run: Path | None, work: _Work) -> bool:
    """Whether an earlier run learned the very same model, whatever it did with it then."""
    events = list(Record(run / "record.jsonl")) if run is not None else []
    learned = work.gifts["learned"][2]
    return any(e["event"] == "stage_done" and e["gifts"].get("learned") == learned for e in events)


def _failed(work: _Work, stages: list[Planned], error: ThirtyfoldError) -> None:
    """Note the stage that is not done; Ctrl-C may also have come between two of them, or after the last."""
    done = {s.stage for s in work.stamps}
    stage = next((s for s in stages if s.name not in done), None)
    if stage is None:
        return
    work.stamps.append(Stamp(stage.name, stage.steps, "failed", str(error)))
    work.record.add("stage_failed", stage=stage.name, error=str(error))


def _stage(work: _Work, stage: Planned) -> list[Evidence]:
    """One stage: reused if its code, its part of the Spec, its inputs and the seed are those of a stored result."""
    key = _key(work, stage)
    start = time.monotonic()
    index = work.home.store.index(key)
    work.tell(Event("start", stage.name, stage.steps))
    if index is None:
        index, notes = _do(work, stage, key)
        work.threads = free_threads()
    else:
        notes = json.loads(work.home.store.notes(key))
    evidence = EVIDENCE.validate_python(notes["evidence"])
    work.decided |= notes["decided"]
    for name, kind in stage.contract.gives.items():
        work.gifts[name] = (partial(work.home.store.gift, key, name), kind, index[name])
        work.values.pop(name, None)  # a later stage may give anew what an earlier one gave: the ledger grows
    seconds = time.monotonic() - start
    reused = notes.get("fresh") is None
    work.stamps.append(Stamp(stage.name, stage.steps, "reused" if reused else "done", "", seconds, tuple(evidence)))
    done = {"stage": stage.name, "steps": stage.steps, "seconds": round(seconds, 4), "reused": reused}
    work.record.add("stage_done", **done, key=key, gifts=index)
    work.tell(Event("done", stage.name, stage.steps, seconds=seconds, evidence=tuple(evidence), reused=reused))
    return evidence


def _do(work: _Work, stage: Planned, key: str) -> tuple[dict[str, str], dict[str, Any]]:
    needs = {name: work.value(name) for name in stage.contract.needs}
    if stage.contract.wants_context:
        needs["context"] = _Context(work, stage, key)
    with content.reading(work.folders):
        result = stage.stage.run(**needs)
    laying = work.home.store.laying
    gifts = {name: pack_large(getattr(result, name), laying) for name in stage.contract.gives}
    notes = {
        "evidence": EVIDENCE.dump_python(result.evidence, mode="json"),
        "decided": getattr(result, "decided", {}),
    }
    index = work.home.store.put(key, gifts, json.dumps(notes, default=_json).encode())
    return index, {**notes, "fresh": True}


def _key(work: _Work, stage: Planned) -> str:
    """The name of a result: the hash of everything that decides it."""
    outside = stage.stage.outside() if hasattr(stage.stage, "outside") else ""
    parts = {
        "stage": stage.name,
        "code": _code(stage.phase),
        "spec": stage.part,
        "inputs": {name: work.gifts[name][2] for name in stage.contract.needs},
        "seed": work.spec.seed,
        "minutes": work.spec.minutes if stage.contract.wants_context and stage.phase == "learn" else None,
        "outside": outside,
        "own": _own_files(stage.part),
        # A table holds the names of files: what is in them decides as much as the table does.
        "content": content.told_of(work.value("lineage")) if "lineage" in work.gifts else [],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _code(phase: str) -> str:
    """The hash of a phase's source, of the core's, and of the libraries that results depend on."""
    root = Path(__file__).parent
    whole = hashlib.sha256(" ".join(f"{name}={version(name)}" for name in LIBRARIES).encode())
    for path in sorted([*(root / "core").rglob("*.py"), *(root / phase).rglob("*.py")]):
        whole.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return whole.hexdigest()


def _own_files(part: Any) -> list[str]:
    """The hashes of the user's own Python files that a part of the Spec names (``file.py:Name``)."""
    if isinstance(part, dict):
        return [h for pair in part.items() for h in (*_own_files(pair[0]), *_own_files(pair[1]))]
    if isinstance(part, list):
        return [h for value in part for h in _own_files(value)]
    if isinstance(part, str) and ".py:" in part:
        path = place_of(file_of(part))
        return [hashlib.sha256(path.read_bytes()).hexdigest()] if path is not None else []
    return []


def _end(work: _Work, error: ThirtyfoldError | None) -> Outcome:
    """Write what others read: the filled-in Spec, ledger, splits, evidence, package and summary."""
    from thirtyfold.core.table import Table

    folder = work.folder
    (folder / "spec.yaml").write_text(filled(work.spec).to_yaml(work.decided), encoding="utf-8")
    for name in ("ledger", "splits", "quarantine", "suspects", "trials"):
        if name in work.gifts and not isinstance(work.value(name), Table):
            work.value(name).write_parquet(folder / f"{name}.parquet")
    package: Package | None = next(
        (p for n in ("exported", "final", "learned", "package") if (p := work.known(n))), None
    )
    if package is not None:
        write_folder(folder / "package", package.save())
    verdicts = [*(work.known("verdicts") or work.known("gates") or []), *(work.known("limits") or [])]
    proof = work.known("proof")
    gates: list[Verdict] = [*verdicts, proof] if proof else verdicts
    summary = summarize(
        run=folder.name,
        name=work.spec.name,
        aim=work.known("aim"),
        tested=work.known("result") or work.known("tested"),
        gates=gates,
        stamps=work.stamps,
        package=str(folder / "package") if package else "",
        package_hash=package.hash if package else "",
        report=str(folder / "report.html"),
        seconds=time.monotonic() - work.started,
        error=error,
        addresses=work.known("addresses") or [],
        until=work.until,
    )
    evidence = {s.stage: EVIDENCE.dump_python(list(s.evidence), mode="json") for s in work.stamps}
    (folder / "evidence.json").write_text(json.dumps(evidence, default=_json), encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps(summary, indent=1, default=_json), encoding="utf-8")
    work.record.add("run_ended", status=summary["status"], seconds=summary["seconds"], package=summary["package_hash"])
    work.tell(Event("end", text=summary["status"], seconds=summary["seconds"]))
    return Outcome(folder, summary, package, error)


def _json(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


@contextlib.contextmanager
def unbroken() -> Iterator[None]:
    """What a run ends with is written whole: Ctrl-C that comes meanwhile is too late to stop anything."""
    if threading.current_thread() is not threading.main_thread():  # to others no signal comes
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _surroundings(work: _Work) -> Iterator[None]:
    """Keep the thread pools of the libraries within the threads of the run, and tell sources and targets its home."""
    from threadpoolctl import threadpool_limits

    with work.home.told(), threadpool_limits(limits=work.threads):
        yield
