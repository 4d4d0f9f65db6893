"""sklearn: the data sets that come with scikit-learn; they need no network."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, ClassVar, Literal

from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.late import Array, np, pl
from thirtyfold.core.pixels import png
from thirtyfold.core.step import Context
from thirtyfold.data.reading import Read, quarantined

__all__ = ["Sklearn"]

_NUMBERS = ("diabetes", "linnerud")

_MEASURED = (
    *("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points"),
    *("symmetry", "fractal dimension"),
)

_NAMES: dict[str, list[str]] = {
    "breast_cancer": [
        *(f"mean {m}" for m in _MEASURED),
        *(f"{m} error" for m in _MEASURED),
        *(f"worst {m}" for m in _MEASURED),
    ],
    "iris": [f"{part} {side} (cm)" for part in ("sepal", "petal") for side in ("length", "width")],
    "wine": [
        *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids"),
        *("nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines"),
        "proline",
    ],
    "digits": [f"pixel_{row}_{column}" for row in range(8) for column in range(8)],
    "diabetes": ["age", "sex", "bmi", "bp", *(f"s{i}" for i in range(1, 7))],
    "linnerud": ["Chins", "Situps", "Jumps", "Waist", "Pulse"],
}
"""The columns of each, known beforehand because loading scikit-learn for their names takes seconds."""


class Sklearn:
    """One of scikit-learn's own tables, its answer in the column ``target``: class names, or the amount.

    ``images`` gives the digits as pictures, a PNG a row in the column ``image``, instead of 64 numbers.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        name: Literal["breast_cancer", "iris", "wine", "digits", "diabetes", "linnerud"],
        *,
        images: bool = False,
    ) -> None:
        if images and name != "digits":
            raise SpecError(Fault("collect.sklearn.images", f"'{name}' has no pictures.", "digits"))
        self.name: str = name
        self.images = images

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

    def columns(self) -> list[str]:
        """The names of the columns, without loading scikit-learn."""
        return ["image", "target"] if self.images else [*_NAMES[self.name], "target"]

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
        if self.images:
            columns = {"image": pl.Series([_png(image) for image in found.images])}
        answer = pl.Series(found.target)
        if self.name not in _NUMBERS:
            answer = pl.Series([str(found.target_names[int(t)]) for t in found.target])
        return pl.DataFrame({**columns, "target": answer})


def _png(image: Array) -> str:
    """A picture of 0 to 16 as a data URI; ink is white."""
    return "data:image/png;base64," + base64.b64encode(png(np.round(image * (255 / 16)))).decode("ascii")
