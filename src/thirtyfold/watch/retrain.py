"""Step 30, second half: is it time to go round again, is the new one better beyond noise, and did it stay better?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from thirtyfold.core.aim import Aim, in_unit
from thirtyfold.core.evidence import Evidence, TableView
from thirtyfold.core.family import Family, split_choice
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.core.spec import Spec
from thirtyfold.core.table import Table, to_array
from thirtyfold.core.task import Metric
from thirtyfold.core.traffic import Traffic
from thirtyfold.core.verdict import Verdict
from thirtyfold.core.windows import ORIGIN
from thirtyfold.watch.live import Live, News, wilson

__all__ = ["Decision", "Retrain", "Triggers", "compare", "decide", "live_check"]

ROUNDS = 100
LEAST = 50
"""Labeled rows that a champion is judged by, at least."""


class Trigger(Protocol):
    """A reason to go round again; ``thirtyfold.testing.check_trigger`` runs a member through it."""

    def fires(self, news: News) -> tuple[bool, str]:
        """Whether it is time, and why or why not."""
        ...


class Decision(NamedTuple):
    """Whether to retrain, and every reason for or against."""

    go: bool
    why: str


class Triggers(NamedTuple):
    """``triggers`` maps each word to what it says about a quiet world and about one in which everything happened."""

    triggers: dict[str, Any]
    evidence: list[Evidence]


class Retrain:
    """Set up the triggers, and show that each keeps still when nothing happened and fires when it should."""

    steps: ClassVar[tuple[int, ...]] = (30,)

    def __init__(self, spec: Spec) -> None:
        self.triggers = _triggers(spec)
        self.confidence, self.rollback = spec.retrain.confidence, spec.retrain.rollback

    def run(self, watching: dict[str, Any], lineage: dict[str, Any]) -> Triggers:
        quiet = News((), 0, lineage=lineage)
        alarms = [
            Verdict(n, False, "an alarm, for the sake of trying") for n in ("drift", "accuracy", "failures", "latency")
        ]
        loud = News(alarms, 10**9, 1e12, 1.0, lineage, 10**9)
        said = {w: (t.fires(quiet), t.fires(loud)) for w, t in self.triggers.items()}
        rows = tuple((w, *("fires" if a[0] else "still" for a in pair)) for w, pair in said.items())
        works = all(not a[0] and b[0] for a, b in said.values())
        tried = "each keeps still on a quiet day and fires on alarm" if works else "not all keep still on a quiet day"
        back = "it is rolled back when the live numbers fall" if self.rollback else "it is not rolled back by itself"
        why = (
            f"{len(said)} triggers are set ({', '.join(said) or 'none'}); "
            f"{tried}. "
            f"A challenger is promoted only when it beats the champion on the same rows with {self.confidence:.0%} "
            f"confidence, and {back}."
        )
        table = TableView("Triggers, tried", ("trigger", "nothing happened", "everything happened"), rows)
        numbers = {"triggers": list(said), "confidence": self.confidence, "rollback": self.rollback}
        state = {
            **numbers,
            "package": watching.get("package", ""),
            "said": {w: {"quiet": q[1], "loud": f[1]} for w, (q, f) in said.items()},
        }
        return Triggers(state, [Evidence(30, why, numbers, (table,))])


def _triggers(spec: Spec) -> dict[str, Trigger]:
    family: Family[Trigger] = Family("watch.triggers")
    return {split_choice(c, "retrain.when")[0]: family.build(c, "retrain.when") for c in spec.retrain.when}


def decide(
    verdicts: Sequence[Verdict],
    spec: Spec,
    traffic: Traffic,
    lineage: Mapping[str, Any],
    *,
    now: float = float("inf"),
    since: float = 0.0,
    arrived: int = 0,
) -> Decision:
    """Whether to retrain, from what the monitors said, how many true answers came in after ``since``, and how many rows
    the source has more than then.
    """
    labels = traffic.feedback(since, now).drop_nulls("truth")["id"].n_unique()
    news = News(verdicts, labels, now, since, lineage, arrived)
    said = [t.fires(news) for t in _triggers(spec).values()]
    said = [(fired, why.rstrip(".")) for fired, why in said]
    reasons = [why for fired, why in said if fired]
    if reasons:
        return Decision(True, "; ".join(reasons))
    return Decision(False, "; ".join(why for _, why in said) or "no trigger is set")


def compare(champion: Package, challenger: Package, rows: Table, aim: Aim, confidence: float = 0.95) -> Verdict:
    """Is the challenger better than the champion on the same rows, beyond noise?

    Paired bootstrap (Efron and Tibshirani 1993): rows are drawn with replacement and both are scored on each draw;
    passed when the challenger's lead is above 0 with this confidence.
    """
    target = rows[str(rows.target or aim.target)]
    first, second = (_answers(p, rows, p.task.encode(target), aim) for p in (challenger, champion))
    foretold = getattr(challenger.task, "windows", False)
    places = np.unique(to_array(rows[ORIGIN]), return_inverse=True)[1] if foretold else None
    verdict = _paired("challenger", first, second, aim, confidence, (challenger, places))
    undecided = verdict.value is None and len(rows) >= LEAST
    return replace(verdict, why=f"{verdict.why} The challenger is not promoted.") if undecided else verdict


class _Answers(NamedTuple):
    truth: Array
    raw: Array
    decided: Array


def _answers(package: Package, rows: Table, truth: Array, aim: Aim) -> _Answers:
    columns = package.arrays(rows)
    raw = package.raw(columns)
    return _judged(package, truth, raw, columns, aim)


def _judged(package: Package, truth: Array, raw: Array, columns: Mapping[str, Array], aim: Aim) -> _Answers:
    metric = Family[Metric]("aim.metrics").build(aim.metric, "metric")
    own, decided = in_unit(package.task, metric, columns, truth, package.task.decide(raw, columns))
    return _Answers(own, raw, decided)


def _paired(
    name: str,
    first: _Answers,
    second: _Answers,
    aim: Aim,
    confidence: float,
    about: tuple[Package, Array | None],
) -> Verdict:
    """``first`` against ``second`` on the same rows, in order. Labels that one does not know count for none.

    ``about`` is the Package that is judged, with what rows have in common (the origin of a forecast), whose errors go
    together and are drawn together. A Verdict without a value says that these rows cannot decide.
    """
    judged, places = about
    known = _known(first.truth) & _known(second.truth)
    one, two = (_Answers(*(x[known] for x in a)) for a in (first, second))
    rows = len(one.truth)
    if rows < LEAST:
        why = f"{rows:,} rows with a true answer are too few to compare on."
        return Verdict(name, False, why, package=judged.hash)
    metric = Family[Metric]("aim.metrics").build(aim.metric, "metric")
    sign = 1.0 if metric.greater else -1.0

    def score(answers: _Answers, which: Array) -> float:
        return float(metric.score(answers.truth[which], answers.raw[which], answers.decided[which]))

    gaps = []
    for which in _drawn(rows, None if places is None else places[known]):
        gaps.append(sign * (score(one, which) - score(two, which)))
    gaps = [g for g in gaps if np.isfinite(g)]
    everything = np.arange(rows)
    own, other = score(one, everything), score(two, everything)
    if not (np.isfinite(own) and np.isfinite(other)):
        return Verdict(name, False, _undecided(one.truth, aim.metric, judged.task.classes), package=judged.hash)
    gap = sign * (own - other)
    # The standard error needs few draws where a percentile would need many (Efron and Tibshirani 1993, chapters 6, 13).
    reach = NormalDist().inv_cdf(confidence) * float(np.std(gaps, ddof=1)) if len(gaps) > 1 else float("inf")
    low, high = (gap - reach, gap + reach) if reach > 0 else (min(gap, 0.0), max(gap, 0.0))
    numbers = {"rows": rows, "score": own, "other": other, "gap": [low, high], "confidence": confidence}
    why = (
        f"{aim.metric} {own:.4g} against {other:.4g} on the same {rows:,} rows; the lead is at least {low:.4g} "
        f"and at most {high:.4g}, each with {confidence:.0%} confidence."
    )
    return Verdict(name, low > 0, why, low, 0.0, judged.hash, numbers)


def _drawn(rows: int, places: Array | None) -> Iterator[Array]:
    """Positions of rows drawn with replacement; those of one place together."""
    rng = np.random.default_rng(0)
    if places is None:
        for _ in range(ROUNDS):
            yield rng.integers(0, rows, rows)
        return
    by = [np.flatnonzero(places == at) for at in np.unique(places)]
    for _ in range(ROUNDS):
        yield np.concatenate([by[at] for at in rng.integers(0, len(by), len(by)).tolist()])


def _undecided(truth: Array, metric: str, classes: Sequence[str]) -> str:
    """Why there is no score on these rows: mostly because all of them have one class."""
    same = bool(classes) and bool((truth == truth[0]).all())
    why = f"all of them have the answer '{classes[int(truth[0])]}'" if same else "their answers give no such number"
    return f"These {len(truth):,} rows cannot decide which is better: {why}, and there {metric} is not defined."


def _known(truth: Array) -> Array:
    """Not missing: class codes from 0, or finite values."""
    return truth >= 0 if truth.dtype.kind in "iu" else np.isfinite(truth)


def live_check(
    champion: Package,
    previous: Package,
    traffic: Traffic,
    aim: Aim,
    *,
    since: float,
    now: float,
    confidence: float = 0.95,
) -> Verdict:
    """Does the champion, promoted at ``since``, hold in service? Not passed means: roll back.

    Two ways to fall: on rows answered since then whose truth came in, the previous champion would have been better
    beyond noise (paired, the same rows); or a larger share of requests fails by our fault than before, beyond noise.
    """
    failing = _failing(champion, previous, traffic, since, now)
    if failing is not None:
        return failing
    live = Live.of(traffic, champion.hash, now)
    one, two = (_labeled(p, live, since, aim) for p in (champion, previous))
    labels = int((_known(one.truth) & _known(two.truth)).sum())
    if labels < LEAST:
        why = f"{labels:,} true answers since the promotion; {LEAST:,} are needed to judge."
        return Verdict("live", True, why, package=champion.hash)
    worse = _paired("live", two, one, aim, confidence, (champion, None))
    holds = not worse.passed
    said = (
        "previous champion is better" if not holds else "champion holds" if worse.value is not None else "model stays"
    )
    why = f"The {said}: {worse.why}"
    return Verdict("live", holds, why, worse.value, 0.0, champion.hash, dict(worse.evidence))


def _labeled(package: Package, live: Live, since: float, aim: Aim) -> _Answers:
    truth, raw, columns = live.truths(package, since)
    return _judged(package, truth, raw, columns, aim) if len(raw) else _Answers(truth, raw, truth)


def _failing(champion: Package, previous: Package, traffic: Traffic, since: float, now: float) -> Verdict | None:
    """A Verdict against the champion when its share of failed requests is beyond noise above that of the one before."""
    after = _share(traffic, champion.hash, since, now)
    before = _share(traffic, previous.hash, 0.0, since)
    low, _ = wilson(*after)
    _, high = wilson(*before) if before[1] else (0.0, 0.01)
    if after[1] < LEAST or low <= max(high, 0.01):
        return None
    why = f"{after[0]:,} of {after[1]:,} requests failed since the promotion, {before[0]:,} of {before[1]:,} before."
    return Verdict("live", False, why, after[0] / after[1], high, champion.hash, {"after": after, "before": before})


def _share(traffic: Traffic, model: str, since: float, until: float) -> tuple[int, int]:
    failed = int((traffic.failures(since, until, model)["status"] >= 500).sum())
    return failed, failed + traffic.predictions(since, until, model).height
