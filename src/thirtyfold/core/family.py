"""A family: the interchangeable things that one word of the Spec can name.

A family is a folder. Its words are the names in each file's ``__all__``, read without importing anything; a file is
imported only when its word is used. So a new member is one new file, and nothing else is edited. A stranger's package
joins by an entry point in the group ``thirtyfold.<family>``; a stranger's file by ``path/to/file.py:Name`` as the word.
The signature of a member's ``__init__`` is the schema of its options.
"""

import ast
import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar, cast, get_args, get_type_hints

from thirtyfold.core.errors import Fault, MissingExtra, SpecError
from thirtyfold.core.owncode import module_of, named
from thirtyfold.core.plainly import plainly

__all__ = ["Choice", "Family", "Member", "nearest", "spelled", "split_choice", "word_of"]

T = TypeVar("T")

Choice = str | dict[str, Any]
"""How the Spec names a member: ``word``, ``{word: {option: value}}`` or ``{word: value of the first option}``."""

EXTRAS = {
    "torch": "torch",
    "tokenizers": "torch",
    "transformers": "pretrained",
    "peft": "pretrained",
    "pandas": "pandas",
    "duckdb": "databases",
    "psycopg": "databases",
    "pymysql": "databases",
    "zstandard": "files",
    "defusedxml": "files",
    "PIL": "media",
    "soundfile": "media",
    "av": "media",
    "fsspec": "cloud",
    "tensorboard": "tensorboard",
}
"""Which extra of ours brings an import that the core does not have."""


@dataclass(frozen=True)
class Member:
    """Where one word of a family lives."""

    word: str
    module: str
    name: str

    @property
    def doc(self) -> str:
        """The first line of its docstring, read without importing it; empty for a stranger's."""
        package = self.module.rpartition(".")[0]
        return _first_line(package, self.module, self.name) if package.startswith("thirtyfold.") else ""


def word_of(name: str) -> str:
    """The word in the YAML of a public name: ``RocAuc`` is ``roc_auc``."""
    name = re.sub(r"(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def spelled(member: object) -> str:
    """The word that names the class of a member, as a Spec would say it."""
    return named(type(member)) or word_of(type(member).__name__)


def nearest(word: str, known: Any) -> str:
    """A hint that names the nearest right word, or nothing."""
    names = {str(k).lower(): str(k) for k in known}
    near = difflib.get_close_matches(str(word).lower(), list(names), n=1, cutoff=0.6)
    return f"Did you mean '{names[near[0]]}'?" if near else ""


def split_choice(choice: Choice, where: str) -> tuple[str, Any]:
    """Take ``word`` or ``{word: options}`` apart; options are a dict, a value for the first option, or ``{}``."""
    if isinstance(choice, str):
        return choice, {}
    if isinstance(choice, dict) and len(choice) == 1:
        word, options = next(iter(choice.items()))
        return str(word), {} if options is None else options
    raise SpecError(Fault(where, f"expected a word or 'word: options', got {choice!r}."))


class Family(Generic[T]):
    """The members of one folder, by word. ``Family("learn.models")`` is the folder ``thirtyfold/learn/models``."""

    def __init__(self, path: str) -> None:
        self.package = f"thirtyfold.{path}"
        self.name = path.rsplit(".", 1)[-1]

    def members(self) -> dict[str, Member]:
        """Every word of the family, without importing any member."""
        return {**_folder(self.package), **_entry_points(self.name)}

    def words(self) -> list[str]:
        return sorted(self.members())

    def own(self) -> list[str]:
        """The words of the family's own folder: told at once, where looking for strangers' takes a while."""
        return sorted(_folder(self.package))

    def has(self, word: str) -> bool:
        """Whether the word names a member; a stranger's are looked for only when it is none of the folder's."""
        return word in _folder(self.package) or word in _entry_points(self.name)

    def find(self, word: str, where: str = "") -> Callable[..., T]:
        """The class or function that a word names.

        Raises SpecError for an unknown word (with the nearest right one) and MissingExtra when its library is not
        installed.
        """
        if ".py:" in word:
            return cast(Callable[..., T], _from_file(word, where))
        members = _folder(self.package)
        if word not in members:  # a stranger's, or wrong: the entry points take a while to read
            members = self.members()
        if word not in members:
            hint = nearest(word, members)
            raise SpecError(
                Fault(where or self.name, f"there is no '{word}' in {self.name}.", ", ".join(sorted(members)), hint)
            )
        member = members[word]
        try:
            found: Callable[..., T] = getattr(importlib.import_module(member.module), member.name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").split(".")[0]
            if missing == "thirtyfold":
                raise
            extra = EXTRAS.get(missing)
            how = f"pip install 'thirtyfold[{extra}]'" if extra else f"pip install {missing}"
            raise MissingExtra(Fault(where, f"'{word}' needs {missing}, which is not installed: {how}")) from error
        return found

    def check(self, choice: Choice, where: str) -> tuple[str, dict[str, Any]]:
        """The word and its options with every default filled in and every value checked; all faults at once."""
        word, options = split_choice(choice, where)
        return word, checked(self.find(word, where), options, f"{where}.{word}")

    def build(self, choice: Choice, where: str, **given: Any) -> T:
        """Make the member that ``choice`` asks for. ``given`` are arguments the Spec does not set."""
        word, options = split_choice(choice, where)
        factory = self.find(word, where)
        return factory(**checked(factory, options, f"{where}.{word}", build=True, given=given), **given)


@cache
def _folder(package: str) -> dict[str, Member]:
    root = importlib.import_module(package)
    found: dict[str, Member] = {}
    for folder in root.__path__:
        for path in sorted(Path(folder).iterdir()):
            inner = path / "__init__.py" if path.is_dir() else path
            if inner.suffix != ".py" or path.name.startswith("_") or not inner.exists():
                continue
            for name in _public_names(inner):
                word, module = word_of(name), f"{package}.{path.stem}"
                if word in found:
                    raise SpecError(f"{package}: both {found[word].module} and {module} name '{word}'.")
                found[word] = Member(word, module, name)
    return found


@cache
def _entry_points(family: str) -> dict[str, Member]:
    return {p.name: Member(p.name, p.module, p.attr) for p in _strangers().select(group=f"thirtyfold.{family}")}


@cache
def _strangers() -> Any:
    """Every installed entry point, read once: with many packages it takes a while."""
    from importlib import metadata  # here, because it brings the email package along

    return metadata.entry_points()


def _public_names(path: Path) -> list[str]:
    """The names in ``__all__``, found in the text: parsing every file of a family takes a fifth of a second."""
    found = _ALL.search(path.read_text(encoding="utf-8"))
    return list(ast.literal_eval(found[1])) if found else []


_ALL = re.compile(r"^__all__(?:: list\[str\])? = (\[[^\]]*\])", re.MULTILINE)


def _first_line(package: str, module: str, name: str) -> str:
    """The first line of a member's docstring, without importing it."""
    for folder in importlib.import_module(package).__path__:
        stem = Path(folder) / module.removeprefix(f"{package}.")
        path = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else ():
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
                return (ast.get_docstring(node) or "").split("\n")[0]
    return ""


def _from_file(word: str, where: str) -> Any:
    """What ``path/to/file.py:Name`` names."""
    file, _, name = word.rpartition(":")
    module = module_of(file, where)
    if not hasattr(module, name):
        known = [n for n in vars(module) if not n.startswith("_")]
        raise SpecError(Fault(where, f"{file} has no '{name}'.", ", ".join(known), nearest(name, known)))
    return getattr(module, name)


def checked(
    factory: Callable[..., Any],
    options: Any,
    where: str,
    *,
    build: bool = False,
    given: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Check options against the factory's own signature and fill in its defaults; raises one SpecError with all faults.

    An option annotated ``Annotated[X, Family("...")]`` is itself a choice, or a list of choices: with ``build`` each
    becomes the member.
    """
    parameters = _parameters(factory)
    for name in given or {}:
        parameters.pop(name, None)
    if not isinstance(options, dict):
        if not parameters:
            raise SpecError(Fault(where, f"takes no options, got {options!r}."))
        options = {next(iter(parameters)): options}
    hints = _hints(factory) if parameters else {}
    faults: list[Fault] = []
    done: dict[str, Any] = {}
    for name in options.keys() - parameters.keys():
        allowed = ", ".join(parameters) or "no options"
        faults.append(Fault(f"{where}.{name}", "no such option.", allowed, nearest(name, parameters)))
    for name, parameter in parameters.items():
        try:
            done[name] = _option(parameter, options, hints.get(name, Any), f"{where}.{name}", build=build)
        except SpecError as error:
            faults += error.faults
    if faults:
        raise SpecError(sorted(faults, key=lambda f: f.where))
    return done


def _option(parameter: inspect.Parameter, options: Any, hint: Any, where: str, *, build: bool) -> Any:
    from pydantic import TypeAdapter, ValidationError  # here, because it costs a tenth of a second

    name = parameter.name
    if name not in options and parameter.default is parameter.empty:
        raise SpecError(Fault(where, "this option is missing."))
    value = options.get(name, parameter.default)
    family = next((m for m in get_args(hint)[1:] if isinstance(m, Family)), None)
    if family is not None:
        if value is None:
            return None
        if isinstance(value, list):
            return [_chosen(family, v, f"{where}.{i}", build=build) for i, v in enumerate(value)]
        return _chosen(family, value, where, build=build)
    if name not in options:
        return value
    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        raise SpecError([_wrong(where, e) for e in error.errors()]) from None


def _wrong(where: str, error: Any) -> Fault:
    what, allowed = plainly(error)
    hint = nearest(str(error["input"]), allowed.split(", ")) if allowed else ""
    return Fault(".".join([where, *map(str, error["loc"])]), f"{what}.", allowed, hint)


def _chosen(family: "Family[Any]", value: Choice, where: str, *, build: bool) -> Any:
    if build:
        return family.build(value, where)
    word, inner = family.check(value, where)
    return {word: inner}


def _parameters(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    if inspect.isclass(factory) and factory.__init__ is object.__init__:
        return {}
    found = dict(inspect.signature(factory).parameters)
    return {n: p for n, p in found.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    call = factory.__init__ if inspect.isclass(factory) else factory
    return get_type_hints(call, include_extras=True)
