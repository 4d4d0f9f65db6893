"""chronological: the past to learn from, the future to test on."""

import re

import numpy as np

from thirtyfold.core.errors import DataError, Fault, SpecError
from thirtyfold.core.table import Table, to_array
from thirtyfold.data.parts import ASIDE, TEST, TRAIN, VALIDATION, Array, together

__all__ = ["Chronological"]

_GAP = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")
_UNITS: dict[tuple[str, ...], float] = {
    ("s", "sec", "second", "seconds"): 1.0,
    ("min", "minute", "minutes"): 60.0,
    ("h", "hour", "hours"): 3600.0,
    ("d", "day", "days"): 86_400.0,
    ("w", "week", "weeks"): 604_800.0,
}


class Chronological:
    """Cuts the rows by time (``roles: {time: date}``): training is before validation, validation before test.

    Rows of one moment stay on one side; a row without a time is learned from. Rows closer than ``gap`` before
    validation or test are in no part: what is known of the last days before may hold the answer of the first days
    after. It is an amount with its unit ("7 days", "12 h"), or a number where the time is one.
    """

    def __init__(self, column: str | None = None, gap: float | str | None = None) -> None:
        self.column, self.gap = column, gap

    def parts(self, table: Table, copies: Array, shares: tuple[float, float, float], seed: int) -> Array:
        """By time; ``seed`` is not used."""
        del seed
        name = self.column or next(iter(table.named("time")), None)
        if name is None:
            raise DataError(
                Fault("split.how", "'chronological' needs a column with the time.", hint="roles: {time: ...}")
            )
        if table.columns[name].type not in ("moment", "number"):
            kind = table.columns[name].type
            raise DataError(Fault(name, f"is {kind}, not a time.", "moment, number", f"fields: {{{name}: moment}}"))
        time = to_array(table[name])
        known = np.sort(time[~np.isnan(time)])
        if len(np.unique(known)) < 3:
            raise DataError(Fault(name, f"has {len(np.unique(known))} different times; three are needed."))
        cuts = _cuts(known, shares)
        parts = np.full(len(time), TRAIN, dtype=np.int8)
        parts[time >= cuts[0]] = VALIDATION
        parts[time >= cuts[1]] = TEST
        parts = together(parts, copies)
        if self.gap is not None:
            far = _seconds(self.gap, table.columns[name].type)
            near = ((time < cuts[0]) & (time >= cuts[0] - far)) | ((time < cuts[1]) & (time >= cuts[1] - far))
            parts[near & (parts != TEST)] = ASIDE  # a copy of a test row is with the test rows already
        return parts


def _seconds(gap: float | str, kind: str) -> float:
    """How long the gap is, in what the time is counted in: seconds for moments, its own unit for numbers."""
    where = "split.how.chronological.gap"
    if kind == "number" or isinstance(gap, int | float):
        try:
            return float(gap)
        except ValueError:
            raise SpecError(Fault(where, f"'{gap}' is no number, and the time is one.")) from None
    found = _GAP.fullmatch(gap.strip())
    unit = next((s for words, s in _UNITS.items() if found and found[2].lower() in words), None)
    if found is None or unit is None:
        raise SpecError(Fault(where, f"'{gap}' is no span of time.", "such as 30 min, 12 h, 7 days, 2 weeks"))
    return float(found[1]) * unit


def _cuts(known: Array, shares: tuple[float, float, float]) -> tuple[float, float]:
    """The first moment of validation and of test, so that each part has at least one moment."""
    moments = np.unique(known)
    first = np.searchsorted(moments, known[min(len(known) - 1, round(shares[0] * len(known)))])
    second = np.searchsorted(moments, known[min(len(known) - 1, round((shares[0] + shares[1]) * len(known)))])
    second = min(max(second, 2), len(moments) - 1)
    first = min(max(first, 1), second - 1)
    return float(moments[first]), float(moments[second])
