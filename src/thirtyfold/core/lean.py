"""Lean: a library loaded without the optional companions that it would bring along.

Some libraries import others, when these happen to be installed, for interfaces that we never use: LightGBM imports
scikit-learn, pandas and SciPy's statistics, together two to three seconds and a hundred megabytes of every run and
every server. ``lean`` loads a copy under a name of its own, so that who imports the library itself still gets it whole.
"""

import importlib.util
import os
import sys
import threading
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["lean", "lightgbm"]

_LOCK = threading.Lock()


def lean(name: str, *without: str) -> ModuleType:
    """The package ``name`` as if the packages ``without`` were not installed, unless they are loaded already.

    Raises ModuleNotFoundError when ``name`` itself is not installed.
    """
    alias = f"_lean_{name}"
    with _LOCK:
        if alias in sys.modules:
            return sys.modules[alias]
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        places = found.submodule_search_locations
        spec = importlib.util.spec_from_file_location(alias, found.origin, submodule_search_locations=places)
        assert spec is not None and spec.loader is not None  # an origin that was found is a file with a loader
        module = importlib.util.module_from_spec(spec)
        refusal = _Refusal(without)
        sys.modules[alias] = module
        sys.meta_path.insert(0, refusal)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[alias]
            raise
        finally:
            sys.meta_path.remove(refusal)
        return module


def lightgbm() -> Any:
    """LightGBM, told to sleep where its threads wait for each other: they spin otherwise, and on a busy machine two
    spinning threads took 20 s for a fit of 1.5 s. It only counts before the library is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    return lean("lightgbm", "sklearn", "pandas", "matplotlib", "graphviz", "dask")


class _Refusal(MetaPathFinder):
    """Finds nothing of the packages it is made for, in the thread it is made in."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names, self.thread = names, threading.get_ident()

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        del path, target
        if threading.get_ident() == self.thread and fullname.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"{fullname} is left out here", name=fullname)
        return None
