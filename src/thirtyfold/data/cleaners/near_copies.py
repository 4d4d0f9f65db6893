"""near_copies: rows that are nearly the same, kept on one side of every split, never dropped."""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl

from thirtyfold.core.door import typed
from thirtyfold.core.table import Column
from thirtyfold.data.draft import Draft, Proposal, Stretch
from thirtyfold.data.lookalike import lookalikes

__all__ = ["NearCopies"]

_LONG = 60
"""Mean length from which a text is compared by its words (MinHash) instead of letter by letter."""
_SHINGLE, _HASHES, _BANDS = 3, 64, 16
"""Words in a shingle, hashes a text, bands of four: at a Jaccard of 0.8 a pair is missed once in 5,000."""
_BLOCK = 50
"""A block of more rows than this says nothing about who is whose copy."""
_ALIKE = 0.8
_MOST = 1_000_000
"""Rows, for the sake of memory."""


class NearCopies:
    """Groups rows whose texts are nearly the same, so that no split tears them apart.

    Long texts by the share of three-word shingles that they have in common (Jaccard 0.8 at least, candidates by
    MinHash: Broder 1997). Records by columns of names and addresses: all other columns must agree (one value may be
    missing), the texts must be alike in at least nine letters of ten, without other figures. Pictures and sounds by how
    they look and sound when made very small (see ``data.lookalike``). Tables without such columns have none: two people
    of one age and trade are no copies.
    """

    stretch: ClassVar[Stretch] = "whole"

    def __init__(self, near: Literal["group", "keep"] = "group") -> None:
        self.near: Literal["group", "keep"] = near

    def propose(self, draft: Draft) -> Proposal:
        """``copies``: for each row the first row of its group, exact copies included."""
        table = draft.table
        texts = [c.name for c in table.columns.values() if c.role == "input" and c.type in ("text", "id")]
        names = [c.name for c in table.columns.values() if c.type == "category" and c.role == "input"]
        texts += [n for n in names if 2 * (draft.looks[n].distinct + (table[n].null_count() > 0)) > len(table)]
        texts = [n for n in texts if table[n].head(1000).str.contains(r"\p{L}").any()]  # other figures: no copy
        files = {c.name: kind for c in table.columns.values() if c.role == "input" and (kind := _content(c))}
        if self.near == "keep" or not (texts or files) or len(table) < 3:
            return Proposal()
        if len(table) > _MOST:
            return Proposal(
                notes=(f"Near copies are looked for in at most {_MOST:,} rows: only exact ones were found.",)
            )
        base = np.arange(len(table)) if draft.copies is None else draft.copies
        long = [n for n in texts if _length(table[n]) >= _LONG]
        short = [n for n in texts if n not in long]
        pairs = [pair for name in long for pair in _by_words(table[name])] if long else []
        if short and not long and not files:
            pairs += _records(draft, short)
        pairs += [pair for name, kind in files.items() for pair in lookalikes(table[name], kind)]
        copies = _joined(base, pairs)
        more = len(np.unique(base)) - len(np.unique(copies))
        if not more:
            return Proposal()
        where = ", ".join(f"'{n}'" for n in [*(long or short), *files])
        are = "rows are" if more > 1 else "row is"
        note = f"{more:,} {are} nearly a copy of another by {where}; each group stays together."
        return Proposal(copies=copies, notes=(note,))


def _content(column: Column) -> str:
    """Whether a column holds pictures or sounds; "" for all others."""
    kind = str(getattr(typed(column), "content", ""))
    return kind if kind in ("image", "audio") else ""


def _length(values: pl.Series) -> float:
    return float(str(values.drop_nulls().head(1000).str.len_chars().mean() or 0))


def _by_words(values: pl.Series) -> Iterator[tuple[int, int]]:
    """Pairs of texts with a Jaccard similarity of shingles of 0.8 at least."""
    plain = values.fill_null("").str.to_lowercase().str.extract_all(r"\w+")
    frame = pl.DataFrame({"row": np.arange(len(values)), "word": plain}).explode("word").drop_nulls()
    shifted = [pl.col("word").shift(-i).over("row").fill_null("") for i in range(_SHINGLE)]
    shingles = (
        frame.select("row", pl.concat_str(shifted, separator=" ").hash(0).alias("hash")).unique().sort("row", "hash")
    )
    rows, hashes = shingles["row"].to_numpy(), shingles["hash"].to_numpy()
    if not len(rows):
        return
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    ids, sizes = rows[starts], np.diff(np.append(starts, len(rows)))
    rng = np.random.default_rng(0)
    odd = rng.integers(1, 2**63, _HASHES, dtype=np.uint64) | np.uint64(1)
    add = rng.integers(0, 2**63, _HASHES, dtype=np.uint64)
    least = np.stack(
        [np.minimum.reduceat((hashes * a + b) >> np.uint64(16), starts) for a, b in zip(odd, add, strict=True)]
    )
    ends = starts + sizes
    seen: set[tuple[int, int]] = set()
    for band in np.split(least, _BANDS):
        key = pl.DataFrame(list(band)).hash_rows(0)
        for block in _blocks(key, ids >= 0):
            for i, one in enumerate(block):
                for two in block[i + 1 :]:
                    if (one, two) in seen or min(sizes[one], sizes[two]) < 3:
                        continue
                    seen.add((one, two))
                    a, b = hashes[starts[one] : ends[one]], hashes[starts[two] : ends[two]]
                    common = len(np.intersect1d(a, b, assume_unique=True))
                    if common >= _ALIKE * (len(a) + len(b) - common):
                        yield int(ids[one]), int(ids[two])


def _blocks(key: pl.Series, able: Any) -> Iterator[list[int]]:
    """Places of equal keys, for keys of two to ``_BLOCK`` places; of larger ones each with the first only."""
    frame = pl.DataFrame([key.alias("key"), pl.Series("at", np.arange(len(key)))]).filter(pl.Series(able))
    grouped = frame.group_by("key", maintain_order=True).agg("at").filter(pl.col("at").list.len() > 1)
    for places in grouped["at"].to_list():
        if len(places) <= _BLOCK:
            yield places
        else:
            yield from ([places[0], other] for other in places[1:])


def _records(draft: Draft, texts: list[str]) -> Iterable[tuple[int, int]]:
    """Pairs of rows that agree in everything but slips in names and addresses, or a value missing on one side."""
    from rapidfuzz.distance import Indel

    table = draft.table
    used = [c.name for c in table.columns.values() if c.role in ("input", "target")]
    fuzzy = [n for n in texts if n in used]
    exact = [n for n in used if n not in fuzzy]
    columns = {n: table[n].to_list() for n in used}
    pairs: list[tuple[int, int]] = []
    seen: set[tuple[int, int]] = set()
    for key in _keys(table.frame, fuzzy, exact):
        for block in _blocks(key, key.is_not_null()) if len(key) else ():
            if len(block) > _BLOCK:
                continue
            for i, one in enumerate(block):
                for two in block[i + 1 :]:
                    if (one, two) in seen:
                        continue
                    seen.add((one, two))
                    gaps = [n for n in used if (columns[n][one] is None) != (columns[n][two] is None)]
                    if len(gaps) > 1 or any(columns[n][one] != columns[n][two] for n in exact if n not in gaps):
                        continue
                    texts_of = [
                        (columns[n][one], columns[n][two]) for n in fuzzy if columns[n][one] and columns[n][two]
                    ]
                    close = [
                        (Indel.normalized_similarity(_plain(a), _plain(b)), _figures(a) == _figures(b))
                        for a, b in texts_of
                    ]
                    enough = sum(len(a) for a, _ in texts_of) >= 8
                    if enough and all(alike >= 0.9 and same for alike, same in close):
                        pairs.append((one, two))
    return pairs


def _keys(frame: pl.DataFrame, fuzzy: list[str], exact: list[str]) -> Iterator[pl.Series]:
    """What two copies have in common: all but the texts and one more, and the first or last letters of a text."""
    for name in fuzzy:
        text = pl.col(name).str.to_lowercase().str.replace_all(r"\W+", "")
        for part in (text.str.head(4), text.str.tail(4)):
            for left in (None, *exact[:6]) if len(exact) > 1 else (None,):
                rest = [pl.col(n).cast(pl.String).fill_null("") for n in exact if n != left]
                yield frame.select(pl.concat_str([part, *rest], separator="\x1f").alias("key"))["key"]


def _plain(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _figures(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


def _joined(base: Any, pairs: Iterable[tuple[int, int]]) -> Any:
    """Groups of the pairs together with those of ``base``; each named by its first row."""
    parent = np.asarray(base, dtype=np.int64).copy()

    def top(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = int(parent[at])
        return at

    for one, two in pairs:
        a, b = top(one), top(two)
        parent[max(a, b)] = min(a, b)
    return np.array([top(i) for i in range(len(parent))], dtype=np.int64)
