"""Retrain when there is enough that is new to learn from."""

from typing import Annotated

from pydantic import Field

from thirtyfold.watch.live import News

__all__ = ["NewRows"]


class NewRows:
    """Fires when the true answers of at least ``rows`` predictions have come in since the champion was promoted."""

    def __init__(self, rows: Annotated[int, Field(ge=1)] = 1000) -> None:
        self.rows = rows

    def fires(self, news: News) -> tuple[bool, str]:
        return news.labels >= self.rows, f"{news.labels:,} new rows with their true answer, {self.rows:,} are asked for"
