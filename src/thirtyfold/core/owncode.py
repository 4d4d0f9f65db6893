"""Own code: files of the user's own that a Spec names as ``path/to/file.py:Name``, and who may have them loaded.

A Spec is its user's own word, a Package may be a stranger's: what a Package names is loaded only where a Spec or the
user names the same file in this process, so that nothing that is merely opened can run code.
"""

import importlib.util
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from thirtyfold.core.errors import Fault, SpecError

__all__ = ["file_of", "module_of", "named", "place_of", "trust", "trusted"]

_TRUSTED: set[Path] = set()
_NAMED: dict[str, str] = {}
"""The module of each file that was loaded: the file as it was named."""


def trust(tree: Any, *folders: Path) -> None:
    """Let the files be loaded that these choices name, anywhere in them: below this folder or one of these."""
    if isinstance(tree, Mapping):
        trust([*tree.keys(), *tree.values()], *folders)
    elif isinstance(tree, list | tuple):
        for value in tree:
            trust(value, *folders)
    elif isinstance(tree, str) and ".py:" in tree:
        _TRUSTED.update((folder / file_of(tree)).resolve() for folder in (Path(), *folders))


def file_of(choice: str) -> str:
    """The file of ``path/to/file.py:Name``, whatever stands behind the name."""
    return choice.partition(".py:")[0] + ".py"


def trusted() -> list[str]:
    """The files that may be loaded, as choices: what ``trust`` takes in another process."""
    return [f"{path}:" for path in sorted(_TRUSTED)]


def place_of(file: str) -> Path | None:
    """Where a file that is trusted lies: below this folder, or where it was said to be; None where it is not there."""
    here = Path(file).resolve()
    known = [here] * (here in _TRUSTED) + [p for p in sorted(_TRUSTED) if p.name == here.name]
    return next((p for p in known if p.is_file()), None)


def module_of(file: str, where: str) -> ModuleType:
    """The module of a file that is trusted.

    Raises SpecError for one that nobody asked for, is not there, or cannot be loaded.
    """
    path = place_of(file)
    if path is None and any(p.name == Path(file).name for p in _TRUSTED):
        hint = "Where it is elsewhere now, 'serve' and 'predict' take --code FILE."
        raise SpecError(Fault(where, f"there is no file {file!r} (looked in {Path.cwd()}).", hint=hint))
    if path is None:
        hint = f"If you trust that file, give it with --code {file}, or from Python with code=[...]."
        raise SpecError(Fault(where, f"'{file}' is code, and nobody here asked for it.", hint=hint))
    key = f"thirtyfold_user_{abs(hash(path))}_{path.stem}"
    _NAMED.setdefault(key, file)
    return sys.modules.get(key) or _load(key, path, where)


def named(kind: type) -> str | None:
    """How a Spec names a class from a file of the user's own; None for any other."""
    file = _NAMED.get(kind.__module__)
    return f"{file}:{kind.__name__}" if file else None


def _load(key: str, path: Path, where: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(key, path)
    if spec is None or spec.loader is None:
        raise SpecError(Fault(where, f"{path} is not a Python file."))
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's own lines raise is the user's to mend
        del sys.modules[key]
        raise SpecError(Fault(where, f"{path} cannot be loaded: {_told(error, path)}.")) from error
    return module


def _told(error: Exception, path: Path) -> str:
    """What went wrong in a file, and in which of its lines."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    what = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}{f' in line {line}' if line else ''}: {what.rstrip('.')}"
