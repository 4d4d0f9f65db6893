"""Forest: many trees, each grown on other rows and columns."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.fieldtype import Array, Form
from thirtyfold.core.late import np
from thirtyfold.core.model import Dial
from thirtyfold.core.step import Context
from thirtyfold.learn.balance import weights
from thirtyfold.learn.grown import default_leaf, grown_story, to_graph
from thirtyfold.learn.stored import Stored

__all__ = ["Forest"]


class Forest(Stored):
    """Many trees that vote, each grown on other rows and columns: hard to get wrong, little to tune.

    Breiman (2001); with ``extra`` thresholds are drawn at random (Geurts et al. 2006). Takes ``levels``; missing
    values go the way that was better in training. Stored as ONNX, which is also what answers.
    """

    forms: ClassVar[tuple[Form, ...]] = ("levels",)
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    ends: ClassVar[str] = "a forest cannot go on learning"

    def __init__(
        self,
        trees: Annotated[int, Field(ge=1, le=5000)] = 100,
        leaf: Annotated[int, Field(ge=1)] | None = None,
        depth: Annotated[int, Field(ge=1)] | None = None,
        columns: Annotated[float, Field(gt=0, le=1)] | None = None,
        *,
        extra: bool = False,
        balance: bool = False,
    ) -> None:
        """Set the options.

        Args:
            trees: How many trees.
            leaf: Training rows in a leaf at least; by default 2, and more on large tables so that the size stays small.
            depth: Questions in a row at most; no limit by default.
            columns: Share of the columns that each question may use; by default the square root of their number
                for classes and a third of them for values.
            extra: Draw thresholds at random instead of searching them.
            balance: Weigh classes so that each counts the same.
        """
        super().__init__(
            {
                "trees": trees,
                "leaf": leaf,
                "depth": depth,
                "columns": columns,
                "extra": extra,
                "balance": balance,
            }
        )

    def fit(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        from sklearn import ensemble

        o = self.options
        kind = ("ExtraTrees" if o["extra"] else "RandomForest") + ("Classifier" if train.classes else "Regressor")
        columns = o["columns"] or ("sqrt" if train.classes else 1 / 3)
        model = getattr(ensemble, kind)(
            n_estimators=o["trees"],
            min_samples_leaf=min(o["leaf"] or default_leaf(len(train)), max(1, len(train) // 4)),
            max_depth=o["depth"],
            max_features=columns,
            n_jobs=context.threads,
            random_state=context.seed,
        )
        model.fit(train.matrix, train.target, sample_weight=weights(train, balance=o["balance"]))
        grown = list(model.estimators_)
        self._size = {
            "trees": len(grown),
            "nodes": int(sum(e.tree_.node_count for e in grown)),
            "leaves": int(sum(e.tree_.n_leaves for e in grown)),
        }
        self._keep(to_graph(grown, len(train.names), train.classes))
        self._story = grown_story(grown, train, _first_row(grown, train), "forest")

    def measures(self) -> dict[str, tuple[Any, Any]]:
        """What holds it back from learning the training rows by heart: option -> (as it is, off)."""
        off = {"leaf": 1, "depth": None, "trees": 1}
        return {n: (self.options[n], v) for n, v in off.items() if self.options[n] != v}

    @classmethod
    def space(cls, rows: int, features: int) -> dict[str, Dial]:
        return {
            "leaf": Dial(1, max(20, rows // 500), log=True, kind="int"),
            "columns": Dial(min(1.0, max(0.1, 1 / features)), 1.0),
            "extra": Dial(choices=(False, True), kind="choice"),
        }


def _first_row(grown: list[Any], train: Encoded) -> Array:
    """The answer of each tree for the first training row: the chance of its own class, or the value."""
    row = train.matrix[:1]
    if not train.classes:
        return np.array([float(e.predict(row)[0]) for e in grown])
    own = int(np.asarray(train.target)[0])
    return np.array([float(e.predict_proba(row)[0, own]) for e in grown])
