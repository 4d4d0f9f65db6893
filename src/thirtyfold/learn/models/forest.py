"""Forest: many trees, each grown on other rows and columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.evidence import Evidence
from thirtyfold.core.fieldtype import Array, Form
from thirtyfold.core.late import np
from thirtyfold.core.model import Dial
from thirtyfold.core.step import Context
from thirtyfold.learn.balance import weights
from thirtyfold.learn.graph import Session
from thirtyfold.learn.grown import default_leaf, grown_story, to_graph

__all__ = ["Forest"]


class Forest:
    """Many trees that vote, each grown on other rows and columns: hard to get wrong, little to tune.

    Breiman (2001); with ``extra`` thresholds are drawn at random (Geurts et al. 2006). Takes ``levels``; missing
    values go the way that was better in training. Stored as ONNX, which is also what answers.
    """

    forms: ClassVar[tuple[Form, ...]] = ("levels",)
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")

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
        self.options: dict[str, Any] = {
            "trees": trees,
            "leaf": leaf,
            "depth": depth,
            "columns": columns,
            "extra": extra,
            "balance": balance,
        }
        self._files: dict[str, bytes] = {}
        self._size: dict[str, int] = {}
        self._story: list[Evidence] = []
        self._session: Session | None = None

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
        self._keep({"model.onnx": to_graph(grown, len(train.names), train.classes)})
        self._story = grown_story(grown, train, _first_row(grown, train), "forest")

    def _keep(self, files: dict[str, bytes]) -> None:
        state = json.dumps({"options": self.options, "size": self._size}, sort_keys=True).encode()
        self._files = {**files, "model.json": state}
        self._session = Session(files["model.onnx"])

    def more(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        raise SpecError(Fault("finetune", "a forest cannot go on learning; use boosting or mlp, or train it anew."))

    def predict(self, matrix: Array) -> Array:
        assert self._session is not None, "the forest has not been fitted"
        return self._session(matrix)

    def size(self) -> dict[str, int]:
        return dict(self._size)

    def story(self) -> list[Evidence]:
        return self._story

    def refit(self) -> dict[str, Any]:
        return {}

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

    def save(self) -> dict[str, bytes]:
        return dict(self._files)

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        state = json.loads(files["model.json"])
        model = cls(**state["options"])
        model._size = {n: int(v) for n, v in state["size"].items()}
        model._keep({"model.onnx": files["model.onnx"]})
        return model

    def onnx(self) -> bytes:
        return self._files["model.onnx"]


def _first_row(grown: list[Any], train: Encoded) -> Array:
    """The answer of each tree for the first training row: the chance of its own class, or the value."""
    row = train.matrix[:1]
    if not train.classes:
        return np.array([float(e.predict(row)[0]) for e in grown])
    own = int(np.asarray(train.target)[0])
    return np.array([float(e.predict_proba(row)[0, own]) for e in grown])
