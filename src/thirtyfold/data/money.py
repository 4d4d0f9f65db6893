"""Money: in which currency an amount is written. Nothing is ever converted: a rate is not in the data."""

from __future__ import annotations

import re
from collections.abc import Sequence

from thirtyfold.core.late import pl

__all__ = ["CODES", "ONE_CURRENCY", "currencies_of", "currency_of"]

CODES = r"(?i:USD|EUR|GBP|JPY|CHF|ZAR|INR|CAD|AUD|NZD|HKD|SGD|CNY|SEK|NOK|DKK|PLN|BRL|MXN)"
"""Names of currencies (ISO 4217) as they stand beside amounts."""
_LONGEST = 40
_CURRENCIES = {
    "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₽": "RUB", "US$": "USD", "CA$": "CAD", "C$": "CAD", "AU$": "AUD",
    "A$": "AUD", "NZ$": "NZD", "HK$": "HKD", "SG$": "SGD", "S$": "SGD", "R$": "BRL", "RS": "INR", "RS.": "INR",
    "KR": "kr", "KR.": "kr", "ZŁ": "PLN", "KČ": "CZK", "$": "USD",
}  # fmt: skip
_WRITTEN = re.compile(
    rf"(?:US|CA|AU|NZ|HK|SG|[ACRS])\$|(?<![A-Za-z]){CODES}(?![A-Za-z])|(?<![^\W\d_])(?:Rs|kr|zł|Kč)(?![^\W\d_])|[$€£¥₹₽]"
)
ONE_CURRENCY = 0.9
"""From this share of the amounts with a sign on a column is of one currency, and the others are not read."""


def currency_of(text: str) -> str:
    """The currency that an amount is written with (ISO 4217; "$" alone counts as USD), or nothing."""
    found = _WRITTEN.search(text)
    return _CURRENCIES.get(found[0].upper(), found[0].upper()) if found else ""


def currencies_of(values: pl.Series, counts: Sequence[int]) -> dict[str, int]:
    """How many rows of a column are written in each currency, by its different values and how often each comes."""
    count: dict[str, int] = {}
    if values.dtype != pl.String or not _WRITTEN.search("\n".join(values.to_list())):
        return count
    for text, times in zip(values.to_list(), counts, strict=True):
        if len(text) <= _LONGEST and any(c.isdigit() for c in text) and (money := currency_of(text)):
            count[money] = count.get(money, 0) + times
    return count
