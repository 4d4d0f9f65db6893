"""stack: several sources of the same columns, one under the other."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import Choice
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.arrivals import gathered
from thirtyfold.data.naming import source_of
from thirtyfold.data.reading import QUARANTINE, Read, columns_of, outside_of

__all__ = ["Stack"]


class Stack:
    """Sources put under each other: files in parts, or one file a year. All must have the same columns.

    ``origin`` names a column that is added and holds the address that each row came from.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, sources: list[Choice], origin: str | None = None) -> None:
        if not sources:
            raise DataError(Fault("collect.stack.sources", "names no source."))
        where = "collect.stack.sources"
        self.sources, self.origin = [source_of(s, f"{where}.{i}") for i, s in enumerate(sources)], origin

    def read(self, context: Context) -> Read:
        """All rows of all sources in order; the lineage lists each."""
        reads = [s.read(context) for s in self.sources]
        frames = [self._marked(r.frame, str(r.lineage["address"])) for r in reads]
        frame = _stacked(frames, [str(r.lineage["address"]) for r in reads])
        bad = pl.concat([r.quarantine.select(list(QUARANTINE)) for r in reads])
        lineage: dict[str, Any] = {
            "address": " + ".join(str(r.lineage["address"]) for r in reads),
            "sha256": hashlib.sha256("".join(str(r.lineage["sha256"]) for r in reads).encode()).hexdigest(),
            "bytes": sum(int(r.lineage["bytes"]) for r in reads),
            "rows": frame.height,
            "columns": frame.width,
            "format": "stack",
            "parts": [r.lineage for r in reads],
        }
        return Read(frame, bad, lineage, arrived=gathered(r.arrived for r in reads))

    def outside(self) -> list[str]:
        """What the parts say."""
        return [word for s in self.sources for word in outside_of(s)]

    def columns(self) -> list[str]:
        """The names of the columns: those of the first source, that all have."""
        first, *others = [columns_of(s) for s in self.sources]
        _same(first, others, [str(i + 1) for i in range(len(self.sources))])
        return first if self.origin is None else [*dict.fromkeys([*first, self.origin])]

    def peek(self, rows: int) -> pl.DataFrame:
        """Some of the first rows of each source."""
        share = max(1, rows // len(self.sources))
        frames = [self._marked(s.peek(share), "") for s in self.sources]
        return _stacked(frames, [str(i + 1) for i in range(len(frames))])

    def _marked(self, frame: pl.DataFrame, address: str) -> pl.DataFrame:
        return frame if self.origin is None else frame.with_columns(pl.lit(address).alias(self.origin))


def _same(first: list[str], others: list[list[str]], names: list[str]) -> None:
    """All have the columns of the first, in any order."""
    faults = []
    for columns, name in zip(others, names[1:], strict=True):
        if set(columns) != set(first):
            odd = sorted(set(columns) ^ set(first))
            faults.append(Fault(name, f"has other columns than {names[0]}: {', '.join(odd[:10])}."))
    if faults:
        raise DataError(faults)


def _stacked(frames: list[pl.DataFrame], names: list[str]) -> pl.DataFrame:
    first = frames[0]
    _same(first.columns, [f.columns for f in frames[1:]], names)
    mixed = [n for n in first.columns if len({f[n].dtype for f in frames}) > 1]
    as_text = [f.select(first.columns).with_columns(pl.col(mixed).cast(pl.String)) for f in frames] if mixed else frames
    return pl.concat([f.select(first.columns) for f in as_text])
