"""Retrain when the source has grown."""

from typing import Annotated

from pydantic import Field

from thirtyfold.watch.live import News

__all__ = ["Arrivals"]


class Arrivals:
    """Fires when the source that ``collect`` names has at least ``rows`` rows more than when it was last learned from.

    Of files that have grown, and of folders with new files, only what came since is read to find out.
    """

    def __init__(self, rows: Annotated[int, Field(ge=1)] = 1000) -> None:
        self.rows = rows

    def fires(self, news: News) -> tuple[bool, str]:
        return news.arrived >= self.rows, f"{news.arrived:,} rows came to the source, {self.rows:,} are asked for"
