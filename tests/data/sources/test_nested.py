"""JSON and XML: records found, what is nested flattened, lists summed up or exploded, hostile documents refused."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thirtyfold.core.errors import DataError
from thirtyfold.core.quiet import Quiet
from thirtyfold.data.naming import source_of
from thirtyfold.data.nested import flat


def _json(tmp_path, document, **options):
    path = tmp_path / "t.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return source_of({"json": {"path": str(path), **options}}).read(Quiet())


def _xml(tmp_path, document, **options):
    path = tmp_path / "t.xml"
    path.write_bytes(document.encode() if isinstance(document, str) else document)
    return source_of({"xml": {"path": str(path), **options}}).read(Quiet())


ORDERS = {
    "meta": {"tags": ["x"], "pages": 1},
    "data": {
        "orders": [
            {
                "id": 1,
                "who": {"name": "Ann", "at": {"city": "Rome"}},
                "lines": [{"p": 1, "w": "a"}, {"p": 2, "w": "b"}],
            },
            {"id": 2, "who": {"name": "Bob"}, "lines": [], "tags": ["q", "q", "r"], "yes": True},
        ]
    },
}


@pytest.mark.step(4)
def test_records_are_found_and_flattened(tmp_path):
    read = _json(tmp_path, ORDERS)
    assert read.lineage["record"] == "data.orders"
    assert read.frame.to_dicts()[0] == {
        "id": 1, "who.name": "Ann", "who.at.city": "Rome", "lines.count": 2, "lines.p.sum": 3, "lines.p.mean": 1.5,
        "lines.p.min": 1, "lines.p.max": 2, "lines.w.most_frequent": "a", "lines.w.distinct": 2, "tags.count": None,
        "tags.most_frequent": None, "tags.distinct": None, "yes": None,
    }  # fmt: skip
    assert read.frame["tags.most_frequent"].to_list() == [None, "q"] and read.frame["lines.count"].to_list() == [2, 0]


def test_lists_exploded_or_as_text_and_records_said(tmp_path):
    rows = _json(tmp_path, ORDERS, explode="lines").frame
    assert rows.select("id", "lines.p", "lines.w").rows() == [(1, 1, "a"), (1, 2, "b"), (2, None, None)]
    text = _json(tmp_path, ORDERS, lists="text").frame
    assert json.loads(text["lines"][0]) == [{"p": 1, "w": "a"}, {"p": 2, "w": "b"}]
    one = _json(tmp_path, ORDERS, record="meta").frame
    assert one.row(0, named=True)["pages"] == 1
    with pytest.raises(DataError, match=r"no 'order' on the way.*meta, data"):
        _json(tmp_path, ORDERS, record="order")
    with pytest.raises(DataError, match="'who' does not lead to a list"):
        _json(tmp_path, ORDERS, explode="who")


def test_other_shapes(tmp_path):
    keyed = _json(tmp_path, {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 4}}).frame
    assert keyed.rows() == [("a", 1, 2), ("b", 3, 4)] and keyed.columns == ["key", "x", "y"]
    lines = _json(tmp_path, '{"a": 1}\n{"a": 2}\n{"a":\n')
    assert lines.frame["a"].to_list() == [1, 2] and lines.quarantine["row"].to_list() == [3]
    mixed = _json(tmp_path, '[{"a": 1}, 7, {"a": 1e400}, {"a": 99999999999999999999}]')
    assert mixed.quarantine["row"].to_list() == [2] and mixed.frame["a"].to_list() == [1.0, float("inf"), 1e20]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested deeper|cut off"),
        ('{"a":' * 100_000, "nested deeper|cut off"),
        ('{"a": [1, 2', "cut off"),
        ("{}", "no JSON object"),
        ("[]", "no JSON object"),
        ("17", "no JSON object"),
        (json.dumps([{f"k{i}": 1} for i in range(10_001)]), "keys are data"),
        (b"\xff\xfe\x00".decode("latin-1"), "no JSON object"),
    ],
)
def test_bad_json_is_one_message(text, said, tmp_path):
    with pytest.raises(DataError, match=said) as error:
        _json(tmp_path, text)
    assert len(str(error.value)) < 500


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc.", max_size=3), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=_VALUES, lists=st.sampled_from(["summary", "text"]))
def test_any_json_is_rows_or_one_message(document, lists, tmp_path):
    if isinstance(document, dict):
        assert not any(isinstance(v, dict | list) for v in flat(document, lists).values())
    try:
        read = _json(tmp_path, document, lists=lists)
    except DataError as error:
        assert str(tmp_path) in str(error)
    else:
        assert read.frame.height and not [t for t in read.frame.dtypes if t.is_nested()]


BOOKS = """<?xml version="1.0"?>
<lib xmlns="urn:a" xmlns:b="urn:b"><made><by>x</by></made><books>
  <book id="1" b:kind="paper"><title lang="en">One</title><author>A</author><author>B</author><price>3.5</price></book>
  <book id="2"><title>Two</title><author>C</author><copy n="1">7</copy><copy n="2">8</copy></book>
</books></lib>"""


@pytest.mark.step(4)
def test_the_record_element_is_found_with_attributes_and_namespaces(tmp_path):
    read = _xml(tmp_path, BOOKS)
    assert read.lineage["record"] == "lib/books/book"
    first, second = read.frame.to_dicts()
    assert (first["@id"], first["@kind"], first["title.@lang"], first["title.#text"]) == ("1", "paper", "en", "One")
    assert (first["author.count"], first["author.most_frequent"], first["price"]) == (2, "A", "3.5")
    assert (second["title"], second["copy.#text.sum"], second["author"]) == ("Two", 15, "C")
    rows = _xml(tmp_path, BOOKS, explode="author").frame
    assert rows["author"].to_list() == ["A", "B", "C"] and rows["@id"].to_list() == ["1", "1", "2"]
    assert _xml(tmp_path, BOOKS, record="author").frame["#text"].to_list() == ["A", "B", "C"]
    with pytest.raises(DataError, match=r"no element 'bok'.*Did you mean 'book'"):
        _xml(tmp_path, BOOKS, record="bok")


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "lol"}">' for i in range(10))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (f"<!DOCTYPE a [{LAUGHS}]><a><b>&l9;</b><b>&l9;</b></a>", "defines entities"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a><b>&x;</b></a>', "defines entities"),
        ("<a>" * 5000 + "</a>" * 5000, "deeper than 100"),
        ("not xml at all", "is not XML"),
        ("<a/>", "holds nothing"),
        ("<a><b/><b/></a>", "holds nothing"),
    ],
)
def test_hostile_xml_is_one_message(document, said, tmp_path):
    with pytest.raises(DataError, match=said):
        _xml(tmp_path, document)


def test_a_cut_document_keeps_what_came_before(tmp_path):
    whole = "<r>" + "".join(f"<i><n>{i}</n></i>" for i in range(50)) + "</r>"
    read = _xml(tmp_path, whole[:-200])
    assert 0 < read.frame.height < 50 and "the document ends here" in read.quarantine["reason"][0]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.text('<>/ab="& \n!-[]?x', max_size=80) | st.binary(max_size=80))
def test_no_xml_is_more_than_a_message(data, tmp_path):
    try:
        _xml(tmp_path, data or " ")
    except DataError as error:
        assert str(tmp_path) in str(error)


def test_chinook_as_json_has_the_rows_of_its_database(mirror):
    path = str(mirror / "chinook/ChinookData.json")
    assert source_of({"json": {"path": path, "record": "InvoiceLine"}}).read(Quiet()).frame.height == 2240
    assert source_of(path).read(Quiet()).lineage["record"] == "PlaylistTrack"


def test_annotations_of_pictures_as_xml_parts(mirror):
    folder = mirror / "bccd_blood_cells/BCCD/Annotations"
    made = {"parts": {"path": f"{folder}/*.xml", "format": {"xml": {"record": "object"}}, "origin": "file"}}
    frame = source_of(made).read(Quiet()).frame
    assert {"name", "bndbox.xmin", "file"} <= set(frame.columns) and set(frame["name"]) == {"RBC", "WBC", "Platelets"}
