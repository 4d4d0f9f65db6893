"""Featurize: inputs to numbers, fitted on training rows alone, in each form that a candidate takes."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np

from thirtyfold.core.aim import Aim, Goal
from thirtyfold.core.charts import bars
from thirtyfold.core.door import TYPES, typed
from thirtyfold.core.encoder import Encoded, Encoder
from thirtyfold.core.errors import DataError, Fault, SpecError
from thirtyfold.core.evidence import Evidence, Picture, TableView, counted
from thirtyfold.core.expression import Expression
from thirtyfold.core.family import Family, nearest
from thirtyfold.core.fieldtype import Array, Feature, FieldType, Fitted, Form, Signal
from thirtyfold.core.model import Candidate, Model
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table, to_array
from thirtyfold.data.measures import coded, information
from thirtyfold.data.sights import sights

__all__ = ["Featured", "Featurize"]

MODELS: Family[Model] = Family("learn.models")
FOLDS = 5
ROWS = 10_000
"""What a feature is worth is measured on at most so many rows."""


@runtime_checkable
class Reader(Protocol):
    """A model that reads one column in a way of its own: as what it was pretrained on was read."""

    def reads(self, forms: Mapping[str, tuple[Form, ...]]) -> str:
        """The column, of all inputs by the forms they can have. Raises SpecError where that is not clear."""
        ...

    def read(self, name: str, column: Array) -> Fitted:
        """Its feature, by the training values."""
        ...


class Featured(NamedTuple):
    """The gifts of this stage, by form; ``levels+vector`` holds the features of both."""

    encoders: dict[str, Encoder]
    train_rows: dict[str, Encoded]
    validation_rows: dict[str, Encoded]
    evidence: list[Evidence]


class Featurize:
    """Step 12: every input through its field type, and the user's own formulas."""

    steps: ClassVar[tuple[int, ...]] = (12,)

    def __init__(self, spec: Spec) -> None:
        self.formulas: dict[str, str] = dict(spec.features)

    def run(
        self,
        learning: Table,
        validation: Table,
        inputs: list[str],
        aim: Aim,
        goal: Goal,
        candidates: list[Candidate],
        context: Context,
    ) -> Featured:
        """Fit on the training rows, encode training and validation rows."""
        del aim
        derived = self._derived(learning, inputs)
        truth = goal.learned(learning)
        classes = len(goal.task.classes)
        signal = Signal(truth, classes, _folds(truth, classes, context.seed))
        takes = _takes(candidates)
        columns = _columns(learning, derived)
        kinds: dict[str, FieldType] = {n: typed(learning.columns[n]) for n in inputs}
        kinds |= {n: TYPES.build("number", "features") for n, _ in derived}
        made: dict[str, tuple[Encoder, Array]] = {}
        for form, able in takes.items():
            context.progress(f"making features in the form '{form}'")
            reader = _reader(candidates, form)
            made[form] = _fit(kinds, columns, (form, able), signal, derived, reader)
        if {"levels", "vector"} <= made.keys():
            made["levels+vector"] = _both(made["levels"], made["vector"])
        here = _columns(validation, ())
        answer = goal.learned(validation)
        weights = [_weight(t) for t in (learning, validation)]
        reads = [goal.reads(t) for t in (learning, validation)]
        encoders = {f: e for f, (e, _) in made.items()}
        train = {
            f: Encoded(m, e.names, e.categories, truth, weights[0], classes, e.layout, reads[0])
            for f, (e, m) in made.items()
        }
        told: dict[str, Any] = {"target": answer, "weight": weights[1], "classes": classes, "reads": reads[1]}
        rest = {f: e.encoded(here, **told) for f, e in encoders.items()}
        return Featured(
            encoders, train, rest, [_evidence(encoders, train, kinds, derived, truth, classes, context.seed)]
        )

    def _derived(self, table: Table, inputs: list[str]) -> tuple[tuple[str, str], ...]:
        """The user's formulas, checked: names exist, and none is taken."""
        faults: list[Fault] = []
        known = list(inputs)
        for name, text in self.formulas.items():
            where = f"features.{name}"
            if name in table.columns:
                faults.append(Fault(where, "there is a column of this name already.", hint="Give it another name."))
            try:
                used = Expression(text).names
            except SpecError as error:
                faults += [Fault(where, f.what, f.allowed, f.hint) for f in error.faults]
                continue
            if not used:
                faults.append(Fault(where, f"'{text}' uses no column.", ", ".join(known)))
            for column in used:
                if column in known:
                    continue
                aside = table.columns.get(column)
                why = (
                    f"'{column}' is not an input ({aside.why or aside.role})." if aside else f"there is no '{column}'."
                )
                faults.append(Fault(where, why, ", ".join(known), nearest(column, known)))
            known.append(name)
        if faults:
            raise SpecError(faults)
        return tuple(self.formulas.items())


def _columns(table: Table, derived: tuple[tuple[str, str], ...]) -> dict[str, Array]:
    columns = Goal.arrays(table)
    if not derived:
        return columns
    try:
        return Encoder("levels", (), derived).derive(columns)
    except TypeError:
        texts = {n for n in columns if columns[n].dtype == object}
        wrong = [(n, f, sorted(set(Expression(f).names) & texts)) for n, f in derived]
        raise SpecError(
            [
                Fault(
                    f"features.{n}",
                    f"'{f}' computes with text: {', '.join(t)}.",
                    hint="Compare text with ==, or use length().",
                )
                for n, f, t in wrong
                if t
            ]
        ) from None


def _folds(truth: Array, classes: int, seed: int) -> Array:
    """A fold for each row, every class shared out alike."""
    mixed = np.random.default_rng(seed).permutation(len(truth))
    order = mixed[np.argsort(truth[mixed], kind="stable")] if classes else mixed
    fold = np.empty(len(truth), dtype=np.int64)
    fold[order] = np.arange(len(truth)) % min(FOLDS, max(2, len(truth)))
    return fold


def _weight(table: Table) -> Array | None:
    names = table.named("weight")
    return np.nan_to_num(to_array(table[names[0]]), nan=0.0) if names else None


def _takes(candidates: list[Candidate]) -> dict[Form, tuple[Form, ...]]:
    """The forms that encoders are needed for, with the forms that a column may have in each.

    A form of pictures, frames or tokens is that of a whole row: each column comes in the first of its own forms that
    the model takes, numbers and categories as a vector beside the pictures.
    """
    found: dict[Form, tuple[Form, ...]] = {}
    for form in ("levels", "vector", "image", "frames", "tokens", "sequence"):
        wanted = [c for c in candidates if c.form == form]
        if wanted:
            kind: Any = MODELS.find(wanted[0].word, "model")
            found[form] = (form,) if form in ("levels", "vector") else tuple(kind.forms)
    return found


def _reader(candidates: list[Candidate], form: Form) -> Reader | None:
    """The candidate of a form that reads a column in its own way; raises SpecError where others read it too."""
    wanted = [c for c in candidates if c.form == form]
    own = [c for c in wanted if hasattr(MODELS.find(c.word, "model"), "reads")]
    if not own:
        return None
    if len(wanted) > 1:
        names = " and ".join(f"'{c.word}'" for c in wanted)
        what = f"{names} would read the same column, and '{own[0].word}' reads it in a way of its own."
        raise SpecError(Fault("model.ensemble.members", what, hint="Put it beside models of plain numbers."))
    model = MODELS.build({own[0].word: own[0].options}, "model")
    return model if isinstance(model, Reader) else None


def _fit(
    kinds: dict[str, FieldType],
    columns: dict[str, Array],
    form: tuple[Form, tuple[Form, ...]],
    signal: Signal,
    derived: tuple[tuple[str, str], ...],
    reader: Reader | None = None,
) -> tuple[Encoder, Array]:
    """The encoder of a form and the training matrix, out-of-fold values in place; constant features are left out.

    What has a shape stands before the plain numbers, so that these are one block.
    """
    name_of_form, able = form
    found: list[tuple[Feature, Array]] = []
    chosen = reader.reads({n: k.forms for n, k in kinds.items()}) if reader else None
    able = ("vector",) if reader else able
    for name, kind in kinds.items():
        own = next((f for f in kind.forms if f in able), None)
        if reader and name == chosen:
            fitted = reader.read(name, columns[name])
        elif own is None:
            continue
        else:
            fitted = kind.fit(name, columns[name], own, signal)
        for at, feature in enumerate(fitted.features):
            x: Array = fitted.training[at] if at in fitted.training else _applied(feature, columns[name])
            wide = (x[:, None] if x.ndim == 1 else x).astype(np.float32, copy=False)
            if _varies(wide):
                found.append((feature, wide))
    if not found:
        raise DataError(
            Fault(
                "inputs",
                "no column says anything: all are constant, missing, ids, or set aside.",
                ", ".join(columns),
                "Keep one with clean.keep, or collect other columns.",
            )
        )
    found.sort(key=lambda pair: not pair[0].shape)
    features, blocks = tuple(f for f, _ in found), [x for _, x in found]
    return Encoder(name_of_form, features, derived), np.ascontiguousarray(
        blocks[0] if len(blocks) == 1 else np.hstack(blocks)
    )


def _applied(feature: Feature, x: Array) -> Array:
    for transform in feature.chain:
        x = transform.apply(x)
    return x


def _varies(x: Array) -> bool:
    first = x[:1]
    if len(x) > 1 and bool((x[-1:] != first).any()) and not np.isnan(first).any():
        return True  # seen at once for pictures, of which there are many numbers
    return bool(((x != first) & ~(np.isnan(x) & np.isnan(first))).any())


def _both(levels: tuple[Encoder, Array], vector: tuple[Encoder, Array]) -> tuple[Encoder, Array]:
    encoder = Encoder("vector", (*levels[0].features, *vector[0].features), levels[0].derived)
    return encoder, np.hstack([levels[1], vector[1]])


def _evidence(
    encoders: dict[str, Encoder],
    train: dict[str, Encoded],
    kinds: dict[str, FieldType],
    derived: tuple[tuple[str, str], ...],
    truth: Array,
    classes: int,
    seed: int,
) -> Evidence:
    shown = {f: e for f, e in encoders.items() if f != "levels+vector"}
    counts = {f: len(e.names) for f, e in shown.items()}
    said = [
        f"{counted(len(kinds), 'column')} became "
        + " and ".join(f"{counted(n, 'feature')} as {f}" for f, n in counts.items())
        + "."
    ]
    tables: list[TableView] = []
    pictures: list[Picture] = []
    worth: dict[str, dict[str, float]] = {}
    contents = {n for n, k in kinds.items() if hasattr(k, "content")}
    for form, encoder in shown.items():
        plain = _plain(encoder, contents)
        if not plain:
            continue
        names = tuple(encoder.names[i] for i in plain)
        worth[form] = _worth(train[form].matrix[:, plain], names, truth, classes, seed)
        order = sorted(worth[form], key=lambda n: (-worth[form][n], n))
        column = {name: f.column for f in encoder.features for name in f.names}
        rows = tuple((n, column[n], round(worth[form][n], 4)) for n in order[:150])
        tables.append(
            TableView(f"Features as {form}, by what each tells of the target", ("feature", "column", "bits"), rows)
        )
        pictures.append(
            bars(f"What the features tell ({form}), in bits", order[:20], [worth[form][n] for n in order[:20]])
        )
    if worth:
        form = next(iter(worth))
        best = sorted(worth[form], key=lambda n: (-worth[form][n], n))[:3]
        said.append("Most is told by " + ", ".join(f"'{n}' ({worth[form][n]:.3f} bits)" for n in best) + ".")
    for form, encoder in shown.items():
        more, drawn = sights(encoder, train[form].matrix, contents)
        said += more
        pictures += drawn
    if derived:
        be = "is" if len(derived) == 1 else "are"
        said.append(f"{len(derived)} {be} your own: {', '.join(n for n, _ in derived)}.")
    encoded = [n for e in shown.values() for n in e.names if ":target" in n]
    if encoded:
        what = "is a mean" if len(encoded) == 1 else "are means"
        said.append(f"{len(encoded)} of them {what} of the target, taken from other rows than the one encoded.")
    by_type: dict[str, int] = {}
    for kind in kinds.values():
        word = type(kind).__name__.lower()
        by_type[word] = by_type.get(word, 0) + 1
    numbers: dict[str, Any] = {"features": counts, "columns_by_type": by_type, "worth": worth, "derived": dict(derived)}
    return Evidence(12, " ".join(said), numbers, tuple(tables), tuple(pictures))


def _plain(encoder: Encoder, contents: set[str]) -> list[int]:
    """The places of the numbers that mean something each on its own: those of no picture and no sound."""
    out: list[int] = []
    at = 0
    for feature in encoder.features:
        if feature.column not in contents and not feature.shape:
            out += range(at, at + feature.width)
        at += feature.width
    return out


def _worth(matrix: Array, names: tuple[str, ...], truth: Array, classes: int, seed: int) -> dict[str, float]:
    """Mutual information with the target in bits, feature by feature, over at most 10,000 training rows."""
    rows = len(truth)
    at = np.arange(rows) if rows <= ROWS else np.sort(np.random.default_rng(seed).choice(rows, ROWS, replace=False))
    if classes:
        answer, answers = np.maximum(truth[at], 0), classes
    else:
        tenth = coded(truth[at].astype(np.float64), bins=10)
        answer, answers = tenth.codes, tenth.levels
    out: dict[str, float] = {}
    for i, name in enumerate(names):
        column = coded(matrix[at, i].astype(np.float64), bins=24)
        out[name] = information(column.codes, column.levels, answer, answers)
    return out
