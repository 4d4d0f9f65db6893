"""sklearn: the data sets that come with scikit-learn; they need no network."""

import hashlib
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl

from thirtyfold.core.step import Context
from thirtyfold.data.reading import Read, quarantined

__all__ = ["Sklearn"]

_NUMBERS = ("diabetes", "linnerud")


class Sklearn:
    """One of scikit-learn's own tables, its answer in the column ``target``: class names, or the amount."""

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: Literal["breast_cancer", "iris", "wine", "digits", "diabetes", "linnerud"]) -> None:
        self.name: str = name

    def read(self, context: Context) -> Read:
        """All rows."""
        context.progress(f"loading scikit-learn's {self.name}")
        frame = self._frame()
        digest = hashlib.sha256(frame.write_csv().encode()).hexdigest()
        import sklearn

        lineage: dict[str, Any] = {
            "address": f"sklearn {sklearn.__version__}: {self.name}",
            "sha256": digest,
            "bytes": int(frame.estimated_size()),
            "rows": frame.height,
            "columns": frame.width,
            "format": "sklearn",
        }
        return Read(frame, quarantined(), lineage)

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows."""
        return self._frame().head(rows)

    def _frame(self) -> pl.DataFrame:
        from sklearn import datasets

        found = getattr(datasets, f"load_{self.name}")()
        names = [str(n) for n in found.feature_names]
        columns = {n: pl.Series(np.asarray(found.data)[:, i], dtype=pl.Float64) for i, n in enumerate(names)}
        if self.name == "linnerud":  # three answers; the first is the target, the others are left as columns
            goals = {str(n): pl.Series(found.target[:, i]) for i, n in enumerate(found.target_names)}
            first = next(iter(goals))
            return pl.DataFrame({**columns, **{n: s for n, s in goals.items() if n != first}, "target": goals[first]})
        answer = pl.Series(found.target)
        if self.name not in _NUMBERS:
            answer = pl.Series([str(found.target_names[int(t)]) for t in found.target])
        return pl.DataFrame({**columns, "target": answer})
