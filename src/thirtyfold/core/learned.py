"""What training leaves for validation, tuning and the Package: models as bytes, with their scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from thirtyfold.core.family import Family
from thirtyfold.core.model import Candidate, Model

__all__ = ["Score", "Trained", "Winner"]


@dataclass(frozen=True)
class Trained:
    """A candidate that has learned; ``files`` is what its model saved. ``refit`` fits it again without validation."""

    candidate: Candidate
    files: dict[str, bytes]
    refit: dict[str, Any] = field(default_factory=dict)
    size: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, candidate: Candidate, model: Model) -> "Trained":
        return cls(candidate, dict(model.save()), model.refit(), model.size())

    @cached_property
    def model(self) -> Model:
        """The model as it was saved: predictions always come from the stored bytes."""
        return load_model(self.candidate.word, self.files)


def load_model(word: str, files: Mapping[str, bytes]) -> Model:
    """A model of this word from its files."""
    found: Any = Family[Model]("learn.models").find(word, "model")
    model: Model = found.load(files)
    return model


@dataclass(frozen=True)
class Score:
    """Every reported metric of one candidate on the validation rows, and on the training rows for the gap."""

    candidate: Candidate
    validation: dict[str, float]
    train: dict[str, float]


@dataclass(frozen=True)
class Winner:
    """What tuning chose: the model fitted on training rows alone (before any refit) and its scores."""

    trained: Trained
    score: Score
    trials: int = 0
