"""Step 11: which models could answer this. ``auto`` names several and says why; a named model is that one alone."""

import importlib.util
from typing import Any, ClassVar, NamedTuple

from thirtyfold.core.aim import Aim, Goal
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.evidence import Evidence, TableView
from thirtyfold.core.family import Choice, Family, split_choice
from thirtyfold.core.model import Candidate, Model
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table

__all__ = ["Select", "Selected"]

MODELS: Family[Model] = Family("learn.models")
TORCH_NEEDED = ("mlp",)


class Selected(NamedTuple):
    """What this stage gives."""

    candidates: list[Candidate]
    evidence: list[Evidence]


class _Case(NamedTuple):
    """What the choice depends on."""

    task: str
    rows: int
    columns: int
    seconds: float | None


class Select:
    """Few candidates of different kinds: what one kind cannot see, another often can."""

    steps: ClassVar[tuple[int, ...]] = (11,)

    def __init__(self, spec: Spec) -> None:
        self.model = spec.model

    def run(self, learning: Table, inputs: list[str], aim: Aim, goal: Goal, context: Context) -> Selected:
        del goal
        case = _Case(aim.task, len(learning), len(inputs), context.remaining())
        word, options = split_choice(self.model, "model")
        if word == "auto":
            return _told(case, *_auto(case))
        if word == "ensemble":
            members = options.get("members") if isinstance(options, dict) else options
            chosen = [_named(m, aim.task) for m in members] if members else _auto(case._replace(seconds=None))[0]
            return _told(case, chosen, [], "for the ensemble that the Spec asks for")
        return _told(case, [_named(self.model, aim.task)], [], "because the Spec names it")


def _named(choice: Choice, task: str) -> Candidate:
    word, options = MODELS.check(choice, "model")
    kind: Any = MODELS.find(word, "model")
    if task not in kind.tasks:
        raise SpecError(Fault("model", f"'{word}' does not do {task}.", ", ".join(kind.tasks)))
    return Candidate(word, options, kind.forms[0], "named in the Spec")


def _auto(case: _Case) -> tuple[list[Candidate], list[tuple[str, str]]]:
    """Candidates with reasons, and what was left out with reasons."""
    rules = {
        "boosting": (True, "usually the strongest on tables; takes missing values and categories as they are"),
        "linear": (
            True,
            "fast and small, strong where few rows or straight lines say it all; shows what the rest adds",
        ),
        "forest": (
            case.rows <= 300_000,
            f"hard to get wrong, and its mistakes differ from boosting's; {case.rows:,} rows",
        ),
        "mlp": _mlp(case),
        "svm": (case.rows <= 3000, f"curved borders are worth a try up to 3,000 rows; there are {case.rows:,}"),
        "nearest": (False, "seldom better on mixed columns, and it has to keep its rows"),
        "tree": (False, "a forest is many of them; name it when a person has to read the model"),
    }
    known = MODELS.members()
    chosen, left = [], []
    for word, (use, why) in rules.items():
        kind: Any = MODELS.find(word, "model") if word in known else None
        if use and kind is not None and case.task in kind.tasks:
            _, options = MODELS.check(word, "model")
            chosen.append(Candidate(word, options, kind.forms[0], why))
        else:
            left.append((word, why))
    return chosen, left


def _mlp(case: _Case) -> tuple[bool, str]:
    if importlib.util.find_spec("torch") is None:
        return False, "left out because PyTorch is not installed: pip install 'thirtyfold[torch]'"
    if case.rows < 200:
        return False, f"{case.rows} rows are too few to train a network"
    seconds = case.seconds
    if case.rows <= 5000 or (seconds is not None and seconds > 60 + case.rows / 2000):
        return True, "sees smooth borders that trees cannot; it can go on learning from new rows"
    return False, f"{case.rows:,} rows take a network longer than the rest together; give minutes to include it"


def _told(
    case: _Case, chosen: list[Candidate], left: list[tuple[str, str]], because: str = "by task, rows and budget"
) -> Selected:
    budget = "no budget in minutes" if case.seconds is None else f"{case.seconds / 60:.1f} minutes left"
    names = ", ".join(c.word for c in chosen)
    why = f"For {case.task} on {case.rows:,} rows and {case.columns} columns with {budget}: {names}, chosen {because}."
    rows = [(c.word, "yes", c.why) for c in chosen] + [(word, "no", reason) for word, reason in left]
    view = TableView("Candidates", ("model", "chosen", "why"), tuple(rows))
    return Selected(chosen, [Evidence(11, why, {"candidates": [c.word for c in chosen]}, (view,))])
