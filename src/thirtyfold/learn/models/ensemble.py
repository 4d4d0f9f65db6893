"""Ensemble: several models whose answers are averaged by weight."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.evidence import Evidence
from thirtyfold.core.family import Choice, Family, split_choice
from thirtyfold.core.fieldtype import Array, Form
from thirtyfold.core.late import np
from thirtyfold.core.model import Dial, Model
from thirtyfold.core.step import Context
from thirtyfold.learn.inner import Inner
from thirtyfold.learn.merge import merged
from thirtyfold.learn.options import written

__all__ = ["Ensemble"]

Part = tuple[int, int]


class Ensemble:
    """Several models whose answers are averaged: their mistakes differ, so part of them cancels out.

    Tuning chooses members and weights by greedy selection (Caruana et al. 2004). Each member reads its own part of the
    columns: one that takes ``levels`` and one that takes ``vector`` see the two forms side by side.
    """

    forms: ClassVar[tuple[Form, ...]] = ("levels",)
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")

    def __init__(
        self,
        members: Annotated[list[Choice], Family("learn.models")] = ["boosting", "forest"],  # noqa: B006
        weights: list[float] | None = None,
        columns: list[Part] | None = None,
    ) -> None:
        """Set the options.

        Args:
            members: The models.
            weights: What each one's answer counts; by default all the same, and in a run the best found.
            columns: From which column up to which each member reads; by default all.
        """
        many = len(members)
        wrong = [n for n, v in (("weights", weights), ("columns", columns)) if v is not None and len(v) != many]
        if wrong or not many:
            raise SpecError(
                Fault("model.ensemble", f"needs one entry of {' and '.join(wrong) or 'members'} for each member.")
            )
        self.members: list[Model] = [_member(m) for m in members]
        self.words = [_word(m, built) for m, built in zip(members, self.members, strict=True)]
        total = sum(weights) if weights else many
        self.weights = [w / total for w in weights] if weights else [1 / many] * many
        self.columns = [(int(a), int(b)) for a, b in columns] if columns else None

    def _part(self, at: int, data: Encoded) -> Encoded:
        start, stop = self.columns[at] if self.columns else (0, len(data.names))
        return Encoded(
            np.ascontiguousarray(data.matrix[:, start:stop]),
            data.names[start:stop],
            data.categories[start:stop],
            data.target,
            data.weight,
            data.classes,
        )

    def fit(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        self._each("fit", train, validation, context)

    def more(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        """Each member goes on; raises SpecError where one of them cannot."""
        self._each("more", train, validation, context)

    def _each(self, verb: str, train: Encoded, validation: Encoded | None, context: Context) -> None:
        self.columns = self.columns or [(0, len(train.names))] * len(self.members)
        for at, member in enumerate(self.members):
            held = None if validation is None else self._part(at, validation)
            getattr(member, verb)(
                self._part(at, train), held, Inner(context, f"{at}-{self.words[at]}", context.seed + at, 0.0)
            )

    def predict(self, matrix: Array) -> Array:
        assert self.columns is not None, "the ensemble has not been fitted"
        total: Any = 0.0
        for member, weight, (start, stop) in zip(self.members, self.weights, self.columns, strict=True):
            total = total + weight * member.predict(np.ascontiguousarray(matrix[:, start:stop]))
        return np.asarray(total)

    def size(self) -> dict[str, int]:
        sizes = {"members": len(self.members)}
        for at, (word, member) in enumerate(zip(self.words, self.members, strict=True)):
            sizes |= {f"{at}_{word}_{name}": n for name, n in member.size().items()}
        return sizes

    def story(self) -> list[Evidence]:
        """What each member tells, with its name and weight."""
        return [
            Evidence(e.step, f"{word} ({weight:.0%}): {e.why}", e.numbers, e.tables, e.pictures, e.status)
            for word, weight, member in zip(self.words, self.weights, self.members, strict=True)
            for e in member.story()
        ]

    def refit(self) -> dict[str, Any]:
        return {"members": self._spelled([m.refit() for m in self.members])}

    def measures(self) -> dict[str, tuple[Any, Any]]:
        """What holds it back from learning the training rows by heart: option -> (as it is, off)."""
        off = [{name: value for name, (_, value) in m.measures().items()} for m in self.members]
        return {"members": (self._spelled([{}] * len(off)), self._spelled(off))}

    def _spelled(self, changes: list[dict[str, Any]]) -> list[Choice]:
        triples = zip(self.words, self.members, changes, strict=True)
        return [{word: written(_options(member), change)} for word, member, change in triples]

    @classmethod
    def space(cls, rows: int, features: int) -> dict[str, Dial]:
        """Nothing: members are tuned on their own and weights are found by selection."""
        del rows, features
        return {}

    def save(self) -> dict[str, bytes]:
        state = {"words": self.words, "weights": self.weights, "columns": self.columns}
        files = {"model.json": json.dumps(state, sort_keys=True).encode()}
        for at, member in enumerate(self.members):
            files |= {f"{at}/{name}": data for name, data in member.save().items()}
        return files

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        state = json.loads(files["model.json"])
        loaded = []
        for at, word in enumerate(state["words"]):
            kind: Any = Family[Model]("learn.models").find(word, "model.json")
            prefix = f"{at}/"
            loaded.append(kind.load({n.removeprefix(prefix): d for n, d in files.items() if n.startswith(prefix)}))
        model = cls(loaded, None, state["columns"])
        model.words, model.weights = list(state["words"]), [float(w) for w in state["weights"]]
        return model

    @classmethod
    def of(cls, members: list[tuple[str, Model]], weights: list[float], columns: list[Part]) -> Self:
        """An ensemble of models that have learned already."""
        built: list[Any] = [model for _, model in members]
        ensemble = cls(built, weights, columns)
        ensemble.words = [word for word, _ in members]
        return ensemble

    def onnx(self) -> bytes:
        assert self.columns is not None, "the ensemble has not been fitted"
        return merged([m.onnx() for m in self.members], self.weights, self.columns)


def _member(choice: Any) -> Model:
    return (
        Family[Model]("learn.models").build(choice, "model.ensemble.members")
        if isinstance(choice, str | dict)
        else choice
    )


def _word(choice: Any, member: Model) -> str:
    from thirtyfold.core.family import spelled

    return split_choice(choice, "model.ensemble.members")[0] if isinstance(choice, str | dict) else spelled(member)


def _options(member: Any) -> dict[str, Any]:
    """A member's options in the Spec's spelling; every model here keeps them so."""
    return dict(member.options)
