"""Step 26: go on learning from a previous Package instead of starting anew."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from thirtyfold.core.aim import Aim, Goal, evaluate
from thirtyfold.core.charts import bars, number
from thirtyfold.core.encoder import Encoded
from thirtyfold.core.errors import DataError, Fault, SpecError
from thirtyfold.core.evidence import Evidence, not_applicable
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.core.learned import load_model
from thirtyfold.core.package import Package
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.learn.inner import Inner

__all__ = ["Finetune", "Finetuned"]


class Finetuned(NamedTuple):
    """What this stage gives."""

    learned: Package
    evidence: list[Evidence]


class Finetune:
    """The previous Package's own encoder reads the new rows, so that what was learned keeps its meaning."""

    steps: ClassVar[tuple[int, ...]] = (26,)

    def __init__(self, spec: Spec) -> None:
        self.wanted = spec.finetune is not None

    def run(
        self,
        package: Package,
        previous: Package | None,
        learning: Table,
        validation: Table,
        goal: Goal,
        aim: Aim,
        context: Context,
    ) -> Finetuned:
        if not self.wanted:
            word = package.manifest["model"]
            why = f"{word} was trained from the start: the Spec names no package to go on from (finetune)."
            return Finetuned(package, [not_applicable(26, why)])
        if previous is None:
            raise SpecError(Fault("finetune.package", "there is no such Package to go on from."))
        _check(previous, package, goal, learning)
        word = str(previous.manifest["model"])
        inner = {n.removeprefix("model/"): d for n, d in previous.files.items() if n.startswith("model/")}
        model = load_model(word, inner)
        train, held = _encoded(previous, learning), _encoded(previous, validation)
        context.progress(f"{word} goes on learning")
        model.more(train, held, Inner(context, "more"))
        learned = Package(previous.with_model(word, model).files, {**package.manifest, "model": word})
        return Finetuned(learned, [_told(word, len(train), aim, (previous, learned, package), validation)])


def _check(previous: Package, package: Package, goal: Goal, learning: Table) -> None:
    """The new rows must be of the same kind: same task, no class that is new, same columns.

    The order of the classes may differ (it goes by how frequent they are): the previous Package keeps its own.
    """
    faults = []
    if previous.manifest["task"] != package.manifest["task"]:
        faults.append(
            Fault("finetune.package", f"it answers {previous.manifest['task']}, this is {package.manifest['task']}.")
        )
    elif not set(goal.task.classes) <= set(previous.task.classes):
        known, new = ", ".join(previous.task.classes), ", ".join(goal.task.classes)
        faults.append(Fault("finetune.package", f"its classes are {known}, here they are {new}."))
    for column in previous.columns:
        own = learning.columns.get(column.name)
        if own is None:
            faults.append(Fault(column.name, "the previous Package reads this column, and it is not here."))
        elif own.type != column.type:
            faults.append(Fault(column.name, f"was {column.type} in the previous Package and is {own.type} here."))
    if faults:
        raise DataError(faults)


def _encoded(previous: Package, table: Table) -> Encoded:
    """Rows as the previous Package reads them; rows without a known target are left out."""
    task, weights = previous.task, table.named("weight")
    goal = Goal.of(str(previous.manifest["task"]), task)
    target = goal.learned(table)
    known = target >= 0 if task.classes else np.isfinite(target)
    weight = table[weights[0]].cast(float).to_numpy() if weights else None
    rows = previous.encoder.encoded(previous.arrays(table), target=target, weight=weight, classes=len(task.classes))
    return rows.take(np.flatnonzero(known))


def _told(word: str, rows: int, aim: Aim, packages: tuple[Package, Package, Package], validation: Table) -> Evidence:
    """The metric on validation rows before, after, and of the model that was trained anew."""
    labels = ("before", "after", "trained anew")
    values = dict(zip(labels, (_score(p, aim, validation) for p in packages), strict=True))
    return Evidence(
        26,
        f"{word} of the previous Package {packages[0].hash[:12]} went on learning from {rows:,} new rows: "
        f"{aim.metric} on validation rows from {number(values['before'])} to {number(values['after'])}; "
        f"{packages[2].manifest['model']}, trained anew on the same rows for comparison (and on the validation rows, "
        f"if it was fitted again), has {number(values['trained anew'])}.",
        {"rows": rows, "previous": packages[0].hash, **values},
        pictures=(bars(f"{aim.metric} on validation rows", list(labels), list(values.values())),),
    )


def _score(package: Package, aim: Aim, table: Table) -> float:
    arrays: dict[str, Array] = package.arrays(table)
    truth: Any = package.task.encode(table[str(table.target)])
    return evaluate(package.task, (aim.metric,), truth, package.raw(arrays), arrays)[aim.metric]
