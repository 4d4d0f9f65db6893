"""FieldType: all that any stage must know of one kind of data, in one file of ``data/types``.

A member's ``__init__`` takes only its options (the Spec's ``fields: {age: {number: {...}}}``); it holds no learned
state. What is learned travels as values: spellings and markers in the Column, encodings as Features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from thirtyfold.core.late import Array, pl
from thirtyfold.core.profile import ColumnProfile
from thirtyfold.core.transform import Transform

__all__ = ["Array", "Feature", "FieldType", "Fitted", "Form", "Sample", "Signal"]


Form = Literal["vector", "levels", "image", "tokens", "frames", "sequence"]
"""What models take. ``vector``: complete, scaled numbers. ``levels``: numbers as they are with NaN for missing, and
category codes, for models that split on values."""


@dataclass(frozen=True)
class Sample:
    """What recognition looks at: at most some thousand values of one column."""

    name: str
    values: pl.Series
    """Distinct non-missing values; strings as they came, or the source's own type."""
    counts: tuple[int, ...]
    rows: int
    """Rows of the whole column."""
    distinct: int
    """Distinct non-missing values in the whole column."""


@dataclass(frozen=True)
class Signal:
    """The target as encoders may see it: training rows only. Class codes 0..classes-1, or values (classes 0).

    ``folds`` gives each training row a fold number, for encodings that must be made out of fold.
    """

    values: Array
    classes: int
    folds: Array


@dataclass(frozen=True)
class Feature:
    """One or more numbers made from one column by a chain of transforms.

    ``names`` are the names of the numbers, one per column of the output; ``categories`` is set when the one number is
    a code 0..categories-1 (NaN for missing or unknown) that a model may treat as a category. With ``shape`` the
    numbers belong together as an image (channels, height, width), frames (time, bands) or tokens (length,), laid out
    in C order under the one name of ``names``; ``categories`` is then the size of the vocabulary, for tokens.
    """

    column: str
    names: tuple[str, ...]
    chain: tuple[Transform, ...]
    categories: int = 0
    shape: tuple[int, ...] = ()
    form: Form = "vector"
    """What the shape means; of use only with ``shape``."""

    @property
    def width(self) -> int:
        """How many columns of the matrix it takes."""
        return math.prod(self.shape) if self.shape else len(self.names)


@dataclass(frozen=True)
class Fitted:
    """Features fitted on training rows. ``training`` replaces a feature's values on the training rows themselves
    (out-of-fold encodings), by the index of the feature; shape (rows, width).
    """

    features: tuple[Feature, ...]
    training: dict[int, Array] = field(default_factory=dict)
    why: str = ""


class FieldType(Protocol):
    """The contract; ``thirtyfold.testing.check_field_type`` runs a member through it."""

    forms: ClassVar[tuple[Form, ...]]
    dtype: ClassVar[Literal["number", "text", "moment"]]
    """How the typed column is kept: Float64, String, or Datetime(us) in UTC. A type of texts that are kept as they are
    written, without blanks around them, may say so with ``as_written = True``: columns of it are then read at once.
    A type whose values stand for a file (see ``core.content``) names what is in it with ``content = "image"``, and has
    ``request(value)``, which raises ValueError for what a request must not hold: the name of a file.
    """

    @classmethod
    def recognize(cls, sample: Sample) -> float:
        """How sure, 0 to 1, that a column is of this kind; the surest type wins."""
        ...

    def read(self, value: object) -> object:
        """One raw value as typed: float, str, or datetime; None for missing.

        Raises ValueError with a sentence ("'abc' is not a number") when it cannot be of this kind.
        """
        ...

    def profile(self, name: str, column: pl.Series, like: ColumnProfile | None = None) -> ColumnProfile:
        """Summarize a typed column; with ``like``, only count it over the bins of an earlier profile."""
        ...

    def fit(self, name: str, column: Array, form: Form, signal: Signal | None) -> Fitted:
        """Learn from training values (see ``to_array``) how to turn the column into numbers for ``form``."""
        ...

    def schema(self, column: pl.Series) -> dict[str, Any]:
        """The JSON schema of one value at serving, with an example (``examples``) and a ``description``."""
        ...
