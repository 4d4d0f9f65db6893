"""Checks that every schedule passes: ``check_schedule(member)``."""

from typing import Any

__all__ = ["check_schedule"]


def check_schedule(schedule: Any) -> None:
    """A factor in [0, 1] at every moment that depends on the moment alone, above zero for most of the time."""
    name = type(schedule).__name__
    moments = [i / 200 for i in range(200)]
    factors = [schedule(m) for m in moments]
    assert all(isinstance(f, float) for f in factors), f"{name}: a factor must be a float"
    assert all(0 <= f <= 1 for f in factors), f"{name}: a factor outside [0, 1]"
    assert sum(f > 0 for f in factors) > 150, f"{name}: the rate is zero for more than a quarter of the time"
    assert [schedule(m) for m in reversed(moments)] == factors[::-1], f"{name}: depends on more than the moment"
    assert max(factors) > 0.99, f"{name}: never reaches the whole rate"
    if hasattr(schedule, "heed"):
        _heeds(schedule, name)


def _heeds(schedule: Any, name: str) -> None:
    """The whole rate while the loss falls, less when it stands still, by the losses alone."""
    falling, still = [1.0 - i / 50 for i in range(40)], [1.0] * 40
    assert schedule.heed([]) == 1, f"{name}: not the whole rate before the first epoch"
    assert schedule.heed(falling) == 1, f"{name}: heeds a loss that falls"
    assert 0 < schedule.heed(still) < 1, f"{name}: does not heed a loss that stands still"
    assert schedule.heed(falling) == 1, f"{name}: remembers another training"
