"""Which of some named answers is it? Two or many, balanced or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.core.late import Array, np, pl

__all__ = ["Classification"]


@dataclass(frozen=True)
class Classification:
    """The classes in order. With two, ``threshold`` decides on the probability of the second, the positive one.

    ``thresholds`` holds one a group of the column ``by``, where fairness asked for it; ``abstain_below`` is the
    confidence under which the answer is flagged as unsure.
    """

    labels: tuple[str, ...] = ()
    threshold: float | None = None
    by: str | None = None
    thresholds: tuple[tuple[str, float], ...] = ()
    abstain_below: float | None = None

    metrics: ClassVar[tuple[str, ...]] = (
        "roc_auc",
        "accuracy",
        "balanced_accuracy",
        "precision",
        "recall",
        "f1",
        "average_precision",
        "log_loss",
        "brier",
        "mcc",
    )
    loss: ClassVar[str] = "cross_entropy"

    @property
    def classes(self) -> tuple[str, ...]:
        return self.labels

    @property
    def outputs(self) -> int:
        return len(self.labels)

    @classmethod
    def recognize(cls, type_word: str, target: pl.Series) -> float:
        """Names are classes; so are a few whole numbers that come round often."""
        if type_word in {"category", "boolean"}:
            return 1.0
        if type_word in {"text", "id"}:
            return 0.6
        if type_word != "number":
            return 0.0
        known = target.drop_nulls().unique()
        whole = bool((known == known.round(0)).all())
        if whole and len(known) == 2:
            return 0.95
        return 0.8 if whole and len(known) <= 10 and len(target) >= 20 * len(known) else 0.1

    def fit(self, target: pl.Series) -> Self:
        """The classes in alphabetical order, numbers by size; with two, the positive one second: 1, yes or true,
        else the rarer one.
        """
        counts = target.alias("value").drop_nulls().value_counts()
        found = sorted(counts.iter_rows(), key=lambda pair: _order(pair[0]))
        if len(found) < 2:
            have = f"{len(found)} {'class' if len(found) == 1 else 'classes'}"
            raise DataError(Fault(target.name, f"has {have}; two are needed to learn from."))
        if len(found) == 2:
            said = [_label(v).casefold() in _AFFIRMATIVE for v, _ in found]
            words = _zero_one([v for v, _ in found])
            if said[0] if words else found[0][1] < found[1][1]:
                found.reverse()
        return replace(self, labels=tuple(_label(value) for value, _ in found))

    def with_positive(self, label: str) -> Self:
        """The same two classes with this one as the positive one. Raises DataError where it is none of them."""
        if len(self.labels) != 2:
            raise DataError(Fault("positive", f"there are {len(self.labels)} classes; it is for two."))
        if label not in self.labels:
            raise DataError(
                Fault("positive", f"'{label}' is no class.", ", ".join(self.labels), nearest(label, self.labels))
            )
        return replace(self, labels=(next(n for n in self.labels if n != label), label))

    def with_threshold(self, threshold: float) -> Self:
        """The same classes, decided at another probability of the positive one."""
        return replace(self, threshold=float(threshold), by=None, thresholds=())

    def with_thresholds(self, by: str, thresholds: Mapping[str, float]) -> Self:
        """One threshold for each group of an input column; ``threshold`` (or a half) for all others."""
        return replace(self, by=by, thresholds=tuple(sorted((g, float(t)) for g, t in thresholds.items())))

    def with_abstention(self, below: float) -> Self:
        return replace(self, abstain_below=float(below))

    def encode(self, target: pl.Series) -> Array:
        place = {label: code for code, label in enumerate(self.labels)}
        if target.dtype == pl.String:  # all at once: audits ask for thousands of rows again and again
            codes = target.replace_strict(list(place), list(place.values()), default=-1, return_dtype=pl.Int64)
            return np.asarray(codes.fill_null(-1).to_numpy())
        return np.array([-1 if v is None else place.get(_label(v), -1) for v in target.to_list()], dtype=np.int64)

    def baseline(self, target: Array) -> Array:
        """The share of each class among the training rows."""
        return np.bincount(target[target >= 0], minlength=len(self.labels)) / max(1, int((target >= 0).sum()))

    def decide(self, raw: Array, columns: Mapping[str, Array]) -> Array:
        if len(self.labels) != 2 or (self.threshold is None and not self.thresholds):
            return np.asarray(raw.argmax(axis=1))
        return (raw[:, 1] >= self._limits(len(raw), columns)).astype(np.int64)

    def _limits(self, rows: int, columns: Mapping[str, Array]) -> Array:
        usual = 0.5 if self.threshold is None else self.threshold
        if self.by is None or self.by not in columns:
            return np.full(rows, usual)
        own = dict(self.thresholds)
        return np.array([own.get(_label(v), usual) for v in columns[self.by]])

    def decode(self, raw: Array, columns: Mapping[str, Array]) -> pl.DataFrame:
        decided = self.decide(raw, columns)
        names = np.array(self.labels, dtype=object)
        confidence = raw[np.arange(len(raw)), decided]
        frame: dict[str, Any] = {
            "prediction": pl.Series(names[decided].tolist(), dtype=pl.String),
            "confidence": confidence,
        }
        if self.abstain_below is not None:
            frame["unsure"] = confidence < self.abstain_below
        frame |= {f"probability_{label}": raw[:, at] for at, label in enumerate(self.labels)}
        return pl.DataFrame(frame)

    def answers(self, raw: Array, columns: Mapping[str, Array]) -> list[dict[str, Any]]:
        names = [f"probability_{label}" for label in self.labels]
        found: list[dict[str, Any]] = []
        for shares, code in zip(raw.tolist(), self.decide(raw, columns).tolist(), strict=True):
            answer = {"prediction": self.labels[code], "confidence": shares[code]}
            if self.abstain_below is not None:
                answer["unsure"] = shares[code] < self.abstain_below
            answer.update(zip(names, shares, strict=True))
            found.append(answer)
        return found

    def schema(self) -> dict[str, Any]:
        share = {"type": "number", "minimum": 0, "maximum": 1}
        inner = {"prediction": {"type": "string", "enum": list(self.labels)}, "confidence": share}
        if self.abstain_below is not None:
            inner["unsure"] = {"type": "boolean"}
        inner |= {f"probability_{label}": share for label in self.labels}
        return {"type": "object", "properties": inner, "required": list(inner)}

    def state(self) -> dict[str, Any]:
        return {
            "labels": list(self.labels),
            "threshold": self.threshold,
            "by": self.by,
            "thresholds": [list(pair) for pair in self.thresholds],
            "abstain_below": self.abstain_below,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        pairs = tuple((str(group), float(limit)) for group, limit in state["thresholds"])
        return cls(tuple(state["labels"]), state["threshold"], state["by"], pairs, state["abstain_below"])


def _label(value: object) -> str:
    """A class as the user reads it: 1.0 is "1"."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _order(value: object) -> tuple[float, str]:
    try:
        return float(str(value)), ""
    except ValueError:
        return float("inf"), str(value)


_AFFIRMATIVE = ("1", "yes", "true")


def _zero_one(values: list[object]) -> bool:
    """Whether the two classes say themselves which is the positive one."""
    return {_label(v).casefold() for v in values} in ({"0", "1"}, {"-1", "1"}, {"no", "yes"}, {"false", "true"})
