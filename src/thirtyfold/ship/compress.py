"""Step 28: can it be smaller and faster without getting worse? Every way is tried, measured and set side by side."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from thirtyfold.core.aim import Aim, Goal, evaluate
from thirtyfold.core.charts import scatter
from thirtyfold.core.evidence import Evidence, Picture, TableView, not_applicable
from thirtyfold.core.family import Family, split_choice
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.learned import Winner
from thirtyfold.core.package import Package
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.core.task import Metric
from thirtyfold.ship.lighter import Given, Variant
from thirtyfold.ship.measure import latency_ms
from thirtyfold.ship.members import by_member
from thirtyfold.ship.replay import requests_of

__all__ = ["Compress", "Compressed", "Compressor"]

UNASKED = 0.02
"""Where no size or latency is asked for, only this share of ``lose_at_most`` may be lost: smaller is then a gift."""
MOST = 20_000
"""Validation rows that variants are compared on."""


class Compressor(Protocol):
    """Makes a Package lighter; ``thirtyfold.testing.check_compressor`` runs a member through it."""

    def variants(self, package: Package, given: Given) -> list[Variant]:
        """Lighter Packages with the same door, encoder and task; none where there is nothing to do."""
        ...


class Compressed(NamedTuple):
    """The smallest Package that meets what the Spec asks for, or the one that came."""

    compressed: Package
    evidence: list[Evidence]


@dataclasses.dataclass(frozen=True)
class Measured:
    """One line of the table. ``changed`` is the share of validation rows with another answer than before; ``misjudged``
    how much balanced accuracy the decisions lose by it.
    """

    variant: Variant
    size: int
    latency: float
    score: float
    lost: float
    changed: float
    misjudged: float = 0.0


class Compress:
    """Try every compressor of the Spec; take the smallest Package that is within the limits and loses little enough."""

    steps: ClassVar[tuple[int, ...]] = (28,)

    def __init__(self, spec: Spec) -> None:
        section = spec.compress
        family: Family[Compressor] = Family("ship.compressors")
        self.wanted = section
        self.refitted = spec.tune.refit and spec.finetune is None
        self.compressors = (
            {split_choice(c, "compress.search")[0]: family.build(c, "compress.search") for c in section.search}
            if section
            else {}
        )

    def run(
        self,
        safe: Package,
        winner: Winner,
        learning: Table,
        validation: Table,
        aim: Aim,
        goal: Goal,
        context: Context,
    ) -> Compressed:
        """Each way is tried on the Package, and judged on validation rows by what it does to the model from before
        the refit: the Package itself may have learned those rows by heart.
        """
        if self.wanted is None or not self.compressors:
            return Compressed(safe, [not_applicable(28, "The Spec asks for no compression.")])
        given = Given(_encoded(safe, learning, goal), context)
        variants = self._variants(safe, given)
        if len(variants) == 1:
            tried = ", ".join(self.compressors)
            why = f"Nothing ({tried}) makes the model, '{safe.manifest['model']}' of {safe.size:,} bytes, smaller."
            return Compressed(safe, [not_applicable(28, why)])
        judged = variants
        before = _before_refit(safe, winner) if self.refitted else None
        if before is not None:
            twins = {v.name: v for v in self._variants(before, given)}
            variants = [v for v in variants if v.name in twins]
            judged = [twins[v.name] for v in variants]
        table = _measure(variants, judged, validation, aim, goal)
        limit = self.wanted.lose_at_most * (1.0 if self._asked else UNASKED) * _unit(aim, table[0].score)
        fitting = [m for m in table if self._fits(m, limit)]
        best = min(fitting, key=lambda m: (m.size, m.lost)) if fitting else None
        chosen = best.variant.package if best and best.size < safe.size else safe
        return Compressed(chosen, [_evidence(table, best, self._nearest(table, limit), chosen, self._says(limit), aim)])

    def _variants(self, package: Package, given: Given) -> list[Variant]:
        variants = [Variant("as it is", package, "nothing")]
        for at, (word, compressor) in enumerate(self.compressors.items()):
            given.context.progress(f"trying {word}", at, len(self.compressors))
            variants += _made(compressor, package, given)
        return variants + _both(variants, self.compressors.get("quantize"), given)

    @property
    def _asked(self) -> bool:
        return self.wanted is not None and (self.wanted.size_mb is not None or self.wanted.latency_ms is not None)

    def _fits(self, m: Measured, limit: float) -> bool:
        assert self.wanted is not None
        return m.lost <= limit and m.misjudged <= self.wanted.lose_at_most and self._over(m) <= 0

    def _over(self, m: Measured) -> float:
        """By what share the worst limit is exceeded; 0 and below is within."""
        assert self.wanted is not None
        size = m.size / 1e6 / self.wanted.size_mb - 1 if self.wanted.size_mb else -1.0
        slow = m.latency / self.wanted.latency_ms - 1 if self.wanted.latency_ms else -1.0
        return max(size, slow)

    def _nearest(self, table: list[Measured], limit: float) -> Measured:
        """The one that misses by least: first what is lost, then the limits."""
        assert self.wanted is not None
        most = self.wanted.lose_at_most
        return min(table, key=lambda m: (max(0.0, m.lost - limit, m.misjudged - most), self._over(m)))

    def _says(self, limit: float) -> str:
        assert self.wanted is not None
        if not self._asked:
            return (
                f"no size or latency was asked for, so only a loss of {limit:g} was accepted for being smaller, "
                f"{100 * UNASKED:g} % of the {limit / UNASKED:g} that lose_at_most allows"
            )
        told = [f"loses at most {limit:g}"]
        told += [f"at most {self.wanted.size_mb:g} MB"] if self.wanted.size_mb else []
        told += [f"at most {self.wanted.latency_ms:g} ms a row"] if self.wanted.latency_ms else []
        return ", ".join(told)


def _encoded(package: Package, table: Table, goal: Goal) -> Any:
    """The rows as the Package's own model sees them, those whose target is known."""
    truth = goal.learned(table)
    known = np.flatnonzero(truth >= 0 if goal.task.classes else np.isfinite(truth))
    columns = {n: x[known] for n, x in package.arrays(table).items()}
    return package.encoder.encoded(columns, target=truth[known], classes=len(goal.task.classes))


def _made(compressor: Compressor, package: Package, given: Given) -> list[Variant]:
    """What a compressor makes of a Package, and of each member of an ensemble."""
    return [*compressor.variants(package, given), *by_member(package, given, compressor.variants)]


def _both(variants: list[Variant], quantize: Compressor | None, given: Given) -> list[Variant]:
    """What was pruned or distilled, quantized too."""
    if quantize is None:
        return []
    return [
        Variant(f"{v.name}, quantize", q.package, f"{v.what}; {q.what}")
        for v in variants
        if not v.name.startswith(("as it is", "quantize"))
        for q in _made(quantize, v.package, given)
    ]


def _before_refit(package: Package, winner: Winner) -> Package | None:
    """The Package with the model that never saw the validation rows; None where it is that already, or has another."""
    word = winner.trained.candidate.word
    if package.manifest["model"] != word:
        return None
    before = package.with_model(word, winner.trained.model)
    return before if before.hash != package.hash else None


def _unit(aim: Aim, score: float) -> float:
    """What ``lose_at_most`` is a share of: 1 for a metric from 0 to 1, the score for one in the target's unit."""
    low, high = Family[Metric]("aim.metrics").build(aim.metric, "metric").bounds
    return 1.0 if math.isfinite(low) and math.isfinite(high) else max(abs(score), 1e-12)


def _measure(variants: list[Variant], judged: list[Variant], validation: Table, aim: Aim, goal: Goal) -> list[Measured]:
    """Size and latency of each variant, score and changed answers of its twin in ``judged``; the first one is what
    the others are compared with.
    """
    rows = validation.take(np.linspace(0, len(validation) - 1, min(MOST, len(validation))).astype(np.int64))
    truth = goal.truth(rows)
    rows = rows.where(truth >= 0 if goal.task.classes else np.isfinite(truth))
    truth, first = goal.truth(rows), variants[0].package
    columns = first.arrays(rows)
    matrix = first.encoder.encode(columns)
    sample = requests_of(first, rows.frame.head(50))
    sign = 1.0 if aim.greater else -1.0
    done: list[Measured] = []
    usual: tuple[float, Array, float] | None = None
    for variant, twin in zip(variants, judged, strict=True):
        raw = twin.package.raw_of(matrix)
        score = evaluate(twin.package.task, (aim.metric,), truth, raw, columns)[aim.metric]
        decided = twin.package.task.decide(raw, columns)
        balanced = _balanced(twin.package, truth, raw, columns)
        usual = usual or (score, decided, balanced)
        changed = _changed(usual[1], decided, goal)
        latency = latency_ms(variant.package, sample, 0.04)
        lost = sign * (usual[0] - score)
        measured = Measured(variant, variant.package.size, latency, score, lost, changed, usual[2] - balanced)
        done.append(measured)
    return done


def _balanced(package: Package, truth: Array, raw: Array, columns: Mapping[str, Array]) -> float:
    """How often the decision is right, each class counted the same; 0 for values. A metric of ranks such as ROC AUC
    stays what it is when all probabilities slip below the threshold and no decision is right any more.
    """
    if not package.task.classes:
        return 0.0
    return evaluate(package.task, ("balanced_accuracy",), truth, raw, columns)["balanced_accuracy"]


def _changed(before: Array, after: Array, goal: Goal) -> float:
    """The share of answers that differ: another class, or a value moved by more than 1 % of their spread."""
    if goal.task.classes:
        return float(np.mean(before != after))
    return float(np.mean(np.abs(before - after) > 0.01 * (float(np.std(before)) or 1.0)))


def _evidence(
    table: list[Measured], best: Measured | None, nearest: Measured, chosen: Package, asked: str, aim: Aim
) -> Evidence:
    first = table[0]
    if best is None:
        why = (
            f"None of {len(table)} variants is within what is allowed ({asked}). "
            f"The nearest is '{nearest.variant.name}': "
            f"{nearest.size / 1e6:.3f} MB, {nearest.latency:.2f} ms, {aim.metric} {nearest.score:.4f}. "
            "It stays as it is."
        )
    elif best.variant.package.hash != chosen.hash or best is first:
        why = f"Of {len(table)} variants none is smaller and within what is allowed ({asked}); it stays as it is."
    else:
        why = (
            f"'{best.variant.name}' is the smallest of {len(table)} variants within what is allowed ({asked}): "
            f"{first.size / 1e6:.3f} to {best.size / 1e6:.3f} MB, {first.latency:.2f} to {best.latency:.2f} ms a row, "
            f"{aim.metric} {first.score:.5f} to {best.score:.5f} on validation rows, {best.changed:.2%} of answers "
            "changed."
        )
    rows = tuple(
        (
            m.variant.name,
            m.size,
            round(m.latency, 3),
            round(m.score, 6),
            round(m.lost, 6),
            f"{m.changed:.2%}",
            "chosen" if m.variant.package.hash == chosen.hash else "",
            m.variant.what,
        )
        for m in table
    )
    heads = ("variant", "bytes", "ms a row", aim.metric, "lost", "answers changed", "", "what was done")
    view = TableView("Variants, on validation rows", heads, rows)
    numbers = {
        "chosen": next(m.variant.name for m in table if m.variant.package.hash == chosen.hash),
        "before": first.size,
        "after": chosen.size,
        "variants": [
            {"name": m.variant.name, "bytes": m.size, "ms": round(m.latency, 4), "score": m.score, "lost": m.lost}
            for m in table
            if math.isfinite(m.score)
        ],
    }
    return Evidence(28, why, numbers, (view,), (_picture(table, aim),))


def _picture(table: list[Measured], aim: Aim) -> Picture:
    shown = [m for m in table if math.isfinite(m.score)]
    title = f"Size against {aim.metric}"
    return scatter(title, [m.size / 1e3 for m in shown], [m.score for m in shown], "size (kB)", aim.metric)
