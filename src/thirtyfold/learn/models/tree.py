"""Tree: one decision tree that a person can read."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.fieldtype import Form
from thirtyfold.core.late import np
from thirtyfold.core.model import Dial
from thirtyfold.core.step import Context
from thirtyfold.learn.balance import weights
from thirtyfold.learn.grown import grown_story, to_graph
from thirtyfold.learn.stored import Stored

__all__ = ["Tree"]

PRIOR = 2.0
"""Rows like all others that are added to each leaf."""


class Tree(Stored):
    """One tree of questions that a person can read: weaker than a forest, but each answer can be explained.

    Breiman et al. (1984). Takes ``levels``; missing values go the way that was better in training. Stored as ONNX,
    which is also what answers.
    """

    forms: ClassVar[tuple[Form, ...]] = ("levels",)
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    ends: ClassVar[str] = "a tree cannot go on learning"

    def __init__(
        self,
        leaf: Annotated[int, Field(ge=1)] = 20,
        depth: Annotated[int, Field(ge=1)] | None = 8,
        prune: Annotated[float, Field(ge=0, le=1)] = 0.0,
        *,
        balance: bool = False,
    ) -> None:
        """Set the options.

        Args:
            leaf: Training rows in a leaf at least; a small table (under 40 of these) takes fewer.
            depth: Questions in a row at most; ``null`` is no limit.
            prune: Cut back branches whose gain is less than this (cost-complexity pruning).
            balance: Weigh classes so that each counts the same.
        """
        super().__init__({"leaf": leaf, "depth": depth, "prune": prune, "balance": balance})

    def fit(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        o = self.options
        model = (DecisionTreeClassifier if train.classes else DecisionTreeRegressor)(
            min_samples_leaf=max(1, min(o["leaf"], len(train) // 40)),
            max_depth=o["depth"],
            ccp_alpha=o["prune"],
            random_state=context.seed,
        )
        model.fit(train.matrix, train.target, sample_weight=weights(train, balance=o["balance"]))
        grown = model.tree_
        self._size = {"nodes": int(grown.node_count), "leaves": int(grown.n_leaves), "depth": int(grown.max_depth)}
        self._keep(to_graph([model], len(train.names), train.classes, PRIOR))
        own = int(np.asarray(train.target)[0]) if train.classes else 0
        self._story = grown_story([model], train, self.predict(train.matrix[:1])[:, own], "tree")

    def measures(self) -> dict[str, tuple[Any, Any]]:
        """What holds it back from learning the training rows by heart: option -> (as it is, off)."""
        off = {"leaf": 1, "depth": None, "prune": 0.0}
        return {n: (self.options[n], v) for n, v in off.items() if self.options[n] != v}

    @classmethod
    def space(cls, rows: int, features: int) -> dict[str, Dial]:
        return {
            "leaf": Dial(1, max(20, rows // 100), log=True, kind="int"),
            "depth": Dial(2, 16, kind="int"),
            "prune": Dial(1e-6, 1e-2, log=True),
        }
