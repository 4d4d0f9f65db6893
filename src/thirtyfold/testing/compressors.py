"""Checks that every compressor passes, ours and a stranger's: ``check_compressor(Class)``."""

from typing import Any

import numpy as np

from thirtyfold.core.package import Package
from thirtyfold.core.quiet import Quiet
from thirtyfold.ship.lighter import Given
from thirtyfold.testing.formats import Example, example

__all__ = ["check_compressor", "given_of"]


def given_of(made: Example) -> Given:
    """What a compressor is given for an example."""
    package, rows = made.package, made.learning
    encoded = package.encoder.encoded(
        package.arrays(rows), target=made.goal.truth(rows), classes=len(made.goal.task.classes)
    )
    return Given(encoded, Quiet(seed=3))


def check_compressor(
    member: Any, model: str = "boosting", target: str = "classes", *, close: float = 0.8, **options: Any
) -> int:
    """Each variant is smaller, opens from its own bytes, answers nearly as before, and is made alike twice.

    ``close`` is the correlation with the answers before, at least. Returns how many variants there were.
    """
    made = example(model, target)
    package, name = made.package, f"{member.__name__} ({model}, {target})"
    columns = package.arrays(made.test.table)
    before = package.raw(columns)
    variants = member(**options).variants(package, given_of(made))
    again = member(**options).variants(package, given_of(made))
    assert [v.package.hash for v in variants] == [v.package.hash for v in again], f"{name}: other bytes the second time"
    for variant in variants:
        label = f"{name}: '{variant.name}'"
        assert variant.name and variant.what, f"{label} must say what it is"
        assert variant.package.size < package.size, f"{label} has {variant.package.size} bytes, before {package.size}"
        assert variant.package.hash != package.hash, f"{label} has the hash of what it was made from"
        opened = Package.load(variant.package.save())
        after = opened.raw(columns)
        assert after.shape == before.shape and np.isfinite(after).all(), f"{label} gives other shapes or no numbers"
        assert opened.columns == package.columns, f"{label} has another door"
        alike = float(np.corrcoef(before[:, -1], after[:, -1])[0, 1])
        assert alike > close, f"{label} answers otherwise (correlation {alike:.2f})"
    return len(variants)
