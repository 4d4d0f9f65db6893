"""Analyze: what the training rows look like, what goes with what, and what gives the answer away."""

from typing import Any, ClassVar, NamedTuple

import numpy as np

from thirtyfold.core.aim import Aim, Goal
from thirtyfold.core.door import typed
from thirtyfold.core.evidence import Evidence, TableView, counted
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.profile import Profile
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table, to_array
from thirtyfold.core.task import reads_of
from thirtyfold.data.alarms import Alarm, Question, asked, together
from thirtyfold.data.files import Opened, edges, opened
from thirtyfold.data.findings import Findings, found_of
from thirtyfold.data.measures import Coded, association, coded, explained, pearson
from thirtyfold.data.oddities import far_rows, gaps
from thirtyfold.data.represented import against_shares, against_validation, small_groups

__all__ = ["Analyze", "Analyzed"]

ROWS = 20_000
"""Associations and alarms are measured on at most so many rows: a correlation's standard error is then below 0.008."""
PROFILED = 500_000
"""Columns are profiled on at most so many rows: the share of an interval is then known to 0.2 points."""
WIDE = 40
"""Associations among columns are shown for at most so many."""


class Analyzed(NamedTuple):
    """The gifts of this stage."""

    profile: Profile
    inputs: list[str]
    evidence: list[Evidence]


class Analyze:
    """Step 9, and step 3's question whether anything gives the answer away."""

    steps: ClassVar[tuple[int, ...]] = (9, 3)

    def __init__(self, spec: Spec) -> None:
        self.keep = frozenset(spec.clean.keep)
        self.shares = {n: dict(s) for n, s in spec.analyze.shares.items()}

    def run(
        self, learning: Table, validation: Table, aim: Aim, goal: Goal, lineage: dict[str, Any], context: Context
    ) -> Analyzed:
        """Profile every column (of at most 500,000 rows), measure associations on at most 20,000, set aside what leaks.

        Validation rows are only counted, to see whether the training rows are like them. Raises DataError for
        ``analyze.shares`` of a column or group that is not there.
        """
        unlike = against_shares(learning, self.shares)
        rng = np.random.default_rng(context.seed)
        rows, learning = len(learning), _drawn(learning, PROFILED, rng)
        profiles = {n: typed(c).profile(n, learning[n]) for n, c in learning.columns.items()}
        profile = Profile(len(learning), profiles)
        context.progress("measuring associations")
        looked = _drawn(learning, ROWS, rng)
        truth, classes = goal.learned(looked), len(goal.task.classes)
        names = [n for n in learning.inputs if n not in reads_of(goal.task)]
        arrays = {n: to_array(looked[n]) for n in names}
        columns = {n: coded(x) for n, x in arrays.items()}
        answer = _answer(truth, classes)
        context.progress("asking what gives the answer away")
        question = Question(truth, classes, rng)
        alarms = asked(looked, columns, question, self.keep)
        alarms += together({n: x for n, x in arrays.items() if x.dtype != object}, question)
        seen = opened(learning, goal.truth(learning), classes, lineage, context)
        alarms += edges(seen, classes, context)
        aside = {a.column for a in alarms if a.aside}
        inputs = [n for n in names if n not in aside] or names  # nothing would be left to learn from: keep them
        strengths = {n: association(c, answer) for n, c in columns.items()}
        differ, compared = against_validation(learning, profiles, _drawn(validation, PROFILED, rng))
        found = Findings(
            rows=rows,
            learning=learning,
            profile=profile,
            goal=goal,
            truth=goal.truth(learning),
            looked=len(looked),
            strengths=strengths,
            more=_more(columns, arrays, truth, answer, classes),
            among=_among(columns, strengths),
            gaps=gaps(looked, answer, {n: learning[n].null_count() for n in names}),
            far=far_rows(learning),
            differ=differ,
            compared=compared,
            shares=unlike,
            small=small_groups(learning),
            opened=seen,
        )
        return Analyzed(profile, inputs, [found_of(found), _asked(learning, alarms, inputs, self.keep, aim, seen)])


def _drawn(table: Table, most: int, rng: np.random.Generator) -> Table:
    """The table, or so many of its rows drawn by lot, in their order."""
    if len(table) <= most:
        return table
    return table.take(np.sort(rng.choice(len(table), most, replace=False, shuffle=False)))


def _answer(truth: Array, classes: int) -> Coded:
    if not classes:
        return coded(truth.astype(np.float64))
    return Coded(ranks=None, codes=truth.astype(np.int64) + 1, levels=classes + 1)


def _more(
    columns: dict[str, Coded], arrays: dict[str, Array], truth: Array, answer: Coded, classes: int
) -> dict[str, dict[str, float]]:
    """Beside the measure that fits the kinds: Pearson of two amounts, or the share of what there is to know."""
    if not classes:
        amounts = truth.astype(np.float64)
        return {n: {"pearson": pearson(x, amounts)} for n, x in arrays.items() if x.dtype != object}
    return {n: {"explained": explained(c.codes, c.levels, answer.codes, answer.levels)} for n, c in columns.items()}


def _among(columns: dict[str, Coded], strengths: dict[str, tuple[float, str]]) -> tuple[list[str], Array]:
    """Associations of each pair of the columns that go most with the target; shape (columns, columns)."""
    ordered = sorted(columns, key=lambda n: (-strengths[n][0], n))[:WIDE]
    names = [n for n in columns if n in set(ordered)]
    out = np.eye(len(names))
    ranked = [i for i, n in enumerate(names) if columns[n].ranks is not None]
    if len(ranked) > 1:
        stacked = np.array([columns[names[i]].ranks for i in ranked])
        deviation = stacked.std(axis=1)
        stacked = (stacked - stacked.mean(axis=1, keepdims=True)) / np.where(deviation > 0, deviation, 1.0)[:, None]
        out[np.ix_(ranked, ranked)] = np.abs(stacked @ stacked.T) / stacked.shape[1]
    for i, a in enumerate(names):
        for j, b in enumerate(names[:i]):
            if columns[a].ranks is None or columns[b].ranks is None:
                out[i, j] = out[j, i] = association(columns[a], columns[b])[0]
    np.fill_diagonal(out, 1.0)
    return names, np.clip(out, 0.0, 1.0)


def _asked(
    learning: Table, alarms: list[Alarm], inputs: list[str], keep: frozenset[str], aim: Aim, seen: list[Opened]
) -> Evidence:
    """What the alarms said, and what is left to learn from."""
    set_aside = [c for c in learning.columns.values() if c.role in ("ignore", "id")]
    alarms = sorted(alarms, key=lambda a: (not a.aside, -a.score, a.column, a.kind))
    said = [_said(a, aim.target, kept=a.column in inputs) for a in alarms]
    if not any(a.kind == "column" for a in alarms):
        said.insert(0, f"No column alone gives '{aim.target}' away.")
    said += [f"By the {o.edge_word} alone {o.edge_said}" for o in seen if o.edge_said]
    if keep & set(learning.columns):
        said.append(f"Kept as asked: {', '.join(sorted(keep & set(learning.columns)))}.")
    if set_aside:
        shown = ", ".join(f"'{c.name}'" for c in set_aside[:8]) + (" ..." if len(set_aside) > 8 else "")
        verb = "columns say nothing or only name" if len(set_aside) > 1 else "column says nothing or only names"
        said.append(f"{len(set_aside)} {verb} the row: {shown}.")
    said.append(f"{counted(len(inputs), 'column')} {'is' if len(inputs) == 1 else 'are'} left to learn from.")
    numbers = {
        "leaks": {a.column: a.score for a in alarms if a.kind == "column" and (a.aside or a.column not in keep)},
        "alarms": [a.numbers() for a in alarms],
        "set_aside": {c.name: c.why for c in set_aside},
        "inputs": inputs,
    }
    views = []
    if alarms:
        head = ("kind", "column", "what of it", "score", "error", "right", "a guess", "rows", "set aside")
        rows = tuple(
            (a.kind, a.column, a.by, round(a.score, 4), round(a.error, 4), round(a.right, 4), a.chance, a.rows, a.aside)
            for a in alarms
        )
        views.append(
            TableView(
                "What gives the answer away",
                head,
                rows,
                "asked of rows not learned from; a score of 0 is a guess, 1 the answer",
            )
        )
    if set_aside:
        views.append(
            TableView("Columns not learned from", ("column", "why"), tuple((c.name, c.why) for c in set_aside))
        )
    return Evidence(3, " ".join(said), numbers, tuple(views))


def _said(a: Alarm, target: str, *, kept: bool) -> str:
    """One alarm as a person says it, with its number and what to do."""
    if a.chance:
        right, guess = f"{100 * a.right:.1f} %", f"{100 * a.chance:.1f} %"
        number = f"balanced accuracy {right} on rows not learned from, where a guess has {guess}"
    else:
        number = f"R2 {a.right:.4f} on rows not learned from, where a guess has 0"
    if a.aside:
        done = "kept, because nothing else is left" if kept else "set aside; list it in clean.keep to use it"
        of = "alone gives" if a.kind == "column" else f"gives by {a.by}"
        return f"'{a.column}' {of} '{target}' away ({100 * a.score:.1f} % of what can be known; {number}): {done}."
    return _WARNED[a.kind].format(column=a.column, by=a.by, target=target, number=number)


_WARNED = {
    "column": "'{column}' alone gives '{target}' away ({number}); it is kept as asked.",
    "strong": "'{column}' alone all but gives '{target}' away ({number}): is it known before the answer is?",
    "group": "Rows of one '{column}' have one answer ({number}, where its value was seen): say 'roles: {{group: "
    "{column}}}', or the test asks only what was learned.",
    "id": "The id '{column}' tells '{target}' by {by} ({number}): it was given out by the answer; do not learn "
    "from it.",
    "order": "The order of the rows tells '{target}' ({number}): the file is sorted by it or put together from parts, "
    "or neighbors are alike; let no column count the rows, and do not split by position.",
    "time": "'{column}' tells '{target}' by {by} ({number}): was it written down after the answer?",
    "calendar": "By {by} of '{column}' the answer '{target}' is known ({number}). A calendar is known beforehand, so "
    "it is learned from; where the time was written down after the answer, list '{column}' in roles.ignore.",
    "name": "The file names in '{column}' tell '{target}' by {by} ({number}): nothing may be learned from them.",
    "word": "In '{column}', {by} alone tells '{target}' ({number}): was the text written after the answer?",
    "together": "'{target}' is {by}: {column} ({number}): are they known before the answer is?",
    "border": "The border of the pictures in '{column}' alone tells '{target}' ({number}): a model would learn the "
    "frame, not what is in it.",
    "silence": "The silence around the sounds in '{column}' alone tells '{target}' ({number}): a model would learn how "
    "they were cut, not what is heard.",
}
