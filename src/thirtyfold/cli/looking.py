"""``show``, ``runs``, ``compare``, ``steps``, ``doctor``: what was done, and what is here. They change nothing."""

import argparse
import json
import re
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from thirtyfold.core.charts import number
from thirtyfold.core.errors import DataError, Fault, SpecError
from thirtyfold.core.evidence import NAMES
from thirtyfold.core.home import Home
from thirtyfold.core.summary import NOT_REACHED

__all__ = ["compare", "doctor", "runs", "show", "steps"]

MARKS = {"done": "✓", "reused": "✓", "not_applicable": "·", "refused": "✗", "failed": "✗"}


ROWS = 25
"""Rows of a table that are shown; ``--json`` has all."""
FEW = 4
"""A table of no more rows can be turned: its rows become columns."""
WORD = 16
"""Longer words, such as paths and hashes, may be folded; no number is longer."""


def show(told: argparse.Namespace) -> int:
    """The thirty steps of a run, or one of them with its numbers and tables."""
    first = told.run if told.run and told.run.isdigit() else None
    step = int(first) if first and told.step is None else told.step
    if step is not None and step not in NAMES:
        raise SpecError(Fault("step", f"there is no step {step}: steps are 1 to {len(NAMES)}."))
    folder = Home.beside().run(None if first and told.step is None else told.run)
    if told.tensorboard:
        return _events(folder, Path(told.tensorboard))
    if step is not None:
        return _one(folder, step, as_json=told.json)
    summary = _summary(folder)
    if told.json:
        print(json.dumps(summary, indent=1))
        return 0
    from thirtyfold.cli.screen import closing_page

    for line in summary["steps"]:
        reached = not line["why"].startswith(NOT_REACHED)
        words = f"[{line['status'].replace('_', ' ')}] " if reached and line["status"] not in ("done", "reused") else ""
        mark = MARKS[line["status"]] if reached else "·"
        print(f"{mark} {line['number']:>2} {line['step']:<28} {words}{_first(line['why'])}")
    print("\nOne step with its numbers and tables: thirtyfold show [RUN] STEP, such as: thirtyfold show 21")
    closing_page(summary)
    return 0


def _events(folder: Path, out: Path) -> int:
    from thirtyfold.pages.events import write_events

    written = write_events(folder, out)
    print(*written, sep="\n")
    print(f"Next: tensorboard --logdir {out}")
    return 0


def _first(why: str, most: int = 200) -> str:
    """As many whole sentences as fit, the first at least."""
    ends = [m.end() for m in re.finditer(r"[.!?](?=\s|$)", why) if m.end() <= most]
    return why if len(why) <= most else why[: ends[-1]] if ends else f"{why[:most]}..."


def _one(folder: Path, step: int, *, as_json: bool) -> int:
    """Everything that is known of one step: every sentence, number and table."""
    path = folder / "evidence.json"
    if not path.exists():
        raise DataError(Fault(str(folder), "this run has not ended yet: there is no evidence."))
    stages: dict[str, list[dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8"))
    found = [(stage, e) for stage, told in stages.items() for e in told if e["step"] == step]
    if as_json:
        kept = [{"stage": stage} | {k: v for k, v in e.items() if k != "pictures"} for stage, e in found]
        print(json.dumps(kept, indent=1))
        return 0
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"[bold]{step} {NAMES[step]}[/bold]")
    for stage, evidence in found:
        console.print(f"\n{stage}: {evidence['why']}", markup=False)
        for name, value in evidence["numbers"].items():
            if isinstance(value, str | int | float | bool) or value is None:
                console.print(f"  {name}: {number(value) if isinstance(value, float) else value}", markup=False)
        for view in evidence["tables"]:
            console.print(_grid(view, console.width))
    if not found:
        console.print("Nothing was done here in this run.")
    return 0


def _grid(view: dict[str, Any], width: int) -> Any:
    """A table of evidence within ``width``: one of few rows is turned where it is too wide, else its last columns are
    left out. Texts are folded between words; no number is ever cut off.
    """
    from rich.console import Group
    from rich.table import Table as Grid
    from rich.text import Text

    most = view["rows"][:ROWS]
    columns, rows = [str(c) for c in view["columns"]], [[_cell(v) for v in row] for row in most]
    if _least(columns, rows) > width and len(rows) <= FEW:
        columns, *rows = [list(line) for line in zip(columns, *rows, strict=True)]
    kept = len(columns)
    while kept > 1 and _least(columns[:kept], [r[:kept] for r in rows]) > width:
        kept -= 1
    grid = Grid(title=Text(view["title"]), title_justify="left")
    cells = [[columns[at], *(r[at] for r in rows)] for at in range(kept)]
    for name, wide in zip(columns, _widths(cells, width), strict=False):
        grid.add_column(Text(name), width=wide, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row[:kept]))
    left = [(len(columns) - kept, "column"), (len(view["rows"]) - len(most), "row")]
    said = ", ".join(f"{many:,} more {thing}{'' if many == 1 else 's'}" for many, thing in left if many)
    return Group(grid, Text(f"({said}: --json has them)")) if said else grid


def _least(columns: list[str], rows: list[list[str]]) -> int:
    """The width below which a word or a number would be cut: every column's longest, and the lines between."""
    return sum(_longest([c, *(r[at] for r in rows)]) + 3 for at, c in enumerate(columns)) + 1


def _widths(cells: list[list[str]], width: int) -> list[int]:
    """Each column as wide as its longest cell; where that is too much, the widest gives way, down to its words."""
    wide, least = [max(_long(c) for c in column) or 1 for column in cells], [_longest(c) for c in cells]
    while sum(wide) + 3 * len(wide) + 1 > width:
        able = [at for at in range(len(wide)) if wide[at] > least[at]]
        if not able:
            break
        widest = max(able, key=lambda at: wide[at])
        wide[widest] -= 1
    return wide


def _longest(cells: list[str]) -> int:
    """The longest word, as far as it must stay in one piece."""
    return max((min(_long(word), WORD) for cell in cells for word in cell.split()), default=1)


def _long(text: str) -> int:
    """How many places a text takes in a terminal, its longest line."""
    from rich.cells import cell_len

    return max(map(cell_len, text.splitlines()), default=0)


def _cell(value: Any) -> str:
    return "" if value is None else number(value) if isinstance(value, float) else str(value)


def runs(told: argparse.Namespace) -> int:
    """One line a run, newest first."""
    folders = sorted(Home.beside().runs.glob("*/record.jsonl"), key=lambda p: -p.stat().st_mtime)
    found = [s for path in folders if (s := _summary(path.parent)) and told.name in (None, s["name"])]
    found = found[: told.last]
    if told.json:
        print(json.dumps([{k: v for k, v in s.items() if k != "steps"} for s in found], indent=1))
        return 0
    if not found:
        what = "yet" if told.name is None else f"of {told.name!r}"
        print(f"No run {what} in {Home.beside().root}. Start one with: thirtyfold run SPEC")
    else:
        print(f"{'  run':<44} {'status':<8} {'test score':<24} {'took':>9}  package")
    champions = _champions(Home.beside().root)
    for summary in found:
        score = summary["score"]
        said = f"{score['metric']} {number(score['test'])}" if score else ""
        seconds = f"{summary['seconds']:.1f} s"
        mark = "*" if summary["package_hash"] and (summary["name"], summary["package_hash"]) in champions else " "
        line = f"{mark} {summary['run']:<42} {summary['status']:<8} {said:<24} {seconds:>9}"
        print(f"{line}  {summary['package_hash'][:12]}")
    if champions:
        print("* is the champion of its name: what NAME@champion serves.")
    return 0


def _champions(root: Path) -> set[tuple[str, str]]:
    """Every name with the hash of its champion."""
    from thirtyfold.core.registry import Registry

    names = [p.name for p in sorted((root / "registry").glob("*")) if p.is_dir()]
    known = ((name, Registry(root, name).champion()) for name in names)
    return {(name, c.hash) for name, c in known if c is not None}


def _run_of(name: str, home: Home) -> Path:
    """The folder of a run by its id, or of the one that made the champion of a name."""
    from thirtyfold.core.registry import Registry

    model, _, which = name.partition("@")
    champion = Registry(home.root, model).champion() if which == "champion" else None
    return home.run(champion.run if champion and champion.run else name)


def compare(told: argparse.Namespace) -> int:
    """Two runs side by side: every metric, size of step times, and what differs in the Spec."""
    import yaml

    home = Home.beside()
    folders = [_run_of(name, home) for name in (told.a, told.b)]
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
            short = [v if len(v) <= width else f"{v[: width - 3]}..." for v in values]
            print(f"{'spec ' + key:<24} {short[0]:>{width}} {short[1]:>{width}}")
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
    needed = metadata.requires("thirtyfold") or []
    for extra, line in sorted((n.partition("extra ==")[2].strip(" '\""), n) for n in needed):
        if extra in ("dev", "docs"):
            continue  # for those who build Thirtyfold
        name = re.split(r"[\[;<>=!~ ]", line, maxsplit=1)[0]
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
    return {**told, "status": "running" if _runs_still(events) else "stopped"}


def _runs_still(events: list[dict[str, Any]]) -> bool:
    """Whether the process that began a run is there, and is no later one with the same number."""
    import psutil

    begun = next((e for e in events if e["event"] == "run_started"), {})
    try:
        return "pid" in begun and psutil.Process(begun["pid"]).create_time() <= float(begun["time"])
    except psutil.Error:
        return False


def _flat(tree: Any, path: str = "") -> dict[str, Any]:
    if isinstance(tree, dict) and tree:
        return {k: v for key, inner in tree.items() for k, v in _flat(inner, f"{path}.{key}" if path else key).items()}
    return {path: tree}
