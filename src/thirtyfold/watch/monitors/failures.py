"""How many requests could not be answered?"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from thirtyfold.core.package import Package
from thirtyfold.core.verdict import Verdict
from thirtyfold.watch.live import Live, wilson

__all__ = ["Failures"]


class Failures:
    """The share of requests that failed by our fault (status 500 and above), and that were refused (400 to 499).

    Looks at the last ``hours``. Alarms when the whole interval of a share (Wilson, 99 %) is above the limit.
    """

    def __init__(
        self,
        failed: Annotated[float, Field(ge=0, lt=1)] = 0.01,
        refused: Annotated[float, Field(ge=0, lt=1)] = 0.25,
        hours: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        self.failed, self.refused, self.hours = failed, refused, hours

    def calibrate(self, package: Package) -> dict[str, Any]:
        del package
        return {"failed": self.failed, "refused": self.refused}

    def look(self, package: Package, state: Mapping[str, Any], live: Live) -> list[Verdict]:
        since = live.now - self.hours * 3600
        ids = live.predictions.filter(live.predictions["time"] >= since)["id"]
        answered = ids.str.replace(r"-\d+$", "").n_unique()
        status = live.failures.filter(live.failures["time"] >= since)["status"]
        kinds = {"failed": int((status >= 500).sum()), "refused": int((status < 500).sum())}
        asked = answered + len(status)
        found = []
        for kind, count in kinds.items():
            low, high = wilson(count, asked, 0.99)
            limit = float(state[kind])
            words = {"failed": "failed by our fault", "refused": "were refused"}[kind]
            why = f"{count:,} of {asked:,} requests of the last {self.hours:g} h {words}; {limit:.2%} are allowed."
            numbers = {"requests": asked, "count": count, "interval": [low, high]}
            share = count / asked if asked else 0.0
            passed = asked == 0 or low <= limit
            found.append(Verdict(f"failures.{kind}", passed, why, share, limit, package.hash, numbers))
        return found
