"""Retrain when a given time has passed."""

from typing import Annotated

from pydantic import Field

from thirtyfold.watch.live import News

__all__ = ["Schedule"]


class Schedule:
    """Fires when the champion has been in service for ``days``."""

    def __init__(self, days: Annotated[float, Field(gt=0)] = 7.0) -> None:
        self.days = days

    def fires(self, news: News) -> tuple[bool, str]:
        gone = max(0.0, news.now - news.since) / 86_400 if news.since else 0.0
        return gone >= self.days, f"in service for {gone:.1f} days, {self.days:g} are asked for"
