"""Trials: the search itself. Each trial is kept when it is over, so a search that was killed goes on from the next."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from thirtyfold.core.charts import bars, lines, number
from thirtyfold.core.codec import pack, unpack
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.evidence import Evidence, Picture, TableView, counted, not_applicable
from thirtyfold.core.family import Family, nearest
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np, pl
from thirtyfold.core.learned import Score, Trained
from thirtyfold.core.model import Candidate, Dial, Model
from thirtyfold.core.step import Context
from thirtyfold.learn.bench import Bench
from thirtyfold.learn.blend import Blend
from thirtyfold.learn.inner import Inner
from thirtyfold.learn.options import fitting, read, written
from thirtyfold.learn.search import Past, Searcher, hopeless

__all__ = ["Budget", "Entry", "Hunt", "evidence", "table"]

RUNG = 0.25
"""Share of the training rows that a trial sees first."""
RUNG_ROWS = 8000
"""With fewer training rows, a quarter of them says little and saves nothing."""
KEEP_BACK = 0.5
"""Of the time that is left when tuning begins, what is kept for the last fit and all later stages."""
MOST = 500
NEAR = 0.01
"""How far behind the best the second model may be to get its turn."""


class Budget(NamedTuple):
    """How many trials, or minutes."""

    trials: int
    minutes: float | None


@dataclass(frozen=True)
class Entry:
    """A model that was tried: what it answers on validation rows and how good that is (more is better)."""

    trained: Trained
    raw: Array
    value: float
    state: Literal["candidate", "done", "pruned", "ensemble"]
    score: Score | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    rung: float | None = None


@dataclass(frozen=True)
class _Kept:
    """An Entry as it is kept on disk."""

    trained: Trained
    raw: np.ndarray[Any, np.dtype[Any]]
    value: float
    state: str
    settings: dict[str, Any]
    rung: float | None


@dataclass(frozen=True)
class Hunt:
    """One search over the options of one or more models."""

    bench: Bench
    searcher: Searcher
    budget: Budget
    wanted: Mapping[str, Sequence[Any]]
    context: Context

    def run(self, start: list[Entry]) -> list[Entry]:
        """The entries to start with and one more for each trial."""
        pool, base = list(start), self._bases(start)
        before, longest = self.context.remaining(), 0.0
        until = self._until(before)
        many = self.budget.trials or (0 if until is None else MOST)
        for trial in range(many):
            left = self.context.remaining()
            if until is not None and left is not None and left - longest < until:
                break
            turn = base[_turn(trial, len(base))]
            entry = self._trial(trial, turn, pool, (many if self.budget.trials else None, until))
            if entry is None:
                break
            pool.append(entry)
            now = self.context.remaining()
            longest = max(longest, (left - now) if left is not None and now is not None else 0.0)
        return pool

    def _until(self, left: float | None) -> float | None:
        """How many seconds must be left when the search ends; None where no time was set."""
        if left is None:
            return None
        if self.budget.minutes is not None:
            return max(KEEP_BACK / 4 * left, left - self.budget.minutes * 60)
        return KEEP_BACK * left

    def _bases(self, start: list[Entry]) -> list[tuple[Candidate, dict[str, Dial]]]:
        """The best models to turn dials of, the best one first."""
        best: dict[str, Entry] = {}
        for entry in sorted(start, key=lambda e: -e.value):
            best.setdefault(entry.trained.candidate.word, entry)
        found = []
        first = next(iter(best.values())).value
        for entry in list(best.values())[:2]:
            if first - entry.value > NEAR * abs(first):
                continue
            candidate = entry.trained.candidate
            space = self._space(candidate)
            if space:
                found.append((candidate, space))
        if not found and self.budget.trials:
            raise SpecError(Fault("tune.trials", "there is nothing to tune in the chosen model."))
        return found

    def _space(self, candidate: Candidate) -> dict[str, Dial]:
        kind: Any = Family[Model]("learn.models").find(candidate.word, "model")
        rows = self.bench.train_rows[candidate.form]
        own: dict[str, Dial] = fitting(kind.space(len(rows), len(rows.names)), candidate.options)
        if not self.wanted:
            return own
        missing = object()
        faults = [
            Fault(f"tune.options.{n}", f"{candidate.word} has no such option.", ", ".join(own), nearest(n, own))
            for n in self.wanted
            if n not in own and _get(candidate.options, n, missing) is missing
        ]
        if faults:
            raise SpecError(faults)
        return {n: _dial(values, own.get(n)) for n, values in self.wanted.items()}

    def _trial(
        self,
        trial: int,
        base: tuple[Candidate, dict[str, Dial]],
        pool: list[Entry],
        limit: tuple[int | None, float | None],
    ) -> Entry | None:
        (candidate, space), (many, until) = base, limit
        past = [e for e in pool if e.state != "candidate" and e.trained.candidate.word == candidate.word]
        name = f"trial-{trial}"
        kept = self.context.checkpoint.load(name)
        if kept is not None:
            found: _Kept = unpack(kept, _Kept)
            state: Any = found.state
            return Entry(found.trained, found.raw, found.value, state, None, found.settings, found.rung)
        usual = {n: read(candidate.options, n) for n in space}
        first = next(e.value for e in pool if e.trained.candidate.word == candidate.word)
        known = [] if None in usual.values() or not _within(usual, space) else [Past(usual, first, asked=False)]
        asked = [*known, *(Past(e.settings, e.value, e.state == "pruned") for e in past)]
        settings = self.searcher.propose(space, asked, self.context.seed)
        if settings is None:
            return None
        told = f"trial {trial + 1}" + (f" of {many}" if many else "")
        self.context.progress(f"{told}: {candidate.word}", trial if many else None, many)
        # A seed of its own, so that blending trials also averages over seeds.
        inner = Inner(self.context, name, self.context.seed + 1 + trial, until)
        entry = self._fit(written_candidate(candidate, settings), settings, past, inner)
        self.context.checkpoint.save(
            name, pack(_Kept(entry.trained, entry.raw, entry.value, entry.state, entry.settings, entry.rung))
        )
        return entry

    def _fit(self, candidate: Candidate, settings: dict[str, Any], past: list[Entry], inner: Inner) -> Entry:
        """On a quarter of the rows first where there are many; on all only if that is not hopeless."""
        rows, rung = len(self.bench.train_rows[candidate.form]), None
        if rows >= RUNG_ROWS:
            which = np.random.default_rng(self.context.seed).choice(rows, int(rows * RUNG), replace=False)
            model = self.bench.fit(candidate, Inner(inner, "rung", None, 0.0), np.sort(which))
            raw = self.bench.answers(candidate, model)
            rung = self.bench.value(raw)
            if hopeless(rung, [e.rung for e in past if e.rung is not None]):
                return Entry(Trained.of(candidate, model), raw, rung, "pruned", None, settings, rung)
        model = self.bench.fit(candidate, inner)
        trained = Trained.of(candidate, model)
        raw = self.bench.answers(candidate, trained.model)
        return Entry(trained, raw, self.bench.value(raw), "done", None, settings, rung)


def written_candidate(candidate: Candidate, settings: Mapping[str, Any]) -> Candidate:
    """The candidate with its dials set."""
    return Candidate(candidate.word, written(candidate.options, settings), candidate.form, "a trial")


def _within(settings: Mapping[str, Any], space: Mapping[str, Dial]) -> bool:
    """Whether settings lie in the space, so that a searcher may learn from them."""
    return all(
        settings[n] in d.choices if d.kind == "choice" else (d.low or 0) <= settings[n] <= (d.high or 0)
        for n, d in space.items()
    )


def _turn(trial: int, many: int) -> int:
    """Whose turn it is: two trials for the best model, then one for the second."""
    return 1 if many > 1 and trial % 3 == 2 else 0


def _get(options: Mapping[str, Any], path: str, default: object) -> object:
    *above, last = path.split(".")
    tree = read(options, ".".join(above)) if above else options
    return tree.get(last, default) if isinstance(tree, Mapping) else default


def _dial(values: Sequence[Any], own: Dial | None) -> Dial:
    """Two numbers are a range (on the model's own scale where it has one), anything else is a list of choices."""
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if len(values) == 2 and numbers and (own is None or own.kind != "choice"):
        low, high = sorted(float(v) for v in values)
        whole = all(isinstance(v, int) for v in values) and (own is None or own.kind == "int")
        log = own.log if own is not None else low > 0 and high / low >= 100
        return Dial(low, high, log and low > 0, kind="int" if whole else "float")
    return Dial(choices=tuple(values), kind="choice")


def table(pool: Sequence[Entry], bench: Bench) -> pl.DataFrame:
    """Every model that was tried, in order."""
    return pl.DataFrame(
        {
            "trial": list(range(len(pool))),
            "model": [e.trained.candidate.word for e in pool],
            "state": [str(e.state) for e in pool],
            "value": [bench.shown(e.value) for e in pool],
            "settings": [json.dumps(e.settings, sort_keys=True) for e in pool],
            "options": [json.dumps(e.trained.candidate.options, sort_keys=True) for e in pool],
        },
        schema={
            "trial": pl.Int64,
            "model": pl.String,
            "state": pl.String,
            "value": pl.Float64,
            "settings": pl.String,
            "options": pl.String,
        },
    )


def evidence(pool: Sequence[Entry], bench: Bench, chosen: tuple[Entry, Blend | None], given: int) -> list[Evidence]:
    """What the search found, and what the ensemble is made of."""
    tried = [e for e in pool if e.state in ("done", "pruned")]
    metric = bench.aim.metric
    if tried:
        told = [_search(pool, tried, bench, given)]
    else:
        told = [
            not_applicable(
                22,
                f"No search was asked for: {counted(given, 'candidate')} with the usual options; set tune.trials or "
                "minutes.",
            )
        ]
    entry, blend = chosen
    if blend is not None:
        words = [next(iter(m)) for m in entry.trained.candidate.options["members"]]
        parts = [f"{word} {weight:.0%}" for word, weight in zip(words, blend.weights, strict=True)]
        value, best = bench.shown(entry.value), bench.shown(max(e.value for e in pool if e.state != "pruned"))
        told.append(
            Evidence(
                22,
                f"Blending {len(words)} models ({', '.join(parts)}) has {metric} {number(value)} on validation rows; "
                f"the best single one has {number(best)}.",
                {"members": parts, "value": value, "best_single": best},
                pictures=(bars("Weights in the ensemble", words, list(blend.weights)),),
            )
        )
    return told


def _search(pool: Sequence[Entry], tried: list[Entry], bench: Bench, given: int) -> Evidence:
    metric = bench.aim.metric
    before = max(e.value for e in pool[:given])
    whole = [e for e in tried if e.state == "done"]
    best = max((e.value for e in whole), default=before)
    cut = len(tried) - len(whole)
    gain = "better than" if best > before else "not better than"
    ranked = sorted(tried, key=lambda e: -e.value)[:20]
    rows = tuple(
        (e.trained.candidate.word, e.state, round(bench.shown(e.value), 5), json.dumps(_short(e.settings)))
        for e in ranked
    )
    return Evidence(
        22,
        f"{len(tried)} trials, {cut} of them stopped after a quarter of the rows; the best has {metric} "
        f"{number(bench.shown(best))}, {gain} {number(bench.shown(before))} with the usual options.",
        {"trials": len(tried), "pruned": cut, "best": bench.shown(best), "before": bench.shown(before)},
        (TableView(f"The best trials by {metric}", ("model", "state", metric, "settings"), rows),),
        (_path(pool, bench),),
    )


def _path(pool: Sequence[Entry], bench: Bench) -> Picture:
    values = [bench.shown(e.value) for e in pool]
    run = np.maximum.accumulate([e.value if e.state != "pruned" else -np.inf for e in pool])
    best = [bench.shown(float(v)) for v in run]
    series = {"trial": values, "best so far": best}
    return lines(f"{bench.aim.metric} by trial", list(range(1, len(pool) + 1)), series, "model tried", bench.aim.metric)


def _short(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {n: float(f"{v:.3g}") if isinstance(v, float) else v for n, v in settings.items()}
