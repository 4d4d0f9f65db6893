"""Glass: the glass box of a network, steps 13 to 20 with the numbers of one real row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from thirtyfold.core.charts import bars, histogram, lines, number
from thirtyfold.core.encoder import Encoded
from thirtyfold.core.evidence import Evidence, Picture, TableView, counted
from thirtyfold.core.late import np
from thirtyfold.learn.seen import Curves, First

__all__ = ["glass_box"]

RULES = {
    "sgd": "SGD moves a weight by the rate times its slope, against it (with Nesterov's look ahead, 1 + momentum "
    "times that)",
    "adam": "Adam's first step moves every weight by about the rate, against its slope",
    "adamw": "AdamW's first step moves every weight by about the rate, against its slope, and shrinks it a little",
    "rmsprop": "RMSProp's first step divides the slope by its own size, so it moves by the rate times a constant",
    "muon": "Muon moves the first and the last layer as AdamW does, and the matrices between as far in every direction",
}
FAINT = 1e-4
"""A layer whose gradient is shorter than this share of the longest one hardly learns."""


def glass_box(train: Encoded, curves: Curves, facts: Mapping[str, Any], options: Mapping[str, Any]) -> list[Evidence]:
    """Evidence for one training of a network.

    ``facts`` has the framework's (framework, version, device, threads), ``drawn`` (deviation of each weight as drawn),
    the words chosen (optimizer, initializer, schedule, loss), ``batch``, and what is known of ``sizes`` (units of each
    layer, inputs first) and ``parameters``. ``options`` has ``epochs`` and ``activation``.
    """
    first = curves.first
    return [
        _framework(curves, facts),
        _layers(facts, options),
        _forecast(curves, options),
        _drawn(first, facts),
        _guess(first, train),
        _loss(first, train, str(facts.get("loss", ""))),
        _backward(first),
        _update(first, train, curves, facts["optimizer"]),
        _epochs(curves, facts, options),
    ]


def _framework(curves: Curves, facts: Mapping[str, Any]) -> Evidence:
    settings = {"precision": "float32", "compile": False, **curves.settings}
    compiled = ", compiled" if settings["compile"] else ""
    many = int(settings.get("processes", 1))
    hands = counted(facts["threads"], "thread")
    hands += f" in each of {many} processes that share every batch" if many > 1 else ""
    return Evidence(
        13,
        f"PyTorch {facts['version']} on the {facts['device'].upper()} with {hands}, "
        f"numbers as {settings['precision']}{compiled}.",
        {**{n: facts[n] for n in ("framework", "version", "device", "threads")}, **settings},
    )


def _layers(facts: Mapping[str, Any], options: Mapping[str, Any]) -> Evidence:
    sizes = list(facts.get("sizes", ()))
    count = sum(a * b + b for a, b in pairwise(sizes)) if sizes else int(facts.get("parameters", 0))
    shape = (
        f"Layers of {' -> '.join(f'{s:,}' for s in sizes)} units" if sizes else f"A network of {len(facts['drawn'])}"
    )
    shape += f" with {options['activation']} between" if sizes else " weight tensors"
    known = {"sizes": sizes, "activation": options["activation"]} if sizes else {}
    return Evidence(14, f"{shape}: {count:,} weights and offsets.", {"parameters": count, **known})


def _forecast(curves: Curves, options: Mapping[str, Any]) -> Evidence:
    """What it was expected to take, and did."""
    ahead = curves.forecast
    mb = {n: f"{ahead[n] / 1e6:,.4g} MB" for n in ("state", "batch", "judged", "peak", "held")}
    why = (
        f"Forecast before the first step: {mb['state']} for the weights with what optimizing them takes, {mb['batch']} "
        f"while a batch is learned from, {mb['judged']} while rows are judged; {mb['peak']} at most for the whole "
        f"process, to the end of the run; {number(ahead['seconds'])} s for {counted(options['epochs'], 'epoch')}. "
        f"When training ended, the most had been {mb['held']}."
    )
    return Evidence(14, why, {"forecast": ahead})


def _drawn(first: First, facts: Mapping[str, Any]) -> Evidence:
    spread = "; ".join(f"{n.removesuffix('.weight')} {s:.3f}" for n, s in facts["drawn"].items())
    named = ", ".join(f"{n} = {v:+.4f}" for n, v in first.named.items())
    return Evidence(
        15,
        f"Weights drawn by {facts['initializer']}, with these deviations: {spread}. Three of them: {named}. "
        "Offsets are zero.",
        {"initializer": facts["initializer"], "deviation": dict(facts["drawn"]), "named": first.named},
        pictures=(histogram("All weights as they were drawn", first.edges, first.counts),) if first.counts else (),
    )


def _guess(first: First, train: Encoded) -> Evidence:
    truth = np.asarray(train.target)[0]
    told = f"class {truth}" if train.classes else f"{truth:.6g}"
    names = [f"class {i}" for i in range(train.classes)]
    return Evidence(
        16,
        f"Before any training the first training row is given {_told(first.guess, train.classes)}; it is in truth "
        f"{told}.",
        {"guess": first.guess, "truth": float(truth)},
        pictures=(bars("The first guess", names, first.guess),) if train.classes else (),
    )


def _told(guess: list[float], classes: int) -> str:
    if not classes:
        return f"{guess[0]:+.4f} (on the scale of deviations from the mean)"
    return ", ".join(f"class {i} {p:.1%}" for i, p in enumerate(guess[:6]))


def _loss(first: First, train: Encoded, loss: str) -> Evidence:
    """The first row's loss, worked out in numbers where it is one of the usual ones."""
    why = f"That guess costs the row a loss of {first.loss:.4f}"
    if worked := _worked(first, train, loss):
        why += f" = {worked}"
    if train.classes:
        why += f"; knowing nothing would cost log({train.classes}) = {np.log(train.classes):.4f}"
    return Evidence(17, f"{why}.", {"loss": first.loss, "kind": loss, "outputs": first.outputs, "target": first.target})


def _worked(first: First, train: Encoded, loss: str) -> str:
    if not train.classes:
        guess, truth = first.outputs[0], first.target[0]
        return f"({guess:+.4f} - {truth:+.4f})²" if loss == "mean_squared" else ""
    truth = int(np.argmax(first.target))
    if loss == "cross_entropy" and math.isclose(first.loss, -math.log(max(first.guess[truth], 1e-30)), abs_tol=1e-4):
        return f"-log({first.guess[truth]:.4f}), the chance given to class {truth}"
    return ""


def _backward(first: First) -> Evidence:
    norms = ", ".join(f"{n} {v:.4f}" for n, v in first.norms.items())
    weights = {n: v for n, v in first.norms.items() if not n.endswith("bias")}
    longest = max(weights.values(), default=0.0)
    faint = [n for n, v in weights.items() if v < FAINT * longest or v == 0]
    warning = (
        f" It has all but vanished in {', '.join(faint)}, under a {1 / FAINT:,.0f}th of the longest: "
        "these weights hardly learn."
        if faint
        else ""
    )
    return Evidence(
        18,
        f"Going back through the first batch, the slope of the loss has these lengths: {norms}.{warning}",
        {"norms": first.norms, "vanished": faint},
        pictures=(bars("Length of the gradient by layer", list(first.norms), list(first.norms.values())),),
    )


def _update(first: First, train: Encoded, curves: Curves, optimizer: str) -> Evidence:
    place = ", ".join(map(str, first.place))
    named = f"The weight {first.weight}[{place}]"
    feature = ""
    if len(first.place) == 2 and first.place[1] < len(train.names) and not train.layout:
        feature = train.names[first.place[1]]
        named = f"The weight from {feature} to unit {first.place[0]} of the first layer"
    rule = RULES.get(optimizer, f"{optimizer} moves it by its own rule")
    found = curves.found
    search = (
        f" The rate {found['rate']:.3g} was found by a trial of {len(found['rates'])} steps with a growing rate: the "
        f"loss was least at {found['rates'][int(np.argmin(found['losses']))]:.3g}."
        if found and found["losses"]
        else ""
    )
    return Evidence(
        19,
        f"{named} went from {first.before:+.6f} to {first.after:+.6f} in the first update: its slope was "
        f"{first.gradient:+.6f} and the rate {first.rate:.3g}. {rule}.{search}",
        {
            "weight": f"{first.weight}[{place}]",
            "feature": feature,
            "before": first.before,
            "after": first.after,
            "gradient": first.gradient,
            "rate": first.rate,
            "optimizer": optimizer,
            **({"found": found} if found else {}),
        },
        pictures=_trial(found),
    )


def _trial(found: Mapping[str, Any]) -> tuple[Picture, ...]:
    if not found or not found["losses"]:
        return ()
    powers = [math.log10(r) for r in found["rates"]]
    return (lines("Loss over the learning rate", powers, {"loss": found["losses"]}, "rate, power of ten", "loss"),)


def _epochs(curves: Curves, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Evidence:
    epochs, end = len(curves.train), curves.best - 1
    held = f" and {curves.validation[end]:.4f} on validation rows" if curves.validation else ""
    early = " Training stopped early." if epochs < options["epochs"] else ""
    dead = {n: d for n, (d, m) in curves.units.items() if d}
    idle = ", ".join(f"{counted(d, 'unit')} of {curves.units[n][1]} in {n}" for n, d in dead.items())
    asked = options.get("batch", facts["batch"])
    fewer = f" ({asked} are asked for, and the table is too small for them)" if facts["batch"] < asked else ""
    parts = [
        f"{counted(epochs, 'epoch')} in batches of {facts['batch']} rows{fewer}; epoch {curves.best} is kept, with a "
        f"loss of {curves.train[end]:.4f} while learning{held}.{early} "
        f"The rate followed the schedule {facts['schedule']}.",
        *curves.events,
        f"Dead units, the same for every row looked at: {idle}." if idle else "",
    ]
    if curves.causes:
        same = f"Nothing was learned: always giving the same answer has a loss of {curves.floor:.4f}, this one "
        parts.append(f"{same}{min(curves.train + curves.validation):.4f}. {' '.join(curves.causes)}")
    return Evidence(
        20,
        " ".join(p for p in parts if p),
        {
            "epochs": epochs,
            "best": curves.best,
            "batch": facts["batch"],
            "train": curves.train,
            "validation": curves.validation,
            "rate": curves.rate,
            "gradient": curves.gradient,
            "update": curves.update,
            "units": curves.units,
            "events": curves.events,
            "causes": curves.causes,
        },
        (_table(curves),),
        _pictures(curves),
    )


def _table(curves: Curves) -> TableView:
    """The last epochs, number by number."""
    series = (curves.train, curves.validation, curves.rate, curves.gradient, curves.update)
    rows = tuple(
        (at + 1, *(number(s[at]) if at < len(s) else "" for s in series))
        for at in range(max(0, len(curves.train) - 50), len(curves.train))
    )
    head = ("epoch", "loss", "validation loss", "rate", "gradient", "update to weight")
    return TableView("Epochs", head, rows, "gradient and update: of the last step of the epoch")


def _pictures(curves: Curves) -> tuple[Picture, ...]:
    x = list(range(1, len(curves.train) + 1))
    losses = {"train": curves.train, "validation": curves.validation}
    update = [math.log10(v) if v > 0 else math.nan for v in curves.update]
    return (
        lines("Loss by epoch", x, {n: v for n, v in losses.items() if v}, "epoch", "loss"),
        lines("Learning rate by epoch", x, {"rate": curves.rate}, "epoch", "rate"),
        lines("Length of the gradient by epoch", x, {"gradient": curves.gradient}, "epoch", "length"),
        lines("Update to weight by epoch", x, {"update": update}, "epoch", "power of ten"),
    )
