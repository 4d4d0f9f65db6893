"""Retrain when the rows that come in are no longer those that were learned from."""

from typing import Annotated

from pydantic import Field

from thirtyfold.watch.live import News

__all__ = ["Drift"]


class Drift:
    """Fires when the drift monitor raised an alarm and there are at least ``labels`` new true answers to learn from."""

    def __init__(self, labels: Annotated[int, Field(ge=0)] = 100) -> None:
        self.labels = labels

    def fires(self, news: News) -> tuple[bool, str]:
        alarms = news.alarms("drift")
        if not alarms:
            return False, "no drift"
        if news.labels < self.labels:
            return False, f"drift, but only {news.labels:,} new true answers to learn from ({self.labels:,} are needed)"
        return True, f"drift: {alarms[0].why}"
