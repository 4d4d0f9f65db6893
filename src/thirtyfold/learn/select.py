"""Step 11: which models could answer this. ``auto`` names several and says why; a named model is that one alone."""

import importlib.util
import json
from typing import Any, ClassVar, NamedTuple

from thirtyfold.core.aim import Aim, Goal
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.evidence import Evidence, TableView
from thirtyfold.core.family import Choice, Family, split_choice
from thirtyfold.core.fieldtype import FieldType, Form
from thirtyfold.core.model import Candidate, Model
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.core.task import suits

__all__ = ["Select", "Selected"]

MODELS: Family[Model] = Family("learn.models")
TYPES: Family[FieldType] = Family("data.types")
SHAPED: tuple[Form, ...] = ("image", "frames", "tokens", "sequence")
"""What a column can be to a model that reads it as a whole, and to no other."""

SIZED = {"cnn": (60, 40_000), "tabular": (20, 250_000)}
"""Networks whose epochs follow from the rows: epochs at most, and rows to see in all (eight epochs at least)."""


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
    kinds: dict[str, str] = {}  # noqa: RUF012 - a NamedTuple's default is never changed
    """The columns that are pictures, sounds and the like, with the word of their type."""
    forms: frozenset[Form] = frozenset()
    """The forms, besides plain numbers, in which columns can be read."""
    texts: tuple[str, ...] = ()
    """The columns that are free text: words of it are numbers too, and networks can read the whole."""


class Select:
    """Few candidates of different kinds: what one kind cannot see, another often can."""

    steps: ClassVar[tuple[int, ...]] = (11,)

    def __init__(self, spec: Spec) -> None:
        self.model = spec.model

    def outside(self) -> list[str]:
        """What the named models are made from that lies outside: a pretrained network, by its content."""
        return [json.dumps(o["seal"]) for c in _members(self.model) if "seal" in (o := _settled(c)[1])]

    def run(self, learning: Table, inputs: list[str], aim: Aim, goal: Goal, context: Context) -> Selected:
        del goal
        kinds = {n: learning.columns[n].type for n in inputs}
        forms = {n: _shaped(word) for n, word in kinds.items()}
        texts = tuple(n for n in inputs if "tokens" in forms[n])
        kinds = {n: word for n, word in kinds.items() if forms[n] and n not in texts}
        whole = frozenset(f for n in inputs for f in forms[n])
        case = _Case(aim.task, len(learning), len(inputs), context.remaining(), kinds, whole, texts)
        word, options = split_choice(self.model, "model")
        if word == "auto":
            return _told(case, *_auto(case))
        if word == "ensemble":
            members = options.get("members") if isinstance(options, dict) else options
            chosen = [_named(m, case) for m in members] if members else _auto(case._replace(seconds=None))[0]
            return _told(case, chosen, [], "for the ensemble that the Spec asks for")
        return _told(case, [_named(self.model, case)], [], "because the Spec names it")


def _shaped(word: str) -> tuple[Form, ...]:
    """The forms of a type that are read as a whole: pictures, frames, tokens."""
    kind: Any = TYPES.find(word, "fields")
    return tuple(f for f in kind.forms if f in SHAPED)


def _members(choice: Choice) -> list[Choice]:
    """The models that a Spec names: one, or those of an ensemble."""
    word, options = split_choice(choice, "model")
    if word == "ensemble":
        return list((options.get("members") if isinstance(options, dict) else options) or [])
    return [] if word == "auto" else [choice]


def _settled(choice: Choice) -> tuple[str, dict[str, Any]]:
    """The word and its options, with those filled in that name something outside by its content."""
    word, options = MODELS.check(choice, "model")
    if not hasattr(MODELS.find(word, "model"), "settled"):
        return word, options
    model: Any = MODELS.build({word: options}, "model")
    return word, {**options, **model.settled()}


def _named(choice: Choice, case: _Case) -> Candidate:
    word, options = _settled(choice)
    kind: Any = MODELS.find(word, "model")
    if not suits(kind.tasks, case.task):
        raise SpecError(Fault("model", f"'{word}' does not do {case.task}.", ", ".join(kind.tasks)))
    return Candidate(word, options, _form(kind, case), "named in the Spec")


def _form(kind: Any, case: _Case) -> Form:
    """The form of a whole row for a model: that of its pictures or sounds where it reads them, else its first.

    A model for pictures takes plain numbers too, as long as that is a form of its own.
    """
    own: tuple[Form, ...] = kind.forms
    plain = [f for f in own if f not in SHAPED]
    return next((f for f in own if f in case.forms), plain[0] if plain else own[0])


def _auto(case: _Case) -> tuple[list[Candidate], list[tuple[str, str]]]:
    """Candidates with reasons, and what was left out with reasons."""
    if case.kinds:
        return _chosen(case, _with_contents(case))
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
        "tabular": _tabular(case),
        "mlp": _mlp(case),
        "cnn": _reading(case),
        "rnn": (False, "slower than convolutions, which mostly see as much; name it where order decides"),
        "transformer": (False, "wants more text than convolutions do; name it for long texts and many rows"),
        "pretrained": (False, "goes on from a network of yours: name its folder"),
        "svm": (case.rows <= 3000, f"curved borders are worth a try up to 3,000 rows; there are {case.rows:,}"),
        "nearest": (False, "seldom better on mixed columns, and it has to keep its rows"),
        "tree": (False, "a forest is many of them; name it when a person has to read the model"),
    }
    return _chosen(case, rules)


def _with_contents(case: _Case) -> dict[str, tuple[bool, str]]:
    """Rules where columns hold pictures or sounds."""
    what = ", ".join(f"'{n}' is {word}" for n, word in case.kinds.items())
    more = case.columns - len(case.kinds)
    reads = "image" in case.forms or "frames" in case.forms
    small = case.rows <= 3000
    why = f"{what}: it learns what to look for, and finds it wherever it stands"
    why += f"; the other {more} columns join behind it" if more else ""
    bench = _torch(case)
    return {
        "cnn": bench if not bench[0] else (reads, why),
        "svm": (small, "a plain model on a very small copy shows what the network adds" if small else "too many rows"),
        "linear": (not small, "a plain model on a very small copy shows what the network adds"),
        "boosting": (more > 0, "strong on the other columns; sees only a very small copy of the rest"),
        "forest": (False, "boosting says the same of such columns"),
        "tabular": (False, "the network for pictures and sounds takes all other columns beside them"),
        "mlp": (False, "the network for pictures and sounds has dense layers for all other columns"),
    }


def _chosen(case: _Case, rules: dict[str, tuple[bool, str]]) -> tuple[list[Candidate], list[tuple[str, str]]]:
    known = MODELS.members()
    chosen, left = [], []
    for word, (use, why) in rules.items():
        kind: Any = MODELS.find(word, "model") if word in known else None
        if use and kind is not None and suits(kind.tasks, case.task):
            _, options = MODELS.check({word: _sized(case, word)} if word in SIZED else word, "model")
            chosen.append(Candidate(word, options, _form(kind, case), why))
        else:
            left.append((word, why))
    return chosen, left


def _sized(case: _Case, word: str) -> dict[str, Any]:
    """Times through the rows: some thousand steps are enough for few rows, and more rows need fewer times."""
    most, rows = SIZED[word]
    return {"epochs": int(min(most, max(8, rows // max(1, case.rows))))}


def _reading(case: _Case) -> tuple[bool, str]:
    """A network that reads texts whole: where there is little else to go by, or time enough."""
    able = _torch(case)
    if not case.texts or not able[0]:
        return False, able[1] if case.texts else "made for pictures, sounds and texts, and no column holds any"
    names = ", ".join(f"'{n}'" for n in case.texts)
    if case.columns - len(case.texts) > 3 and (case.seconds is None or case.seconds < 300):
        return False, f"{names} is text, one column of {case.columns}; give minutes to have a network read it whole"
    if case.rows > 30_000 and (case.seconds is None or case.seconds < case.rows / 50):
        return False, f"{case.rows:,} texts take a network longer than the rest together; give minutes to include it"
    return True, f"reads {names} whole, in order; the words that are features miss what stands beside what"


def _torch(case: _Case) -> tuple[bool, str]:
    """Whether a network can be learned at all."""
    if importlib.util.find_spec("torch") is None:
        return False, "left out because PyTorch is not installed: pip install 'thirtyfold[torch]'"
    least = 200 if not case.kinds else 30
    return case.rows >= least, f"{case.rows} rows are too few to train a network"


def _mlp(case: _Case) -> tuple[bool, str]:
    able = _torch(case)
    if not able[0]:
        return able
    if _tabular(case)[0]:
        return False, "'tabular' is made for tables, and there is time for it"
    seconds = case.seconds
    if case.rows <= 5000 or (seconds is not None and seconds > 60 + case.rows / 2000):
        return True, "sees smooth borders that trees cannot; it can go on learning from new rows"
    return False, f"{case.rows:,} rows take a network longer than the rest together; give minutes to include it"


def _tabular(case: _Case) -> tuple[bool, str]:
    """The network made for tables, where there is time for it."""
    able = _torch(case)
    if not able[0]:
        return able
    seconds = case.seconds
    need = 60 + case.rows / 80
    if seconds is None or seconds < need:
        return False, f"takes about {need / 2:.0f} seconds for {case.rows:,} rows; give minutes to include it"
    return True, "made for tables, several networks in one; its mistakes differ from boosting's"


def _told(
    case: _Case, chosen: list[Candidate], left: list[tuple[str, str]], because: str = "by task, rows and budget"
) -> Selected:
    budget = "no budget in minutes" if case.seconds is None else f"{case.seconds / 60:.1f} minutes left"
    names = ", ".join(c.word for c in chosen)
    why = f"For {case.task} on {case.rows:,} rows and {case.columns} columns with {budget}: {names}, chosen {because}."
    rows = [(c.word, "yes", c.why) for c in chosen] + [(word, "no", reason) for word, reason in left]
    view = TableView("Candidates", ("model", "chosen", "why"), tuple(rows))
    return Selected(chosen, [Evidence(11, why, {"candidates": [c.word for c in chosen]}, (view,))])
