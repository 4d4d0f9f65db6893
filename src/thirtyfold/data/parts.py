"""Parts: how rows are dealt out to training, validation and test, shared by the ways of splitting."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl

from thirtyfold.core.table import Table

__all__ = [
    "ASIDE",
    "MANY",
    "NAMES",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "Splitter",
    "bound",
    "deal",
    "strata_of",
    "together",
]

Array = np.ndarray[Any, np.dtype[Any]]

TRAIN, VALIDATION, TEST, ASIDE = 0, 1, 2, 3
NAMES = ("train", "validation", "test")
MANY = 500
"""Groups from which on a stratum is dealt out by the lot alone: the shares are then right to a percent."""
_CUT = 100
"""Rows that the first ranges of an amount are cut by."""
_FIRST = 3
"""The first groups of a stratum are one for each part."""
_BAND = 200
"""One part in so many by which a stratum's shares may be uneven, beside one row."""


class Splitter(Protocol):
    """The contract; ``thirtyfold.testing.check_splitter`` runs a member through it."""

    def parts(self, table: Table, copies: Array, shares: tuple[float, float, float], seed: int) -> Array:
        """For each row TRAIN, VALIDATION or TEST (int8), or ASIDE where it must be in none. Rows with one number in
        ``copies`` get one part.
        """
        ...


def alone(groups: Array) -> bool:
    """Whether every row is a group of its own, numbered by its place: the case of a table without copies."""
    return bool((groups == np.arange(len(groups))).all())


def strata_of(table: Table, bins: int = 10, by: Sequence[str] = ()) -> Array:
    """A code for each row: its answer (of amounts the range, see ``_among_earlier``) and what stands in ``by``."""
    codes = _coded(table[str(table.target)], bins)
    for name in by:
        more = _coded(table[name], bins)
        codes = _dense(codes * (int(more.max(initial=0)) + 1) + more)
    return _dense(codes)


def _dense(codes: Array) -> Array:
    """Whole numbers as places in their order, from 0 without a gap."""
    if len(codes) and codes.max() >= 2 * len(codes):
        return np.unique(codes, return_inverse=True)[1]
    there = np.zeros(int(codes.max(initial=-1)) + 1, dtype=bool)
    there[codes] = True
    return (np.cumsum(there) - 1)[codes]


def _coded(column: pl.Series, bins: int) -> Array:
    if column.dtype == pl.String:
        known = column.fill_null("")
        return known.cast(pl.Enum(known.unique().sort())).to_physical().cast(pl.Int64).to_numpy()
    return _among_earlier(column.cast(pl.Float64).fill_null(0.0).to_numpy(), bins)


def _among_earlier(amounts: Array, bins: int) -> Array:
    """Which of the ``bins`` ranges, cut by the rows before, an amount lies in: the first hundred are in one, the next
    in ranges of these, and each time the rows have doubled all before are asked again. So no row's range ever changes.
    """
    codes, start, base = np.zeros(len(amounts), dtype=np.int64), _CUT, 1
    while start < len(amounts):
        edges = np.unique(np.quantile(amounts[:start], np.linspace(0, 1, bins + 1)[1:-1]))
        codes[start : 2 * start] = base + np.searchsorted(edges, amounts[start : 2 * start], side="right")
        start, base = 2 * start, base + bins
    return codes


def deal(groups: Array, strata: Array, shares: tuple[float, float, float], lot: Array) -> Array:
    """Deal whole groups out in the order in which they come, so that every stratum is shared out alike; what comes
    later never moves what is dealt.

    The ``lot`` of a group's first row says its part (below the test share: test). Of the first ``MANY`` groups of a
    stratum it is overruled where a part would have too many rows or too few by then; of its first three each part has
    one, unless the whole is uneven already. From then on the lot alone decides, and shares are right to a percent; but
    where large groups take more of a part than is its share, the lots' bounds make up for it. Groups larger than half
    of the smaller part go to training: no part may hang on one group, unless there are hardly any others.
    """
    rows = len(groups)
    if alone(groups):
        first = group = np.arange(rows)
        large = np.zeros(rows, dtype=bool)
    else:
        _, first, group, size = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
        large = _large(size, shares)
    drawn = lot[first]
    part = np.where(large, TRAIN, _by_lot(drawn, shares[TEST], shares[VALIDATION])).astype(np.int8)
    order = np.argsort(first, kind="stable")
    early = order[_rank_within(strata[first][order]) < MANY]
    course = _Course(part, group, first, strata, shares)
    _settle(course, early[~large[early]])
    if rows > len(first):
        late = np.ones(len(first), dtype=bool)
        late[early] = False
        for one in np.unique(strata[first[late]]).tolist():
            _balance(course, np.flatnonzero(strata == one), late & ~large, drawn)
    return part[group]


def _large(size: Array, shares: tuple[float, float, float]) -> Array:
    """Which groups are too large to be tested on. Where the others are too few to fill a quarter of what is held back,
    as of ten patients, only groups larger than the second largest are.
    """
    bound = max(1.0, 0.5 * min(shares[1:]) * float(size.sum()))
    if len(size) > 1 and size[size <= bound].sum() < 0.25 * (shares[VALIDATION] + shares[TEST]) * size.sum():
        bound = max(bound, float(np.partition(size, -2)[-2]))
    return np.asarray(size > bound)


def _by_lot(drawn: Array, test: float, validation: float) -> Array:
    return np.where(drawn < test, TEST, np.where(drawn < test + validation, VALIDATION, TRAIN))


def _rank_within(strata: Array) -> Array:
    """How many of its stratum come before each."""
    small = len(strata) and strata.max() < 2**15  # these are sorted by counting, in a tenth of the time
    order = np.argsort(strata.astype(np.int16) if small else strata, kind="stable")
    ordered = strata[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    out = np.empty(len(strata), dtype=np.int64)
    out[order] = np.arange(len(strata)) - np.repeat(begins, np.diff(begins, append=len(strata)))
    return out


class _Course(NamedTuple):
    """Rows as they come: the ``part`` of each group so far, the ``group`` of each row, the ``first`` row of each group,
    the stratum of each row, and the shares of the parts.
    """

    part: Array
    group: Array
    first: Array
    strata: Array
    shares: tuple[float, float, float]


def _settle(course: _Course, early: Array) -> None:
    """The parts of the early groups of each stratum, written into ``course.part``."""
    many = int(course.strata.max(initial=0)) + 1
    held, dealt = np.zeros((many, 3), dtype=np.int64), [0] * many
    seen, shares = 0, np.array(course.shares)
    for one, at in zip(early.tolist(), course.first[early].tolist(), strict=True):
        since = slice(seen, at)
        np.add.at(held, (course.strata[since], course.part[course.group[since]]), 1)
        mine = int(course.strata[at])
        course.part[one] = _fair(held[mine], held.sum(axis=0), shares, (dealt[mine], int(course.part[one])))
        dealt[mine] += 1
        seen = at


def _balance(course: _Course, mine: Array, late: Array, drawn: Array) -> None:
    """The late groups of a stratum, whose rows are ``mine``: each time its rows have doubled, the bounds of the lots
    are set anew by what is held so far. They stay the shares unless groups that are large so far shift them.
    """
    group, shares = course.group[mine], np.array(course.shares)
    begins = course.first[group] == mine
    start = int(np.flatnonzero(begins & late[group])[0])
    while start < len(mine):
        before = np.bincount(group[:start])
        free = 1 - before[before > max(1.0, 0.5 * min(shares[1:]) * start)].sum() / start
        lacks = shares * start - np.bincount(course.part[group[:start]], minlength=3)
        certain = np.abs(lacks) > 6 * np.sqrt(start * shares * (1 - shares)) + 1
        if free < 1 or certain[1:].any():
            test, validation = np.clip((shares + lacks / start) / max(free, 0.25), 0.0, 0.45)[[TEST, VALIDATION]]
            here = group[start : 2 * start][(begins & late[group])[start : 2 * start]]
            course.part[here] = _by_lot(drawn[here], test, validation)
        start *= 2


def _fair(held: Array, whole: Array, shares: Array, own: tuple[int, int]) -> int:
    """The part that was drawn, or the one that has too few rows of the stratum or of all. ``own`` are the groups of the
    stratum that come before, and the part that was drawn.
    """
    before, drawn = own
    rows = int(held.sum())
    band = 1 + rows / _BAND
    lacks, lacks_in_all = shares * (rows + 1) - held, shares * (int(whole.sum()) + 1) - whole
    if not held[TRAIN]:
        return TRAIN
    empty = [p for p in (TEST, VALIDATION) if not held[p] and shares[p] > 0]
    if empty and before < _FIRST:
        part = max(empty, key=lambda p: lacks_in_all[p])
        if lacks_in_all[part] > -max(_FIRST, 0.02 * whole.sum()):
            return part
        return TRAIN
    most = int(lacks.argmax())
    if lacks[most] >= band or lacks[drawn] - 1 <= -band:
        return most
    return drawn


def bound(table: Table, name: str, copies: Array) -> Array:
    """A number for each row that is the same for rows of one group of the column ``name``, and for groups that share a
    copy; a row without a group is a group of its own.
    """
    column = table[name].cast(pl.String)
    known = column.drop_nulls().unique()
    rows, lone = len(table), column.is_null().to_numpy()
    group = column.cast(pl.Enum(known)).to_physical().fill_null(0).cast(pl.Int64).to_numpy()
    group = np.where(lone, len(known) + np.arange(rows), group)
    if alone(copies):
        return group
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    same = np.unique(copies, return_inverse=True)[1]
    nodes = len(known) + rows
    edges = coo_array((np.ones(rows, dtype=np.int8), (group, same + nodes)), shape=(nodes + rows, nodes + rows))
    _, label = connected_components(edges, directed=False)
    return np.asarray(label[group])


def together(parts: Array, copies: Array) -> Array:
    """Copies on one side: the part that is looked at latest wins, so that nothing in test was learned from."""
    last = np.zeros(int(copies.max()) + 1, dtype=np.int8) if len(copies) else np.zeros(0, dtype=np.int8)
    np.maximum.at(last, copies, parts)
    return last[copies]
