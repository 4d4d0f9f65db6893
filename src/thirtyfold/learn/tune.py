"""Step 22: search for better options, blend what is good, decide where to decide, and fit the choice on all rows."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from thirtyfold.core.aim import Aim, Goal, truth_of
from thirtyfold.core.charts import number
from thirtyfold.core.encoder import Encoded, Encoder
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.evidence import Evidence
from thirtyfold.core.family import Family, split_choice
from thirtyfold.core.late import np, pl
from thirtyfold.core.learned import Score, Trained, Winner
from thirtyfold.core.mending import needed
from thirtyfold.core.model import Candidate, Model
from thirtyfold.core.package import Package
from thirtyfold.core.profile import Profile
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.core.task import Task, reads_of
from thirtyfold.core.windows import Windows
from thirtyfold.learn.bench import BOTH, Bench, build, joined
from thirtyfold.learn.blend import Blend, select
from thirtyfold.learn.inner import Inner
from thirtyfold.learn.search import Searcher
from thirtyfold.learn.threshold import RARE, Threshold, choose
from thirtyfold.learn.trials import Budget, Entry, Hunt, evidence, table

__all__ = ["Tune", "Tuned"]


class Tuned(NamedTuple):
    """What this stage gives."""

    package: Package
    winner: Winner
    trials: pl.DataFrame
    evidence: list[Evidence]
    decided: dict[str, Any]


class Tune:
    """Everything is chosen on validation rows; only the very last fit sees them as rows to learn from."""

    steps: ClassVar[tuple[int, ...]] = (22,)

    def __init__(self, spec: Spec) -> None:
        tune = spec.tune
        self.name, self.model = spec.name, spec.model
        self.searcher: Searcher = Family[Searcher]("learn.searchers").build(tune.search, "tune.search")
        self.budget = Budget(tune.trials, tune.minutes)
        self.wanted, self.refit, self.threshold = tune.options, tune.refit, tune.threshold
        self.costs = dict(tune.threshold) if isinstance(tune.threshold, dict) else None
        if tune.minutes is not None and not tune.trials and spec.minutes is None:
            raise SpecError(Fault("tune.minutes", "needs a budget for the whole run beside it: set 'minutes' as well."))
        unknown = sorted((self.costs or {}).keys() - {"false_negative", "false_positive"})
        if unknown:
            allowed = "false_negative, false_positive"
            raise SpecError([Fault(f"tune.threshold.{n}", "there is no such cost.", allowed) for n in unknown])

    def run(
        self,
        trained: list[Trained],
        scores: list[Score],
        encoders: dict[str, Encoder],
        train_rows: dict[str, Encoded],
        validation_rows: dict[str, Encoded],
        learning: Table,
        validation: Table,
        inputs: list[str],
        goal: Goal,
        aim: Aim,
        profile: Profile,
        lineage: dict[str, Any],
        context: Context,
        windows: Windows | None = None,
    ) -> Tuned:
        del inputs
        bench = Bench.of(train_rows, validation_rows, validation, goal, aim)
        word = split_choice(self.model, "model")[0]
        hunt = Hunt(bench, self.searcher, self.budget, self.wanted, context)
        pool = hunt.run([self._entry(bench, t, s) for t, s in zip(trained, scores, strict=True)])
        entry, blend = self._best(bench, pool, blending=word in ("auto", "ensemble"), asked=word == "ensemble")
        winner = Winner(
            entry.trained, entry.score or bench.score(entry.trained.candidate, entry.trained.model), len(pool)
        )
        task, threshold = self._decide(bench, entry)
        model, rows = self._final(bench, entry.trained, context)
        encoder = self._encoder(encoders, entry)
        package = Package.build(
            self.name,
            columns=needed(learning.columns, (*encoder.columns, *reads_of(task))),
            encoder=encoder,
            model=(entry.trained.candidate.word, model),
            task=(goal.word, task),
            profile=profile if windows is None else windows.steady(profile),
            lineage=lineage,
            aside=set(learning.columns) - set(encoder.columns),
            windows=windows,
        )
        told = [
            *evidence(pool, bench, (entry, blend), len(trained)),
            self._tell(bench, entry, threshold, rows, len(train_rows)),
        ]
        decided = {"model": _choice(entry.trained.candidate)} if word == "auto" else {}
        return Tuned(package, winner, table(pool, bench), told, decided)

    @staticmethod
    def _entry(bench: Bench, trained: Trained, score: Score) -> Entry:
        raw = bench.answers(trained.candidate, trained.model)
        return Entry(trained, raw, bench.value(raw), "candidate", score)

    @staticmethod
    def _best(bench: Bench, pool: list[Entry], *, blending: bool, asked: bool) -> tuple[Entry, Blend | None]:
        """The best single model, or a blend where that is better on validation rows (or was asked for)."""
        ranked = sorted((e for e in pool if e.state != "pruned"), key=lambda e: -bench.rank(e.raw))[:15]
        best = ranked[0]
        plain = {"levels", "vector", BOTH}  # rows of these forms stand side by side; others have a matrix of their own
        mates = plain if best.trained.candidate.form in plain else {best.trained.candidate.form}
        ranked = [e for e in ranked if e.trained.candidate.form in mates]
        if not blending or len(ranked) < 2:
            return best, None
        blend = select([e.raw for e in ranked], bench.rank)
        if len(blend.members) < 2 or (blend.value <= bench.rank(best.raw) and not asked):
            return best, None
        parts = [ranked[m].trained for m in blend.members]
        trained = _blended(parts, list(blend.weights), bench)
        raw = bench.answers(trained.candidate, trained.model)
        return Entry(trained, raw, bench.value(raw), "ensemble"), blend

    def _decide(self, bench: Bench, entry: Entry) -> tuple[Task, Threshold | None]:
        """The task, with a threshold of its own where one class is rare or mistakes cost differently."""
        task: Any = bench.goal.task
        held = next(iter(bench.validation_rows.values()))
        if hasattr(task, "calibrated"):
            return task.calibrated(truth_of(task, held), entry.raw, bench.columns), None
        truth = np.asarray(held.target)
        if len(task.classes) != 2 or self.threshold is False or not hasattr(task, "with_threshold"):
            return task, None
        if self.costs is None and RARE <= float((truth == 1).mean()) <= 1 - RARE:
            return task, None
        found = choose(truth, entry.raw[:, 1], bench.aim.metric, self.costs)
        return task.with_threshold(found.at), found

    def _final(self, bench: Bench, trained: Trained, context: Context) -> tuple[Model, int]:
        """The winner fitted again on training and validation rows; how many rows it has seen."""
        form = trained.candidate.form
        train, held = bench.train_rows[form], bench.validation_rows[form]
        left = context.remaining()
        if not self.refit or (left is not None and left <= 0):
            return trained.model, len(train)
        context.progress(f"fitting {trained.candidate.word} on training and validation rows")
        model = build(trained.candidate, **trained.refit)
        model.fit(joined(train, held), None, Inner(context, "final"))
        return model, len(train) + len(held)

    @staticmethod
    def _encoder(encoders: dict[str, Encoder], entry: Entry) -> Encoder:
        form = entry.trained.candidate.form
        if form != BOTH or form in encoders:
            return encoders[form]
        a, b = encoders["levels"], encoders["vector"]
        return Encoder(form, a.features + b.features, a.derived)

    def _tell(self, bench: Bench, entry: Entry, threshold: Threshold | None, rows: int, forms: int) -> Evidence:
        del forms
        metric, word = bench.aim.metric, entry.trained.candidate.word
        why = f"{word} is chosen with {metric} {number(bench.shown(entry.value))} on validation rows."
        numbers: dict[str, Any] = {"winner": word, "metric": metric, "value": bench.shown(entry.value), "rows": rows}
        if threshold is not None:
            why += (
                f" A row is called '{bench.goal.task.classes[1]}' from a probability of {threshold.at:.3f} on: on "
                f"validation rows that gives {threshold.measure} {number(threshold.value)}, against "
                f"{number(threshold.at_half)} at one half."
            )
            numbers["threshold"] = threshold._asdict()
        held = len(next(iter(bench.validation_rows.values())))
        learned = len(bench.train_rows[entry.trained.candidate.form])
        why += (
            f" It was then fitted again on {rows:,} rows, the {held:,} validation rows included, with what was found."
            if rows > learned
            else f" It keeps what it learned from {rows:,} training rows."
        )
        return Evidence(22, why, numbers)


def _blended(parts: list[Trained], weights: list[float], bench: Bench) -> Trained:
    """Models that have learned, as one ensemble over the rows that all of them can read."""
    forms = {p.candidate.form for p in parts}
    form = forms.pop() if len(forms) == 1 else BOTH
    wide = {f: len(rows.names) for f, rows in bench.train_rows.items()}
    places = {f: (0, wide[f]) for f in wide}
    if form == BOTH:
        places = {"levels": (0, wide["levels"]), "vector": (wide["levels"], wide[BOTH])}
    columns = [places[p.candidate.form] for p in parts]
    kind: Any = Family[Model]("learn.models").find("ensemble", "model")
    ensemble = kind.of([(p.candidate.word, p.model) for p in parts], weights, columns)
    options = {
        "members": [{p.candidate.word: p.candidate.options} for p in parts],
        "weights": weights,
        "columns": [list(c) for c in columns],
    }
    refit = {"members": [{p.candidate.word: {**p.candidate.options, **p.refit}} for p in parts]}
    return Trained(Candidate("ensemble", options, form), dict(ensemble.save()), refit, ensemble.size())


def _choice(candidate: Candidate) -> dict[str, Any]:
    """The winner as the Spec spells it; an ensemble's weights and columns belong to this run alone."""
    options = candidate.options
    return {candidate.word: {"members": options["members"]} if candidate.word == "ensemble" else options}
