"""Measure: how fast, how large and how hungry a Package is on this machine."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from thirtyfold.core.owncode import trusted
from thirtyfold.core.package import Package
from thirtyfold.core.store import write_folder
from thirtyfold.core.verdict import Verdict

__all__ = ["latency_ms", "limits_of", "memory_mb"]

_CHILD = """
import resource, sys, json
from thirtyfold.core.owncode import trust
from thirtyfold.core.package import Package
trust(json.loads(sys.argv[2]))
package = Package.open(sys.argv[1])
package.predict_rows(json.load(sys.stdin))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak / (1e6 if sys.platform == "darwin" else 1e3))
"""


Request = Sequence[Mapping[str, Any]]
"""The rows that are sent at once: one, or a history."""


def latency_ms(package: Package, requests: Sequence[Request], seconds: float = 0.3) -> float:
    """The median milliseconds from one request to its answer, in process, over at most this many seconds."""
    package.predict_rows(requests[0])
    took: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(took) < 20:
        start = time.perf_counter()
        package.predict_rows(requests[len(took) % len(requests)])
        took.append(time.perf_counter() - start)
    return float(np.median(took) * 1000)


def memory_mb(package: Package, request: Request) -> float:
    """The most memory, in MB, of a fresh process that opens the Package and answers one request."""
    import json

    with tempfile.TemporaryDirectory(prefix="thirtyfold-") as folder:
        write_folder(Path(folder) / "package", package.save())
        command = [sys.executable, "-c", _CHILD, f"{folder}/package", json.dumps(trusted())]
        sent = json.dumps(request)
        done = subprocess.run(command, input=sent, capture_output=True, text=True, check=True, timeout=300)  # noqa: S603
    return float(done.stdout.split()[-1])


def limits_of(package: Package, limits: Mapping[str, float], requests: Sequence[Request]) -> list[Verdict]:
    """A Verdict for each of the Spec's limits; each is measured only when it is set."""
    ways = {
        "latency_ms": lambda: latency_ms(package, requests),
        "size_mb": lambda: package.size / 1e6,
        "memory_mb": lambda: memory_mb(package, requests[0]),
    }
    units = {"latency_ms": "ms for one row", "size_mb": "MB", "memory_mb": "MB of memory"}
    found = []
    for name, limit in sorted(limits.items()):
        value = float(ways[name]())
        passed = value <= limit
        why = f"it needs {value:.4g} {units[name]}, at most {limit:g} {'were' if passed else 'are'} allowed."
        found.append(Verdict(f"limits.{name}", passed, why, round(value, 6), limit, package.hash))
    return found
