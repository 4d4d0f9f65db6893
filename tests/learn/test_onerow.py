"""One row by the C interface: the same bits as LightGBM's own Python layer, for every objective."""

import lightgbm
import numpy as np
import pytest

from thirtyfold.core.lean import lightgbm as lean
from thirtyfold.learn.onerow import OneRow


def booster(objective: str, classes: int) -> tuple[lightgbm.Booster, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 5)).astype(np.float32)
    x[:, 4] = rng.integers(0, 6, 400)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = rng.integers(0, classes, 400) if classes else np.nan_to_num(x[:, 0]) * 3
    options = {"objective": objective, "verbose": -1, "min_data_in_leaf": 3}
    options |= {"num_class": classes} if classes > 2 else {}
    return lean().train(options, lean().Dataset(x, y, categorical_feature=[4]), 30), x


@pytest.mark.parametrize(("objective", "classes"), [("binary", 2), ("multiclass", 3), ("regression", 0)])
def test_the_same_bits_as_the_library(objective: str, classes: int) -> None:
    made, x = booster(objective, classes)
    one = OneRow(made)
    whole = lightgbm.Booster(model_str=made.model_to_string()).predict(x)
    alone = np.array([one(x[i : i + 1]) for i in range(len(x))])
    np.testing.assert_array_equal(alone.reshape(whole.shape), whole)


def test_a_row_of_another_width_is_refused() -> None:
    made, x = booster("binary", 2)
    with pytest.raises(RuntimeError, match=r"\(1, 5\) was expected"):
        OneRow(made)(x[:1, :4])
