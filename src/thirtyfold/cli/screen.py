"""What a run looks like in a terminal: a line a stage, a bar where there is something to wait for, one last page."""

import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from thirtyfold.core.charts import number, spread
from thirtyfold.core.evidence import counted
from thirtyfold.run import Event

__all__ = ["Screen", "closing_page"]


class Screen:
    """Listens to a run. Shows nothing when ``shown`` is false: output that is piped stays quiet."""

    def __init__(self, *, shown: bool) -> None:
        self.console = Console(highlight=False)
        self.live = Live(console=self.console, refresh_per_second=8, transient=True) if shown else None
        self.started: dict[str, float] = {}

    def __enter__(self) -> "Screen":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.live:
            self.live.stop()

    def see(self, event: Event) -> None:
        """Show one event."""
        if self.live is None:
            return
        if event.kind == "start":
            self.started[event.stage] = time.monotonic()
            self.live.update(_line(event, "…", "cyan"))
        elif event.kind == "progress":
            self.live.update(self._bar(event))
        elif event.kind == "done":
            self.live.update(Text(""))
            kinds = {e.status for e in event.evidence}
            mark, color = ("✗", "red") if "refused" in kinds else ("✓", "green")
            if kinds == {"not_applicable"}:
                mark, color = "·", "dim"
            self.console.print(_line(event, mark, color))

    def _bar(self, event: Event) -> Table:
        line = Table.grid(padding=(0, 1))
        cells: list[Any] = [Text(f"  {_numbers(event)}", "cyan"), Text(event.stage.ljust(10), "bold"), Text(event.text)]
        if event.total and event.done is not None:
            spent = time.monotonic() - self.started.get(event.stage, time.monotonic())
            left = spent / event.done * (event.total - event.done) if event.done > 0 else 0.0
            cells.insert(2, ProgressBar(event.total, event.done, width=24))
            cells.append(Text(f"{left:.0f} s left" if event.done > 0 else "", "dim"))
        line.add_row(*cells)
        return line


def _numbers(event: Event) -> str:
    steps = event.steps
    return f"{steps[0]}-{steps[-1]}".rjust(5) if len(steps) > 1 else str(steps[0]).rjust(5)


def _line(event: Event, mark: str, color: str) -> Table:
    """Mark, numbers, stage, seconds, and the first sentence of what was found."""
    line = Table.grid(padding=(0, 1), expand=True)
    for width in (1, 5, 10, 7):
        line.add_column(width=width, no_wrap=True)
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    found = next((e.why for e in event.evidence if e.status != "not_applicable"), "")
    found = found or next((e.why for e in event.evidence), event.text)
    time_ = "reused" if event.reused else f"{event.seconds:.2f} s" if event.seconds else ""
    line.add_row(
        Text(mark, color), Text(_numbers(event), "dim"), Text(event.stage, "bold"), Text(time_, "dim"), Text(found)
    )
    return line


def closing_page(summary: dict[str, Any]) -> None:
    """Score with interval against the baseline, gates, where package and report are, the next command to type."""
    console = Console(highlight=False, soft_wrap=True)
    color = {"done": "green", "refused": "red", "failed": "red"}.get(summary["status"], "yellow")
    console.print()
    console.print(f"[bold]{summary['name']}[/]  [{color}]{summary['status']}[/]  in {summary['seconds']:.1f} s")
    score = summary["score"]
    if score:
        low, high = score["interval"]
        console.print(
            f"  {score['metric']} [bold]{number(score['test'])}[/] on {score['rows']:,} sealed test rows "
            f"({spread(low, high, score['rows'])}), naive answer {number(score['baseline'])}"
        )
    lost = next((s["evidence"].get("quarantined", 0) for s in summary["steps"] if s["number"] == 4), 0)
    if lost:
        lines = counted(lost, "line")
        console.print(f"  [yellow]![/] {lines} could not be read and took no part: thirtyfold show {summary['run']} 4")
    asked: dict[str, Any] = next((s["evidence"] for s in summary["steps"] if s["number"] == 3), {})
    leaks = [n for n in asked.get("leaks", ()) if n not in asked.get("inputs", ())]
    if leaks:
        console.print("  [yellow]![/] ", end="")
        gave = "gives the answer away and takes" if len(leaks) == 1 else "give the answer away and take"
        console.print(f"{', '.join(leaks)} {gave} no part: thirtyfold show {summary['run']} 3", markup=False)
    for gate in summary["gates"]:
        mark = "[green]✓[/]" if gate["passed"] else "[red]✗[/]"
        if gate["passed"] and gate["limit"] is None and gate["name"].startswith("safety."):
            mark = "[dim]·[/]"  # looked at and told; without a limit it cannot fail
        console.print(f"  {mark} {gate['name']}: ", end="")
        console.print(gate["why"], markup=False)
    for label, value in (("package", summary["package"]), ("report", summary["report"])):
        if value:
            console.print(f"  {label.ljust(8)} {value}", markup=False)
    for address in summary["addresses"]:
        console.print(f"  {'deployed'.ljust(8)} {address}", markup=False)
    champion = summary.get("champion", "")
    if champion and summary["addresses"] and champion != summary["package_hash"]:
        said = (
            f"{summary['name']}@champion stays {champion[:12]}; to serve this one: thirtyfold promote {summary['run']}"
        )
        console.print(f"  {'champion'.ljust(8)} {said}", markup=False)
    console.print(f"  {'next'.ljust(8)} {_next(summary)}", markup=False)


def _next(summary: dict[str, Any]) -> str:
    if summary["status"] == "done" and summary["package"]:
        return f"thirtyfold serve {summary['package']}"
    if summary["status"] == "stopped":
        return "the same command again goes on from here"
    return f"thirtyfold show {summary['run']}"
