"""Draft: a table half-way through cleaning, and what a cleaner may propose about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import polars as pl

from thirtyfold.core.table import Column, Table
from thirtyfold.data.looks import Looks

__all__ = ["Change", "Cleaner", "Draft", "Proposal", "Stretch"]

Stretch = Literal["raw", "typed", "whole"]
"""When a cleaner is asked: on values as they came, on typed values, or on the whole table in the end."""


@dataclass(frozen=True)
class Change:
    """One value of a column to become another wherever it stands (``after`` None: missing), or only in ``rows`` (their
    numbers in the collected table).
    """

    column: str
    before: str
    after: str | None
    rule: str
    confidence: float = 1.0
    accepted: bool = True
    why: str = ""
    rows: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Draft:
    """What a cleaner sees: ``table`` (raw values in the stretch ``raw``, typed ones later), ``raw`` as it came, and
    per column the values that could not be read, with why; ``copies`` as the cleaners before numbered them.
    """

    table: Table
    raw: pl.DataFrame
    unreadable: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    copies: np.ndarray[Any, np.dtype[np.int64]] | None = None
    known: Looks | None = None
    known_raw: Looks | None = None

    @cached_property
    def looks(self) -> Looks:
        """What is known of the columns of ``table``."""
        return Looks(self.table.frame) if self.known is None else self.known.of(self.table.frame)

    @cached_property
    def raw_looks(self) -> Looks:
        """What is known of the columns of ``raw``."""
        return Looks(self.raw) if self.known_raw is None else self.known_raw.of(self.raw)


@dataclass(frozen=True)
class Proposal:
    """Columns described anew, value changes for the ledger, rows to set aside (rule by position), and ``copies``."""

    columns: tuple[Column, ...] = ()
    changes: tuple[Change, ...] = ()
    aside: Mapping[int, str] = field(default_factory=dict)
    copies: np.ndarray[Any, np.dtype[np.int64]] | None = None
    notes: tuple[str, ...] = ()


class Cleaner(Protocol):
    """The contract; ``thirtyfold.testing.check_cleaner`` runs a member through it.

    Options of ``__init__`` named like keys of the Spec's ``clean`` section are given from there.
    """

    stretch: ClassVar[Stretch]

    def propose(self, draft: Draft) -> Proposal:
        """What should change, with evidence; nothing is changed here."""
        ...
