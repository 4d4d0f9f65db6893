"""What ``new`` writes: the Spec with what each key means above it."""

import yaml

from thirtyfold.cli.commented import commented
from thirtyfold.core.family import Family
from thirtyfold.core.spec import Spec
from thirtyfold.plan import filled


def test_every_choice_has_its_words_above_it_and_the_spec_stays_the_same():
    plain = filled(Spec.of({"target": "y", "collect": "t.csv"})).to_yaml()
    text = commented(plain)
    assert yaml.safe_load(text) == yaml.safe_load(plain)
    lines = text.splitlines()
    for key, family in (("model", "learn.models"), ("  how", "data.splitters"), ("metric", "aim.metrics")):
        at = next(i for i, line in enumerate(lines) if line.startswith(f"{key}:"))
        begins = next(i for i in range(at - 1, -1, -1) if not lines[i].lstrip().startswith("#"))
        above = " ".join(lines[begins + 1 : at])
        assert all(word in above for word in Family(family).words()), key
    assert "  # How much of the metric on validation rows may be lost." in lines
    assert max(map(len, lines)) <= 120
