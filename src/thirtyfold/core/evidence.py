"""Evidence: what a stage leaves behind under one of the thirty steps, with its own numbers, tables and pictures.

A stage's ``run`` returns, beside its gifts, a field ``evidence: list[Evidence]``: at least one for every number
that the stage does. Several stages may leave evidence under one number; the report shows them in order.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["NAMES", "Evidence", "Picture", "Status", "TableView", "counted", "not_applicable"]

Status = Literal["done", "not_applicable", "refused", "failed"]

NAMES: dict[int, str] = {
    1: "define the problem",
    2: "set objectives",
    3: "list requirements",
    4: "collect data",
    5: "store data",
    6: "clean data",
    7: "normalize data",
    8: "label data",
    9: "analyze data",
    10: "split data",
    11: "select the architecture",
    12: "engineer features",
    13: "choose the framework",
    14: "build the model",
    15: "initialize the weights",
    16: "forward pass",
    17: "compute the loss",
    18: "backward pass",
    19: "optimize the weights",
    20: "repeat over epochs",
    21: "validate",
    22: "tune hyperparameters",
    23: "regularize",
    24: "prevent overfitting",
    25: "test",
    26: "fine-tune",
    27: "make safe",
    28: "compress",
    29: "deploy",
    30: "monitor and retrain",
}


@dataclass(frozen=True)
class TableView:
    """A small table to be read by a person: at most a few hundred rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture as SVG text with a sentence that says what it shows (also its alternative text)."""

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Evidence:
    """What one stage did for one step.

    ``why`` is one or two plain sentences with this run's own numbers; ``numbers`` is JSON-able, stable keys;
    ``tables`` and ``pictures`` are for the report. ``model`` is the word of the one candidate that it tells of, if any.
    """

    step: int
    why: str
    numbers: dict[str, Any] = field(default_factory=dict)
    tables: tuple[TableView, ...] = ()
    pictures: tuple[Picture, ...] = ()
    status: Status = "done"
    model: str = ""


def not_applicable(step: int, why: str) -> Evidence:
    """Evidence that says why a step has nothing to do here; never skipped in silence."""
    return Evidence(step, why, status="not_applicable")


def counted(many: int, thing: str) -> str:
    """How many of a thing, as a person says it: '1 gate', '12 gates'."""
    return f"{many:,} {thing}{'' if many == 1 else 's'}"
