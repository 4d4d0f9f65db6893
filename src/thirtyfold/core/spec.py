"""Spec: what should be. One YAML file, read once, checked whole, never changed.

Unknown keys are refused with the nearest right word, every fault at once. Words that name a member of a family are
checked against that member's own signature in ``plan.py``, because the signature is the schema.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.family import Choice, nearest
from thirtyfold.core.owncode import trust
from thirtyfold.core.plainly import plainly

__all__ = ["Section", "Spec", "Watched"]

Share = Annotated[float, Field(gt=0, lt=1)]
Word = BeforeValidator(lambda v: "off" if v is False else v)
"""YAML reads ``off`` as false."""


def _label(value: Any) -> Any:
    """A class as it is written: numbers are, but YAML takes yes, no, true and false away."""
    if isinstance(value, bool):
        raise ValueError("YAML reads this word as true or false: put it in quotes")
    return str(value) if isinstance(value, int | float) else value


class Section(BaseModel):
    """A part of the Spec: frozen, unknown keys refused."""

    # Built when first used, and defaults not checked: a command has half a second, and each section took some of it.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, defer_build=True)


class Roles(Section):
    """Columns with a part of their own in the story; none of them is an input to the model."""

    id: list[str] = []
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    part: str | None = None
    ignore: list[str] = []


class CleanSection(Section):
    """Steps 6 and 7."""

    missing: list[str] | None = None
    """Spellings that mean "missing"; by default they are found (``?``, ``NA``, blank, -999 ...)."""
    duplicates: Literal["group", "drop", "keep"] = "group"
    """``group``: exact copies are kept on one side of every split; ``drop``: only the first is kept."""
    spelling: Annotated[Literal["safe", "all", "propose", "off"], Word] = "safe"
    """Which proposed spellings are accepted: only safe ones, all, none (proposed in the ledger), or no search."""
    repair: Annotated[Literal["safe", "all", "propose", "off"], Word] = "safe"
    """What is mended by the rest of the table: slips that the row's other values and the column's own words show
    (``safe``), also odd forms with one value near (``all``), none (proposed in the ledger), or no search."""
    characters: Annotated[Literal["tidy", "off"], Word] = "tidy"
    """Control and invisible characters, forgotten decoding, markup: taken out of text, or left."""
    units: Annotated[Literal["one", "off"], Word] = "one"
    """Amounts with units ("70 kg", "154 lb"): numbers in the unit most rows have, or left as they are written."""
    phones: Annotated[dict[str, str] | Literal["safe", "off"], Word] = "safe"
    """Telephone numbers as +27821234567: those that say their country, or ``{column: ZA}`` for those that do not."""
    errors: Annotated[Literal["tell", "off"], Word] = "tell"
    """Values that look wrong (far from all others, figures in names, swapped columns): told, or no search."""
    boilerplate: Annotated[Literal["tell", "cut", "off"], Word] = "tell"
    """Sentences that stand in many texts (footers, disclaimers): named, cut out, or no search."""
    languages: dict[str, list[str]] = {}
    """Rows left out by the language of a text: ``{review: [en, de]}`` keeps those two."""
    leave_out: dict[Literal["rows", "columns"], list[str]] = {}
    """Irrelevant by rule: ``{rows: ["age < 18"], columns: ["tmp_*"]}``: formulas, and patterns of names."""
    near: Literal["group", "keep"] = "group"
    """``group``: rows and texts that are nearly copies are kept on one side of every split."""
    same: dict[str, dict[str, list[str]]] = {}
    """Taught: ``{column: {kept spelling: [other spellings]}}``."""
    different: dict[str, list[list[str]]] = {}
    """Taught: ``{column: [[spelling, spelling that is not the same thing]]}``."""
    undo: list[str | dict[str, Any]] = []
    """Reviewed: changes that are not made: a rule of the ledger, or ``{rule, column, before, row}`` (any of them)."""
    accept: list[str | dict[str, Any]] = []
    """Reviewed: proposed changes that are made, named in the same way."""
    keep: list[str] = []
    """Columns that are not to be set aside as constant, as an id, or as giving the answer away."""


class SplitSection(Section):
    """Step 10."""

    train: Share = 0.70
    validation: Share = 0.15
    test: Share = 0.15
    how: Choice = "auto"

    @model_validator(mode="after")
    def _whole(self) -> "SplitSection":
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            total = self.train + self.validation + self.test
            raise ValueError(f"train, validation and test must add up to 1, they add up to {total:g}")
        return self


class AnalyzeSection(Section):
    """Step 9."""

    shares: dict[str, dict[str, Annotated[float, Field(ge=0, le=1)]]] = {}
    """Known shares of groups where the model will be used: ``{sex: {Female: 0.51, Male: 0.49}}``; told when training
    rows differ. Groups that are not named have the rest."""

    @model_validator(mode="after")
    def _whole(self) -> "AnalyzeSection":
        for name, said in self.shares.items():
            if sum(said.values()) > 1 + 1e-6:
                raise ValueError(
                    f"the shares of '{name}' must add up to at most 1, they add up to {sum(said.values()):g}"
                )
        return self


class TuneSection(Section):
    """Step 22. ``trials: 0`` turns it off."""

    search: Choice = "bayesian"
    trials: Annotated[int, Field(ge=0)] = 0
    minutes: Annotated[float, Field(gt=0)] | None = None
    options: dict[str, list[Any]] = {}
    """What is searched, instead of the model's own space: option name to values, or to [low, high] of numbers."""
    threshold: bool | dict[str, float] = True
    """Choose a decision threshold on validation rows when two classes are imbalanced; or costs ``{false_negative: 5,
    false_positive: 1}`` to choose it by."""
    refit: bool = True
    """Fit the chosen model again on training and validation rows together."""


class FinetuneSection(Section):
    """Step 26: go on learning from a previous Package on this data's training rows."""

    package: str
    """A folder, a run id, or ``name@champion``."""


class CompressSection(Section):
    """Step 28."""

    search: list[Choice] = ["quantize", "prune", "distill"]
    size_mb: Annotated[float, Field(gt=0)] | None = None
    latency_ms: Annotated[float, Field(gt=0)] | None = None
    lose_at_most: Annotated[float, Field(ge=0)] = 0.005
    """How much of the metric on validation rows may be lost."""


class RetrainSection(Section):
    """Step 30: when to go round again, and when to trust the outcome."""

    when: list[Choice] = ["drift", "accuracy_drop"]
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """A challenger is promoted only when it is better than the champion on the same rows with this confidence."""
    rollback: bool = True


class ServeSection(Section):
    """Step 29: the server."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    api_key: str | None = None
    """Name of the environment variable that holds the key; never the key itself."""
    max_rows: Annotated[int, Field(ge=1)] = 10_000
    max_mb: Annotated[float, Field(gt=0)] = 16.0


Many = Annotated[list[Choice], BeforeValidator(lambda v: [v] if isinstance(v, str | dict) else v)]


class Spec(Section):
    """The whole lifecycle of one model, a section a stage. Everything but ``target`` and ``collect`` has a default."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] = "model"
    goal: str = ""
    """In words: what it is for. Goes onto the model card."""
    users: str = ""
    """Who will use it, and how. Goes onto the model card."""
    target: str
    task: Choice = "auto"
    metric: str = "auto"
    positive: Annotated[str | None, BeforeValidator(_label)] = None
    """Of two classes the one that is looked for: what precision, recall, F1 and the threshold are about. By default
    the one that says so (1, yes, true), else the rarer one."""
    success: dict[str, float] = {}
    """Gates: the least (or most) a metric may be on the test rows."""
    limits: dict[Literal["latency_ms", "size_mb", "memory_mb"], Annotated[float, Field(gt=0)]] = {}
    """Gates: the most that the Package may need."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    minutes: Annotated[float, Field(gt=0)] | None = None
    """The user's budget for the whole run."""

    collect: Choice
    fields: dict[str, Choice] = {}
    """Field types where the recognized one is not wanted: ``{zip: category, price: {number: {...}}}``."""
    roles: Roles = Roles.model_construct()
    clean: CleanSection = CleanSection.model_construct()
    label: Choice = "given"
    split: SplitSection = SplitSection.model_construct()
    analyze: AnalyzeSection = AnalyzeSection.model_construct()
    features: dict[str, str] = {}
    """The user's own features: ``{gain_per_hour: gain / (hours + 1)}``."""
    model: Choice = "auto"
    tune: TuneSection = TuneSection.model_construct()
    finetune: FinetuneSection | None = None
    safety: Many = ["fairness", "privacy", "robustness", "calibration", "personal_data"]
    compress: CompressSection | None = CompressSection.model_construct()
    export: Many = ["onnx"]
    deploy: Many = ["folder"]
    serve: ServeSection = ServeSection.model_construct()
    monitor: Many = ["drift", "accuracy", "latency", "failures"]
    retrain: RetrainSection = RetrainSection.model_construct()

    @classmethod
    def read(cls, path: str | Path, **override: Any) -> "Spec":
        """Read a YAML file. ``override`` are dotted paths with values, set on top (``{"tune.trials": 30}``).

        Raises SpecError with every fault.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            raise SpecError(Fault(str(path), "there is no such file.")) from None
        except (UnicodeDecodeError, IsADirectoryError):
            raise SpecError(Fault(str(path), "is not a YAML text file.")) from None
        except OSError as error:
            raise SpecError(Fault(str(path), f"cannot be read: {error.strerror}.")) from None
        try:
            raw = yaml.load(text, Loader=_Strict)  # noqa: S506 - a SafeLoader that also refuses doubled keys
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f" line {mark.line + 1}" if mark else ""
            problem = getattr(error, "problem", None) or str(error)
            raise SpecError(Fault(f"{path}{line}", f"is not valid YAML: {problem}.")) from None
        if not isinstance(raw, dict):
            raise SpecError(Fault(str(path), "must be 'key: value' lines, such as 'target: income'."))
        if "collect" in raw:
            raw["collect"] = _beside(raw["collect"], path.parent)
        if isinstance(raw.get("label"), dict):
            raw["label"] = _beside(raw["label"], path.parent)
        trust([raw, override], path.parent)
        raw.setdefault("name", re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-._") or "model")
        return cls.of(raw, **override)

    @classmethod
    def of(cls, raw: Mapping[str, Any], **override: Any) -> "Spec":
        """Check a mapping; raises SpecError with every fault and the nearest right words."""
        tree = json.loads(json.dumps(dict(raw), default=str))
        for path, value in override.items():
            _set(tree, path, value)
        trust(tree)
        try:
            return cls.model_validate(tree)
        except ValidationError as error:
            found = SpecError(list(dict.fromkeys(_fault(e) for e in error.errors())))
            found.sound = cls._sound(tree, [e["loc"] for e in error.errors()])
            raise found from None

    @classmethod
    def _sound(cls, tree: dict[str, Any], wrong: list[tuple[Any, ...]]) -> "Spec | None":
        """What is sound by itself, so that its own faults can be told too: without the values that are wrong, or
        without their sections where the rest of these cannot stand alone.
        """
        for reach in (99, 1):
            left = json.loads(json.dumps(tree))
            for loc in wrong:
                _drop(left, loc[:reach])
            with suppress(ValidationError):
                return cls.model_validate(left)
        return None

    def digest(self) -> str:
        """The hash of everything in the Spec."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    def to_yaml(self, decided: Mapping[str, Any] | None = None) -> str:
        """The filled-in Spec as YAML; ``decided`` are dotted paths with what was chosen for each ``auto``."""
        tree = self.model_dump(mode="json")
        for path, value in (decided or {}).items():
            _set(tree, path, value)
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=110)


class Watched:
    """A Spec that notes which sections are read, so that a stage's cache key holds just its part of the Spec."""

    def __init__(self, spec: Spec) -> None:
        self._spec, self._seen, self._open = spec, set[str](), True

    def __getattr__(self, name: str) -> Any:
        if not self._open:
            raise AttributeError(f"A stage reads the Spec in __init__ only ('{name}' was read later).")
        value = getattr(self._spec, name)
        if name in type(self._spec).model_fields:
            self._seen.add(name)
        return value

    def part(self) -> dict[str, Any]:
        """The sections that were read, as plain values."""
        return {n: v for n, v in self._spec.model_dump(mode="json").items() if n in self._seen}

    @contextmanager
    def only_here(self) -> Iterator["Watched"]:
        try:
            yield self
        finally:
            self._open = False


class _Strict(yaml.SafeLoader):
    """YAML in which a key given twice is a fault instead of a silent overwrite."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"'{key}' is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _beside(value: Any, folder: Path) -> Any:
    """Paths of files that lie beside the Spec, as seen from where the command was started."""
    if isinstance(value, dict):
        return {k: _beside(v, folder) for k, v in value.items()}
    if isinstance(value, list):
        return [_beside(v, folder) for v in value]
    if isinstance(value, str) and 0 < len(value) < 4096 and "\n" not in value:
        file, name = value.split(".py:", 1) if ".py:" in value else (value, "")  # the user's own code: file.py:name
        file += ".py" if name else ""
        if (folder / file).is_file():
            return f"{folder / file}:{name}" if name else str(folder / file)
    return value


def _set(tree: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for key in above:
        inner = tree.get(key)
        if isinstance(inner, str):
            inner = {inner: {}}
        tree[key] = inner = inner if isinstance(inner, dict) else {}
        tree = inner
    tree[last] = value


def _drop(tree: dict[str, Any], loc: tuple[Any, ...]) -> None:
    """Take out what stands at a place, as far as the place goes through mappings: a list goes as a whole."""
    here: Any = tree
    for at, key in enumerate(loc):
        inner = here.get(key)
        if at + 1 == len(loc) or not isinstance(inner, dict) or loc[at + 1] not in inner:
            here.pop(key, None)
            return
        here = inner


_CHOICE = ("str", "dict[str,any]")
"""What pydantic calls the two ways in which a choice is written."""


def _fault(error: Any) -> Fault:
    where = ".".join(str(p) for p in error["loc"])
    if error["type"] == "extra_forbidden":
        keys = _keys_at(error["loc"][:-1])
        return Fault(where, "there is no such key.", ", ".join(keys), nearest(str(error["loc"][-1]), keys))
    if error["type"] == "missing":
        return Fault(where, "this key is missing.")
    if error["loc"][-1] in _CHOICE:  # neither of the two ways in which a choice can be written
        where = ".".join(str(p) for p in error["loc"][:-1])
        wants = "a word, or a word with its options"
        hint = "Several models together are 'ensemble: [...]'." if where == "model" else ""
        return Fault(where, f"takes one choice; got {error['input']!r}.", wants, hint)
    what, allowed = plainly(error)
    if error["loc"][-1] == "[key]":
        where, what = where.removesuffix(".[key]"), "there is no such key"
    hint = nearest(str(error["input"]), allowed.split(", ")) if allowed else ""
    return Fault(where, f"{what}.", allowed, hint)


def _keys_at(loc: tuple[Any, ...]) -> list[str]:
    kind: Any = Spec
    for part in loc:
        kind = _section(kind.model_fields[part].annotation) if hasattr(kind, "model_fields") else None
    return list(kind.model_fields) if kind is not None else []


def _section(annotation: Any) -> Any:
    options = [annotation, *getattr(annotation, "__args__", ())]
    return next((o for o in options if isinstance(o, type) and issubclass(o, Section)), None)
