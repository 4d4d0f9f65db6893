"""Steps 13 to 15: every choice of every candidate made, with the framework that will compute it and where it starts."""

import importlib.util
import json
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from thirtyfold.core.aim import Goal
from thirtyfold.core.encoder import Encoded
from thirtyfold.core.evidence import Evidence, TableView, counted, not_applicable
from thirtyfold.core.family import Family
from thirtyfold.core.model import Candidate, Model
from thirtyfold.core.spec import Spec
from thirtyfold.core.step import Context

__all__ = ["Build", "Built", "Sketched"]

MODELS: Family[Model] = Family("learn.models")
LIBRARIES = {
    "boosting": ("lightgbm", "LightGBM"),
    "forest": ("sklearn", "scikit-learn"),
    "tree": ("sklearn", "scikit-learn"),
    "linear": ("sklearn", "scikit-learn"),
    "svm": ("sklearn", "scikit-learn"),
    "mlp": ("torch", "PyTorch"),
    "tabular": ("torch", "PyTorch"),
    "layers": ("torch", "PyTorch"),
    "cnn": ("torch", "PyTorch"),
    "rnn": ("torch", "PyTorch"),
    "transformer": ("torch", "PyTorch"),
    "pretrained": ("torch", "PyTorch"),
    "nearest": ("onnxruntime", "ONNX Runtime"),
}


@runtime_checkable
class Sketched(Protocol):
    """A model that can tell what it will be made of before it learns."""

    def sketch(self, train: Encoded) -> TableView:
        """Its parts for rows like these. Raises SpecError where it cannot be made for them."""
        ...


class Built(NamedTuple):
    """What this stage gives."""

    blueprints: list[Candidate]
    evidence: list[Evidence]


class Build:
    """Fills in the options that depend on nothing but the candidate; what is learned comes in Train."""

    steps: ClassVar[tuple[int, ...]] = (13, 14, 15)

    def __init__(self, spec: Spec) -> None:
        self.seed = spec.seed

    def run(self, candidates: list[Candidate], train_rows: dict[str, Encoded], goal: Goal, context: Context) -> Built:
        blueprints = [
            Candidate(c.word, MODELS.check({c.word: c.options}, "model")[1], c.form, c.why) for c in candidates
        ]
        classes = len(goal.task.classes)
        outputs = f"{classes} classes" if classes else "one value"
        used = sorted({LIBRARIES.get(c.word, (c.word, c.word))[1] for c in blueprints})
        rows = tuple(
            (c.word, c.form, len(train_rows[c.form].names), json.dumps(c.options, sort_keys=True)) for c in blueprints
        )
        shapes = "; ".join(f"{c.word} reads {len(train_rows[c.form].names)} numbers ({c.form})" for c in blueprints)
        view = TableView("What is built", ("model", "form", "features", "options"), rows)
        views = (*_sketches(blueprints, train_rows), view)
        return Built(
            blueprints,
            [
                Evidence(
                    13,
                    f"{', '.join(used)} on the CPU with {counted(context.threads, 'thread')}. {_other(blueprints)}",
                    {"frameworks": used, "device": "cpu", "threads": context.threads},
                ),
                Evidence(
                    14,
                    f"{shapes}; {'each' if len(blueprints) > 1 else 'it'} answers with {outputs}.",
                    {"models": len(blueprints)},
                    views,
                ),
                self._start(blueprints),
            ],
        )

    def _start(self, blueprints: list[Candidate]) -> Evidence:
        networks = [c for c in blueprints if "initializer" in c.options]
        if not networks:
            return not_applicable(
                15, "None of the candidates starts from drawn weights: trees start empty, linear models at zero."
            )
        words = {next(iter(c.options["initializer"])) for c in networks}
        before = [c.word for c in networks if "folder" in c.options]
        known = f" (of {before[0]} only those of its head: the rest comes from its folder)" if before else ""
        return Evidence(
            15,
            f"The weights of {', '.join(c.word for c in networks)}{known} are drawn by {', '.join(sorted(words))} from "
            f"seed {self.seed}; all other candidates start empty or at zero.",
            {"seed": self.seed, "initializers": sorted(words)},
        )


def _sketches(blueprints: list[Candidate], rows: dict[str, Encoded]) -> list[TableView]:
    """What the models that can tell are made of, which they refuse here where they do not fit the data."""
    models = [(MODELS.build({c.word: c.options}, "model"), rows[c.form]) for c in blueprints]
    return [model.sketch(train) for model, train in models if isinstance(model, Sketched)]


def _other(blueprints: list[Candidate]) -> str:
    here = importlib.util.find_spec("torch") is not None
    if any("framework" in c.options for c in blueprints):
        frameworks: Any = Family("learn.frameworks")
        return f"Networks can be computed by {', '.join(frameworks.words())}."
    return "PyTorch is installed but not needed." if here else "PyTorch is not installed and not needed."
