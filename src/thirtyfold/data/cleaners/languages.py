"""languages: rows whose text is of another language than the Spec wants are left out."""

from typing import ClassVar

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.data.draft import Draft, Proposal, Stretch
from thirtyfold.data.languages import language_of

__all__ = ["Languages"]


class Languages:
    """Leaves out rows by the language of a column: ``languages: {review: [en, de]}`` (ISO 639-1) keeps those two.

    Only by this rule, and only where the language is certain: short texts, and those that could be of several, stay.
    Each row that goes is in the ledger. Needs ``pip install 'thirtyfold[languages]'``.
    """

    stretch: ClassVar[Stretch] = "whole"

    def __init__(self, languages: dict[str, list[str]] | None = None) -> None:
        self.languages = languages or {}

    def propose(self, draft: Draft) -> Proposal:
        """Rows to be left out, with their language."""
        aside: dict[int, str] = {}
        notes: list[str] = []
        for name, wanted in self.languages.items():
            known = list(draft.table.columns)
            if name not in known:
                where = f"clean.languages.{name}"
                raise DataError(Fault(where, f"there is no column '{name}'.", ", ".join(known), nearest(name, known)))
            texts = draft.table[name].to_list()
            told = {t: language_of(t) for t in dict.fromkeys(texts) if isinstance(t, str)}
            gone = {at: told[t] for at, t in enumerate(texts) if isinstance(t, str) and told[t] not in ("", *wanted)}
            aside |= {at: f"language: {word}" for at, word in gone.items()}
            which = ", ".join(sorted(set(gone.values())))
            notes.append(f"{len(gone):,} rows whose '{name}' is not in {', '.join(wanted)} were left out ({which}).")
        return Proposal(aside=aside, notes=tuple(notes))
