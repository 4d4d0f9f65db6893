"""xml: the repeated element of an XML document, one row each; read as a stream, without entities."""

from __future__ import annotations

import re
from collections import Counter
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
from thirtyfold.data.opening import opened
from thirtyfold.data.pile import Piled, in_batches, piled
from thirtyfold.data.reading import Read, existing, library, quarantined, trace, whole

__all__ = ["Xml"]

_WHOLE = re.compile(r"-?\d{1,15}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,15}\.\d{1,30}", re.ASCII)

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
        count: Counter[str] = Counter()
        weight: Counter[str] = Counter()
        for event, ways, element in self._events(path, []):
            if event == "start":
                count[ways[-1]] += 1
                if len(count) > 100_000:
                    raise DataError(Fault(self.path, "has more than 100,000 different elements; names are data here."))
                for way in ways[1:]:
                    weight[way] += 1
                if len(ways) > 1:
                    weight[ways[-1]] += len(element.attrib)
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
        number = 0
        for event, ways, element in self._events(path, bad, record):
            if event == "end" and ways[-1] == record:
                number += 1
                value = _value(element)
                yield value if isinstance(value, dict) else {"#text": value}
                element.clear()

    def _events(self, path: Path, bad: list[Fault3], keep: str | None = None) -> Iterator[tuple[str, list[str], Any]]:
        """Start and end of each element with the paths of all that it is in, its own last; what is not under ``keep``
        is let go.
        """
        parser, errors = library("defusedxml.ElementTree", "files"), library("defusedxml.common", "files")
        ways: list[str] = []
        seen, parents, under = 0, [], f"{keep}/"
        with opened(path) as file:
            measured = _Measured(file, self.path)
            try:
                for event, element in parser.iterparse(measured, ("start", "end"), forbid_dtd=False):
                    if event == "start":
                        name = _local(element.tag)
                        ways.append(f"{ways[-1]}/{name}" if ways else name)
                        parents.append(element)
                        if len(ways) > self.depth:
                            what = f"is nested deeper than {self.depth} elements ({ways[min(5, self.depth)]}/...)."
                            raise DataError(Fault(self.path, what, hint="Raise 'depth' if the document is meant so."))
                    yield event, ways, element
                    within = keep is not None and ways[-1].startswith(under)
                    if not within:
                        measured.let_go()
                    if event == "end":
                        seen += 1
                        parents.pop()
                        if parents and not within:
                            parents[-1].remove(element)
                        ways.pop()
            except errors.DefusedXmlException as error:
                what = f"defines entities or reads from outside ({type(error).__name__}); such a document is refused."
                raise DataError(Fault(self.path, what)) from None
            except parser.ParseError as error:
                if not seen:
                    raise DataError(Fault(self.path, f"is not XML, or it is cut off ({error}).")) from None
                bad.append((error.position[0], f"the document ends here: {error}", ""))


class _Measured:
    """A stream that refuses to give more than ``_LARGEST`` bytes to what is one record, or one text."""

    def __init__(self, file: Any, where: str) -> None:
        self._file, self._where, self._held = file, where, 0

    def read(self, size: int) -> bytes:
        data = bytes(self._file.read(size))
        self._held += len(data)
        if self._held > _LARGEST:
            what = f"one element holds more than {_LARGEST:,} bytes; a record of a table is smaller."
            raise DataError(Fault(self._where, what, hint="Name the element that is a row in 'record'."))
        return data

    def let_go(self) -> None:
        """What was read so far is not held any more."""
        self._held = 0


def _local(tag: Any) -> str:
    """A name without its namespace."""
    return str(tag).rpartition("}")[2]


def _value(element: Any) -> Any:
    """An element as an object of its attributes, children and text, or as its text alone."""
    out: dict[str, Any] = {f"@{_local(k)}": v for k, v in element.attrib.items()}
    repeated = Counter(_local(child.tag) for child in element)
    for child in element:
        name = _local(child.tag)
        if repeated[name] > 1:
            out.setdefault(name, []).append(_number(_value(child)))
        else:
            out[name] = _value(child)
    text = (element.text or "").strip()
    if not out:
        return text or None
    return {**out, "#text": text} if text else out


def _number(value: Any) -> Any:
    """A number written in the document, so that what repeats can be added up."""
    if not isinstance(value, str):
        return {k: _number(v) for k, v in value.items()} if isinstance(value, dict) else value
    if _WHOLE.fullmatch(value):
        return int(value)
    return float(value) if _DECIMAL.fullmatch(value) else value
