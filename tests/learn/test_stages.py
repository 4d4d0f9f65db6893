"""The stages of learn, one after the other on small real sets: what they choose, and that a kill changes nothing."""

import inspect
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import Case, case, frame_of
from sklearn import datasets
from sklearn.metrics import roc_auc_score

from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.package import Package
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.learn.build import Build
from thirtyfold.learn.finetune import Finetune
from thirtyfold.learn.regularize import Regularize
from thirtyfold.learn.select import Select
from thirtyfold.learn.train import Train
from thirtyfold.learn.tune import Tune
from thirtyfold.prove.validate import Validate

STAGES = (Select, Build, Train, Validate, Tune, Regularize, Finetune)
FAST = {"boosting": {"rounds": 60}}


def spec(**sections: Any) -> Spec:
    return Spec.of({"target": "answer", "collect": "x.csv", **sections})


def run(made: Case, told: Spec, context: Any = None, stages: Any = STAGES, **have: Any) -> dict[str, Any]:
    """The stages in order; returns every gift, and all evidence under ``evidence``."""
    gifts: dict[str, Any] = {"lineage": {}, "previous": None, "context": context or Quiet(), **made.given, **have}
    evidence: list[Any] = []
    for kind in stages:
        stage = kind(told)
        asked = inspect.signature(stage.run).parameters.values()
        out = stage.run(**{p.name: gifts[p.name] for p in asked if p.name in gifts or p.default is p.empty})
        missing = set(stage.steps) - {e.step for e in out.evidence}
        assert not missing, f"{kind.__name__} leaves no evidence for {missing}"
        gifts |= out._asdict()
        evidence += out.evidence
    json.dumps([e.numbers for e in evidence], allow_nan=True)
    return {**gifts, "evidence": evidence}


@pytest.fixture(scope="module")
def cancer() -> Case:
    return case(frame_of(datasets.load_breast_cancer), "classification", "roc_auc")


@pytest.fixture(scope="module")
def diabetes() -> Case:
    return case(frame_of(datasets.load_diabetes), "regression", "rmse")


@pytest.mark.step(11, 14, 20, 21)
def test_auto_on_classes_is_better_than_the_baseline(cancer: Case) -> None:
    done = run(cancer, spec())
    words = [c.word for c in done["candidates"]]
    assert words == ["boosting", "linear", "forest", "mlp", "svm"]
    package: Package = done["learned"]
    raw = package.raw(package.arrays(cancer.test))
    assert roc_auc_score(cancer.goal.truth(cancer.test), raw[:, 1]) > 0.97
    assert done["decided"]["model"].keys() == {package.manifest["model"]}
    again = Package.load(package.save())
    np.testing.assert_array_equal(again.raw(again.arrays(cancer.test)), raw)
    assert {13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 26} <= {e.step for e in done["evidence"]}
    said = " ".join(e.why for e in done["evidence"])
    assert "first question: is " in said and "passes over the" in said
    assert not any(slip in said for slip in ("?.", "(es)", "(s)", " 1 rows", ".."))


@pytest.mark.step(11, 14, 20, 21)
def test_auto_on_values_is_better_than_the_mean(diabetes: Case) -> None:
    done = run(diabetes, spec())
    package, truth = done["learned"], diabetes.goal.truth(diabetes.test)
    miss = package.raw(package.arrays(diabetes.test))[:, 0] - truth
    assert np.sqrt((miss**2).mean()) < 0.85 * truth.std()


@pytest.mark.step(11)
def test_a_named_model_is_that_one_alone(cancer: Case) -> None:
    done = run(cancer, spec(model={"tree": {"depth": 3}}))
    assert [t.candidate.word for t in done["trained"]] == ["tree"]
    assert done["trained"][0].candidate.options["depth"] == 3
    assert done["package"].manifest["model"] == "tree"
    assert done["decided"] == {}
    skipped = {e.step for e in done["evidence"] if e.status == "not_applicable"}
    assert skipped >= {15, 18, 20, 22, 26}


def test_a_model_for_another_task_is_refused(cancer: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    from thirtyfold.learn.models.tree import Tree

    monkeypatch.setattr(Tree, "tasks", ("regression",))
    with pytest.raises(SpecError, match="'tree' does not do classification"):
        run(cancer, spec(model="tree"), stages=(Select,))


@pytest.mark.step(11)
def test_auto_takes_the_network_for_tables_where_there_is_time(cancer: Case) -> None:
    found = {}
    for seconds in (None, 30.0, 600.0):
        (evidence,) = run(cancer, spec(), Quiet(seconds=seconds), stages=(Select,))["evidence"]
        found[seconds] = {row[0]: (row[1], row[2]) for row in evidence.tables[0].rows}
    assert found[None]["tabular"][0] == found[30.0]["tabular"][0] == "no"
    assert "give minutes to include it" in found[30.0]["tabular"][1]
    assert found[600.0]["tabular"][0] == "yes" and found[600.0]["mlp"][0] == "no"


@pytest.mark.step(13)
def test_without_torch_the_network_is_left_out_and_it_is_said(cancer: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "torch" else real(n, *a))
    done = run(cancer, spec(), stages=(Select,))
    assert "mlp" not in [c.word for c in done["candidates"]]
    assert any("PyTorch is not installed" in str(row) for row in done["evidence"][0].tables[0].rows)


class Killed(Exception):
    """Stands for the kill: raised right after a checkpoint was written."""


class Fragile(Quiet):
    """Dies at the n-th checkpoint."""

    lives = 0

    def save(self, name: str, files: Mapping[str, bytes]) -> None:
        super().save(name, files)
        self.lives -= 1
        if self.lives == 0:
            raise Killed


@pytest.mark.parametrize("dies", [1, 3, 5])
@pytest.mark.step(22)
def test_a_search_that_was_killed_ends_the_same(cancer: Case, dies: int) -> None:
    told = spec(model=FAST, tune={"trials": 6})
    ready = run(cancer, told, stages=STAGES[:4])
    whole = run(cancer, told, Quiet(), (Tune,), **_given(ready))
    context = Fragile()
    context.lives = dies
    with pytest.raises(Killed):
        run(cancer, told, context, (Tune,), **_given(ready))
    assert len(context.kept) == dies
    again = run(cancer, told, context, (Tune,), **_given(ready))
    assert again["package"].hash == whole["package"].hash
    assert again["trials"].equals(whole["trials"])


def _given(ready: dict[str, Any]) -> dict[str, Any]:
    return {n: ready[n] for n in ("trained", "scores", "candidates", "blueprints")}


def test_training_that_was_killed_goes_on_after_the_last_candidate(cancer: Case) -> None:
    told = spec(model={"ensemble": {"members": ["linear", {"tree": {"depth": 4}}]}})
    whole = run(cancer, told, stages=STAGES[:3])
    context = Fragile()
    context.lives = 1
    with pytest.raises(Killed):
        run(cancer, told, context, STAGES[:3])
    again = run(cancer, told, context, STAGES[:3])
    assert [t.files for t in again["trained"]] == [t.files for t in whole["trained"]]
    assert [e.why for e in again["evidence"]] == [e.why for e in whole["evidence"]]


def test_an_ensemble_of_both_forms_predicts_from_its_package(cancer: Case) -> None:
    done = run(cancer, spec(model={"ensemble": {"members": ["linear", FAST]}}))
    package = done["package"]
    assert package.manifest["model"] == "ensemble"
    assert len(package.encoder.names) == 60
    raw = package.raw(package.arrays(cancer.test))
    assert roc_auc_score(cancer.goal.truth(cancer.test), raw[:, 1]) > 0.97
    from thirtyfold.learn.graph import Session

    matrix = package.encoder.encode(package.arrays(cancer.test))
    np.testing.assert_allclose(Session(package.model.onnx())(matrix), raw, atol=1e-5)


@pytest.mark.step(22)
def test_tune_searches_what_the_spec_lists(cancer: Case) -> None:
    options = {"strength": [0.01, 0.1, 1.0, 10.0]}
    done = run(cancer, spec(model="linear", tune={"search": "grid", "trials": 20, "options": options}))
    tried = [json.loads(s)["strength"] for s in done["trials"]["settings"].to_list()[1:]]
    assert tried == options["strength"]
    with pytest.raises(SpecError, match="strenght"):
        run(cancer, spec(model="linear", tune={"trials": 2, "options": {"strenght": [1, 2, 3]}}))


def test_tuning_reaches_into_the_optimizer_of_the_network(cancer: Case) -> None:
    model = {"mlp": {"epochs": 3, "width": 8, "optimizer": {"sgd": {"momentum": 0.5}}}}
    done = run(cancer, spec(model=model, tune={"search": "random", "trials": 2}), stages=STAGES[:5])
    settings = json.loads(done["trials"]["settings"][1])
    assert {"optimizer.sgd.rate", "batch", "layers", "dropout"} <= settings.keys()
    options = json.loads(done["trials"]["options"][1])
    assert options["optimizer"]["sgd"] == {"momentum": 0.5, "nesterov": True, "rate": settings["optimizer.sgd.rate"]}


def _rare() -> Case:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 3))
    positive = x[:, 0] + 0.5 * rng.normal(size=3000) > 1.7
    return case(pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "answer": np.where(positive, "yes", "no")}),
                "classification", "roc_auc")  # fmt: skip


@pytest.mark.step(22)
def test_a_rare_class_gets_a_threshold_of_its_own_and_costs_move_it() -> None:
    made = _rare()
    usual = run(made, spec(model="linear"), stages=STAGES[:5])["package"].task
    assert usual.threshold is not None
    careful = spec(model="linear", tune={"threshold": {"false_negative": 20, "false_positive": 1}})
    bold = spec(model="linear", tune={"threshold": {"false_negative": 1, "false_positive": 20}})
    low, high = (run(made, told, stages=STAGES[:5])["package"].task.threshold for told in (careful, bold))
    assert low < usual.threshold < high
    assert (
        run(made, spec(model="linear", tune={"threshold": False}), stages=STAGES[:5])["package"].task.threshold is None
    )
    with pytest.raises(SpecError, match="false_negativ"):
        Tune(spec(tune={"threshold": {"false_negativ": 1}}))


def test_refit_learns_from_training_and_validation_rows(cancer: Case) -> None:
    kept = run(cancer, spec(model="nearest", tune={"refit": False}), stages=STAGES[:5])["package"]
    refit = run(cancer, spec(model="nearest"), stages=STAGES[:5])["package"]
    assert kept.model.size()["rows"] == len(cancer.learning)
    assert refit.model.size()["rows"] == len(cancer.learning) + len(cancer.validation)


@pytest.mark.step(23, 24)
def test_the_gap_is_wider_without_the_measures(diabetes: Case) -> None:
    gap = run(diabetes, spec(model="boosting"))["gap"]
    assert gap["with"]["gap"] < gap["without"]["gap"]
    assert gap["measures"].keys() >= {"l2", "columns", "patience"}


@pytest.mark.parametrize("model", [FAST, {"mlp": {"epochs": 6, "width": 16}}])
@pytest.mark.step(26)
def test_finetune_goes_on_from_a_previous_package(cancer: Case, model: Any) -> None:
    half = len(cancer.learning) // 2
    first = case(cancer.learning.frame.head(half).drop("__row__"), "classification", "roc_auc")
    previous = run(first, spec(model=model), stages=STAGES[:5])["package"]
    done = run(cancer, spec(model=model, finetune={"package": "x"}), previous=previous)
    learned = done["learned"]
    assert learned.hash not in (previous.hash, done["package"].hash)
    assert learned.encoder == previous.encoder
    numbers = next(e for e in done["evidence"] if e.step == 26).numbers
    assert numbers["after"] > 0.9


@pytest.mark.step(26)
def test_finetune_says_which_models_can_go_on(cancer: Case) -> None:
    linear = run(cancer, spec(model="linear"), stages=STAGES[:5])["package"]
    with pytest.raises(SpecError, match="use mlp or boosting"):
        run(cancer, spec(model="linear", finetune={"package": "x"}), previous=linear)
    with pytest.raises(SpecError, match="no such Package"):
        run(cancer, spec(model="linear", finetune={"package": "x"}))


@pytest.mark.step(26)
def test_finetune_refuses_rows_of_another_kind(cancer: Case, diabetes: Case) -> None:
    previous = run(cancer, spec(model="tree"), stages=STAGES[:5])["package"]
    with pytest.raises(DataError, match="classification"):
        run(diabetes, spec(model="tree", finetune={"package": "x"}), previous=previous)


def test_minutes_for_tuning_need_minutes_for_the_run() -> None:
    with pytest.raises(SpecError, match=r"tune\.minutes"):
        Tune(spec(tune={"minutes": 1}))
    Tune(spec(tune={"minutes": 1}, minutes=2))


def test_a_budget_in_minutes_is_kept(cancer: Case) -> None:
    class Clock(Quiet):
        """A second passes with each look at the clock."""

        left = 60.0

        def remaining(self) -> float:
            self.left -= 1
            return self.left

    context = Clock()
    done = run(cancer, spec(model="linear", minutes=1), context, STAGES[:5])
    assert 3 <= len(done["trials"]) < 40
    assert context.left > 15
