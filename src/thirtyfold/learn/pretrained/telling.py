"""Telling: what of a pretrained network came from elsewhere, and what of it learns, part by part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from thirtyfold.core.evidence import Evidence, TableView
from thirtyfold.learn.pretrained.levels import Levels
from thirtyfold.learn.seen import Curves

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Parts", "learning", "parts_of", "started"]


class Parts(NamedTuple):
    """By part, from the bottom: its weights, how many of them learn, and times the rate with which they do."""

    rows: Mapping[str, tuple[int, int, float]]
    of: Mapping[str, str]
    """The part that each weight belongs to, by its name."""
    before: int
    """Weights that were there before."""

    @property
    def counts(self) -> tuple[int, int]:
        """All weights, and those that learn."""
        return sum(r[0] for r in self.rows.values()), sum(r[1] for r in self.rows.values())

    def table(self) -> TableView:
        """As a person reads it."""
        rows = tuple(
            (name, many, learns, f"x {rate:.4g}" if learns else "") for name, (many, learns, rate) in self.rows.items()
        )
        whole, learns = self.counts
        note = f"{whole:,} weights, of which {learns:,} learn; {self.before:,} were there before."
        return TableView("What learns", ("part", "weights", "that learn", "at the rate"), rows, note)


def parts_of(net: nn.Module, stem: str, levels: Levels, factors: Mapping[str, float]) -> Parts:
    """Count a network; ``factors`` has the weights that learn."""
    of: dict[str, str] = {}
    rows: dict[str, tuple[int, int, float]] = {}
    before = 0
    for name, parameter in net.named_parameters():
        part = _named(name, stem, levels)
        many, learns, rate = rows.get(part, (0, 0, 0.0))
        own = parameter.numel()
        rows[part] = (many + own, learns + own * (name in factors), max(rate, factors.get(name, 0.0)))
        before += own * (name.startswith(stem) and "lora_" not in name)
        of[name] = part
    return Parts(rows, of, before)


def _named(name: str, stem: str, levels: Levels) -> str:
    """The part of a weight in words."""
    if not name.startswith(stem):
        return "head" if name.startswith("head.") else "other columns"
    inner = name.removeprefix(stem)
    level = levels.level(inner)
    part = "below the layers" if not level else f"layer {level}" if level <= levels.many else "behind the layers"
    return f"{part}, lora" if "lora_" in inner else part


def learning(curves: Curves, parts: Parts) -> Curves:
    """The curves with the slopes of the first step by part: of hundreds of weights nobody reads one after the other."""
    squares: dict[str, float] = {}
    for name, length in curves.first.norms.items():
        part = parts.of.get(name, name)
        squares[part] = squares.get(part, 0.0) + length**2
    norms = {part: math.sqrt(square) for part, square in squares.items()}
    return replace(curves, first=replace(curves.first, norms=norms))


def started(
    name: str, kind: str, way: str, parts: Parts, seal: str, facts: Mapping[str, Any]
) -> list[Evidence]:  # fmt: skip
    """Evidence for steps 14 and 15: what learns, and where its weights come from."""
    whole, learns = parts.counts
    origin = f"the folder '{name}' (its files have the hash {seal[:16]})" if name else "the previous Package"
    what = {"full": "all of it learns", "frozen": "none of it learns", "last": "its last layers learn"}
    said = what.get(way, "small matrices beside its own learn, which are folded into them at the end")
    built = f"Of {whole:,} weights {learns:,} learn: {parts.before:,} were there before, and {said}."
    start = (
        f"{parts.before:,} weights of a network of the kind '{kind}' come from {origin}: none of them is drawn. "
        f"Those of the head were drawn by {facts['initializer']}."
    )
    numbers = {"parameters": whole, "learns": learns, "before": parts.before, "train": way}
    numbers_of_start = {"initializer": facts["initializer"], "seal": seal, "kind": kind}
    return [Evidence(14, built, numbers, (parts.table(),)), Evidence(15, start, numbers_of_start)]
