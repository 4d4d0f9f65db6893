"""What is wrong in a Spec is said in plain words, all of it at once."""

import re
from pathlib import Path

import pytest

import thirtyfold
from thirtyfold.checking import RULES, faults_of
from thirtyfold.core.errors import SpecError
from thirtyfold.core.spec import Spec

WRONG = {
    "name": "bad name!",
    "target": "y",
    "collect": "frame",
    "limits": {"latency": 3},
    "seed": "abc",
    "minutes": 0,
    "tune": {"trials": -3, "search": "bayesan"},
    "serve": {"port": 99999},
    "roles": {"ignore": "x"},
    "clean": {"duplicates": "grup"},
    "model": {"boosting": {"rate": "high", "leaves": -1}},
}


def faults(raw: dict) -> dict[str, str]:
    try:
        return {f.where: str(f) for f in faults_of(Spec.of(raw), ["y", "x"])}
    except SpecError as error:
        assert error.sound is not None
        return {f.where: str(f) for f in [*error.faults, *faults_of(error.sound, ["y", "x"])]}


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("name", "at most 64 letters, figures, '_', '.' and '-'"),
        ("limits.latency", "there is no such key. Did you mean 'latency_ms'? Allowed: latency_ms, size_mb, memory_mb."),
        ("seed", "must be a whole number; got 'abc'."),
        ("minutes", "must be above 0.0; got 0."),
        ("tune.trials", "must be at least 0; got -3."),
        ("tune.search", "Did you mean 'bayesian'"),  # beside a number that is wrong, not hidden by it
        ("serve.port", "must be at most 65535; got 99999."),
        ("roles.ignore", "must be a list; got 'x'."),
        ("clean.duplicates", "'grup' is none of the words that can stand here. Did you mean 'group'? Allowed: group"),
        ("model.boosting.rate", "must be a number; got 'high'."),
    ],
)
def test_every_fault_is_told_in_plain_words(where: str, says: str) -> None:
    told = faults(WRONG)
    assert says in told[where]
    assert not [t for t in told.values() if re.search(r"Input should|String should|\\[key\\]", t)]


def test_decisions_on_rules_and_columns_that_are_not_there() -> None:
    clean = {"undo": ["nonsense", "form", {"rule": "mising"}], "accept": [{"column": "qq"}, {"rule": "spelling: slip"}]}
    told = faults({"target": "y", "collect": "frame", "clean": clean})
    assert set(told) == {"clean.undo.0", "clean.undo.2.rule", "clean.accept.0.column"}
    assert "Did you mean 'missing'" in told["clean.undo.2.rule"]


def test_every_rule_of_a_cleaner_is_known() -> None:
    """Rules stand in the cleaners as "word: what it does"; first lines of modules look so too, and are left out."""
    found = set()
    for path in (Path(thirtyfold.__file__).parent / "data" / "cleaners").glob("*.py"):
        text = path.read_text().split('"""', 2)[-1]
        found |= set(re.findall(r'"([a-z]+): [a-z]', text))
    assert len(found) >= 6 and found - {"constant"} <= set(RULES)
