"""Naming: which source a path, a pattern, a folder or an address means, found without importing any source."""

import ast
import importlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import Choice, Family

if TYPE_CHECKING:
    from thirtyfold.data.reading import Source

__all__ = ["PACKED", "choice_of", "ending_of", "endings", "source_of"]

SOURCES: "Family[Source]" = Family("data.sources")

PACKED = (".gz", ".bz2", ".xz", ".zst")
"""Endings of one compressed file; what stands before them says what it is."""
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
MEDIA = (
    *(".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"),
    *(".wav", ".flac", ".ogg", ".mp3", ".mp4", ".mkv", ".mov", ".avi", ".webm", ".txt"),
)

_SAID = re.compile(r"^    (suffixes|schemes): ClassVar\[tuple\[str, \.\.\.\]\] = (\([^)]*\))", re.MULTILINE)


def source_of(choice: Choice, where: str = "collect") -> "Source":
    """The source that ``collect`` names: a word with options, an address, or a path told apart by its ending."""
    return SOURCES.build(choice_of(choice, where), where)


def endings(said: str = "suffixes", wanted: str = "") -> dict[str, str]:
    """Every file ending (or, with ``schemes``, every kind of address) and the word of the source that reads it.

    Ours are read from the text of the sources, so that none is imported to answer. Strangers' are looked for, which
    takes a while, unless one of ours has what is ``wanted``.
    """
    found = dict(_ours()[said])
    if wanted not in found:
        own = SOURCES.own()
        for word in (w for w in SOURCES.words() if w not in own):
            made: Any = SOURCES.find(word)
            for ending in getattr(made, said, ()):
                found.setdefault(ending, word)
    return found


@cache
def _ours() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {"suffixes": {}, "schemes": {}}
    for folder in importlib.import_module(SOURCES.package).__path__:
        for path in sorted(Path(folder).glob("[a-z]*.py")):
            for said, endings in _SAID.findall(path.read_text(encoding="utf-8")):
                for ending in ast.literal_eval(endings):
                    found[said].setdefault(ending, path.stem)
    return found


def ending_of(path: str) -> str:
    """The ending that says what a file holds, in lower case: ``.csv`` for ``a.csv`` and for ``a.csv.gz``."""
    name = path.lower()
    for archive in ARCHIVES:
        if name.endswith(archive):
            return archive
    suffixes = Path(name).suffixes
    packed = len(suffixes) > 1 and suffixes[-1] in PACKED
    return suffixes[-2] if packed else suffixes[-1] if suffixes else ""


def choice_of(choice: Choice, where: str = "collect") -> Choice:
    """The same choice with its source said: ``data.csv`` is ``{csv: {path: data.csv}}``."""
    if isinstance(choice, dict) or ".py:" in choice:
        return choice
    if choice == "-":
        return "stdin"
    scheme = choice.split("://", 1)[0].lower() if "://" in choice else ""
    if scheme:
        known = endings("schemes", scheme)
        if scheme in known:
            return {known[scheme]: {"address": choice}}
        raise DataError(Fault(f"{where}: {choice}", f"no source reads '{scheme}://'.", ", ".join(sorted(known))))
    if choice in SOURCES.own() and not Path(choice).exists():
        return choice
    path = Path(choice)
    if path.is_dir():
        return _folder(path)
    if any(mark in choice for mark in "*?[") and not path.exists():
        return {"parts": {"path": choice}}
    return _file(choice, where)


def _file(choice: str, where: str) -> Choice:
    suffix = ending_of(choice)
    known = endings(wanted=suffix)
    if suffix in known:
        return {known[suffix]: {"path": choice}}
    if Path(choice).exists() or suffix:
        raise DataError(
            Fault(
                f"{where}: {choice}",
                f"the ending '{suffix}' does not say what it is." if suffix else "there is no ending to tell it by.",
                ", ".join(sorted(known)),
                "Say the source: collect: {csv: {path: ...}}.",
            )
        )
    return choice


def _folder(path: Path) -> Choice:
    """A data set with a card, a folder a class, or a table in parts."""
    inside = sorted(path.iterdir())[:1000]
    card = path / "README.md"
    if card.is_file() and card.read_text(encoding="utf-8", errors="replace").startswith("---"):
        return {"hugging_face": {"name": str(path)}}
    deeper = (q for p in inside if p.is_dir() for q in sorted(p.iterdir())[:50])
    files = [p for p in (*inside, *deeper) if p.is_file()]
    media = sum(p.suffix.lower() in MEDIA for p in files)
    word = "folder" if media > len(files) / 2 else "parts"
    return {word: {"path": str(path)}}
