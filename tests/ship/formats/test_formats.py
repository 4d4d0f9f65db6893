"""Every export format through its conformance suite, with every kind of model that there is."""

import numpy as np
import onnx
import pytest

from thirtyfold.core.family import Family
from thirtyfold.ship.formats.onnx import Onnx
from thirtyfold.testing.formats import check_format, example

FORMATS = Family("ship.formats")


@pytest.mark.parametrize("word", FORMATS.words())
@pytest.mark.parametrize("model", ["boosting", "linear", "forest", "tree", "svm", "nearest", "mlp"])
@pytest.mark.step(29)
def test_format(word: str, model: str) -> None:
    check_format(FORMATS.find(word), models=(model,))


def test_thresholds_by_group_and_abstention_are_in_the_graph() -> None:
    given = example()
    task = (
        given.goal.task.with_threshold(0.3).with_thresholds("city", {"Durban": 0.9, "None": 0.05}).with_abstention(0.8)
    )
    package = given.package.with_task(task)
    columns = package.arrays(given.test.table)
    wanted = package.task.decode(package.raw(columns), columns)
    found = Onnx().answers(Onnx().write(package), package, columns)
    assert found.columns == wanted.columns
    assert found["prediction"].to_list() == wanted["prediction"].to_list()
    assert found["unsure"].to_list() == wanted["unsure"].to_list()
    assert 0 < wanted["unsure"].sum() < len(wanted)


def test_thresholds_by_a_number_and_missing_ones() -> None:
    given = example()
    package = given.package.with_task(given.goal.task.with_thresholds("member", {"1": 0.9, "0": 0.1}))
    columns = package.arrays(given.test.table)
    wanted = package.task.decode(package.raw(columns), columns)["prediction"].to_list()
    found = Onnx().answers(Onnx().write(package), package, columns)["prediction"].to_list()
    assert found == wanted
    assert wanted != given.package.task.decode(package.raw(columns), columns)["prediction"].to_list()


def test_spellings_and_markers_are_in_the_graph() -> None:
    package = example().package
    known = package.door.rows([{"age": -999, "income": 1, "city": "JHB", "member": "yes", "note": "", "joined": None}])
    raw = {**known, "age": np.array([-999.0]), "city": np.array(["JHB"], dtype=object)}
    data = Onnx().write(package)
    assert Onnx().answers(data, package, raw).equals(Onnx().answers(data, package, known))
    raw["city"] = np.array(["?"], dtype=object)
    known["city"] = np.array([None], dtype=object)
    assert Onnx().answers(data, package, raw).equals(Onnx().answers(data, package, known))


def test_the_graph_names_its_package() -> None:
    package = example().package
    model = onnx.load_from_string(Onnx().write(package))
    assert {p.key: p.value for p in model.metadata_props} == {"package": package.hash, "name": "example"}
    assert [i.name for i in model.graph.input] == [c.name for c in package.columns]


def test_a_format_that_answers_otherwise_fails_the_suite() -> None:
    class Wrong(Onnx):
        def answers(self, data, package, columns):  # type: ignore[no-untyped-def]
            frame = super().answers(data, package, columns)
            return frame.with_columns(frame[frame.columns[-1]] + 0.001)

    with pytest.raises(AssertionError, match="differs from Python"):
        check_format(Wrong)
