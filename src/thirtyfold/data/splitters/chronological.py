"""chronological: the past to learn from, the future to test on."""

import numpy as np

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.table import Table, to_array
from thirtyfold.data.parts import TEST, TRAIN, VALIDATION, Array, together

__all__ = ["Chronological"]


class Chronological:
    """Cuts the rows by time (``roles: {time: date}``): training is before validation, validation before test.

    Rows of one moment stay on one side; a row without a time is learned from.
    """

    def __init__(self, column: str | None = None) -> None:
        self.column = column

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
        return together(parts, copies)


def _cuts(known: Array, shares: tuple[float, float, float]) -> tuple[float, float]:
    """The first moment of validation and of test, so that each part has at least one moment."""
    moments = np.unique(known)
    first = np.searchsorted(moments, known[min(len(known) - 1, round(shares[0] * len(known)))])
    second = np.searchsorted(moments, known[min(len(known) - 1, round((shares[0] + shares[1]) * len(known)))])
    second = min(max(second, 2), len(moments) - 1)
    first = min(max(first, 1), second - 1)
    return float(moments[first]), float(moments[second])
