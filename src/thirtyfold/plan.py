"""Plan: the lifecycle as one ordered tuple. A Spec becomes stages; what cannot be is refused before anything runs."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from thirtyfold.core.errors import Fault, MissingExtra, SpecError
from thirtyfold.core.expression import Expression
from thirtyfold.core.family import Choice, Family, split_choice
from thirtyfold.core.spec import Spec, Watched
from thirtyfold.core.step import Contract, contract
from thirtyfold.core.task import like

__all__ = ["GIVEN", "LIFECYCLE", "Planned", "filled", "plan", "stage_names", "step_stages"]

LIFECYCLE = (
    "data.collect:Collect",        #  4  5
    "data.clean:Clean",            #  6  7
    "aim.define:Define",           #  1  2  3   it must see the cleaned target to know the task
    "data.split:Split",            # 10         before anything that looks at the target together with the rest
    "data.label:Label",            #  8
    "data.analyze:Analyze",        #  9
    "learn.select:Select",         # 11
    "data.featurize:Featurize",    # 12
    "learn.build:Build",           # 13 14 15
    "learn.train:Train",           # 16 17 18 19 20
    "prove.validate:Validate",     # 21
    "learn.tune:Tune",             # 22
    "learn.regularize:Regularize", # 23 24
    "learn.finetune:Finetune",     # 26         before the test, so that the test is spent on what is kept
    "prove.test:Test",             # 25
    "prove.safety:Safety",         # 27
    "ship.compress:Compress",      # 28
    "prove.test:Prove",            # 25 27      again, of whatever fixes and compression made
    "ship.export:Export",          # 29
    "ship.deploy:Deploy",          # 29
    "watch.monitor:Monitor",       # 30
    "watch.retrain:Retrain",       # 30
)  # fmt: skip
"""Where each stage lives, in the order in which they run. The numbers are those of the thirty steps."""


def _given() -> dict[str, Any]:
    import polars as pl

    from thirtyfold.core.package import Package

    return {"frame": pl.DataFrame | None, "champion": Package | None, "previous": Package | None}


GIVEN = ("frame", "champion", "previous")
"""What comes from outside: a frame from Python, the model now in service, the Package to go on from."""

FAMILIES: dict[str, str] = {
    "collect": "data.sources",
    "label": "data.labelers",
    "model": "learn.models",
    "safety": "prove.audits",
    "export": "ship.formats",
    "deploy": "ship.targets",
    "monitor": "watch.monitors",
    "split.how": "data.splitters",
    "tune.search": "learn.searchers",
    "compress.search": "ship.compressors",
    "retrain.when": "watch.triggers",
}
"""Which family each choice of the Spec is made from."""


class Planned:
    """A stage, made from its part of the Spec, with its contract."""

    def __init__(self, path: str, spec: Spec) -> None:
        module, name = path.split(":")
        self.name = name.lower()
        self.phase = module.split(".")[0]
        factory = getattr(import_module(f"thirtyfold.{module}"), name)
        watched = Watched(spec)
        with watched.only_here():
            self.stage: Any = factory(watched)
        self.part = watched.part()
        self.contract: Contract = contract(self.stage)
        self.steps: tuple[int, ...] = self.stage.steps


def stage_names(phase: str = "") -> list[str]:
    """Every stage's name (of one phase), in order: what ``--until`` takes."""
    return [path.split(":")[1].lower() for path in LIFECYCLE if not phase or path.split(".")[0] == phase]


def plan(spec: Spec, lifecycle: Iterable[str] = LIFECYCLE) -> list[Planned]:
    """Make every stage; raises SpecError with every fault of the Spec, and for a need that no earlier stage gives."""
    filled(spec)
    have = _given()
    stages = []
    for path in lifecycle:
        stage = Planned(path, spec)
        for name, kind in stage.contract.needs.items():
            if name not in have:
                raise SpecError(f"{stage.name} needs '{name}', which no earlier stage gives.")
            if have[name] != kind:
                raise SpecError(f"{stage.name} needs '{name}' as {kind}, but it is given as {have[name]}.")
        have |= stage.contract.gives
        stages.append(stage)
    return stages


def filled(spec: Spec, *, changed_only: bool = False) -> Spec:
    """The same Spec with every option of every choice filled in; raises SpecError with all faults at once.

    ``changed_only`` leaves the choices that nobody changed as they are: their defaults are right, and not to import
    their members is a third of the time that a check takes.
    """
    faults: list[Fault] = []
    tree = spec.model_dump()
    usual = Spec.of({"target": "y", "collect": "x"}).model_dump() if changed_only else {}
    for path, family in FAMILIES.items():
        section, _, key = path.partition(".")
        if key and tree[section] is None:
            continue
        holder: dict[str, Any] = tree[section] if key else tree
        if changed_only and section != "collect" and tree[section] == usual[section]:
            continue
        holder[key or section] = _fill(holder[key or section], Family(family), path, faults)
    tree["fields"] = {n: _fill(c, Family("data.types"), f"fields.{n}", faults) for n, c in spec.fields.items()}
    task = _fill(tree["task"], Family("aim.tasks"), "task", faults)
    tree["task"] = task if isinstance(tree["task"], dict) else tree["task"]
    _fill(tree["metric"], Family("aim.metrics"), "metric", faults)
    for metric in spec.success:
        _fill(metric, Family("aim.metrics"), f"success.{metric}", faults)
    if not any(f.where.startswith("model") for f in faults):
        faults += _together(tree["model"])
    faults += _contradictions(spec)
    if faults:
        raise SpecError(faults)
    return Spec.of(tree)


def _fill(choice: Any, family: Family[Any], where: str, faults: list[Fault]) -> Any:
    if isinstance(choice, list):
        return [_fill(c, family, f"{where}.{i}", faults) for i, c in enumerate(choice)]
    if choice == "auto":
        return choice
    try:
        return _one(choice, family, where)
    except (SpecError, MissingExtra) as error:
        faults += error.faults
        return choice


def _one(choice: Choice, family: Family[Any], where: str) -> Any:
    if family.name == "sources" and isinstance(choice, str):
        from thirtyfold.data.naming import choice_of

        choice = choice_of(choice)
    word, _ = split_choice(choice, where)
    word, options = family.check(choice, where)
    return {word: _plain(options)} if options else word


def _together(model: Choice) -> list[Fault]:
    """What is wrong with options of the model that are each right: making it says so, and costs nothing."""
    if model == "auto":
        return []
    try:
        Family[Any]("learn.models").build(model, "model")
    except (SpecError, MissingExtra) as error:
        return list(error.faults)
    return []


def _plain(value: Any) -> Any:
    """Options as YAML can say them."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _contradictions(spec: Spec) -> list[Fault]:
    """Options that are each right but cannot both be."""
    faults = []
    roles = spec.roles
    owners: dict[str, str] = {}
    named: dict[str, Sequence[str | None]] = {
        "group": [roles.group],
        "time": [roles.time],
        "weight": [roles.weight],
        "part": [roles.part],
    }
    for role, columns in {**named, "id": roles.id, "ignore": roles.ignore}.items():
        for column in (c for c in columns if c):
            if column == spec.target:
                faults.append(Fault(f"roles.{role}", f"'{column}' is the target; it cannot have another role."))
            elif column in owners and {role, owners[column]} != {"id", "group"}:
                faults.append(Fault(f"roles.{role}", f"'{column}' already has the role '{owners[column]}'."))
            owners[column] = role
    how = spec.split.how if isinstance(spec.split.how, str) else next(iter(spec.split.how))
    for splitter, role in (("grouped", "group"), ("chronological", "time"), ("given", "part")):
        if how == splitter and getattr(roles, role) is None:
            faults.append(Fault("split.how", f"'{how}' needs a column: set 'roles: {{{role}: COLUMN}}'."))
    for name, text in spec.features.items():
        try:
            used = Expression(text).names
        except SpecError as error:
            faults += [Fault(f"features.{name}", str(f), f.allowed and "", "") for f in error.faults]
            continue
        if spec.target in used:
            faults.append(Fault(f"features.{name}", f"uses the target '{spec.target}', which is not known at serving."))
        if name == spec.target:
            faults.append(Fault(f"features.{name}", "has the name of the target."))
    for metric, limit in spec.success.items():
        kind = _metric(metric)
        if kind and not kind.bounds[0] <= limit <= kind.bounds[1]:
            allowed = f"{kind.bounds[0]:g} to {kind.bounds[1]:g}"
            faults.append(Fault(f"success.{metric}", f"{limit:g} can never be reached.", allowed))
    faults += _tasks(spec)
    if spec.tune.trials == 0 and spec.tune.options:
        faults.append(Fault("tune.options", "says what to search, but 'tune.trials' is 0.", hint="Set tune.trials."))
    return faults


def _metric(word: str) -> Any:
    """The metric of that word; None for "auto", or where it cannot be had, which is said elsewhere."""
    family: Family[Any] = Family("aim.metrics")
    if ".py:" not in word and not family.has(word):
        return None
    with suppress(SpecError, MissingExtra):
        return family.find(word)
    return None


def _judged(spec: Spec) -> list[tuple[str, str, tuple[str, ...]]]:
    """The metric that a task of somebody's own is judged by when none is asked for."""
    if spec.metric != "auto" or spec.success:
        return []
    kind: Any = Family("aim.tasks").find(split_choice(spec.task, "task")[0], "task")
    judge = _metric(kind.metrics[0])
    return [("task", kind.metrics[0], tuple(judge.tasks))] if judge else []


def _tasks(spec: Spec) -> list[Fault]:
    """What the Spec says of the task by itself, by its metric, its gates and its positive class must go together."""
    said: list[tuple[str, str, tuple[str, ...]]] = []
    if spec.task != "auto":
        with suppress(SpecError, MissingExtra):  # said already
            word = split_choice(spec.task, "task")[0]
            said.append(("task", word, like(word)))
            said += _judged(spec)
    for where, word in [("metric", spec.metric), *((f"success.{m}", m) for m in spec.success)]:
        if kind := _metric(word):
            said.append((where, word, tuple(kind.tasks)))
    if spec.positive is not None:
        said.append(("positive", spec.positive, ("classification",)))
    faults = []
    for at, (where, word, tasks) in enumerate(said):
        other = next((o for o in said[:at] if not set(o[2]) & set(tasks)), None)
        if other is not None:
            faults.append(
                Fault(
                    where,
                    f"'{word}' is for {' or '.join(tasks)}, but {other[0]} '{other[1]}' for {' or '.join(other[2])}.",
                )
            )
    return faults


def step_stages() -> dict[int, list[str]]:
    """Which stages do each of the thirty steps."""
    owners: dict[int, list[str]] = {}
    for path in LIFECYCLE:
        module, name = path.split(":")
        for step in getattr(import_module(f"thirtyfold.{module}"), name).steps:
            owners.setdefault(step, []).append(name.lower())
    return owners
