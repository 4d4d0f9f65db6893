"""Tags: an XML document as the standard library's C parser tells of it, piece by piece, with guards.

Entities, whether declared or read from outside, are refused; so is what is nested too deeply, and one record of more
bytes than memory should hold. The parser's events make objects at once: no tree of elements is built.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.data.margins import Fault3
from thirtyfold.data.opening import opened

__all__ = ["Document", "Tags"]

_PIECE = 1 << 16
_DIFFERENT = 100_000
_WHOLE = re.compile(r"-?\d{1,15}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,15}\.\d{1,30}", re.ASCII)


class Tags(NamedTuple):
    """The paths of all elements from the root: how often each comes, and how many elements and attributes are in it."""

    often: dict[str, int]
    weight: dict[str, int]


class _Node:
    """One path; ``inner`` are those below it by the tag as the parser gives it."""

    __slots__ = ("attributes", "count", "inner", "name", "parent", "path")

    def __init__(self, path: str, name: str, parent: _Node | None) -> None:
        self.path, self.name, self.parent = path, name, parent
        self.count = self.attributes = 0
        self.inner: dict[str, _Node] = {}


class _Open:
    """An element of a record that has not ended: what it holds so far, and which of it repeats."""

    __slots__ = ("name", "out", "repeated", "text", "within")

    def __init__(self, name: str, out: dict[str, Any], within: _Open | None) -> None:
        self.name, self.out, self.within = name, out, within
        self.text: list[str] = []
        self.repeated: set[str] = set()

    def add(self, name: str, value: Any) -> None:
        """A child that has ended; of one that repeats a list, its numbers as such so that they can be added up."""
        if name not in self.out:
            self.out[name] = value
        elif name in self.repeated:
            self.out[name].append(_number(value))
        else:
            self.repeated.add(name)
            self.out[name] = [_number(self.out[name]), _number(value)]

    def value(self) -> Any:
        """An object of its attributes, children and text, or its text alone."""
        text = "".join(self.text).strip()
        if not self.out:
            return text or None
        return {**self.out, "#text": text} if text else self.out


class _Undefined(Exception):
    """An entity is used that is declared nowhere."""


class Document:
    """One reading of a document; ``where`` is its name for people, ``largest`` the bytes that one record may have."""

    def __init__(self, path: Path, where: str, depth: int, largest: int) -> None:
        self.path, self.where, self.depth, self.largest = path, where, depth, largest
        self._held = self._ended = 0
        self._nodes: list[_Node] = []

    def tags(self) -> Tags:
        """All elements by their paths."""
        parser, top = self._parser(), _Node("", "", None)
        node, level = top, 0

        def start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal node, level
            node = node.inner.get(tag) or self._new(node, tag)
            node.count += 1
            node.attributes += len(attributes)
            level += 1
            if level > self.depth:
                raise self._deep(node)
            self._held = 0

        def end(_: str) -> None:
            nonlocal node, level
            node, level = node.parent or top, level - 1
            self._ended += 1
            self._held = 0

        parser.StartElementHandler, parser.EndElementHandler = start, end
        for _ in self._fed(parser, []):
            pass
        return self._tags()

    def values(self, record: str, bad: list[Fault3]) -> Iterator[Any]:
        """What each element at the path ``record`` holds; where the document breaks off, that goes to ``bad``."""
        parser, top = self._parser(), _Node("", "", None)
        node, level = top, 0
        here: _Open | None = None
        done: list[Any] = []
        text: Callable[[str], None] | None = None  # takes the text before an element's first child

        def start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal node, level, here, text
            node = node.inner.get(tag) or self._new(node, tag)
            level += 1
            if level > self.depth:
                raise self._deep(node)
            if here is None:
                self._held = 0
                if node.path != record:
                    return
            here = _Open(node.name, {f"@{_local(k)}": v for k, v in attributes.items()} if attributes else {}, here)
            text = here.text.append

        def data(part: str) -> None:
            if text is not None:
                text(part)

        def end(_: str) -> None:
            nonlocal node, level, here, text
            node, level = node.parent or top, level - 1
            self._ended += 1
            if here is None:
                self._held = 0
                return
            text, ended = None, here
            here = ended.within
            if here is not None:
                here.add(ended.name, ended.value())
            else:
                done.append(ended.value())
                self._held = 0

        parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, data
        for _ in self._fed(parser, bad):
            yield from done
            done.clear()

    def _parser(self) -> Any:
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text, parser.buffer_size = True, _PIECE
        parser.EntityDeclHandler = parser.UnparsedEntityDeclHandler = parser.ExternalEntityRefHandler = self._refuse
        parser.SkippedEntityHandler = self._undefined
        return parser

    def _fed(self, parser: Any, bad: list[Fault3]) -> Iterator[None]:
        """Feeds the parser; a pause after each piece."""
        with opened(self.path) as file:
            try:
                while piece := bytes(file.read(_PIECE)):
                    self._held += len(piece)
                    if self._held > self.largest:
                        what = f"one element holds more than {self.largest:,} bytes; a record of a table is smaller."
                        raise DataError(Fault(self.where, what, hint="Name the element that is a row in 'record'."))
                    parser.Parse(piece, False)
                    yield
                parser.Parse(b"", True)
            except (expat.ExpatError, _Undefined) as error:
                if not self._ended:
                    raise DataError(Fault(self.where, f"is not XML, or it is cut off ({error}).")) from None
                bad.append((parser.CurrentLineNumber, f"the document ends here: {error}", ""))
            yield

    def _refuse(self, *_: Any) -> int:
        what = "defines entities or reads from outside; such a document is refused."
        raise DataError(Fault(self.where, what))

    @staticmethod
    def _undefined(name: str, _: Any) -> None:
        raise _Undefined(f"undefined entity &{name};")

    def _new(self, above: _Node, tag: str) -> _Node:
        name = _local(tag)
        path = f"{above.path}/{name}" if above.path else name
        same = next((n for n in above.inner.values() if n.path == path), None)  # the name in another namespace
        node = same or _Node(path, name, above)
        above.inner[tag] = node
        if same is None:
            self._nodes.append(node)
            if len(self._nodes) > _DIFFERENT:
                raise DataError(
                    Fault(self.where, f"has more than {_DIFFERENT:,} different elements; names are data here.")
                )
        return node

    def _deep(self, node: _Node) -> DataError:
        above = "/".join(node.path.split("/")[: min(5, self.depth) + 1])
        what = f"is nested deeper than {self.depth} elements ({above}/...)."
        return DataError(Fault(self.where, what, hint="Raise 'depth' if the document is meant so."))

    def _tags(self) -> Tags:
        within: Counter[str] = Counter()
        for node in reversed(self._nodes):  # who is below comes after who is above
            within[node.path] += node.count
            if node.parent is not None:
                within[node.parent.path] += within[node.path]
        roots = {n.path for n in self._nodes if n.parent is not None and not n.parent.path}
        weight = {n.path: 0 if n.path in roots else within[n.path] + n.attributes for n in self._nodes}
        return Tags({n.path: n.count for n in self._nodes}, weight)


def _local(tag: str) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2]


def _number(value: Any) -> Any:
    """A number written in the document, so that what repeats can be added up."""
    if not isinstance(value, str):
        return {k: _number(v) for k, v in value.items()} if isinstance(value, dict) else value
    if _WHOLE.fullmatch(value):
        return int(value)
    return float(value) if _DECIMAL.fullmatch(value) else value
