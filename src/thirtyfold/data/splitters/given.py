"""given: the parts that a column of the data says."""

import numpy as np
import polars as pl

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.table import Table
from thirtyfold.data.lots import lots
from thirtyfold.data.parts import TEST, TRAIN, VALIDATION, Array, deal, strata_of, together

__all__ = ["Given"]

_WORDS = {
    **dict.fromkeys(("train", "training", "learn", "fit"), TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development", "eval"), VALIDATION),
    **dict.fromkeys(("test", "testing", "holdout", "held out", "hold out"), TEST),
}


class Given:
    """Takes the parts from a column (``roles: {part: split}``): train, validation (val, dev), test (holdout).

    Where there is no validation part, one is dealt out of training; no test part, one as well. Copies that lie on two
    sides go to the later side.
    """

    def __init__(self, column: str | None = None) -> None:
        self.column = column

    def parts(self, table: Table, copies: Array, shares: tuple[float, float, float], seed: int) -> Array:
        """As the column says."""
        name = self.column or next(iter(table.named("part")), None)
        if name is None:
            raise DataError(
                Fault("split.how", "'given' needs a column that names the part.", hint="roles: {part: ...}")
            )
        words = table[name].cast(pl.String).str.strip_chars().str.to_lowercase().str.replace_all("[_-]", " ")
        unknown = sorted({str(w) for w in words.unique().to_list() if w not in _WORDS})
        if unknown:
            allowed = ", ".join(_WORDS)
            raise DataError([Fault(name, f"'{w}' is not a part.", allowed) for w in unknown[:5]])
        parts = together(np.array([_WORDS[w] for w in words.to_list()], dtype=np.int8), copies)
        if not (parts == TRAIN).any():
            raise DataError(Fault(name, "no row is for training."))
        lacking = [p for p in (VALIDATION, TEST) if not (parts == p).any()]
        if lacking:
            train = np.flatnonzero(parts == TRAIN)
            asked = [shares[p] if p in lacking else 0.0 for p in (TRAIN, VALIDATION, TEST)]
            left = (1 - asked[1] - asked[2], asked[1], asked[2])
            dealt = deal(copies[train], strata_of(table)[train], left, lots(table, seed)[train])
            # Few rows may be dealt one to every part; a part that was given stays as it was given.
            parts[train] = np.where(np.isin(dealt, lacking), dealt, TRAIN)
        return parts
