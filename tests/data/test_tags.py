"""XML told by its parser: the objects that the standard library's tree gives, in bounded memory, with guards."""

import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thirtyfold.core.errors import DataError
from thirtyfold.data.tags import Document, _number

NAMES = st.sampled_from(["a", "b", "c", "{urn:x}a", "{urn:y}b"])
TEXTS = st.sampled_from(["", " ", "7", "1.50", " two words ", "é < & >", "\n"])


@st.composite
def elements(draw: st.DrawFn, depth: int = 4) -> ET.Element:
    made = ET.Element(draw(NAMES), draw(st.dictionaries(NAMES, TEXTS, max_size=2)))
    made.text = draw(TEXTS)
    for child in draw(st.lists(elements(depth - 1), max_size=3)) if depth else []:
        child.tail = draw(TEXTS)
        made.append(child)
    return made


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _value(element: ET.Element) -> Any:
    """The same said of a tree."""
    out: dict[str, Any] = {f"@{_local(k)}": v for k, v in element.attrib.items()}
    often = Counter(_local(child.tag) for child in element)
    for child in element:
        name, value = _local(child.tag), _value(child)
        if often[name] > 1:
            out.setdefault(name, []).append(_number(value))
        else:
            out[name] = value
    text = (element.text or "").strip()
    if not out:
        return text or None
    return {**out, "#text": text} if text else out


def _document(text: bytes, folder: str) -> Document:
    path = Path(folder) / "d.xml"
    path.write_bytes(text)
    return Document(path, "d.xml", 100, 1 << 20)


@settings(max_examples=150, deadline=None)
@given(st.lists(elements(), min_size=1, max_size=4))
def test_the_same_as_a_tree(records: list[ET.Element]) -> None:
    root = ET.Element("root")
    for record in records:
        record.tag = "record"
        root.append(record)
    text = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    tree = ET.fromstring(text)
    with TemporaryDirectory() as folder:
        document = _document(text, folder)
        assert list(document.values("root/record", [])) == [_value(r) for r in tree]
        often, weight = _document(text, folder).tags()
    counted: Counter[str] = Counter()
    holds: Counter[str] = Counter()

    def walk(element: ET.Element, above: tuple[str, ...]) -> None:
        ways = (*above, "/".join([*above[-1:], _local(element.tag)]))
        counted[ways[-1]] += 1
        holds.update(ways[1:])
        if above:
            holds[ways[-1]] += len(element.attrib)
        for child in element:
            walk(child, ways)

    walk(tree, ())
    assert often == counted and {w: n for w, n in weight.items() if n} == {w: n for w, n in holds.items() if n}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', "defines entities"),
        (b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/x"> %p;]><a/>', "defines entities"),
        (b'<!DOCTYPE a [<!ENTITY u SYSTEM "u.gif" NDATA gif>]><a/>', "defines entities"),
        (b"<a>" * 200, "nested deeper than 100"),
        (b"<a>" + b"x" * (1 << 21), "one element holds more than 1,048,576 bytes"),
        (b"", "is not XML"),
        (b"<a", "is not XML"),
        (b"<a>&nbsp;</a>", "undefined entity"),
        (b'<!DOCTYPE a SYSTEM "a.dtd"><a>&nbsp;</a>', "undefined entity &nbsp;"),
    ],
)
def test_what_is_refused(text: bytes, said: str, tmp_path: Path) -> None:
    for read in (lambda d: d.tags(), lambda d: list(d.values("a", []))):
        with pytest.raises(DataError, match=said):
            read(_document(text, str(tmp_path)))


def test_records_before_the_break_are_kept(tmp_path: Path) -> None:
    bad: list[tuple[int, str, str]] = []
    text = b"<r>\n<p>1</p>\n<p>2</p>\n<p>3</q>\n<p>4</p></r>"
    assert list(_document(text, str(tmp_path)).values("r/p", bad)) == ["1", "2"]
    assert bad[0][0] == 4 and "mismatched tag" in bad[0][1]
