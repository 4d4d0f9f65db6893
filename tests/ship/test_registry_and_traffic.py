"""The registry of versions and the store of traffic, which the server writes and monitors read."""

import json
import threading
from pathlib import Path

import pytest

from thirtyfold.core.errors import PackageError, SpecError
from thirtyfold.core.package import Package
from thirtyfold.core.registry import Registry
from thirtyfold.core.traffic import Answered, Failed, Feedback, Traffic
from thirtyfold.testing.formats import example


def versions(count: int) -> list[Package]:
    package = example().package
    return [package.with_task(package.task.with_threshold(0.1 + 0.1 * i)) for i in range(count)]  # type: ignore[attr-defined]


@pytest.mark.step(30)
def test_promote_and_roll_back(tmp_path: Path) -> None:
    registry = Registry(tmp_path, "example")
    assert registry.champion() is None
    first, second, third = versions(3)
    for package in (first, second, third, first):
        registry.add(package, run="r")
    assert [v["number"] for v in registry.versions()] == [1, 2, 3]
    registry.promote(first.hash)
    registry.promote("2", why="better")
    registry.promote(third.hash[:10])
    champion = registry.champion()
    assert champion is not None
    assert champion.open().hash == third.hash
    assert champion.previous == (first.hash, second.hash)
    assert registry.promote("3") == champion
    assert registry.rollback("worse").hash == second.hash
    assert registry.rollback("worse still").hash == first.hash
    with pytest.raises(SpecError, match="no earlier champion"):
        registry.rollback()
    events = [e["event"] for e in registry.history()]
    assert events == ["added"] * 3 + ["promoted"] * 3 + ["rolled_back"] * 2


def test_what_is_not_a_version_is_named_with_what_there_is(tmp_path: Path) -> None:
    registry = Registry(tmp_path, "example")
    registry.add(versions(1)[0])
    with pytest.raises(SpecError, match=r"no one version '7'.*Allowed: 1 \("):
        registry.promote("7")


def test_a_version_that_was_altered_is_neither_promoted_nor_opened(tmp_path: Path) -> None:
    registry = Registry(tmp_path, "example")
    first, second = versions(2)
    folder = registry.add(first)
    registry.promote("1")
    state = json.loads((folder / "task.json").read_text())
    (folder / "task.json").write_text(json.dumps({**state, "task": "regression"}))
    champion = registry.champion()
    assert champion is not None
    with pytest.raises(PackageError, match=r"task\.json was altered"):
        champion.open()
    registry.add(second)
    registry.promote("2")
    with pytest.raises(PackageError, match=r"task\.json was altered"):
        registry.rollback()
    now = registry.champion()
    assert now is not None and now.hash == second.hash


def test_a_pointer_to_another_package_is_refused(tmp_path: Path) -> None:
    registry = Registry(tmp_path, "example")
    first, second = versions(2)
    registry.add(first)
    other = registry.add(second)
    registry.promote("1")
    state = json.loads(registry.pointer.read_text())
    registry.pointer.write_text(json.dumps({**state, "folder": str(other)}))
    champion = registry.champion()
    assert champion is not None
    with pytest.raises(PackageError, match="was promoted"):
        champion.open()
    registry.pointer.write_text("not json")
    with pytest.raises(PackageError, match="does not name a champion"):
        registry.champion()


def answered(i: int, model: str = "m") -> Answered:
    return Answered(f"r{i}", float(i), model, [{"a": i}, {"a": -i}], [{"prediction": "x"}] * 2, 1.5)


def test_traffic_is_read_by_window_and_model(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path / "t.sqlite")
    assert traffic.predictions().is_empty() and traffic.failures().is_empty() and traffic.feedback().is_empty()
    assert traffic.count() == 0
    traffic.prepare().write([answered(i) for i in range(10)], [Failed(3.0, "m", 422, "age: wrong")])
    traffic.write([answered(20, "n")])
    assert traffic.count() == 22
    assert traffic.count("m", until=5.0) == 10
    found = traffic.predictions(2.0, 4.0)
    assert found["id"].to_list() == ["r2-0", "r2-1", "r3-0", "r3-1"]
    assert json.loads(found["row"][1]) == {"a": -2}
    assert traffic.predictions(model="n")["id"].to_list() == ["r20-0", "r20-1"]
    assert traffic.predictions(last=1)["id"].to_list() == ["r20-1"]
    assert traffic.failures()["why"].to_list() == ["age: wrong"]
    assert traffic.feed(Feedback("r3-1", 50.0, truth=7.5, comment="late")) is True
    assert traffic.feed(Feedback("nobody", 50.0, truth=1)) is False
    told = traffic.feedback(model="m")
    assert told.select("id", "truth", "asked", "comment").rows() == [("r3-1", "7.5", 3.0, "late")]
    assert traffic.trim(before=9.0) == 18
    assert traffic.feedback().is_empty() and traffic.count() == 4


def test_a_reader_is_never_kept_out_by_the_writer(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path / "t.sqlite").prepare()
    stop = threading.Event()

    def write() -> None:
        i = 0
        while not stop.is_set():
            traffic.write([answered(i)])
            i += 1

    thread = threading.Thread(target=write)
    thread.start()
    counts = [traffic.count() for _ in range(100)]
    stop.set()
    thread.join()
    assert counts == sorted(counts)
    assert all(c % 2 == 0 for c in counts), "half of a request was seen"
