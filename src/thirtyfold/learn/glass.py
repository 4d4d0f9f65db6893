"""Glass: the glass box of a network, steps 13 to 20 with the numbers of one real row."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from thirtyfold.core.charts import bars, lines
from thirtyfold.core.encoder import Encoded
from thirtyfold.core.evidence import Evidence, counted
from thirtyfold.core.late import np
from thirtyfold.learn.loop import Curves, First

__all__ = ["glass_box"]

RULES = {
    "sgd": "SGD moves a weight by the rate times its slope, against it (with Nesterov's look ahead, 1 + momentum "
    "times that)",
    "adam": "Adam's first step moves every weight by about the rate, against its slope",
    "adamw": "AdamW's first step moves every weight by about the rate, against its slope, and shrinks it a little",
    "rmsprop": "RMSProp's first step divides the slope by its own size, so it moves by the rate times a constant",
}


def glass_box(train: Encoded, curves: Curves, facts: Mapping[str, Any], options: Mapping[str, Any]) -> list[Evidence]:
    """Evidence for one training of a network. ``facts`` has the framework's, ``sizes``, ``drawn`` and the words
    chosen.
    """
    first, sizes = curves.first, facts["sizes"]
    count = sum(a * b + b for a, b in pairwise(sizes))
    epochs = len(curves.train)
    drawn = "; ".join(f"{n.split('.')[0]} {s:.3f}" for n, s in facts["drawn"].items())
    truth = np.asarray(train.target)[0]
    return [
        Evidence(
            13,
            f"PyTorch {facts['version']} on the {facts['device'].upper()} with {counted(facts['threads'], 'thread')}.",
            {n: facts[n] for n in ("framework", "version", "device", "threads")},
        ),
        Evidence(
            14,
            f"Layers of {' -> '.join(f'{s:,}' for s in sizes)} units with {options['activation']} between: "
            f"{count:,} weights and offsets.",
            {"sizes": sizes, "parameters": count, "activation": options["activation"]},
        ),
        Evidence(
            15,
            f"Weights drawn by {facts['initializer']}, with these deviations: {drawn}. Offsets are zero.",
            {"initializer": facts["initializer"], "deviation": dict(facts["drawn"])},
        ),
        Evidence(
            16,
            f"Before any training the first training row is given {_told(first.guess, train.classes)}; it is in truth "
            f"{f'class {truth}' if train.classes else f'{truth:.6g}'}.",
            {"guess": first.guess, "truth": float(truth)},
            pictures=(bars("The first guess", _names(train.classes), first.guess),) if train.classes else (),
        ),
        Evidence(
            17,
            f"That guess costs the row a loss of {first.loss:.4f}"
            + (
                f"; knowing nothing would cost log({train.classes}) = {np.log(train.classes):.4f}."
                if train.classes
                else "."
            ),
            {"loss": first.loss},
        ),
        _backward(first),
        _update(first, train, facts["optimizer"]),
        _epochs(curves, epochs, facts, options),
    ]


def _names(classes: int) -> list[str]:
    return [f"class {i}" for i in range(classes)]


def _told(guess: list[float], classes: int) -> str:
    if not classes:
        return f"{guess[0]:+.4f} (on the scale of deviations from the mean)"
    return ", ".join(f"class {i} {p:.1%}" for i, p in enumerate(guess[:6]))


def _backward(first: First) -> Evidence:
    norms = ", ".join(f"{n} {v:.4f}" for n, v in first.norms.items())
    return Evidence(
        18,
        f"Going back through the first batch, the slope of the loss has these lengths: {norms}.",
        {"norms": first.norms},
        pictures=(bars("Length of the gradient by layer", list(first.norms), list(first.norms.values())),),
    )


def _update(first: First, train: Encoded, optimizer: str) -> Evidence:
    unit, feature = first.place
    name = train.names[feature] if feature < len(train.names) else str(feature)
    rule = RULES.get(optimizer, f"{optimizer} moves it by its own rule")
    return Evidence(
        19,
        f"The weight from {name} to unit {unit} of the first layer went from {first.before:+.6f} to "
        f"{first.after:+.6f} in "
        f"the first update: its slope was {first.gradient:+.6f} and the rate {first.rate:.3g}. {rule}.",
        {
            "weight": f"{first.weight}[{unit}, {feature}]",
            "feature": name,
            "before": first.before,
            "after": first.after,
            "gradient": first.gradient,
            "rate": first.rate,
            "optimizer": optimizer,
        },
    )


def _epochs(curves: Curves, epochs: int, facts: Mapping[str, Any], options: Mapping[str, Any]) -> Evidence:
    series = {"train": curves.train, "validation": curves.validation}
    known = {name: values for name, values in series.items() if values}
    end = curves.best - 1
    held = f" and {curves.validation[end]:.4f} on validation rows" if curves.validation else ""
    early = " Training stopped early." if epochs < options["epochs"] else ""
    return Evidence(
        20,
        f"{counted(epochs, 'epoch')} in batches of {facts['batch']} rows; epoch {curves.best} is kept, with a loss of "
        f"{curves.train[end]:.4f} while learning{held}.{early} The rate followed the schedule {facts['schedule']}.",
        {
            "epochs": epochs,
            "best": curves.best,
            "batch": facts["batch"],
            "train": curves.train,
            "validation": curves.validation,
        },
        pictures=(
            lines("Loss by epoch", list(range(1, epochs + 1)), known, "epoch", "loss"),
            lines("Learning rate by epoch", list(range(1, epochs + 1)), {"rate": curves.rate}, "epoch", "rate"),
        ),
    )
