"""What is irrelevant goes by rule alone: rows, columns, texts of other languages, sentences of boilerplate."""

from typing import Any

import polars as pl
import pytest

from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.core.table import Table
from thirtyfold.data.clean import Clean, Cleaned
from thirtyfold.data.languages import language_of, languages_of
from thirtyfold.data.portraits import portrait
from thirtyfold.data.types.text import Text

SPOKEN = {
    "en": "The quick brown fox jumps over the lazy dog and runs into the forest every morning",
    "de": "Der schnelle braune Fuchs springt jeden Morgen über den faulen Hund und läuft in den Wald",
    "fr": "Le renard brun rapide saute par-dessus le chien paresseux et court dans la forêt chaque matin",
    "es": "El rápido zorro marrón salta sobre el perro perezoso y corre hacia el bosque cada mañana",
    "af": "Die vinnige bruin jakkals spring elke oggend oor die lui hond en hardloop in die woud in",
}


def cleaned(columns: dict[str, list[Any]], **clean: Any) -> Cleaned:
    rows = len(next(iter(columns.values())))
    frame = pl.DataFrame({**columns, "y": ["a", "b"] * (rows // 2)})
    return Clean(Spec.of({"target": "y", "collect": "x.csv", "clean": clean})).run(Table.of(frame), Quiet())


def notes(done: Cleaned) -> str:
    return " ".join(e.why for e in done.evidence)


@pytest.mark.step(6)
def test_rows_and_columns_go_by_rule_and_the_ledger_says_so() -> None:
    columns = {"age": [f"{i % 80}.5" for i in range(200)], "tmp_1": ["a", "b"] * 100, "city": ["x", "test"] * 100}
    done = cleaned(columns, leave_out={"rows": ["age < 18", "city == 'test'"], "columns": ["tmp_*", "zzz*"]})
    left = [i for i in range(200) if i % 80 >= 18 and i % 2 == 0]
    assert done.table.rows.tolist() == left
    assert done.table.columns["tmp_1"].role == "ignore" and done.table.columns["age"].role == "input"
    rules = done.ledger.filter(pl.col("rule").str.starts_with("left out"))
    assert rules.height == 200 - len(left) and set(rules["rule"]) == {"left out: age < 18", "left out: city == 'test'"}
    assert "'zzz*' leaves out no column" in notes(done)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("y < 5", "'y' is text"),
        ("agee < 18", "no column 'agee'"),
        ("age >= 0", "no row is left"),
        ("import os", "is not a formula"),
    ],
)
def test_rules_that_cannot_be(rule: str, why: str) -> None:
    with pytest.raises((DataError, SpecError), match=why):
        cleaned({"age": [f"{i % 80}.5" for i in range(200)]}, leave_out={"rows": [rule]})


@pytest.mark.step(6)
def test_languages_are_told_and_go_only_by_rule() -> None:
    pytest.importorskip("py3langid")
    assert {k: language_of(t) for k, t in SPOKEN.items()} == {k: k for k in SPOKEN}
    assert language_of("OK") == language_of("Paris") == ""
    texts = [f"{t}, {i}" for i in range(40) for t in SPOKEN.values()]
    assert languages_of(pl.Series(texts)) == dict.fromkeys(sorted(SPOKEN), 40)
    assert len(cleaned({"text": texts}).table) == 200
    done = cleaned({"text": texts, "short": ["Bonjour", "Danke"] * 100}, languages={"text": ["en", "af"]})
    assert len(done.table) == 80 and set(done.ledger["rule"]) == {"language: de", "language: es", "language: fr"}
    assert len(cleaned({"text": ["Bonjour", "Danke schön"] * 100}, languages={"text": ["en"]}).table) == 200
    column = pl.Series("text", texts)
    assert "af 20%, de 20%, en 20%" in portrait(Text().profile("text", column), column)[0].note
    with pytest.raises(DataError, match="no column 'txt'"):
        cleaned({"text": texts}, languages={"txt": ["en"]})


@pytest.mark.step(6)
def test_boilerplate_is_told_and_cut_where_that_is_asked_for() -> None:
    foot = "This e-mail is confidential and may be read by nobody else."
    texts = [f"Order {i} came late and the {w} was broken. {foot}" for i in range(50) for w in ("cup", "lamp", "chair")]
    texts += [f"All is well with parcel {i}, thank you for the help." for i in range(50)]
    told = cleaned({"text": texts})
    assert told.table["text"].to_list() == texts and foot in notes(told)
    done = cleaned({"text": texts}, boilerplate="cut")
    assert done.table["text"].to_list() == [t.replace(f" {foot}", "") for t in texts]
    assert done.ledger.height == 150 and set(done.ledger["rule"]) == {"text: boilerplate"}
    mending = done.table.columns["text"].mending
    assert mending is not None and mending.alone(f"A new text. {foot}") == "A new text."
    assert foot not in notes(cleaned({"text": texts}, boilerplate="off"))
