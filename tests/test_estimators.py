"""scikit-learn's own conformance suite, and a mixed frame as a user has it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.utils.estimator_checks import check_estimator

import thirtyfold

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", ["linear", "tree"])
@pytest.mark.parametrize("kind", [thirtyfold.Classifier, thirtyfold.Regressor])
def test_check_estimator(kind, model):
    found = check_estimator(kind(model=model), on_fail=None, on_skip=None)
    failed = {r["check_name"]: str(r["exception"])[:200] for r in found if r["status"] == "failed"}
    assert not failed
    assert sum(r["status"] == "passed" for r in found) >= 45


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [thirtyfold.Classifier, thirtyfold.Regressor])
@pytest.mark.parametrize("model", ["boosting", "auto"])
def test_check_estimator_slow(kind, model):
    found = check_estimator(kind(model=model), on_fail=None, on_skip=None)
    assert {r["check_name"]: str(r["exception"])[:200] for r in found if r["status"] == "failed"} == {}


def test_as_good_as_it_should_be_on_held_out_rows():
    X, y = load_breast_cancer(return_X_y=True)
    scores = cross_val_score(thirtyfold.Classifier(model="linear"), X, y, cv=3, scoring="roc_auc")
    assert scores.mean() > 0.98  # logistic regression on scaled columns reaches 0.99
    X, y = load_diabetes(return_X_y=True)
    mine = cross_val_score(thirtyfold.Regressor(model="linear"), X, y, cv=3).mean()
    assert mine > cross_val_score(LinearRegression(), X, y, cv=3).mean() - 0.03


def test_a_frame_of_mixed_columns_needs_no_preparation():
    rng = np.random.default_rng(0)
    city = rng.choice(["Oslo", "oslo ", "Rome", "?"], 400)
    size = rng.normal(60, 15, 400)
    price = 3 * size + 80 * np.char.startswith(np.char.lower(city), "oslo") + rng.normal(0, 5, 400)
    frame = pd.DataFrame({"city": city, "size": size, "sold": pd.date_range("2024-01-01", periods=400)})
    train, test, y_train, y_test = train_test_split(frame, price, random_state=0)
    model = thirtyfold.Regressor(model="boosting").fit(train, y_train)
    assert model.score(test, y_test) > 0.9
    assert list(model.feature_names_in_) == ["city", "size", "sold"]
    assert model.package_.columns[0].spellings


def test_labels_come_back_as_they_were():
    X, y = load_breast_cancer(return_X_y=True)
    names = np.array(["malignant", "benign"])[y]
    model = thirtyfold.Classifier(model="tree").fit(X[:300], names[:300])
    assert set(model.predict(X[300:])) <= {"malignant", "benign"}
    assert model.classes_.tolist() == ["benign", "malignant"]
    assert np.allclose(model.predict_proba(X[300:]).sum(axis=1), 1)


@pytest.mark.parametrize("model", ["tree", "boosting", "linear"])
def test_what_was_fitted_travels_to_another_process(model):
    """joblib and GridSearchCV with more than one process need it, after predict too."""
    import pickle

    X, y = load_breast_cancer(return_X_y=True)
    fitted = thirtyfold.Classifier(model=model).fit(X, y)
    before = fitted.predict_proba(X)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), before)


def test_a_value_that_cannot_be_read_is_refused_by_name():
    age = [20 + i * 7 % 41 for i in range(80)]
    frame = pd.DataFrame({"age": age, "city": ["a", "b"] * 40})
    fitted = thirtyfold.Classifier(model="tree").fit(frame, ["yes" if a > 40 else "no" for a in age])
    with pytest.raises(ValueError, match="'forty' is not a number"):
        fitted.predict(pd.DataFrame({"age": ["forty", 3], "city": ["a", "b"]}))
