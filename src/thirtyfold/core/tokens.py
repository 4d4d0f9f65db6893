"""Tokens: texts to the numbers of their pieces, by a tokenizer that is kept as text.

Tokenizers are those of Hugging Face's ``tokenizers`` library, in its own JSON: pieces by byte-pair encoding (Sennrich
et al. 2016) or WordPiece (Schuster and Nakajima 2012). In those of our own number 0 is padding, number 1 a piece that
is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from thirtyfold.core.errors import Fault, MissingExtra
from thirtyfold.core.late import Array, np

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["LONGEST", "UNKNOWN", "codes", "length_of", "library", "tokenizer_of"]

LONGEST = 1_000_000
"""Characters of a text that are looked at; no row is longer than the tokens of these."""
UNKNOWN = 1
"""The number of a piece that is not known."""
LIMIT = 512
"""Tokens of a row at most, where the user says nothing: attention takes their square in time."""


def library() -> Any:
    """The tokenizers library; raises MissingExtra that says how to get it."""
    try:
        import tokenizers
    except ModuleNotFoundError as error:
        how = "pip install 'thirtyfold[torch]'"
        raise MissingExtra(Fault("tokens", f"needs tokenizers, which is not installed: {how}")) from error
    return tokenizers


@lru_cache(maxsize=16)
def tokenizer_of(state: str) -> Tokenizer:
    """The tokenizer that a JSON text describes."""
    found: Tokenizer = library().Tokenizer.from_str(state)
    return found


def length_of(texts: Sequence[str], state: str, *, special: bool = False) -> int:
    """Tokens that hold 98 of 100 texts whole, in steps of 8, from 8 to 512."""
    some = [x[:LONGEST] for x in texts[:: max(1, len(texts) // 5000)]]
    counts = [len(e.ids) for e in tokenizer_of(state).encode_batch(some, add_special_tokens=special)]
    wanted = int(np.quantile(counts, 0.98, method="higher")) if counts else 1
    return min(LIMIT, max(8, -(-wanted // 8) * 8))


def codes(texts: Array, state: str, length: int, *, special: bool = False, padding: int = 0) -> Array:
    """Texts (``str`` or ``None``) to float32 codes of shape (rows, length): cut at the end and padded.

    With ``special`` the tokenizer puts its own marks around each text; what cuts it before them is in its state.
    """
    tokenizer = tokenizer_of(state)
    out = np.full((len(texts), length), padding, dtype=np.float32)
    for start in range(0, len(texts), 10_000):
        some = [(t or "")[:LONGEST] for t in texts[start : start + 10_000]]
        for row, found in enumerate(tokenizer.encode_batch_fast(some, add_special_tokens=special), start=start):
            ids = found.ids[:length]
            out[row, : len(ids)] = ids
    return out
