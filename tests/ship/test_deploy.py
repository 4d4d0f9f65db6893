"""Targets through their conformance suite, and the stage that refuses when a gate said no."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from thirtyfold.core.errors import PackageError
from thirtyfold.core.family import Family
from thirtyfold.core.package import Package
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.registry import Registry
from thirtyfold.core.spec import Spec
from thirtyfold.core.verdict import Verdict
from thirtyfold.ship.deploy import Deploy, Deployed
from thirtyfold.testing.formats import example
from thirtyfold.testing.targets import check_target

TARGETS = Family("ship.targets")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("word", TARGETS.words())
def test_target(word: str, home: Path) -> None:
    check_target(TARGETS.find(word), home)


def run(verdicts: list[Verdict], **spec: Any) -> tuple[Deploy, Deployed]:
    stage = Deploy(Spec.of({"target": "y", "collect": "x.csv", "name": "example", **spec}))
    package = example().package
    proof = Verdict("export", True, "the same", package=package.hash)
    return stage, stage.run(package, verdicts, proof, [], Quiet())


@pytest.mark.step(29)
def test_when_every_gate_passed_it_is_deployed_everywhere(home: Path) -> None:
    stage, done = run([Verdict("success.roc_auc", True, "ok", 0.9, 0.8, example().package.hash)],
                      deploy=["folder", "container", "server"])  # fmt: skip
    assert len(done.addresses) == 3
    assert Package.open(done.addresses[0]).hash == example().package.hash
    assert done.evidence[0].step == 29 and done.evidence[0].status == "done"
    assert example().package.hash in stage.outside()


@pytest.mark.step(29)
def test_a_gate_that_said_no_keeps_everything_away(home: Path) -> None:
    _, done = run([Verdict("success.roc_auc", False, "0.7 is below 0.8", 0.7, 0.8)])
    assert done.addresses == []
    assert done.evidence[0].status == "refused"
    assert "0.7 is below 0.8" in done.evidence[0].why
    assert list(home.iterdir()) == []


def test_a_verdict_about_another_package_does_not_count(home: Path) -> None:
    _, done = run([Verdict("success.roc_auc", True, "ok", package="ab" * 32)])
    assert done.addresses == []
    assert "another Package" in done.evidence[0].why


def test_what_was_removed_is_noticed(home: Path) -> None:
    stage, done = run([])
    before = stage.outside()
    (Path(done.addresses[0]) / "manifest.json").unlink()
    assert stage.outside() != before


def test_a_folder_with_other_things_is_not_replaced(home: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    for word in ("folder", "container"):
        with pytest.raises(PackageError, match="something else"):
            run([], deploy=[{word: {"path": str(mine)}}])
    assert (mine / "thesis.txt").read_text() == "years of work"


def test_the_server_target_serves_the_first_and_waits_for_a_promotion(home: Path) -> None:
    first = example().package
    target = TARGETS.build("server", "deploy")
    target.put(first)
    target.put(first.with_task(first.task.with_threshold(0.2)))
    registry = Registry(home, "example")
    assert len(registry.versions()) == 2
    champion = registry.champion()
    assert champion is not None and champion.hash == first.hash


def test_the_container_is_complete_and_not_root(home: Path) -> None:
    folder = Path(TARGETS.build({"container": {"port": 9000}}, "deploy").put(example().package))
    text = (folder / "Dockerfile").read_text()
    assert "USER 10001" in text and "HEALTHCHECK" in text and '"--port", "9000"' in text
    copied = [line.split()[1] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line]
    assert copied and all((folder / c).exists() for c in copied)
    code = "import sys; from thirtyfold.core.package import Package; print(Package.open(sys.argv[1]).hash)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "package")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == example().package.hash


def test_what_was_not_asked_is_not_called_a_gate(home: Path) -> None:
    free = Verdict("safety.privacy", True, "looked", 0.5)
    done = run([Verdict("better_than_naive", True, "ok", 0.9, 0.5), free])[1].evidence[0]
    assert done.why.startswith("No gate was set; the checks that are always made passed, so version")
    assert [row[1] for row in done.tables[0].rows] == ["yes", "no limit set", "yes"]
    held = Verdict("safety.robustness", True, "held", 0.1, 0.2)
    assert run([held, free])[1].evidence[0].why.startswith("The gate of the Spec and the checks")
    no = Verdict("success.roc_auc", False, "0.7 is below 0.8", 0.7, 0.8)
    assert "1 of 2 gates said no" in run([no, free])[1].evidence[0].why
