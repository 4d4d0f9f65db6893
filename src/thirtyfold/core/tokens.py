"""Tokens: texts to the numbers of their pieces, by a tokenizer that is kept as text.

Tokenizers are those of Hugging Face's ``tokenizers`` library, in its own JSON: pieces by byte-pair encoding (Sennrich
et al. 2016) or WordPiece (Schuster and Nakajima 2012). Number 0 is padding, number 1 a piece that is not known.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from thirtyfold.core.errors import Fault, MissingExtra
from thirtyfold.core.late import Array, np

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["LONGEST", "UNKNOWN", "codes", "library", "tokenizer_of"]

LONGEST = 1_000_000
"""Characters of a text that are looked at; no row is longer than the tokens of these."""
UNKNOWN = 1
"""The number of a piece that is not known."""


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


def codes(texts: Array, state: str, length: int) -> Array:
    """Texts (``str`` or ``None``) to float32 codes of shape (rows, length): cut at the end, padded with 0."""
    tokenizer = tokenizer_of(state)
    out = np.zeros((len(texts), length), dtype=np.float32)
    for start in range(0, len(texts), 10_000):
        some = [(t or "")[:LONGEST] for t in texts[start : start + 10_000]]
        for row, found in enumerate(tokenizer.encode_batch_fast(some, add_special_tokens=False), start=start):
            ids = found.ids[:length]
            out[row, : len(ids)] = ids
    return out
