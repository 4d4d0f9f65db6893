"""Table: rows and what each column is. The one shape in which data moves between steps.

Polars underneath. Every row carries the number it had in the collected table in the hidden column ``__row__``, so that
ledger, splits and quarantine can name it whatever was filtered or reordered since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.core.late import np, pl
from thirtyfold.core.mending import Mending
from thirtyfold.core.row import ROW

__all__ = ["ROW", "Column", "Role", "Table", "to_array"]

Role = Literal["input", "target", "group", "time", "weight", "id", "part", "ignore"]


@dataclass(frozen=True)
class Column:
    """What is known of one column: its field type (a word of data/types, ``raw`` before cleaning) and its role.

    ``markers`` are the spellings that mean "missing" here; ``spellings`` maps a value as written to the value as kept.
    Both are learned in cleaning and applied the same at serving. ``why`` says where type and role come from.
    """

    name: str
    type: str = "raw"
    role: Role = "input"
    options: dict[str, Any] = field(default_factory=dict)
    markers: tuple[str, ...] = ()
    spellings: dict[str, str] = field(default_factory=dict)
    why: str = ""
    mending: Mending | None = None
    """What is put right before a value is read, learned in cleaning and the same at serving."""


@dataclass(frozen=True)
class Table:
    """A Polars frame with a Column for each of its columns, in order; never changed in place."""

    frame: pl.DataFrame
    columns: dict[str, Column]

    @classmethod
    def of(cls, frame: pl.DataFrame, columns: Mapping[str, Column] | None = None) -> Table:
        """Wrap a frame; rows are numbered if they are not yet, and columns not described are ``raw`` inputs."""
        if ROW not in frame.columns:
            frame = frame.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW))
        known = columns or {}
        names = [n for n in frame.columns if n != ROW]
        return cls(frame, {n: known.get(n, Column(n)) for n in names})

    def __len__(self) -> int:
        return self.frame.height

    def __getitem__(self, name: str) -> pl.Series:
        if name not in self.columns:
            raise DataError(
                Fault(name, "there is no such column.", ", ".join(self.columns), nearest(name, self.columns))
            )
        return self.frame[name]

    @property
    def rows(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The number that each row had in the collected table."""
        return self.frame[ROW].to_numpy()

    def named(self, role: Role) -> list[str]:
        """The names of the columns that have this role."""
        return [c.name for c in self.columns.values() if c.role == role]

    @property
    def inputs(self) -> list[str]:
        """The columns a model may look at."""
        return self.named("input")

    @property
    def target(self) -> str | None:
        return next(iter(self.named("target")), None)

    def take(self, which: Iterable[int] | np.ndarray[Any, Any]) -> Table:
        """The rows at these positions, in this order."""
        return replace(self, frame=self.frame[np.asarray(which, dtype=np.int64)])

    def where(self, mask: np.ndarray[Any, Any] | pl.Series) -> Table:
        """The rows for which the mask is true."""
        return replace(self, frame=self.frame.filter(pl.Series(np.asarray(mask, dtype=bool))))

    def with_column(self, values: pl.Series, column: Column) -> Table:
        """A copy with one column set (added at the end, or replaced in its place)."""
        frame = self.frame.with_columns(values.alias(column.name))
        return Table(frame, {**self.columns, column.name: column})

    def describe(self, *columns: Column) -> Table:
        """A copy in which these columns are described anew; the values stay."""
        return replace(self, columns={**self.columns, **{c.name: c for c in columns}})

    def without(self, *names: str) -> Table:
        return Table(self.frame.drop(names), {n: c for n, c in self.columns.items() if n not in names})


def to_array(column: pl.Series) -> np.ndarray[Any, Any]:
    """A typed column as encoders see it: float64 with NaN for missing, or objects (str or None).

    Numbers stay; booleans become 1.0 and 0.0; moments become seconds since 1970 (UTC).
    """
    if column.dtype in (pl.String, pl.Null):
        return column.cast(pl.String).to_numpy().astype(object)
    if column.dtype.is_temporal():
        seconds = column.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6
        return seconds.to_numpy().astype(np.float64)
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)
