"""Checks that every framework passes: ``check_framework(member)``."""

from typing import Any

__all__ = ["check_framework"]


def check_framework(framework: Any) -> None:
    """Tells what it is, and leaves threads and random numbers outside as they were."""
    import torch

    name, facts = type(framework).__name__, framework.facts()
    missing = {"framework", "version", "device", "threads"} - facts.keys()
    assert not missing, f"{name}: facts() does not tell {sorted(missing)}"
    torch.manual_seed(5)
    before, state = torch.get_num_threads(), torch.random.get_rng_state()
    drawn = []
    for _ in range(2):
        with framework.session(7) as device:
            assert device == facts["device"], f"{name}: works on {device}, but told {facts['device']}"
            assert torch.get_num_threads() == facts["threads"], f"{name}: other threads than told"
            drawn.append(torch.rand(3).tolist())
    assert drawn[0] == drawn[1], f"{name}: the same seed gives other random numbers"
    assert torch.get_num_threads() == before, f"{name}: leaves other threads behind"
    assert torch.equal(torch.random.get_rng_state(), state), f"{name}: leaves other random numbers behind"
