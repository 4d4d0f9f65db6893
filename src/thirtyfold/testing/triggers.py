"""Checks that every trigger passes, ours and a stranger's: ``check_trigger(Class)``."""

from typing import Any

from thirtyfold.core.verdict import Verdict
from thirtyfold.watch.live import News

__all__ = ["check_trigger"]


def check_trigger(member: Any, **options: Any) -> None:
    """Still when nothing happened, fires when everything did, always says why, and says the same when asked again."""
    trigger, name = member(**options), member.__name__
    quiet = News((Verdict("drift", True, "as before"), Verdict("accuracy", True, "as before")), 0)
    alarms = [Verdict(n, False, "an alarm") for n in ("drift", "accuracy", "latency", "failures.failed")]
    loud = News(alarms, 10**9, 1e12, 1.0, arrived=10**9)
    for news, wanted in ((quiet, False), (loud, True)):
        fired, why = trigger.fires(news)
        assert fired is wanted, (
            f"{name}: {'fires' if fired else 'keeps still'} when {'every' if wanted else 'no'}thing happened"
        )
        assert isinstance(why, str) and why, f"{name}: must say why"
        assert trigger.fires(news) == (fired, why), f"{name}: says something else when asked again"
