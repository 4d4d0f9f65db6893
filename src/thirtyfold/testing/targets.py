"""Checks that every target passes, ours and a stranger's: ``check_target(Class, folder)``."""

from pathlib import Path
from typing import Any

from thirtyfold.core.package import Package
from thirtyfold.testing.formats import example

__all__ = ["check_target"]


def check_target(member: Any, home: Path, **options: Any) -> str:
    """Put an example and a newer one; returns the address. Set ``THIRTYFOLD_HOME`` to ``home`` before.

    A target that keeps files must keep whole Packages that open again; one that is asked twice must do no harm.
    """
    target, name = member(**options), member.__name__
    first = example().package
    second = first.with_task(first.task.with_threshold(0.3))  # type: ignore[attr-defined]
    assert first.hash not in target.present(first.name), f"{name}: says that it has what was never put"
    address = target.put(first)
    assert isinstance(address, str) and address, f"{name}: put must return an address"
    assert first.hash in target.present(first.name), f"{name}: does not say what was put"
    assert target.put(first) == address, f"{name}: putting the same again gives another address"
    assert target.put(second) == address, f"{name}: a newer version has another address"
    assert second.hash in target.present(first.name), f"{name}: does not say what was put last"
    for manifest in home.rglob("manifest.json"):
        Package.open(manifest.parent)
    left = [p for p in home.rglob(".*") if p.is_dir()]
    assert not left, f"{name}: left half-written folders behind: {left}"
    return address
