"""Names: what of a file's name, an id, a time or a text could tell something that it should not."""

import re
from collections import Counter

import numpy as np
import polars as pl

from thirtyfold.core.fieldtype import Array

__all__ = ["names_the_answer", "parts_of_calendar", "parts_of_name", "parts_of_time", "points_to_files", "words_of"]

_FILE = r"^[^\s<>|\"*?]*[^\s<>|\"*?/\\.][.][A-Za-z][A-Za-z0-9]{1,4}$"
_MEDIA = r"(?i)[.](jpe?g|png|gif|bmp|webp|tiff?|avif|jp2|ppm|pgm|wav|flac|ogg|mp3|aiff|au|opus|mp4|mkv|mov|avi|webm|m4v|mpe?g|txt|md|dcm|nii|npy|csv|json|xml|pdf|html?)$"  # noqa: E501
_WORD = re.compile(r"[^\W_]{2,}")


def points_to_files(values: pl.Series) -> bool:
    """Whether nearly every value is the name or path of a file."""
    if values.dtype != pl.String:
        return False
    some = values.drop_nulls().head(200)
    if not len(some):
        return False
    named = some.str.strip_chars().str.contains(_FILE) & some.str.contains(_MEDIA)
    return float(named.mean() or 0) >= 0.9  # type: ignore[arg-type]


def names_the_answer(values: pl.Series, answer: pl.Series) -> bool:
    """Whether a folder of nearly every path is called as the answer: the rows were labeled by their folders."""
    folders = values.cast(pl.String).str.replace_all("\\", "/", literal=True).str.split("/")
    said = answer.cast(pl.String)
    deepest = min(int(folders.list.len().max() or 0) - 1, 6)  # type: ignore[arg-type]
    return any(_mostly(folders.list.get(level, null_on_oob=True) == said) for level in range(deepest))


def _mostly(same: pl.Series) -> bool:
    return float(same.fill_null(value=False).mean() or 0) > 0.99  # type: ignore[arg-type]


def parts_of_name(values: pl.Series, answer: pl.Series | None) -> dict[str, pl.Series]:
    """Folders, leading letters, last letters, ending, figures and length of a name.

    A folder that is called as the answer is how the row was labeled, and is left out: a class a folder is no leak.
    """
    text = values.cast(pl.String).str.replace_all("\\", "/", literal=True)
    name = text.str.extract(r"([^/]*)$")
    parts: dict[str, pl.Series] = {}
    if answer is not None:
        folders = text.str.extract(r"^(.*)/[^/]*$").str.split("/")
        deepest = int(folders.list.len().max() or 0)  # type: ignore[arg-type]
        for level in range(min(deepest, 6)):
            folder = folders.list.get(level, null_on_oob=True)
            if not _mostly(folder == answer.cast(pl.String)):
                parts[f"folder {level + 1}"] = folder
        parts["the ending"] = name.str.extract(r"([.][^.]*)$").str.to_lowercase()
        name = name.str.replace(r"[.][^.]*$", "")
    parts["the letters at the beginning"] = name.str.extract(r"^([^\d_\-. ]*)").str.to_lowercase()
    parts["the letters at the end"] = name.str.extract(r"[_\-. ]([A-Za-z]+\d{0,2})$").str.to_lowercase()
    parts["the first three characters"] = name.str.slice(0, 3)
    parts["the number in it"] = name.str.extract(r"(\d{1,15})").cast(pl.Float64, strict=False)
    parts["the last number in it"] = name.str.extract(r"(\d{1,15})\D*$").cast(pl.Float64, strict=False)
    parts["the last figure in it"] = name.str.extract(r"(\d)\D*$")
    parts["the length"] = name.str.len_chars().cast(pl.Float64)
    return parts


def parts_of_calendar(values: pl.Series) -> dict[str, pl.Series]:
    """What a clock and a calendar show of a moment: known beforehand, and often a true cause."""
    moments = values.cast(pl.Datetime("us"))
    return {
        "the hour": moments.dt.hour(),
        "the weekday": moments.dt.weekday(),
        "the day of the month": moments.dt.day(),
        "the month": moments.dt.month(),
        "the time of day": _clock(moments),
    }


def parts_of_time(values: pl.Series) -> dict[str, pl.Series]:
    """What only the way shows in which a moment was written down: nobody's cause, and a trace of who wrote it."""
    moments = values.cast(pl.Datetime("us"))
    second, micro = moments.dt.second().cast(pl.Int64), moments.dt.microsecond().cast(pl.Int64)
    return {
        "the minute": moments.dt.minute(),
        "the second": second,
        "whether it is midnight": ((_clock(moments) == 0) & (second == 0)).cast(pl.Int64),
        "whether the second is whole": (micro == 0).cast(pl.Int64),
    }


def _clock(moments: pl.Series) -> pl.Series:
    return moments.dt.hour().cast(pl.Int64) * 60 + moments.dt.minute().cast(pl.Int64)


def words_of(values: pl.Series, most: int) -> dict[str, Array]:
    """In which texts each word is: the ``most`` frequent of those in at least three; shape (rows,) of bool each."""
    texts = [frozenset(w.lower() for w in _WORD.findall(t)) if t else frozenset[str]() for t in values.to_list()]
    seen: Counter[str] = Counter()
    for text in texts:
        seen.update(sorted(text))
    kept = sorted((w for w, n in seen.items() if 3 <= n < len(texts)), key=lambda w: (-seen[w], w))[:most]
    place = {w: i for i, w in enumerate(kept)}
    there = np.zeros((len(kept), len(texts)), dtype=bool)
    for at, text in enumerate(texts):
        there[[place[w] for w in text if w in place], at] = True
    return dict(zip(kept, there, strict=True))
