"""Seen: what a training shows of itself: the first row, the first step, and a few numbers after each epoch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from thirtyfold.core.late import np
from thirtyfold.learn.parts import Loss

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Curves", "First", "glance", "idle_units", "moved", "slopes", "watch"]

DEAD = 1e-6
"""A unit whose answers differ by less than this over all rows looked at tells the next layer nothing."""


@dataclass
class First:
    """The glass box: the first row before any training, and one weight through the first step."""

    guess: list[float] = field(default_factory=list)
    loss: float = 0.0
    norms: dict[str, float] = field(default_factory=dict)
    """Length of the gradient of the first batch, by weight, before it was clipped."""
    weight: str = ""
    place: list[int] = field(default_factory=list)
    before: float = 0.0
    gradient: float = 0.0
    rate: float = 0.0
    after: float = 0.0
    outputs: list[float] = field(default_factory=list)
    """What the network gave for the first row, before the head."""
    target: list[float] = field(default_factory=list)
    edges: list[float] = field(default_factory=list)
    """Histogram of all weights as they were drawn."""
    counts: list[int] = field(default_factory=list)
    named: dict[str, float] = field(default_factory=dict)
    """Three of them by name."""


@dataclass
class Curves:
    """What is known after each epoch, and what happened on the way."""

    train: list[float] = field(default_factory=list)
    """Mean loss on training rows while learning."""
    validation: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    """Of the last step of each epoch."""
    best: int = 0
    """The epoch whose weights were kept, from 1."""
    first: First = field(default_factory=First)
    gradient: list[float] = field(default_factory=list)
    """Length of the gradient in the last step of each epoch, before clipping."""
    update: list[float] = field(default_factory=list)
    """Length of that step over the length of all weights."""
    floor: float = 0.0
    """The loss of always giving the same answer, the best that needs no input."""
    units: dict[str, list[int]] = field(default_factory=dict)
    """By curve: units that gave the same for every row looked at after training, and all units."""
    found: dict[str, Any] = field(default_factory=dict)
    """The trial that found the learning rate: rates, losses, chosen."""
    events: list[str] = field(default_factory=list)
    """What the guards did, in sentences."""
    causes: list[str] = field(default_factory=list)
    """Why nothing was learned, if so: likely causes in sentences."""
    forecast: dict[str, float] = field(default_factory=dict)
    """What the training was expected to take (see ``forecast.py``), and in ``held`` the most bytes it did."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What was chosen by measurement: precision, compile, parts of a batch."""


def glance(network: nn.Module, loss: Loss, x: Tensor, y: Tensor, first: First) -> None:
    """The network's weights as drawn, its very first guess for one row, and its loss."""
    import torch

    network.eval()
    with torch.no_grad():
        outputs = network(x).float()
        first.guess = (outputs.softmax(1) if loss.head == "softmax" else outputs)[0].tolist()
        first.loss = float(loss(outputs, y)[0])
        first.outputs, first.target = outputs[0].tolist(), y[0].tolist()
    weights = [(n, p.detach().float().cpu().numpy()) for n, p in network.named_parameters() if p.ndim > 1]
    counts, edges = np.histogram(np.concatenate([w.ravel() for _, w in weights]), bins=31)
    first.edges, first.counts = edges.tolist(), counts.tolist()
    for name, weight in (weights[0], weights[len(weights) // 2], weights[-1]):
        # Any place would do; a third of the way in, so that it is not a corner.
        place = tuple(s // 3 for s in weight.shape)
        first.named[f"{name}[{', '.join(map(str, place))}]"] = float(weight[place])


def slopes(network: nn.Module) -> dict[str, float]:
    """Length of the gradient of each weight."""
    return {n: float(p.grad.norm()) for n, p in network.named_parameters() if p.grad is not None}


def watch(network: nn.Module, first: First, rate: float) -> Tensor:
    """Pick the weight of the first layer with the steepest slope and note it before the step."""
    name, weight = next((n, p) for n, p in network.named_parameters() if p.ndim > 1 and p.grad is not None)
    assert weight.grad is not None, "a weight without a gradient"
    place = np.unravel_index(int(weight.grad.abs().argmax()), tuple(weight.shape))
    first.weight, first.place, first.rate = name, [int(i) for i in place], rate
    first.before = float(weight.detach()[tuple(first.place)])
    first.gradient = float(weight.grad[tuple(first.place)])
    return weight


def moved(before: Iterable[Tensor], parameters: Iterable[Tensor]) -> float:
    """Length of a step over the length of the weights before it."""
    step, size = 0.0, 0.0
    for old, new in zip(before, parameters, strict=True):
        step += float((new.detach() - old).square().sum())
        size += float(old.square().sum())
    return float((step / size) ** 0.5) if size else 0.0


def idle_units(network: nn.Module, x: Tensor) -> dict[str, list[int]]:
    """By the name of each curve (a module without weights that changes no shape): units that give one answer only."""
    import torch

    found: dict[str, list[int]] = {}

    def note(name: str) -> Any:
        def hook(_: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
            if not isinstance(output, torch.Tensor) or output.ndim < 2 or output.shape != given[0].shape:
                return
            by_unit = output.detach().float().transpose(0, 1).flatten(1)
            spread = by_unit.amax(1) - by_unit.amin(1)
            found[name] = [int((spread < DEAD).sum()), len(spread)]

        return hook

    curves = [(n, m) for n, m in network.named_modules() if type(m).__module__ == "torch.nn.modules.activation"]
    hooks = [module.register_forward_hook(note(name)) for name, module in curves]
    network.eval()
    try:
        with torch.no_grad():
            network(x)
    finally:
        for hook in hooks:
            hook.remove()
    return found
