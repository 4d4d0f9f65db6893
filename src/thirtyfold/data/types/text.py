"""text: free text, as words that tell something and its length; or as tokens for networks that read it whole."""

import re
from collections import Counter
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from thirtyfold.core.fieldtype import Array, Feature, Fitted, Form, Sample, Signal
from thirtyfold.core.profile import ColumnProfile
from thirtyfold.core.tokens import length_of, tokenizer_of
from thirtyfold.core.transform import Length, Log, Scale, Tokens, Words
from thirtyfold.data.tokenizing import Pieces, learned

__all__ = ["Text"]

_WORD = re.compile(r"[0-9A-Za-z_]+")


class Text:
    """Free text: its ``words`` most telling words, weighted by how rare they are, and its length. Networks that read
    text see its tokens, in order, by a tokenizer that is learned from the training rows.
    """

    forms: ClassVar[tuple[Form, ...]] = ("tokens", "levels", "vector")
    dtype: ClassVar[Literal["number", "text", "moment"]] = "text"
    as_written: ClassVar[bool] = True

    def __init__(
        self,
        words: Annotated[int, Field(ge=1, le=1000)] = 100,
        pieces: Pieces = "bpe",
        vocabulary: Annotated[int, Field(ge=260, le=200_000)] | None = None,
        length: Annotated[int, Field(ge=1, le=8192)] | None = None,
    ) -> None:
        """Set the options.

        Args:
            words: Words that a model of plain numbers sees.
            pieces: What tokens are: ``bpe`` (bytes and what they often form; keeps case) or ``wordpiece`` (of words in
                lower case).
            vocabulary: Different tokens at most; by default by how much text there is, 8,000 at most.
            length: Tokens of a row; what is longer is cut. By default what holds 98 of 100 training texts, 512 at most.
        """
        self.words, self.pieces, self.vocabulary, self.length = words, pieces, vocabulary, length

    @classmethod
    def recognize(cls, sample: Sample) -> float:
        """Strings that seldom repeat and have several words, or are long."""
        if sample.values.dtype != pl.String or not len(sample.values):
            return 0.0
        known = sum(sample.counts) if sample.distinct <= len(sample.counts) else sample.rows
        share = sample.distinct / max(1, known)
        if share <= 0.1 or sample.distinct <= 20:
            return 0.2
        words = float(str(sample.values.str.count_matches(r"\S+").mean()))
        length = float(str(sample.values.str.len_chars().mean()))
        if words >= 3 or length > 30:
            return 0.8
        return 0.5 if share > 0.6 and words >= 1.5 else 0.45 if share > 0.9 else 0.35

    def read(self, value: object) -> object:
        """The text itself."""
        return None if value is None else str(value).strip() or None

    def profile(self, name: str, column: pl.Series, like: ColumnProfile | None = None) -> ColumnProfile:
        """Rows over intervals of length, and the most frequent words."""
        known = column.drop_nulls()
        long = known.str.len_chars().to_numpy()
        inner: Any = np.unique(np.quantile(long, np.linspace(0, 1, 11)[1:-1], method="higher")) if len(long) else ()
        edges = like.edges if like else tuple(float(e) for e in inner)
        counts = np.bincount(np.searchsorted(np.array(edges), long, side="right"), minlength=len(edges) + 1)
        names = [f"{e:g}" for e in edges]
        labels = [f"{a} to {b} characters" for a, b in zip(["0", *names], [*names, "any"], strict=True)]
        bins = {label: int(c) for label, c in zip(labels, counts, strict=True)}
        numbers: dict[str, Any] = {"distinct": known.n_unique()}
        if len(long) and not like:
            numbers["typical"] = _typical(known)
        if len(long):
            top = _documents(known.head(5000).to_list()).most_common()
            ranked = sorted(top, key=lambda p: (-p[1], p[0]))[:20]
            numbers |= {"mean_length": float(long.mean()), "max_length": int(long.max()), "words": dict(ranked)}
        if len(long) and not like:
            numbers |= {
                "mean_words": float(str(known.str.count_matches(r"\S+").mean())),
                "repeated": int(known.is_duplicated().sum()),
                "not_ascii": float((known.str.len_bytes() != known.str.len_chars()).to_numpy().mean()),
            }
        return ColumnProfile(name, "text", len(column), column.null_count(), bins, edges, numbers)

    def fit(self, name: str, column: Array, form: Form, signal: Signal | None) -> Fitted:
        """Words that occur in at least 0.5 % and at most 60 % of rows, those that differ most in the target first; as
        tokens, a tokenizer and how many tokens a row has.
        """
        texts = [v or "" for v in column]
        if form == "tokens":
            return self._tokens(name, texts)
        seen = _documents(texts)
        rows = len(texts)
        able = sorted(
            (w for w, c in seen.items() if max(3, rows * 0.005) <= c <= rows * 0.6), key=lambda w: (-seen[w], w)
        )[:2000]
        features: list[Feature] = []
        if able:
            chosen = _telling(texts, able, signal)[: self.words]
            idf = [float(np.log((1 + rows) / (1 + seen[w])) + 1) for w in chosen]
            weights = idf if form == "vector" else [1.0] * len(chosen)
            names = tuple(f"{name}:{w}" for w in chosen)
            features.append(Feature(name, names, (Words(words=tuple(chosen), weights=tuple(weights)),)))
        long = Length().apply(column)
        if long.min() < long.max():
            x = Log().apply(long)
            tail = (Log(), Scale(center=float(x.mean()), scale=float(x.std()))) if form == "vector" else ()
            features.append(Feature(name, (f"{name}:length",), (Length(), *tail)))
        return Fitted(tuple(features), why=f"{len(able)} words were frequent enough to be weighed")

    def _tokens(self, name: str, texts: list[str]) -> Fitted:
        """One feature: the tokens of each text, by a tokenizer learned from these."""
        much = sum(map(len, texts))
        vocabulary = self.vocabulary or int(min(8000, max(300, much // 100)))
        state = learned(texts, self.pieces, vocabulary)
        length = self.length or length_of(texts, state)
        size = tokenizer_of(state).get_vocab_size()
        feature = Feature(name, (name,), (Tokens(tokenizer=state, length=length),), size, (length,), "tokens")
        return Fitted((feature,), why=f"'{name}': {size:,} different tokens, {length} in a row")

    def schema(self, column: pl.Series) -> dict[str, Any]:
        """Any text."""
        known = column.drop_nulls()
        example = known[0] if len(known) else "some words"
        return {"type": ["string", "null"], "description": "free text", "examples": [str(example)[:200]]}


def _typical(known: pl.Series) -> str:
    """The most frequent text; of several, one that is as long as most, then the first by letter."""
    seen = known.alias("text").value_counts().filter(pl.col("count") == pl.col("count").max())
    far = (pl.col("text").str.len_chars().cast(pl.Float64) - float(str(known.str.len_chars().median()))).abs()
    return str(seen.sort(far, "text")["text"][0])[:200]


def _split(text: str) -> set[str]:
    return {w.lower() for w in _WORD.findall(text)}


def _documents(texts: list[str]) -> Counter[str]:
    """In how many texts each word occurs."""
    seen: Counter[str] = Counter()
    for text in texts:
        seen.update(_split(text))
    return seen


def _telling(texts: list[str], able: list[str], signal: Signal | None) -> list[str]:
    """Words in order of how far the target's mean differs where they occur (a z score; the largest over classes)."""
    if signal is None:
        return able
    place = {w: i for i, w in enumerate(able)}
    row, word = [], []
    for at, text in enumerate(texts):
        found = sorted(place[w] for w in _split(text) if w in place)
        row += [at] * len(found)
        word += found
    rows, words = np.array(row, dtype=np.int64), np.array(word, dtype=np.int64)
    times = np.bincount(words, minlength=len(able))
    best = np.zeros(len(able))
    values = signal.values.astype(np.float64)
    for answer in [values] if not signal.classes else [values == c for c in range(signal.classes)]:
        x = answer.astype(np.float64)
        mean, std = x.mean(), x.std() or 1.0
        here = np.bincount(words, x[rows], minlength=len(able)) / np.maximum(times, 1)
        best = np.maximum(best, np.abs(here - mean) / std * np.sqrt(times))
    return [able[i] for i in np.lexsort((np.arange(len(able)), -best))]
