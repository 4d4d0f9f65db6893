"""Is there personal data in the columns that the model reads?"""

import re
from collections.abc import Callable

import polars as pl

from thirtyfold.core.evidence import TableView, counted
from thirtyfold.core.step import Context
from thirtyfold.core.verdict import Verdict
from thirtyfold.prove.audit import Case, Finding

__all__ = ["PersonalData"]

MOST = 5_000
ENOUGH = 0.05
"""Share of a column's values that must look like one kind before the column is named."""


class PersonalData:
    """E-mail addresses, telephone, card and account numbers, social security numbers, IP addresses by their form and
    check digits, and columns whose name says that they name a person.

    ``allow``: columns that may hold them. ``refuse``: whether a finding is a gate.
    """

    def __init__(self, allow: list[str] | None = None, *, refuse: bool = False) -> None:
        self.allow, self.refuse = set(allow or []), refuse

    def ask(self, case: Case, context: Context) -> Finding:
        """Look at up to 5,000 distinct values of each text column among the inputs."""
        found: list[tuple[str, str, str]] = []
        for column in case.package.columns:
            if column.name in self.allow:
                continue
            if re.search(NAMES, column.name.lower()):
                found.append((column.name, "named like one", "its name says that it tells who a person is"))
            values = case.learning[column.name]
            if values.dtype == pl.String:
                found += [(column.name, kind, f"{share:.0%} of its values") for kind, share in _kinds(values)]
        names = sorted({name for name, _, _ in found})
        why = (
            f"found in {', '.join(names)}"
            if names
            else f"no personal data found in {counted(len(case.package.columns), 'input column')}"
        )
        passed = not (found and self.refuse)
        table = (TableView("Personal data", ("column", "kind", "why"), tuple(found)),) if found else ()
        evidence = {"columns": names}
        verdict = Verdict(
            "safety.personal_data",
            passed,
            why,
            float(len(names)),
            0.0 if self.refuse else None,
            case.package.hash,
            evidence,
        )
        return Finding(verdict, table)


NAMES = (
    r"(^|[_\W])(e-?mail|phone|mobile|tele(?:ph|f)one?|tel|ssn|passport|iban|surname|first_?name|last_?name|full_?name|"
    r"name|address|birth_?date|date_of_birth|dob|ip)($|[_\W])"
)


def _kinds(values: pl.Series) -> list[tuple[str, float]]:
    distinct = values.drop_nulls().unique(maintain_order=True).head(MOST).to_list()
    out = []
    for kind, test in KINDS.items():
        share = sum(map(test, distinct)) / max(1, len(distinct))
        if share >= ENOUGH:
            out.append((kind, share))
    return out


def _luhn(text: str) -> bool:
    """A card number: 13 to 19 digits whose Luhn sum (ISO/IEC 7812) is a multiple of ten."""
    for match in re.findall(r"(?<!\d)(?:\d[ -]?){12,18}\d(?!\d)", text):
        digits = [int(c) for c in match if c.isdigit()][::-1]
        total = sum(d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits))
        if total % 10 == 0 and len(set(digits)) > 1:
            return True
    return False


def _iban(text: str) -> bool:
    """An account number whose ISO 13616 check (mod 97) is one."""
    for match in re.findall(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b", text):
        plain = match.replace(" ", "")
        if int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1:
            return True
    return False


def _pattern(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.search(text) is not None


KINDS: dict[str, Callable[[str], bool]] = {
    "e-mail address": _pattern(r"[\w.+-]+@[\w-]+\.[\w.-]*\w"),
    "telephone number": _pattern(
        r"(?<!\d)(?:(?:\+\d{1,3}[ -]?)?\(?\d{3}\)?[ -]\d{3}[ -]?\d{4}|\+\d(?:[ ()/-]{0,2}\d){7,14})(?!\d)"
    ),
    "social security number": _pattern(r"(?<!\d)(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?!\d)"),
    "IP address": _pattern(r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])"),
    "card number": _luhn,
    "account number (IBAN)": _iban,
}
