"""Does it answer as quickly as it should?"""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from thirtyfold.core.charts import number
from thirtyfold.core.package import Package
from thirtyfold.core.verdict import Verdict
from thirtyfold.watch.live import Live

__all__ = ["Latency"]


class Latency:
    """The 95th percentile of the last ``rows`` answers against ``p95_ms``, with the interval of that percentile.

    An alarm is raised when its whole 95 % interval (order statistics, binomial) lies above the limit.
    """

    def __init__(
        self, p95_ms: Annotated[float, Field(gt=0)] = 100.0, rows: Annotated[int, Field(ge=100)] = 500
    ) -> None:
        self.p95_ms, self.rows = p95_ms, rows

    def calibrate(self, package: Package) -> dict[str, Any]:
        del package
        return {"limit": self.p95_ms}

    def look(self, package: Package, state: Mapping[str, Any], live: Live) -> list[Verdict]:
        part = live.window(self.rows)
        if part is None:
            why = f"{live.total:,} predictions so far; the first window is complete at {self.rows:,}."
            return [Verdict("latency", True, why, package=package.hash)]
        took = np.sort(live.predictions["latency_ms"][part].to_numpy())
        p50, p95, p99 = (float(np.quantile(took, q)) for q in (0.5, 0.95, 0.99))
        below = int(np.floor(len(took) * 0.95 - 1.96 * np.sqrt(len(took) * 0.95 * 0.05)))
        low = float(took[max(0, below)])
        limit = float(state["limit"])
        why = (
            f"Of the last {self.rows:,} answers half took up to {number(p50)} ms, 95 % up to {number(p95)} ms; "
            f"{limit:g} are allowed."
        )
        numbers = {"p50": p50, "p95": p95, "p99": p99, "p95_at_least": low}
        return [Verdict("latency", low <= limit, why, p95, limit, package.hash, numbers)]
