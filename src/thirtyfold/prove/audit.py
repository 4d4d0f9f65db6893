"""Audit: what every member of ``prove/audits`` is asked, and what it answers."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from thirtyfold.core.aim import Aim
from thirtyfold.core.evidence import Picture, TableView
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.learned import Winner
from thirtyfold.core.package import Package
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.core.verdict import Verdict
from thirtyfold.prove.score import answers

__all__ = ["Audit", "Case", "Finding", "same_model"]


@dataclass(frozen=True)
class Case:
    """What an audit may look at. ``test`` rows are for the number that is reported, never for choosing a fix."""

    package: Package
    learning: Table
    validation: Table
    test: Table
    aim: Aim
    winner: Winner
    seed: int
    told: dict[tuple[str, str], tuple[Array, Array, dict[str, Array]]] = field(default_factory=dict)
    """What Packages answered already; audits of the same rows share it."""
    refitted: bool = False
    """The Package was fitted again with the validation rows: what is chosen on them is chosen by the model before."""
    final: bool = False
    """The Package is what will be shipped: it is judged as it is, and no fix is made any more."""

    def answers(
        self, part: Literal["learning", "validation", "test"], package: Package | None = None
    ) -> tuple[Array, Array, dict[str, Array]]:
        """Truth, raw answers and typed columns of the Package (or another one) on a part; each is asked once."""
        asked = package or self.package
        if part == "validation" and self.refitted and same_model(asked, self.package):
            asked = asked.with_model(self.winner.trained.candidate.word, self.winner.trained.model)
        if (asked.raw_hash, part) not in self.told:
            rows: Table = getattr(self, part)
            self.told[asked.raw_hash, part] = answers(asked, rows)
        return self.told[asked.raw_hash, part]


def same_model(one: Package, other: Package) -> bool:
    """Whether two Packages hold the same model; their decisions may differ."""
    models = [{n: d for n, d in p.files.items() if n.startswith("model/")} for p in (one, other)]
    return models[0] == models[1]


@dataclass(frozen=True)
class Finding:
    """An audit's answer. ``fixed`` is a Package with the fix, where the Spec asks for one."""

    verdict: Verdict
    tables: tuple[TableView, ...] = ()
    pictures: tuple[Picture, ...] = ()
    applicable: bool = True
    fixed: Package | None = None


class Audit(Protocol):
    """A question about harm. Without a limit of the user's own it reports and warns, and refuses nothing."""

    def ask(self, case: Case, context: Context) -> Finding:
        """Answer with numbers from the test rows; the verdict's ``name`` is ``safety.<word>``."""
        ...
