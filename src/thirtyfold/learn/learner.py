"""Learner: what all models share that the loop teaches: its parts as options, the plan, and what was seen."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.evidence import Evidence
from thirtyfold.core.family import Choice, Family, spelled, split_choice
from thirtyfold.core.late import Array, np
from thirtyfold.core.step import Context
from thirtyfold.learn.loop import Curves, Plan, Rows
from thirtyfold.learn.together import among, learned

__all__ = ["Learner", "member", "rows_of", "scale_of"]

LOSSES = {True: "cross_entropy", False: "mean_squared"}
SLOWER = 0.3
"""Times the rate with which ``more`` goes on, so that what was learned is not washed away."""
PARTS = ("optimizer", "initializer", "schedule")


class Learner:
    """A member calls ``super().__init__`` with every option by its name; those that name members are built."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        given = dict(options)
        loss, regularizers = given.pop("loss"), given.pop("regularizers")
        self.loss = None if loss is None else member("losses", loss)
        self.optimizer = member("optimizers", given.pop("optimizer"))
        self.initializer = member("initializers", given.pop("initializer"))
        self.schedule = member("schedules", given.pop("schedule"))
        self.regularizers = [member("regularizers", r) for r in regularizers]
        self.framework = member("frameworks", given.pop("framework"))
        self.numbers: dict[str, Any] = given
        self._story: list[Evidence] = []
        self._curves = Curves(best=given["epochs"])

    @property
    def curves(self) -> Curves:
        """Losses, rates, gradients and what else was seen in the last training, as data."""
        return self._curves

    @property
    def options(self) -> dict[str, Any]:
        """The options as the Spec spells them."""
        parts = {n: _spelled(getattr(self, n)) for n in (*PARTS, "framework")}
        loss = None if self.loss is None else _spelled(self.loss)
        return {**self.numbers, **parts, "loss": loss, "regularizers": [_spelled(r) for r in self.regularizers]}

    def story(self) -> list[Evidence]:
        return self._story

    def refit(self) -> dict[str, Any]:
        """The epochs found to be best, and the rate where it was found; nothing stops early then."""
        kept = [_spelled(r) for r in self.regularizers if not r.restores]
        found = {"epochs": max(1, self._curves.best), "regularizers": kept}
        if not self._curves.found:
            return found
        word, options = split_choice(_spelled(self.optimizer), "optimizer")
        return {**found, "optimizer": {word: {**options, "rate": self._curves.found["rate"]}}}

    def measures(self) -> dict[str, tuple[Any, Any]]:
        """What holds it back from learning the training rows by heart: option -> (as it is, off)."""
        found: dict[str, tuple[Any, Any]] = {}
        if self.numbers.get("dropout"):
            found["dropout"] = (self.numbers["dropout"], 0.0)
        if self.regularizers:
            found["regularizers"] = ([_spelled(r) for r in self.regularizers], [])
        if getattr(self.optimizer, "decay", 0):
            found[f"optimizer.{spelled(self.optimizer)}.decay"] = (self.optimizer.decay, 0.0)
        return found

    def _shared(self, verb: str, train: Encoded, validation: Encoded | None, context: Context) -> bool:
        """Learn by several processes where the framework has them; False where this one has to learn."""
        many = getattr(self.framework, "processes", 1)
        if many == 1 or among():
            return False
        files, told = learned(self, verb, many, train, validation, context)
        self.__dict__.update(type(self).load(files).__dict__)  # type: ignore[attr-defined]  # every member has it
        self._curves, self._story = told.curves, told.story
        return True

    def _loss_for(self, classes: int) -> Any:
        """The loss of the options, or the usual one; raises SpecError for one of another task."""
        loss = self.loss or member("losses", LOSSES[bool(classes)])
        if ("classification" if classes else "regression") not in loss.tasks:
            where = f"model.{spelled(self)}.loss"
            raise SpecError(Fault(where, f"{spelled(loss)} is for {loss.tasks[0]}."))
        return loss

    def _between(self) -> tuple[Any, ...]:
        """What may stand between layers: dropout, and what regularizers put there."""
        return (member("regularizers", {"dropout": self.numbers["dropout"]}), *self.regularizers)

    def _plan(self, loss: Any, train: Encoded, batch: int, device: str) -> Plan:
        o = self.numbers
        able = tuple(r for r in self.regularizers if train.classes or spelled(r) != "label_smoothing")
        return Plan(
            loss, self.optimizer, self.schedule, able, o["epochs"], batch, o["clip"], device, train.layout,
            o["accumulate"], o["precision"], o["compile"],
        )  # fmt: skip

    def _facts(self, plan: Plan, drawn: Mapping[str, float]) -> dict[str, Any]:
        """What the glass box tells of the parts; ``drawn`` are the deviations of the weights as drawn."""
        words = {n: spelled(getattr(self, n)) for n in PARTS}
        return {
            **self.framework.facts(),
            **words,
            "drawn": dict(drawn),
            "batch": plan.batch,
            "loss": spelled(plan.loss),
        }

    @contextmanager
    def _slower(self) -> Iterator[None]:
        """In here it learns at a lower rate and for half the epochs at most."""
        rate, epochs = self.optimizer.rate, self.numbers["epochs"]
        self.optimizer.rate = rate if rate == "find" else rate * SLOWER
        self.numbers["epochs"] = max(1, epochs // 2)
        try:
            yield
        finally:
            self.optimizer.rate, self.numbers["epochs"] = rate, epochs


def scale_of(train: Encoded) -> tuple[float, ...]:
    """Center, spread, lowest and highest answer of values; nothing for classes."""
    if train.classes:
        return ()
    target = np.asarray(train.target, dtype=np.float64)
    wide = float(target.max() - target.min())
    whole = (target.mean(), target.std() or 1.0, target.min() - 0.1 * wide, target.max() + 0.1 * wide)
    return tuple(float(v) for v in whole)


def rows_of(data: Encoded, scale: tuple[float, ...], weight: Array | None) -> Rows:
    """Rows as the loop takes them: a share for each class, or values around 0. What is float32 or uint8 stays where
    it is, be it in a file larger than memory.
    """
    target: Any = np.asarray(data.target)
    y = np.eye(data.classes)[target] if data.classes else ((target - scale[0]) / scale[1])[:, None]
    weight = data.weight if weight is None else weight
    w = np.ones(len(data)) if weight is None else np.asarray(weight)
    kind = np.uint8 if data.matrix.dtype == np.uint8 else np.float32
    return Rows(np.ascontiguousarray(data.matrix, dtype=kind), y.astype(np.float32), w.astype(np.float32))


def member(family: str, choice: Any) -> Any:
    """A member as it is, or the one that a choice of the Spec names."""
    return Family[Any](f"learn.{family}").build(choice, f"model.{family}") if isinstance(choice, str | dict) else choice


def _spelled(part: Any) -> Choice:
    """A member as the Spec spells it: members keep each option under its own name."""
    names = inspect.signature(type(part)).parameters
    return {spelled(part): {n: getattr(part, n) for n in names if hasattr(part, n)}}
