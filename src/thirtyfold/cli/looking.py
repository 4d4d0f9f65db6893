"""``show``, ``runs``, ``compare``, ``steps``, ``doctor``: what was done, and what is here. They change nothing."""

import argparse
import json
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from thirtyfold.core.charts import number
from thirtyfold.core.evidence import NAMES
from thirtyfold.core.home import Home

__all__ = ["compare", "doctor", "runs", "show", "steps"]

MARKS = {"done": "✓", "reused": "✓", "not_applicable": "·", "refused": "✗", "failed": "✗"}


def show(told: argparse.Namespace) -> int:
    """The thirty steps of a run."""
    summary = _summary(Home.beside().run(told.run))
    if told.json:
        print(json.dumps(summary, indent=1))
        return 0
    from thirtyfold.cli.screen import closing_page

    for step in summary["steps"]:
        words = "" if step["status"] in ("done", "reused") else f"[{step['status'].replace('_', ' ')}] "
        print(f"{MARKS[step['status']]} {step['number']:>2} {step['step']:<28} {words}{step['why']}")
    closing_page(summary)
    return 0


def runs(told: argparse.Namespace) -> int:
    """One line a run, newest first."""
    folders = sorted(Home.beside().runs.glob("*/record.jsonl"), key=lambda p: -p.stat().st_mtime)
    found = [_summary(path.parent) for path in folders]
    if told.json:
        print(json.dumps([{k: v for k, v in s.items() if k != "steps"} for s in found], indent=1))
        return 0
    if not found:
        print("No run yet. Start one with: thirtyfold run SPEC")
    for summary in found:
        score = summary["score"]
        said = f"{score['metric']} {number(score['test'])}" if score else ""
        seconds = f"{summary['seconds']:.1f} s"
        print(f"{summary['run']:<42} {summary['status']:<8} {said:<24} {seconds:>9}  {summary['package_hash'][:12]}")
    return 0


def compare(told: argparse.Namespace) -> int:
    """Two runs side by side: every metric, size of step times, and what differs in the Spec."""
    import yaml

    home = Home.beside()
    folders = [home.run(told.a), home.run(told.b)]
    a, b = (_summary(f) for f in folders)
    width = max(len(a["run"]), len(b["run"]), 12)
    print(f"{'':<24} {a['run']:>{width}} {b['run']:>{width}}")
    for key in ("status", "task", "package_hash"):
        print(f"{key:<24} {str(a[key])[:16]:>{width}} {str(b[key])[:16]:>{width}}")
    scores = [s["score"].get("all", {}) for s in (a, b)]
    for metric in dict.fromkeys([*scores[0], *scores[1]]):
        values = [number(s[metric]) if metric in s else "" for s in scores]
        print(f"{'test ' + metric:<24} {values[0]:>{width}} {values[1]:>{width}}")
    print(f"{'seconds':<24} {a['seconds']:>{width}.1f} {b['seconds']:>{width}.1f}")
    specs = [_flat(yaml.safe_load((f / "spec.yaml").read_text(encoding="utf-8"))) for f in folders]
    for key in sorted(set(specs[0]) | set(specs[1])):
        values = [str(s.get(key, "")) for s in specs]
        if values[0] != values[1]:
            print(f"{'spec ' + key:<24} {values[0]:>{width}} {values[1]:>{width}}")
    return 0


def steps(told: argparse.Namespace) -> int:
    """The thirty steps with the stages that do them."""
    from thirtyfold.plan import LIFECYCLE, step_stages

    owners = step_stages()
    if told.json:
        print(json.dumps([{"number": n, "step": s, "stages": owners[n]} for n, s in NAMES.items()], indent=1))
        return 0
    for step, name in NAMES.items():
        print(f"{step:>2} {name:<28} {', '.join(owners[step])}")
    print(f"in the order of {len(LIFECYCLE)} stages: {', '.join(path.split(':')[1].lower() for path in LIFECYCLE)}")
    return 0


def doctor(told: argparse.Namespace) -> int:  # noqa: ARG001 - every verb takes what was told
    """What is installed, in which version, and the command that brings what is not."""
    import os
    import platform
    import shutil

    from thirtyfold.core.family import EXTRAS
    from thirtyfold.core.load import free_threads

    print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    disk = shutil.disk_usage(Path.cwd())
    print(f"{free_threads()} of {os.cpu_count()} cores free, {disk.free / 2**30:.0f} GiB of disk free")
    print(f"home: {Home.beside().root}, mirror: {os.environ.get('THIRTYFOLD_MIRROR') or 'none'}")
    missing = 0
    for line in sorted(metadata.requires("thirtyfold") or []):
        name = line.split(";")[0].strip().split("[")[0]
        for sign in "<>=!~ ":
            name = name.split(sign)[0]
        extra = line.split("extra ==")[1].strip(" '\"") if "extra ==" in line else ""
        try:
            print(f"  ✓ {name} {metadata.version(name)}" + (f" (extra {extra})" if extra else ""))
        except metadata.PackageNotFoundError:
            missing += not extra
            how = f"pip install 'thirtyfold[{extra}]'" if extra else f"pip install '{line}'"
            print(f"  {'·' if extra else '✗'} {name} is not installed: {how}")
    absent = sorted({e for m, e in EXTRAS.items() if find_spec(m) is None})
    print("Everything is here." if not absent else f"Optional extras not installed: {', '.join(absent)}.")
    return 2 if missing else 0


def _summary(folder: Path) -> dict[str, Any]:
    """The summary of a run; for one that was killed, what its record tells."""
    path = folder / "summary.json"
    if path.is_file():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    from thirtyfold.core.record import Record
    from thirtyfold.core.summary import Stamp, summarize

    events = list(Record(folder / "record.jsonl"))
    stamps = [
        Stamp(e["stage"], tuple(e["steps"]), "reused" if e["reused"] else "done", "", e["seconds"])
        for e in events
        if e["event"] == "stage_done"
    ]
    name = next((e["name"] for e in events if e["event"] == "run_started"), folder.name)
    told = summarize(
        run=folder.name, name=name, aim=None, tested=None, gates=[], stamps=stamps, package="", package_hash="",
        report="", seconds=sum(s.seconds for s in stamps), error=None, addresses=[],
    )  # fmt: skip
    return {**told, "status": "stopped"}


def _flat(tree: Any, path: str = "") -> dict[str, Any]:
    if isinstance(tree, dict) and tree:
        return {k: v for key, inner in tree.items() for k, v in _flat(inner, f"{path}.{key}" if path else key).items()}
    return {path: tree}
