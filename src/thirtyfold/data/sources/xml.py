"""xml: the repeated element of an XML document, one row each; read as a stream, without entities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.margins import Fault3
from thirtyfold.data.nested import Lists, flat, rows_of
from thirtyfold.data.pile import Piled, in_batches, piled
from thirtyfold.data.reading import Read, existing, quarantined, trace, whole
from thirtyfold.data.tags import Document

__all__ = ["Xml"]

_LARGEST = 64 * 1024 * 1024


class Xml:
    """Each ``record`` element (found by itself: the one that repeats and holds the most) as a row.

    Children are columns ``outer.inner``, attributes ``@name`` and the text beside attributes or children ``#text``.
    Children that repeat become their count and what they add up to, or text (``lists: text``); ``explode`` names one
    of which each becomes a row. Namespaces are left out of the names. Entities and deep nesting are refused.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".xml",)

    def __init__(
        self,
        path: str,
        record: str | None = None,
        explode: str | None = None,
        lists: Lists = "summary",
        depth: Annotated[int, Field(ge=1, le=500)] = 100,
    ) -> None:
        self.path, self.record, self.explode, self.lists, self.depth = path, record, explode, lists, depth

    def read(self, context: Context) -> Read:
        """All records; of a document that is cut off, those before the cut."""
        path = existing(self.path)
        context.progress(f"reading {path.name}")
        rows, record, bad = self._rows(path)
        frame = whole(rows.frame, self.path)
        more = {"format": "xml", "record": record, "quarantined": len(bad)}
        return Read(frame, quarantined(bad), trace(path, frame, **more), rows.numbered)

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows, with the columns of all."""
        return whole(self._rows(existing(self.path))[0].frame, self.path).head(rows)

    def _rows(self, path: Path) -> tuple[Piled, str, list[Fault3]]:
        record = self._record(path)
        bad: list[Fault3] = []
        holds = False

        def rows() -> Iterator[dict[str, Any]]:
            nonlocal holds
            bad.clear()
            for value in self._values(path, record, bad):
                for one in rows_of(value, self.explode, self.path, one=True):
                    row = flat(one, self.lists)
                    holds = holds or any(v is not None for v in row.values())
                    yield row

        found = piled(lambda: in_batches(rows()), self.path)
        if not holds:
            raise DataError(Fault(self.path, f"the element '{record}' holds nothing."))
        return found, record, bad

    def _record(self, path: Path) -> str:
        """The path of the record element, from the root."""
        count, weight = Document(path, self.path, self.depth, _LARGEST).tags()
        if self.record is not None:
            fits = [p for p in count if p == self.record or p.endswith(f"/{self.record}")]
            if not fits:
                known = sorted({p.rsplit("/", 1)[-1] for p in count})
                hint = nearest(self.record, known)
                raise DataError(Fault(self.path, f"there is no element '{self.record}'.", ", ".join(known[:40]), hint))
            return max(fits, key=lambda p: (count[p], -len(p)))
        once = [p for p in count if count[p] > 1 and count[p.rpartition("/")[0]] == 1]
        return max(once, key=lambda p: (weight[p], count[p], p)) if once else next(iter(count), "")

    def _values(self, path: Path, record: str, bad: list[Fault3]) -> Iterator[dict[str, Any]]:
        for value in Document(path, self.path, self.depth, _LARGEST).values(record, bad):
            yield value if isinstance(value, dict) else {"#text": value}
