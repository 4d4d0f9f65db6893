"""join: two sources side by side, row to row by their keys, with a report of what did not match."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar, Literal

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import Choice, nearest
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.aggregates import ALL, Kind, aggregates, same_types
from thirtyfold.data.naming import source_of
from thirtyfold.data.reading import QUARANTINE, Read, outside_of, whole

__all__ = ["Join"]


class Join:
    """The rows of ``left``, each with the columns of the row of ``right`` that has the same key.

    ``on`` names the key columns of both, or ``left_on`` and ``right_on``. ``how: left`` keeps rows without a match,
    ``inner`` leaves them out, ``outer`` adds the right's own. Where several rows of the right have one key, ``many``
    says what becomes of them: refused, ``summed`` up (``name.COLUMN.mean`` ..., by ``aggregates``), or a row each.
    Columns of the right that the left has too are called ``name.COLUMN``.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        left: Choice,
        right: Choice,
        on: list[str] | None = None,
        left_on: list[str] | None = None,
        right_on: list[str] | None = None,
        how: Literal["left", "inner", "outer"] = "left",
        many: Literal["refuse", "summed", "rows"] = "refuse",
        aggregates: list[Kind] | None = None,
        name: str = "right",
    ) -> None:
        left_on, right_on = left_on or on, right_on or on
        if not left_on or not right_on or len(left_on) != len(right_on):
            what = "needs key columns: 'on', or as many 'left_on' as 'right_on'."
            raise DataError(Fault("collect.join", what))
        self.left, self.right = source_of(left, "collect.join.left"), source_of(right, "collect.join.right")
        self.left_on, self.right_on, self.how, self.many = left_on, right_on, how, many
        self.aggregates, self.name = tuple(aggregates or ALL), name

    def read(self, context: Context) -> Read:
        """All rows; the lineage says how many of each side found no match."""
        left, right = self.left.read(context), self.right.read(context)
        frame, notes, numbers = self._joined(left.frame, right.frame)
        reads = (left, right)
        lineage: dict[str, Any] = {
            "address": " + ".join(str(r.lineage["address"]) for r in reads),
            "sha256": hashlib.sha256("".join(str(r.lineage["sha256"]) for r in reads).encode()).hexdigest(),
            "bytes": sum(int(r.lineage["bytes"]) for r in reads),
            "rows": frame.height,
            "columns": frame.width,
            "format": "join",
            "notes": notes,
            **numbers,
            "parts": [r.lineage for r in reads],
        }
        return Read(frame, pl.concat([r.quarantine.select(QUARANTINE) for r in reads]), lineage)

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows of the left with what belongs to them among the right's first hundred thousand."""
        right = self.right.peek(100_000)
        return self._joined(self.left.peek(rows if self.how == "left" else 100_000), right)[0].head(rows)

    def outside(self) -> list[str]:
        """What the two say."""
        return [*outside_of(self.left), *outside_of(self.right)]

    def _joined(self, left: pl.DataFrame, right: pl.DataFrame) -> tuple[pl.DataFrame, list[str], dict[str, int]]:
        for side, frame, keys in (("left", left, self.left_on), ("right", right, self.right_on)):
            faults = [
                Fault(
                    f"collect.join.{side}_on",
                    f"there is no column '{k}'.",
                    ", ".join(frame.columns),
                    nearest(k, frame.columns),
                )
                for k in keys
                if k not in frame.columns
            ]
            if faults:
                raise DataError(faults)
        left, right = same_types(left, self.left_on, right, self.right_on)
        right, twice = self._one_each(right)
        clash = {c: f"{self.name}.{c}" for c in right.columns if c in left.columns and c not in self.right_on}
        right = right.rename(clash)
        alone = left.join(right, left_on=self.left_on, right_on=self.right_on, how="anti").height
        unused = right.join(left, left_on=self.right_on, right_on=self.left_on, how="anti").height
        made = left.join(
            right,
            left_on=self.left_on,
            right_on=self.right_on,
            how="full" if self.how == "outer" else self.how,
            coalesce=True,
            maintain_order="left_right" if self.how == "outer" else "left",
        )
        count = f"{self.name}.count"
        if self.many == "summed" and count in made.columns:
            made = made.with_columns(pl.col(count).fill_null(0))
        kept = {"left": "kept without it", "inner": "left out", "outer": "kept without it"}[self.how]
        verb = "was" if alone == 1 else "were"
        notes = [f"{left.height - alone:,} of {left.height:,} rows of the left have a match; {alone:,} {verb} {kept}."]
        of_right = "added" if self.how == "outer" else "not used"
        notes.append(f"{unused:,} of {right.height:,} {twice} of the right match nothing and were {of_right}.")
        return whole(made, "collect.join"), notes, {"left_unmatched": alone, "right_unmatched": unused}

    def _one_each(self, right: pl.DataFrame) -> tuple[pl.DataFrame, str]:
        """The right with one row a key, and what to call its rows."""
        if self.many == "rows":
            return right, "rows"
        keyed = right.drop_nulls(self.right_on)
        if self.many == "summed":
            summed = aggregates(keyed, set(self.right_on), self.name, self.aggregates)
            return keyed.group_by(self.right_on, maintain_order=True).agg(summed), "keys"
        again = keyed.group_by(self.right_on, maintain_order=True).len().filter(pl.col("len") > 1)
        if again.height:
            shown = ", ".join(map(str, again.row(0)[:-1]))
            what = f"{again.height:,} keys of the right stand in several rows ({shown}: {again['len'][0]} times)."
            raise DataError(Fault("collect.join", what, hint="Say 'many: summed' or 'many: rows'."))
        return right, "rows"
