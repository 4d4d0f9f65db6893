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
from thirtyfold.data.nested import Lists, flat, frame_of, rows_of
from thirtyfold.data.opening import opened
from thirtyfold.data.reading import Read, existing, library, quarantined, trace, whole

__all__ = ["Xml"]

_WHOLE = re.compile(r"-?\d{1,15}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,15}\.\d{1,30}", re.ASCII)


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
        frame, record, bad = self._rows(path, None)
        more = {"format": "xml", "record": record, "quarantined": len(bad)}
        return Read(frame, quarantined(bad), trace(path, frame, **more))

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows, with the columns of all."""
        return self._rows(existing(self.path), None)[0].head(rows)

    def _rows(self, path: Path, most: int | None) -> tuple[pl.DataFrame, str, list[tuple[int, str, str]]]:
        record = self._record(path)
        rows: list[dict[str, Any]] = []
        bad: list[tuple[int, str, str]] = []
        for value in self._values(path, record, bad):
            rows += (flat(r, self.lists) for r in rows_of(value, self.explode, self.path, one=True))
        if not any(v is not None for r in rows for v in r.values()):
            raise DataError(Fault(self.path, f"the element '{record}' holds nothing."))
        return whole(frame_of(rows, self.path), self.path), record, bad

    def _record(self, path: Path) -> str:
        """The path of the record element, from the root."""
        count: Counter[str] = Counter()
        weight: Counter[str] = Counter()
        for event, names, element in self._events(path, []):
            if event == "start":
                count["/".join(names)] += 1
                if len(count) > 100_000:
                    raise DataError(Fault(self.path, "has more than 100,000 different elements; names are data here."))
                for at in range(1, len(names)):
                    weight["/".join(names[: at + 1])] += 1
                    weight["/".join(names[: at + 1])] += len(element.attrib) * (at == len(names) - 1)
        if self.record is not None:
            fits = [p for p in count if p == self.record or p.endswith(f"/{self.record}")]
            if not fits:
                known = sorted({p.rsplit("/", 1)[-1] for p in count})
                hint = nearest(self.record, known)
                raise DataError(Fault(self.path, f"there is no element '{self.record}'.", ", ".join(known[:40]), hint))
            return max(fits, key=lambda p: (count[p], -len(p)))
        once = [p for p in count if count[p] > 1 and count[p.rpartition("/")[0]] == 1]
        return max(once, key=lambda p: (weight[p], count[p], p)) if once else next(iter(count), "")

    def _values(self, path: Path, record: str, bad: list[tuple[int, str, str]]) -> Iterator[dict[str, Any]]:
        number = 0
        for event, names, element in self._events(path, bad, record):
            if event == "end" and "/".join(names) == record:
                number += 1
                value = _value(element)
                yield value if isinstance(value, dict) else {"#text": value}
                element.clear()

    def _events(
        self, path: Path, bad: list[tuple[int, str, str]], keep: str | None = None
    ) -> Iterator[tuple[str, list[str], Any]]:
        """Start and end of each element with the names from the root; what is not under ``keep`` is let go."""
        parser, errors = library("defusedxml.ElementTree", "files"), library("defusedxml.common", "files")
        names: list[str] = []
        seen, parents = 0, []
        with opened(path) as file:
            try:
                for event, element in parser.iterparse(file, ("start", "end"), forbid_dtd=False):
                    if event == "start":
                        names.append(_local(element.tag))
                        parents.append(element)
                        if len(names) > self.depth:
                            what = f"is nested deeper than {self.depth} elements ({'/'.join(names[:6])}/...)."
                            raise DataError(Fault(self.path, what, hint="Raise 'depth' if the document is meant so."))
                    yield event, names, element
                    if event == "end":
                        seen += 1
                        parents.pop()
                        way = "/".join(names)
                        if parents and (keep is None or not f"{way}/".startswith(f"{keep}/") or way == keep):
                            parents[-1].remove(element)
                        names.pop()
            except errors.DefusedXmlException as error:
                what = f"defines entities or reads from outside ({type(error).__name__}); such a document is refused."
                raise DataError(Fault(self.path, what)) from None
            except parser.ParseError as error:
                if not seen:
                    raise DataError(Fault(self.path, f"is not XML, or it is cut off ({error}).")) from None
                bad.append((error.position[0], f"the document ends here: {error}", ""))


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
