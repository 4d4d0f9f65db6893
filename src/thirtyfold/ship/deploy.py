"""Step 29, second half: where is it put, so that somebody can ask it? Nowhere, when any gate said no."""

from typing import ClassVar, NamedTuple, Protocol

from thirtyfold.core.evidence import Evidence, TableView, counted
from thirtyfold.core.family import Family, split_choice
from thirtyfold.core.package import Package
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.verdict import Verdict

__all__ = ["Deploy", "Deployed", "Target"]


class Target(Protocol):
    """A place where a Package can be asked; ``thirtyfold.testing.check_target`` runs a member through it."""

    def present(self, name: str) -> str:
        """What is there now under this name: the hash of a Package, or "". Looks, and changes nothing."""
        ...

    def put(self, package: Package) -> str:
        """Put it there, whole or not at all; returns the address: a folder, a URL, or the command that serves it."""
        ...


class Deployed(NamedTuple):
    """``addresses`` is empty when a gate said no."""

    addresses: list[str]
    evidence: list[Evidence]


class Deploy:
    """Put the Package to every target of the Spec, if every Verdict about it allows that."""

    steps: ClassVar[tuple[int, ...]] = (29,)

    def __init__(self, spec: Spec) -> None:
        family: Family[Target] = Family("ship.targets")
        self.name = spec.name
        self.targets = {split_choice(c, "deploy")[0]: family.build(c, "deploy") for c in spec.deploy}

    def outside(self) -> str:
        """What stands at the targets now: a result is not reused once somebody removed or replaced it."""
        return " ".join(f"{word}={target.present(self.name)}" for word, target in self.targets.items())

    def run(
        self, exported: Package, verdicts: list[Verdict], proof: Verdict, limits: list[Verdict], context: Context
    ) -> Deployed:
        asked = [*verdicts, proof, *limits]
        no = [v for v in asked if not v.passed]
        no += [_foreign(v) for v in asked if v.passed and v.package and v.package != exported.hash]
        if no:
            reasons = "; ".join(f"{v.name}: {v.why.rstrip('.')}" for v in no)
            many = len({v.name for v in asked if v.judged} | {v.name for v in no})
            why = f"Not deployed, because {len(no)} of {counted(many, 'gate')} said no. {reasons}."
            return Deployed([], [Evidence(29, why, {"refused": [v.name for v in no]}, _gates(asked), status="refused")])
        addresses = []
        for word, target in self.targets.items():
            context.progress(f"deploying to {word}")
            addresses.append(target.put(exported))
        why = f"{_passed(asked)}, so version {exported.hash[:12]} was deployed: {'; '.join(addresses)}."
        numbers = {"addresses": dict(zip(self.targets, addresses, strict=True)), "gates": len(asked)}
        return Deployed(addresses, [Evidence(29, why, numbers, _gates(asked))])


def _passed(asked: list[Verdict]) -> str:
    """What passed: gates that the Spec sets, and the checks that are made of every Package."""
    mine = [v for v in asked if v.judged and v.name.startswith(("success.", "safety.", "limits."))]
    if not mine:
        return "No gate was set; the checks that are always made passed"
    said = "The gate" if len(mine) == 1 else f"All {len(mine)} gates"
    return f"{said} of the Spec and the checks that are always made passed"


def _foreign(verdict: Verdict) -> Verdict:
    return Verdict(verdict.name, passed=False, why=f"is about another Package ({verdict.package[:12]})")


def _gates(verdicts: list[Verdict]) -> tuple[TableView, ...]:
    rows = tuple((v.name, v.word, v.value, v.limit, v.why) for v in verdicts)
    return (TableView("What the gates said", ("gate", "passed", "value", "limit", "why"), rows),)
