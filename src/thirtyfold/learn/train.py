"""Steps 16 to 20: every candidate learns from the training rows; validation rows only say when to stop."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

from thirtyfold.core.aim import Aim, Goal
from thirtyfold.core.codec import pack, unpack
from thirtyfold.core.encoder import Encoded
from thirtyfold.core.evidence import Evidence, Picture, TableView, counted
from thirtyfold.core.learned import Trained
from thirtyfold.core.model import Candidate
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.learn.bench import both, build
from thirtyfold.learn.inner import Inner

__all__ = ["Train", "Trainings", "named"]

SHARE = 0.5
"""Of the time that is left, what training the candidates may take; the first one is always trained."""


class Trainings(NamedTuple):
    """What this stage gives."""

    trained: list[Trained]
    evidence: list[Evidence]


@dataclass(frozen=True)
class _Done:
    """One candidate that has learned, as it is kept for the case of a kill."""

    trained: Trained
    evidence: list[Evidence]


class Train:
    """Candidates one after the other, each kept as soon as it has learned."""

    steps: ClassVar[tuple[int, ...]] = (16, 17, 18, 19, 20)

    def __init__(self, spec: Spec) -> None:
        del spec

    def run(
        self,
        blueprints: list[Candidate],
        train_rows: dict[str, Encoded],
        validation_rows: dict[str, Encoded],
        learning: Table,
        goal: Goal,
        aim: Aim,
        context: Context,
    ) -> Trainings:
        del learning, aim
        train, held, before = both(train_rows), both(validation_rows), context.remaining()
        done: list[_Done] = []
        skipped: list[str] = []
        for at, blueprint in enumerate(blueprints):
            left = context.remaining()
            if done and before is not None and left is not None and left < (1 - SHARE) * before:
                skipped.append(blueprint.word)
                continue
            context.progress(f"training {blueprint.word}", at, len(blueprints))
            inner = Inner(context, f"{at}-{blueprint.word}", None, (1 - SHARE) * (before or 0.0))
            done.append(_one(blueprint, train, held, inner))
        return Trainings([d.trained for d in done], [_read(e, goal.task.classes) for e in _evidence(done, skipped)])


def _one(blueprint: Candidate, train: dict[str, Encoded], held: dict[str, Encoded], context: Context) -> _Done:
    kept = context.checkpoint.load("done")
    if kept is not None:
        found: _Done = unpack(kept, _Done)
        return found
    model = build(blueprint)
    model.fit(train[blueprint.form], held[blueprint.form], context)
    done = _Done(Trained.of(blueprint, model), list(model.story()))
    context.checkpoint.save("done", pack(done))
    return done


def named(evidence: Evidence, classes: Sequence[str]) -> Evidence:
    """The evidence with the user's own names where a model, which knows only codes, says "class 0".

    Step 19 stays as it is: it tells of columns, and one of them may be called so.
    """
    if evidence.step == 19:
        return evidence

    def said(value: Any, most: int = 60, *, svg: bool = False) -> Any:
        def name(found: re.Match[str]) -> str:
            code = int(found[1])
            if code >= len(classes):
                return found[0]
            text = classes[code]
            short = f"'{text if len(text) <= most else text[: most - 1] + '…'}'"
            return html.escape(short, quote=False) if svg else short

        return re.sub(r"\bclass (\d+)\b", name, value) if isinstance(value, str) else value

    def table(t: TableView) -> TableView:
        head, rows = tuple(map(said, t.columns)), tuple(tuple(map(said, row)) for row in t.rows)
        return TableView(said(t.title), head, rows, said(t.note))

    pictures = (Picture(said(p.title), said(p.svg, 20, svg=True), said(p.note)) for p in evidence.pictures)
    return replace(
        evidence, why=said(evidence.why), tables=tuple(map(table, evidence.tables)), pictures=tuple(pictures)
    )


def _read(evidence: Evidence, classes: Sequence[str]) -> Evidence:
    """The evidence as a person reads it."""
    told = named(evidence, classes)
    return replace(told, why=rounded(told.why))


def rounded(text: str) -> str:
    """Large numbers without decimals that nobody reads: 6554285765.1658 is 6,554,285,765."""

    def plain(found: re.Match[str]) -> str:
        value = float(found[0].replace(",", ""))
        return f"{value:,.0f}" if value >= 10_000 else found[0]

    return re.sub(r"(?<![\w.])\d[\d,]*\.\d+(?![\w.]*\d\.)", plain, text)


def _evidence(done: list[_Done], skipped: list[str]) -> list[Evidence]:
    """Each model's own story in the order of the steps, after a table of all."""
    rows = tuple((d.trained.candidate.word, ", ".join(f"{n} {v:,}" for n, v in d.trained.size.items())) for d in done)
    late = f" There was no time left for {', '.join(skipped)}." if skipped else ""
    names = ", ".join(d.trained.candidate.word for d in done)
    first = Evidence(
        20,
        f"Trained {counted(len(done), 'candidate')}: {names}.{late}",
        {"trained": [d.trained.candidate.word for d in done], "skipped": skipped},
        (TableView("What was learned", ("model", "size"), rows),),
    )
    stories = [
        Evidence(
            e.step,
            f"{d.trained.candidate.word}: {e.why}",
            {d.trained.candidate.word: e.numbers},
            e.tables,
            e.pictures,
            e.status,
            d.trained.candidate.word,
        )
        for d in done
        for e in d.evidence
    ]
    return sorted([*stories, first], key=lambda e: e.step)
