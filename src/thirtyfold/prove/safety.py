"""Step 27: what harm could it do? Each audit answers with a number, a limit, and a fix where there is one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from thirtyfold.core.aim import Aim
from thirtyfold.core.evidence import Evidence, TableView, counted
from thirtyfold.core.family import Choice, Family, split_choice
from thirtyfold.core.learned import Winner
from thirtyfold.core.package import Package
from thirtyfold.core.sealed import Sealed
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.core.verdict import Verdict
from thirtyfold.prove.audit import Audit, Case, Finding, same_model

__all__ = ["Audit", "Case", "Finding", "Safeguarded", "Safety", "audit_all", "audits_of", "numbers_of"]


class Safeguarded(NamedTuple):
    """What this stage gives."""

    safe: Package
    safety: list[Verdict]
    evidence: list[Evidence]


class Safety:
    """Ask every audit of the Spec, and apply the fixes that it asks for, one after the other."""

    steps: ClassVar[tuple[int, ...]] = (27,)

    def __init__(self, spec: Spec) -> None:
        self.audits, self.seed = audits_of(spec.safety), spec.seed
        self.refitted = spec.tune.refit and spec.finetune is None

    def run(
        self,
        learned: Package,
        learning: Table,
        validation: Table,
        test: Sealed,
        aim: Aim,
        winner: Winner,
        context: Context,
    ) -> Safeguarded:
        if not self.audits:
            none = Evidence(27, "The Spec names no audit (safety: []).", status="not_applicable")
            return Safeguarded(learned, [], [none])
        rows, _ = test.open(context, f"safety audits of {learned.hash[:12]}")
        package, findings, told = learned, list[Finding](), dict[Any, Any]()
        for word, audit in self.audits:
            context.progress(f"asking {word}", len(findings), len(self.audits))
            refitted = self.refitted and same_model(package, learned)
            case = Case(package, learning, validation, rows, aim, winner, self.seed, told, refitted=refitted)
            finding = audit.ask(case, context)
            package = finding.fixed or package
            findings.append(finding)
        return Safeguarded(package, [f.verdict for f in findings], [_report(findings)])


def audits_of(choices: Sequence[Choice]) -> list[tuple[str, Audit]]:
    """The audits that the Spec names, with their words."""
    family: Family[Audit] = Family("prove.audits")
    return [(split_choice(c, "safety")[0], family.build(c, f"safety.{i}")) for i, c in enumerate(choices)]


def audit_all(audits: Sequence[tuple[str, Audit]], case: Case, context: Context) -> list[Finding]:
    """Every audit on one Package, without applying any fix."""
    return [audit.ask(replace(case, final=True), context) for _, audit in audits]


def _report(findings: Sequence[Finding]) -> Evidence:
    rows = tuple(
        (
            f.verdict.name.removeprefix("safety."),
            f.verdict.word if f.applicable else "–",
            "" if f.verdict.value is None else round(f.verdict.value, 4),
            "" if f.verdict.limit is None else f.verdict.limit,
            f.verdict.why,
        )
        for f in findings
    )
    asked = [f for f in findings if f.applicable]
    failed = [f for f in asked if not f.verdict.passed]
    limited = [f for f in asked if f.verdict.limit is not None or not f.verdict.passed]
    gates = (
        f"{len(limited) - len(failed)} of {len(limited)} with a limit of yours passed"
        if limited
        else "no limit was set"
    )
    why = f"{counted(len(asked), 'audit')} answered, {gates}. "
    why += " ".join(f.verdict.why[:1].upper() + f.verdict.why[1:] + "." for f in failed or asked)
    table = TableView("Audits", ("audit", "passed", "value", "limit", "what was found"), rows)
    tables = (table, *(t for f in findings for t in f.tables))
    return Evidence(27, why, numbers_of(findings), tables, tuple(p for f in findings for p in f.pictures))


def numbers_of(findings: Sequence[Finding]) -> dict[str, Any]:
    """What each audit found, as JSON."""
    return {
        f.verdict.name.removeprefix("safety."): {
            "passed": f.verdict.passed,
            "value": f.verdict.value,
            "limit": f.verdict.limit,
            **f.verdict.evidence,
        }
        for f in findings
    }
