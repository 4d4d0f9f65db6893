"""One spelling for telephone numbers, one unit for lengths, and never one number of two currencies."""

from types import SimpleNamespace
from typing import Any

import phonenumbers
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thirtyfold.core.door import Door
from thirtyfold.core.errors import SpecError
from thirtyfold.core.mending import amount_of
from thirtyfold.core.phone import COUNTRIES, phone_of
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.core.table import Table
from thirtyfold.data.clean import Clean, Cleaned
from thirtyfold.data.money import currency_of
from thirtyfold.data.types.number import Number
from thirtyfold.ship.server.schema import row_schema


def cleaned(columns: dict[str, list[Any]], **more: Any) -> Cleaned:
    rows = len(next(iter(columns.values())))
    frame = pl.DataFrame({**columns, "y": ["a", "b"] * (rows // 2)})
    return Clean(Spec.of({"target": "y", "collect": "x.csv", **more})).run(Table.of(frame), Quiet())


@pytest.mark.step(7)
@pytest.mark.parametrize("country", sorted(COUNTRIES))
def test_numbers_are_spelled_as_the_library_of_numbering_plans_does(country: str) -> None:
    """The example of each country in Google's metadata, in the notations that people write."""
    form = phonenumbers.PhoneNumberFormat
    assert COUNTRIES[country][0] == str(phonenumbers.country_code_for_region(country))
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
        number = phonenumbers.example_number_for_type(country, kind)
        if number is None or (country == "MX" and kind == phonenumbers.PhoneNumberType.MOBILE):
            continue
        right = phonenumbers.format_number(number, form.E164)
        abroad, national = (phonenumbers.format_number(number, f) for f in (form.INTERNATIONAL, form.NATIONAL))
        for text in (right, abroad, "00" + abroad[1:], abroad.replace(" ", "-"), f"Tel: {abroad}"):
            assert phone_of(text) == right, text
        assert phone_of(national, country) == right
        assert phone_of(national) == national  # without a country it stays


@pytest.mark.parametrize("text", ["", "12345", "1999-12-31T10", "+0821234567", "12 apples", "+" + "1" * 16, "3.14159"])
def test_what_is_no_telephone_number_stays(text: str) -> None:
    assert phone_of(text, "ZA") == text


@pytest.mark.step(7)
def test_phones_are_brought_to_one_spelling_where_it_is_certain_and_in_service_too() -> None:
    written = [f"+27 82 {i:03d} 4567" if i % 2 else f"0027 (82) {i:03d}-4567" for i in range(100)]
    done = cleaned({"phone": written})
    assert done.table["phone"].to_list() == [f"+2782{i:03d}4567" for i in range(100)]
    assert set(done.ledger["rule"]) == {"phone: one spelling"} and done.ledger.height == 100
    mending = done.table.columns["phone"].mending
    assert mending is not None and mending.alone("+27-82-999-0000") == "+27829990000"
    local = [f"082 {i:03d} 4567" for i in range(100)]
    assert cleaned({"phone": local}).table["phone"].to_list() == local  # no country is said
    said = cleaned({"phone": local}, clean={"phones": {"phone": "ZA"}})
    assert said.table["phone"].to_list() == [f"+2782{i:03d}4567" for i in range(100)]
    assert cleaned({"phone": written}, clean={"phones": "off"}).table["phone"].to_list() == written
    with pytest.raises(SpecError, match="no country that is known"):
        cleaned({"phone": written}, clean={"phones": {"phone": "XX"}})


@pytest.mark.step(7)
def test_addresses_are_left_alone() -> None:
    streets = [f"{i} Main St., Apt {i % 9}" if i % 2 else f"{i} main street, apt. {i % 9}" for i in range(100)]
    done = cleaned({"address": streets})
    assert done.table["address"].to_list() == streets and not done.ledger.filter(pl.col("accepted")).height


@pytest.mark.parametrize(
    ("text", "feet"),
    [
        ("5'11\"", 71 / 12),
        ("5 ft 11 in", 71 / 12),
        ("5\u201911\u201d", 71 / 12),
        ("6 feet 0 inches", 6.0),
        ("5' 7.5''", 67.5 / 12),
    ],
)
def test_feet_and_inches(text: str, feet: float) -> None:
    amount = amount_of(text)
    assert amount is not None and amount[0] == pytest.approx(feet, abs=1e-12) and amount[1] in ("'", "ft", "feet")
    assert amount_of("5'13\"") is None  # thirteen inches are none


@pytest.mark.step(7)
def test_heights_in_every_dress_are_one_number() -> None:
    heights = [f"{150 + i % 50} cm" for i in range(90)] + ["5'11\""] * 5 + ["6 ft 1 in"] * 5
    done = cleaned({"height": heights})
    assert done.table.columns["height"].type == "number"
    assert done.table["height"][90] == pytest.approx(71 * 2.54) and done.table["height"][99] == pytest.approx(73 * 2.54)
    column = done.table.columns["height"]
    assert column.mending is not None and column.mending.unit == "cm"
    package: Any = SimpleNamespace(asked=(column,), profile=None)
    asked = row_schema(package)["properties"]["height"]
    assert asked["type"] == ["number", "null", "string"] and "in cm" in asked["description"]
    assert Door((column,)).rows([{"height": "6 ft"}])["height"][0] == pytest.approx(182.88)


@pytest.mark.step(7)
def test_amounts_of_two_currencies_are_never_one_number() -> None:
    mostly = [f"${i}.50" for i in range(1, 96)] + [f"€{i}" for i in range(5)]
    done = cleaned({"price": mostly})
    assert done.table["price"].to_list()[:95] == [i + 0.5 for i in range(1, 96)]
    assert done.table["price"].null_count() == 5
    told = " ".join(e.why for e in done.evidence)
    assert "'price' holds amounts in USD 95, EUR 5" in told
    kind = Number(currency="USD")
    assert "in USD" in kind.schema(done.table["price"])["description"]
    with pytest.raises(ValueError, match="is in EUR, and this column is in USD"):
        kind.read("7 €")
    mixed = [f"${i}" if i % 2 else f"{i} EUR" for i in range(100)]
    done = cleaned({"price": mixed})
    assert done.table.columns["price"].type != "number"
    assert "that is not one number" in " ".join(e.why for e in done.evidence)
    read = cleaned({"price": mixed}, fields={"price": {"number": {"currency": "any"}}})
    assert read.table["price"].to_list() == [float(i) for i in range(100)]


@given(st.text(max_size=40) | st.from_regex(r"[+0-9 ().$\u20ac'a-zA-Z-]{0,24}"))
def test_any_text_is_read_or_left(text: str) -> None:
    done = phone_of(text, "ZA")
    assert done == text or (done[0] == "+" and done[1:].isdigit() and len(done) <= 16)
    assert phone_of(done, "ZA") == done  # once is enough
    amount = amount_of(text)
    assert amount is None or (isinstance(amount[0], float) and amount[1])
    assert isinstance(currency_of(text), str)
