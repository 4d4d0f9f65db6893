"""Every family has a published check, and a stranger finds it in one place."""

import pytest

import thirtyfold.testing
from thirtyfold.core.family import Family

CHECKS = {
    "aim.tasks": "check_task",
    "aim.metrics": "check_metric",
    "data.sources": "check_source",
    "data.cleaners": "check_cleaner",
    "data.labelers": "check_labeler",
    "data.splitters": "check_splitter",
    "data.types": "check_field_type",
    "learn.models": "check_model",
    "learn.layers": "check_layer",
    "learn.losses": "check_loss",
    "learn.optimizers": "check_optimizer",
    "learn.initializers": "check_initializer",
    "learn.schedules": "check_schedule",
    "learn.regularizers": "check_regularizer",
    "learn.searchers": "check_searcher",
    "learn.frameworks": "check_framework",
    "learn.adaptations": "check_adaptation",
    "prove.audits": "check_audit",
    "ship.compressors": "check_compressor",
    "ship.formats": "check_format",
    "ship.targets": "check_target",
    "watch.monitors": "check_monitor",
    "watch.triggers": "check_trigger",
}


@pytest.mark.parametrize("family", CHECKS)
def test_each_family_has_its_check(family):
    assert Family(family).words()
    assert callable(getattr(thirtyfold.testing, CHECKS[family]))


def test_nothing_is_published_beside_them():
    assert set(thirtyfold.testing.__all__) == set(CHECKS.values())


def test_a_check_fails_for_a_member_that_is_wrong():
    from thirtyfold.aim.metrics.accuracy import Accuracy

    class Backwards(Accuracy):
        greater = False

    thirtyfold.testing.check_metric(Accuracy)
    with pytest.raises(AssertionError, match="right answers"):
        thirtyfold.testing.check_metric(Backwards)
