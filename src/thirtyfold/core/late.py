"""Late: NumPy and Polars, loaded when they are first used.

Together they take a third of a second to load, most of the half second that a command may take, and half of the
commands never touch a row. What every command imports takes them from here; all else imports them as everyone does.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["Array", "np", "pl"]

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    Array = np.ndarray[Any, np.dtype[Any]]
    """An array of numbers, of any shape."""
else:
    Array = Any  # the alias would load NumPy

    class _Late(ModuleType):
        """Stands in for a module; what was asked for once is an attribute of its own from then on."""

        def __getattr__(self, name: str) -> Any:
            value = getattr(import_module(self.__name__), name)
            setattr(self, name, value)
            return value

    np, pl = _Late("numpy"), _Late("polars")
