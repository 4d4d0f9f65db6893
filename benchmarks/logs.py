"""Templates of logs: grouping accuracy against labeled lines, beside the published figures of Drain.

    THIRTYFOLD_MIRROR=/path/to/data python benchmarks/logs.py

Grouping accuracy as J. Zhu et al., "Tools and Benchmarks for Automated Log Parsing" (ICSE-SEIP 2019) define it: the
share of lines whose group holds exactly the lines of the labeled template. Their figures for Drain were reached with
settings chosen for each data set; ours is one setting for all, from the raw file on.
"""

import os
import sys
import time
from collections import Counter
from pathlib import Path

import polars as pl

from thirtyfold.core.quiet import Quiet
from thirtyfold.data.naming import source_of

PUBLISHED = {"HDFS": 0.998, "OpenSSH": 0.788, "Apache": 1.000, "Linux": 0.690}
"""Table III of Zhu et al. 2019, column Drain."""


def grouping_accuracy(truth, found):
    """The share of lines whose found group is exactly their true one."""
    true, own, both = Counter(truth), Counter(found), Counter(zip(truth, found, strict=True))
    return sum(n for (t, f), n in both.items() if true[t] == n == own[f]) / len(truth)


def measured(folder: Path, name: str) -> tuple[float, int, int, float]:
    start = time.perf_counter()
    frame = source_of({"logs": {"path": str(folder / name / f"{name}_2k.log")}}).read(Quiet()).frame
    seconds = time.perf_counter() - start
    truth = pl.read_csv(folder / name / f"{name}_2k.log_structured.csv", infer_schema=False)
    assert frame.height == truth.height, f"{name}: {frame.height} lines were read, {truth.height} are labeled"
    accuracy = grouping_accuracy(truth["EventId"].to_list(), frame["event"].to_list())
    return accuracy, frame["event"].n_unique(), truth["EventId"].n_unique(), seconds


def main() -> int:
    mirror = os.environ.get("THIRTYFOLD_MIRROR")
    if not mirror:
        print("THIRTYFOLD_MIRROR must name the folder with loghub_dev.")
        return 2
    print(f"{'log':10} {'ours':>8} {'Drain':>8} {'templates':>10} {'labeled':>8} {'lines/s':>9}")
    worse = 0
    for name, published in PUBLISHED.items():
        accuracy, templates, labeled, seconds = measured(Path(mirror) / "loghub_dev", name)
        worse += round(accuracy + 1e-9, 3) < published
        print(f"{name:10} {accuracy:8.4f} {published:8.3f} {templates:10} {labeled:8} {2000 / seconds:9,.0f}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
