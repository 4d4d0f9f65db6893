"""Distill: a small model that learns the large one's answers."""

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.family import Choice, Family
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.model import Model
from thirtyfold.core.package import Package
from thirtyfold.ship.lighter import Given, Variant, repeated

__all__ = ["Distill"]

_SMALL = ("boosting", "linear", "tree", "mlp", "cnn")
"""Models that are small already: their own compression is quantize and prune."""


class Distill:
    """Trains ``student`` on the teacher's probabilities (or values) for the training rows (Hinton et al. 2015).

    The soft answers carry more than the labels, so a small student comes close. For ensembles, forests, neighbors and
    support vectors; other models are small already.
    """

    def __init__(self, student: Choice = "boosting", rounds: Annotated[int, Field(ge=1, le=5000)] = 150) -> None:
        self.student, self.rounds = student, rounds

    def variants(self, package: Package, given: Given) -> list[Variant]:
        if package.manifest["model"] in _SMALL or given.learning.layout:
            return []  # no other model learns from the points of pictures what a network answers
        family: Family[Model] = Family("learn.models")
        choice: Choice = (
            {"boosting": {"rounds": self.rounds, "patience": 0}} if self.student == "boosting" else self.student
        )
        student = family.build(choice, "compress.search.distill.student")
        word = choice if isinstance(choice, str) else next(iter(choice))
        student.fit(_taught(given.learning, package.model.predict(given.learning.matrix)), None, given.context)
        what = f"a {word} that learned the answers of the {package.manifest['model']}"
        lighter = package.with_model(word, student)
        return [Variant(f"distill to {word}", lighter, what)] if lighter.size < package.size else []


def _taught(data: Encoded, answers: Array) -> Encoded:
    if not data.classes:
        from dataclasses import replace

        return replace(data, target=answers[:, 0])
    classes: Any = np.tile(np.arange(data.classes, dtype=np.int64), len(data))
    soft = np.clip(answers, 1e-4, 1.0)
    return repeated(data, classes, soft / soft.sum(axis=1, keepdims=True))
