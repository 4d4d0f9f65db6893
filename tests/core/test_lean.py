"""Lean: a copy without companions, beside the whole library in one process."""

import subprocess
import sys

import pytest

from thirtyfold.core.lean import lean

CHILD = """
import sys
from thirtyfold.core.lean import lightgbm
ours = lightgbm()
assert not {"sklearn", "pandas", "scipy.stats", "lightgbm"} & set(sys.modules), "a companion came along"
assert lightgbm() is ours
import lightgbm as theirs
from sklearn.datasets import load_iris
x, y = load_iris(return_X_y=True)
assert theirs.Booster is not ours.Booster
theirs.LGBMClassifier(n_estimators=2, verbose=-1).fit(x, y).predict(x)
ours.train({"objective": "multiclass", "num_class": 3, "verbose": -1}, ours.Dataset(x, y), 2).predict(x)
"""


def test_lightgbm_comes_alone_and_leaves_the_whole_one_to_others() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_not_installed_is_said_by_name() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        lean("no_such_library")
