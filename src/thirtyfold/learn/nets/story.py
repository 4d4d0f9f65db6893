"""Story: the glass box of a network of several parts: what the box of dense layers tells, with its own layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.evidence import Evidence, TableView
from thirtyfold.learn.glass import RULES, glass_box
from thirtyfold.learn.loop import Curves, First

if TYPE_CHECKING:
    from torch import nn

__all__ = ["told"]

SHOWN = 12


def told(
    network: nn.Module, train: Encoded, curves: Curves, facts: Mapping[str, Any], options: Mapping[str, Any]
) -> list[Evidence]:
    """Evidence for steps 13 to 20 of one training."""
    largest = dict(sorted(facts["drawn"].items(), key=lambda p: p[0])[:SHOWN])
    outputs = train.classes or 1
    whole = {**facts, "sizes": [len(train.names), outputs], "drawn": largest}
    found = glass_box(train, curves, whole, {**options, "activation": "relu"})
    own = {14: _built(network, train), 15: _started(facts), 19: _updated(curves.first, facts["optimizer"])}
    return [own.pop(e.step, e) for e in found]


def _built(network: nn.Module, train: Encoded) -> Evidence:
    """The layers with their sizes."""
    count = sum(p.numel() for p in network.parameters())
    rows = tuple(
        (name, type(layer).__name__, _size(layer), sum(p.numel() for p in layer.parameters()))
        for name, layer in network.named_modules()
        if not list(layer.children()) and any(True for _ in layer.parameters())
    )
    inputs = ", ".join(f"{_block(b.form, b.shape)}{f' of {b.column}' if b.column else ''}" for b in train.blocks)
    why = (
        f"{len(rows)} layers with {count:,} weights and offsets read {inputs}; each part becomes an embedding, and one "
    )
    why += "head decides on all of them side by side."
    numbers = {"parameters": count, "blocks": [[b.form, list(b.shape), b.column] for b in train.blocks]}
    return Evidence(14, why, numbers, (TableView("Layers", ("name", "kind", "size", "weights"), rows),))


def _started(facts: Mapping[str, Any]) -> Evidence:
    """How the weights were drawn, layer by layer."""
    spread = facts["drawn"]
    values = list(spread.values())
    why = (
        f"The weights of {len(spread)} layers were drawn by {facts['initializer']}, with deviations from "
        f"{min(values):.3f} to {max(values):.3f}: the more numbers a layer reads, the smaller. Offsets are zero, "
        "and what centers and scales the input was measured on training rows."
    )
    rows = tuple((name.removesuffix(".weight"), round(value, 4)) for name, value in spread.items())
    numbers = {"initializer": facts["initializer"], "deviation": dict(spread)}
    return Evidence(15, why, numbers, (TableView("Weights as they were drawn", ("layer", "deviation"), rows),))


def _block(form: str, shape: tuple[int, ...]) -> str:
    words = {"image": "a picture", "frames": "frames of sound", "tokens": "tokens", "vector": "numbers"}
    return f"{words.get(form, form)} ({' x '.join(map(str, shape))})"


def _size(layer: Any) -> str:
    weight = getattr(layer, "weight", None)
    return " x ".join(map(str, weight.shape)) if weight is not None else ""


def _updated(first: First, optimizer: str) -> Evidence:
    place = ", ".join(map(str, first.place))
    rule = RULES.get(optimizer, f"{optimizer} moves it by its own rule")
    why = (
        f"The weight {first.weight}[{place}] went from {first.before:+.6f} to {first.after:+.6f} in the first update: "
        f"its slope was {first.gradient:+.6f} and the rate {first.rate:.3g}. {rule}."
    )
    numbers = {
        "weight": f"{first.weight}[{place}]",
        "before": first.before,
        "after": first.after,
        "gradient": first.gradient,
        "rate": first.rate,
        "optimizer": optimizer,
    }
    return Evidence(19, why, numbers)
