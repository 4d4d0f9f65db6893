"""Languages: in which language texts are written, by the letters and syllables that are frequent in each."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from typing import Any

from thirtyfold.core.late import pl
from thirtyfold.data.reading import library

__all__ = ["SURE", "able", "language_of", "languages_of"]

SURE = 5.0
"""Log odds over the next language from which one is taken: 148 to 1."""
_LETTERS = 20
"""A text of fewer letters is of no language that can be told ("OK", "Paris")."""
_MOST = 300


def able() -> bool:
    """Whether the library that tells languages is installed: py3langid, 97 languages (Lui and Baldwin 2012)."""
    return find_spec("py3langid") is not None


def language_of(text: str) -> str:
    """The language as ISO 639-1 (``en``), or nothing where it is too short or could be several."""
    if sum(c.isalpha() for c in text) < _LETTERS:
        return ""
    known: Any = library("py3langid", "languages")
    (first, odds), (_, next_) = known.rank(text[:2000])[:2]
    return str(first) if odds - next_ >= SURE else ""


def languages_of(values: pl.Series) -> dict[str, int]:
    """How many of some texts are of each language, the most frequent first; ``""`` counts those that cannot be told."""
    some = values.drop_nulls()
    some = some.gather_every(max(1, len(some) // _MOST)).head(_MOST)
    count = Counter(language_of(t) for t in some.to_list())
    return dict(sorted(count.items(), key=lambda i: (-i[1], i[0])))
