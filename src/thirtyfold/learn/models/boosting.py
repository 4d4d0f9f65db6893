"""Boosting: gradient boosted trees by LightGBM."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field

from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.late import Array, np
from thirtyfold.core.lean import lightgbm
from thirtyfold.learn.balance import weights
from thirtyfold.learn.boosted import story, to_graph, trimmed
from thirtyfold.learn.onerow import OneRow

if TYPE_CHECKING:  # a command that only looks at a Spec asks for the options of this model, and has half a second
    from thirtyfold.core.encoder import Encoded
    from thirtyfold.core.evidence import Evidence
    from thirtyfold.core.fieldtype import Form
    from thirtyfold.core.model import Dial
    from thirtyfold.core.step import Context

__all__ = ["Boosting"]

UNWATCHED = 15.0
"""Rate times rounds, at most, where there are no validation rows to stop by and none was asked not to stop."""
WATCHED = 1000
"""Training rows on which the loss is followed; watching all of them takes as long as growing the trees."""
ALONE = 400_000
"""Numbers in the matrix up to which one thread is as fast as two, and does not wait for the other where the machine is
busy (2 s instead of 30 s); for 34,000 x 14 two need a quarter less time on a free machine."""
BY_ROWS = 2_000_000
"""Numbers from which on histograms by rows are faster; the trees are the same either way."""
MORE = 50
"""Rounds at least that ``more`` may add; at most half of what there is."""


class Boosting:
    """Trees in sequence, each one correcting the sum of those before: the strongest single model on most tables.

    Takes ``levels``: missing stays missing and categories are split as sets (Fisher 1958, as LightGBM does it; Ke et
    al. 2017). Stored as LightGBM's own text, with each threshold rounded down to float32, which leaves the branch of
    every float32 row as it was and lets ONNX take the same one.
    """

    forms: ClassVar[tuple[Form, ...]] = ("levels",)
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")

    def __init__(
        self,
        rounds: Annotated[int, Field(ge=1, le=20_000)] = 1000,
        rate: Annotated[float, Field(gt=0, le=1)] = 0.07,
        leaves: Annotated[int, Field(ge=2, le=4096)] = 16,
        least: Annotated[int, Field(ge=1)] = 20,
        rows: Annotated[float, Field(gt=0, le=1)] = 1.0,
        columns: Annotated[float, Field(gt=0, le=1)] = 0.5,
        l1: Annotated[float, Field(ge=0)] = 0.0,
        l2: Annotated[float, Field(ge=0)] = 5.0,
        smooth: Annotated[float, Field(ge=0)] = 30.0,
        patience: Annotated[int, Field(ge=0)] = 50,
        *,
        extra: bool = False,
        balance: bool = False,
    ) -> None:
        """Set the options.

        Args:
            rounds: Trees at most (for each class when there are more than two).
            rate: How much of each tree's correction is taken.
            leaves: Leaves of a tree at most.
            least: Training rows in a leaf at least; a small table (under 40 of these) takes fewer.
            rows: Share of the rows that each tree sees.
            columns: Share of the columns that each tree sees.
            l1: Penalty on the size of leaf values.
            l2: Penalty on the square of leaf values.
            smooth: How strongly the order of a category's values is pulled to the mean before they are split.
            patience: Rounds without a better validation loss before stopping; 0 never stops early.
            extra: Thresholds drawn at random (Geurts et al. 2006) instead of searched.
            balance: Weigh classes so that each counts the same.
        """
        self.options: dict[str, Any] = {
            "rounds": rounds,
            "rate": rate,
            "leaves": leaves,
            "least": least,
            "rows": rows,
            "columns": columns,
            "l1": l1,
            "l2": l2,
            "smooth": smooth,
            "patience": patience,
            "extra": extra,
            "balance": balance,
        }
        self.classes = 0
        self.categories: tuple[int, ...] = ()
        self._booster: Any = None
        self._one: Any = None
        self._text = ""
        self._found = rounds
        self._story: list[Evidence] = []

    def fit(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        self.classes, self.categories = train.classes, train.categories
        self._learn(train, validation, context, None)

    def more(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        """Add trees to those there are; the old ones stay as they are."""
        if self._booster is None:
            raise SpecError(Fault("finetune", "this model has not learned anything yet."))
        before = self._booster.num_trees() // self._trees_a_round
        self.options = {**self.options, "rounds": min(self.options["rounds"], max(MORE, before // 2))}
        self._learn(train, validation, context, self._booster)

    @property
    def _trees_a_round(self) -> int:
        return self.classes if self.classes > 2 else 1

    def _learn(self, train: Encoded, validation: Encoded | None, context: Context, start: Any) -> None:
        library = lightgbm()
        o, parameters = self.options, self._parameters(train, context)
        whole = self._dataset(train, parameters)
        sets = {"train": self._dataset(_sample(train, context.seed), parameters, whole)}
        curves: dict[str, dict[str, list[float]]] = {}
        rounds = o["rounds"]
        if validation is None and o["patience"]:
            rounds = min(rounds, math.ceil(UNWATCHED / o["rate"]))
        callbacks = [library.record_evaluation(curves), _Progress(context, rounds)]
        if validation is not None and o["patience"]:
            # First in line, because LightGBM takes the best round of the first set when it never stops early.
            sets = {"validation": self._dataset(validation, parameters, whole), **sets}
            callbacks.append(library.early_stopping(o["patience"], verbose=False))
        booster = library.train(
            parameters,
            whole,
            rounds,
            valid_sets=list(sets.values()),
            valid_names=list(sets),
            init_model=start,
            callbacks=callbacks,
        )
        old = start.current_iteration() if start is not None else 0
        best = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
        self._found = best - old
        self._set(trimmed(booster.model_to_string(num_iteration=best)))
        self._story = story(
            train,
            {name: next(iter(values.values())) for name, values in curves.items()},
            {
                "rate": o["rate"],
                "best": best - old,
                "rounds": booster.current_iteration() - old,
                "names": train.names,
                "seen": min(len(train), WATCHED),
                "root": booster.dump_model(1, start_iteration=old)["tree_info"][0]["tree_structure"],
            },
            self.size(),
        )

    def _set(self, text: str) -> None:
        self._text = text
        self._booster = lightgbm().Booster(model_str=text)
        self._one = OneRow(self._booster)

    def _parameters(self, train: Encoded, context: Context) -> dict[str, Any]:
        o = self.options
        size = train.matrix.size
        objective = ("regression", "binary", "binary")[train.classes] if train.classes < 3 else "multiclass"
        return {
            "objective": objective,
            "metric": {"regression": "l2", "binary": "binary_logloss"}.get(objective, "multi_logloss"),
            "num_class": train.classes if objective == "multiclass" else 1,
            "learning_rate": o["rate"],
            "num_leaves": o["leaves"],
            "min_data_in_leaf": max(1, min(o["least"], len(train) // 40)),
            "bagging_fraction": o["rows"],
            "bagging_freq": int(o["rows"] < 1),
            "feature_fraction": o["columns"] if len(train.names) > 4 else 1.0,
            "lambda_l1": o["l1"],
            "lambda_l2": o["l2"],
            "cat_smooth": o["smooth"],
            "extra_trees": o["extra"],
            "seed": context.seed,
            "deterministic": True,
            "force_row_wise" if size > BY_ROWS else "force_col_wise": True,
            "num_threads": context.threads if size > ALONE else 1,
            "verbose": -1,
        }

    def _dataset(self, data: Encoded, parameters: dict[str, Any], like: Any = None) -> Any:
        return lightgbm().Dataset(
            data.matrix,
            data.target,
            weight=weights(data, balance=self.options["balance"]),
            reference=like,
            categorical_feature=[i for i, n in enumerate(data.categories) if n],
            feature_name=[f"f{i}" for i in range(len(data.names))],
            params=parameters,
            free_raw_data=False,
        )

    def predict(self, matrix: Array) -> Array:
        if len(matrix) == 1:
            raw: Array = self._one(matrix)
        else:
            threads = 1 if len(matrix) < 1000 else 0
            raw = np.asarray(self._booster.predict(matrix, num_threads=threads), dtype=np.float64)
        if self.classes == 2:
            both = np.empty((len(matrix), 2))
            both[:, 0], both[:, 1] = 1 - raw, raw
            return both
        return raw.reshape(len(matrix), -1)

    def size(self) -> dict[str, int]:
        trees = self._booster.num_trees()
        leaves = sum(int(line.split("=")[1]) for line in self._text.splitlines() if line.startswith("num_leaves="))
        return {"trees": trees, "leaves": leaves, "features": self._booster.num_feature()}

    def story(self) -> list[Evidence]:
        return self._story

    def refit(self) -> dict[str, Any]:
        return {"rounds": max(1, self._found), "patience": 0}

    def measures(self) -> dict[str, tuple[Any, Any]]:
        """What holds it back from learning the training rows by heart: option -> (as it is, off)."""
        off = {"l1": 0.0, "l2": 0.0, "rows": 1.0, "columns": 1.0, "patience": 0, "least": 1, "smooth": 0.0}
        return {n: (self.options[n], v) for n, v in off.items() if self.options[n] != v}

    @classmethod
    def space(cls, rows: int, features: int) -> dict[str, Dial]:
        from thirtyfold.core.model import Dial

        return {
            "rate": Dial(0.02, 0.12, log=True),
            "leaves": Dial(6, 48 if rows > 5000 else 24, log=True, kind="int"),
            "least": Dial(5, 100 if rows > 5000 else 30, log=True, kind="int"),
            "rows": Dial(0.6, 1.0),
            "columns": Dial(min(0.9, max(0.25, 2 / features)), 1.0),
            "l2": Dial(0.1, 50.0, log=True),
            "l1": Dial(0.0, 2.0),
            "smooth": Dial(5.0, 200.0, log=True),
            "extra": Dial(choices=(False, True), kind="choice"),
        }

    def save(self) -> dict[str, bytes]:
        state = {"options": self.options, "classes": self.classes, "categories": self.categories}
        return {"model.txt": self._text.encode(), "model.json": json.dumps(state, sort_keys=True).encode()}

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        state = json.loads(files["model.json"])
        model = cls(**state["options"])
        model.classes, model.categories = int(state["classes"]), tuple(state["categories"])
        model._set(files["model.txt"].decode())
        return model

    def onnx(self) -> bytes:
        return to_graph(self._booster, self.classes)


def _sample(train: Encoded, seed: int) -> Encoded:
    if len(train) <= WATCHED:
        return train
    return train.take(np.sort(np.random.default_rng(seed).choice(len(train), WATCHED, replace=False)))


class _Progress:
    """Says every 25 rounds how far it is; LightGBM calls it after each one."""

    order = 50
    before_iteration = False

    def __init__(self, context: Context, rounds: int) -> None:
        self.context, self.rounds = context, rounds

    def __call__(self, env: Any) -> None:
        if env.iteration % 25 == 24:
            self.context.progress("boosting", env.iteration + 1, self.rounds)
