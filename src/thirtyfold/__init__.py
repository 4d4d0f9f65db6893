"""Thirtyfold: any data, all thirty steps of AI training, one file, one command.

``run`` does the whole lifecycle, ``check`` finds every fault of a Spec, ``load`` opens a Package, ``Classifier`` and
``Regressor`` speak scikit-learn's interface. Nothing heavy is imported before it is used.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thirtyfold.core.spec import Spec
    from thirtyfold.estimators import Classifier, Regressor
    from thirtyfold.face import check, load, run

__all__ = ["Classifier", "Regressor", "Spec", "__version__", "check", "load", "run"]

__version__ = "0.1.0"

_WHERE = {
    "Spec": "thirtyfold.core.spec",
    "Classifier": "thirtyfold.estimators",
    "Regressor": "thirtyfold.estimators",
    "check": "thirtyfold.face",
    "load": "thirtyfold.face",
    "run": "thirtyfold.face",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module 'thirtyfold' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Face(ModuleType):
    """A module whose public names stay what they are: importing ``thirtyfold.run``, the file, must not hide ``run``."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _WHERE and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face
