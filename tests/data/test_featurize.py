"""Features are fitted on training rows alone, complete where they must be, and the same at serving."""

import json

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from thirtyfold.core.door import Door
from thirtyfold.core.encoder import Encoder
from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.model import Candidate
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.table import ROW
from thirtyfold.data.analyze import Analyze
from thirtyfold.data.featurize import Featured, Featurize

BOTH = [Candidate("boosting", {}, "levels"), Candidate("mlp", {}, "vector")]
REAL = "adult telco titanic pima mammography ames bike taxi hospital sms air chinook names".split()  # noqa: SIM905


def featurize(ran, candidates=BOTH) -> Featured:
    labeled, parted = ran.label(), ran.split()
    rest, lineage = parted.validation, ran.collected.lineage
    analyzed = Analyze(ran.spec).run(labeled.learning, rest, ran.aim(), labeled.goal, lineage, Quiet())
    stage = Featurize(ran.spec)
    return stage.run(labeled.learning, parted.validation, analyzed.inputs, ran.aim(), labeled.goal, candidates, Quiet())


@pytest.mark.step(12)
@pytest.mark.parametrize("name", REAL)
def test_real_sets(name, real):
    ran = real(name)
    made = featurize(ran)
    assert set(made.encoders) == {"levels", "vector", "levels+vector"}
    for form, encoder in made.encoders.items():
        train, rest = made.train_rows[form], made.validation_rows[form]
        assert train.matrix.shape == (len(train), len(encoder.names)) and train.matrix.dtype == np.float32
        assert train.names == rest.names == encoder.names and len(set(encoder.names)) >= len(encoder.names) // 2
        assert train.target is not None and len(train.target) == len(train.matrix)
        assert (
            (np.nanmax(train.matrix, axis=0) > np.nanmin(train.matrix, axis=0)) | np.isnan(train.matrix).any(axis=0)
        ).all()
        if form == "vector":
            assert np.isfinite(train.matrix).all() and np.isfinite(rest.matrix).all()
            assert np.abs(train.matrix).max() < 1000
        assert Encoder.from_json(encoder.to_json()) == encoder
    json.dumps(made.evidence[0].numbers, allow_nan=False)
    sides = [made.train_rows[f].matrix for f in ("levels", "vector")]
    np.testing.assert_array_equal(np.hstack(sides), made.train_rows["levels+vector"].matrix)


@pytest.mark.step(12, 29)
@pytest.mark.parametrize("name", ["adult", "titanic", "taxi", "bike"])
def test_a_raw_row_alone_is_encoded_as_in_validation(name, real):
    ran = real(name)
    made = featurize(ran)
    validation = ran.split().validation
    for form, encoder in made.encoders.items():
        door = Door(tuple(ran.table.columns[c] for c in encoder.columns))
        raw = ran.collected.collected.frame
        for at in (0, 7, len(validation) - 1):
            row = raw.filter(pl.col(ROW) == int(validation.rows[at])).select(encoder.columns).to_dicts()
            alone = encoder.encode(door.rows(row))
            np.testing.assert_array_equal(alone[0], made.validation_rows[form].matrix[at])


def test_a_plain_model_on_the_vectors_is_as_good_as_known(real):
    """Logistic regression on adult reaches about 0.90 ROC AUC with one-hot features (many published results)."""
    made = featurize(real("adult"), BOTH[1:])
    train, rest = made.train_rows["vector"], made.validation_rows["vector"]
    at = np.arange(0, len(train), 3)
    model = LogisticRegression(max_iter=300).fit(train.matrix[at], train.target[at])
    assert roc_auc_score(rest.target, model.predict_proba(rest.matrix)[:, 1]) > 0.895


@pytest.mark.step(12)
def test_nothing_is_learned_from_validation_rows(real):
    """Other validation rows, same encoders; and a target encoding never saw its own row."""
    ran = real("titanic")
    labeled, parted = ran.label(), ran.split()
    stage = Featurize(ran.spec)
    inputs = labeled.learning.inputs
    half = parted.validation.take(np.arange(len(parted.validation) // 2))
    made = [
        stage.run(labeled.learning, v, inputs, ran.aim(), labeled.goal, BOTH, Quiet())
        for v in (parted.validation, half)
    ]
    assert made[0].encoders["vector"].to_json() == made[1].encoders["vector"].to_json()


@pytest.mark.step(12)
def test_target_encodings_do_not_leak(clean):
    """A code of its own in most rows says nothing: out of fold it must not separate the classes, in fold it would."""
    rng = np.random.default_rng(0)
    n = 2000
    frame = pl.DataFrame(
        {"code": [f"c{i}" for i in rng.integers(0, 1500, n)], "x": rng.normal(size=n), "y": rng.choice(["a", "b"], n)}
    )
    made = featurize(clean(frame, fields={"code": "category"}), BOTH[:1])
    rows = made.train_rows["levels"]
    at = rows.names.index("code:target")
    assert abs(roc_auc_score(rows.target, rows.matrix[:, at]) - 0.5) < 0.06
    labeled = clean(frame, fields={"code": "category"}).label()
    columns = {"code": labeled.learning["code"].to_numpy().astype(object), "x": labeled.learning["x"].to_numpy()}
    assert roc_auc_score(rows.target, made.encoders["levels"].encode(columns)[:, at]) > 0.8


@pytest.mark.step(12)
def test_the_users_own_features(real):
    ran = real(
        "titanic", features={"family": "SibSp + Parch + 1", "fare_each": "Fare / family", "cabin": "missing(Cabin)"}
    )
    made = featurize(ran)
    encoder = made.encoders["levels"]
    assert {"family", "fare_each", "cabin"} <= set(encoder.names)
    learning = ran.label().learning
    family = (learning["SibSp"] + learning["Parch"] + 1).to_numpy()
    got = made.train_rows["levels"].matrix
    np.testing.assert_allclose(got[:, encoder.names.index("family")], family)
    np.testing.assert_allclose(
        got[:, encoder.names.index("fare_each")], learning["Fare"].to_numpy() / family, rtol=1e-6
    )
    assert "family" not in encoder.columns and "SibSp" in encoder.columns


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ({"a": "Fare / Agee"}, "there is no 'Agee'. Did you mean 'Age'?"),
        ({"Age": "Fare"}, "a column of this name"),
        ({"a": "PassengerId * 2"}, "'PassengerId' is not an input"),
        ({"a": "Survived * 2"}, "'Survived' is not an input"),
        ({"a": "1 + 2"}, "uses no column"),
        ({"a": "Fare +"}, "is not a formula"),
        ({"a": "Sex * 2"}, "computes with text: Sex"),
        ({"a": "nothing(Fare)"}, "there is no function 'nothing'"),
    ],
)
def test_wrong_formulas_are_one_message(features, said, real):
    with pytest.raises(SpecError) as error:
        featurize(real("titanic", features=features))
    assert said in str(error.value)


def test_no_column_that_says_anything(clean):
    frame = pl.DataFrame({"nr": [str(i) for i in range(60)], "k": ["k"] * 60, "y": ["a", "b", "b"] * 20})
    with pytest.raises(DataError, match="no column says anything"):
        featurize(clean(frame))


def test_weights_go_along(clean):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=60), "w": rng.uniform(1, 2, 60), "y": ["a", "b", "b"] * 20})
    made = featurize(clean(frame, roles={"weight": "w"}))
    weight = made.train_rows["levels"].weight
    assert weight is not None and weight.min() >= 1 and weight.max() <= 2
    assert "w" not in made.encoders["levels"].names
