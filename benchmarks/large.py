"""Many rows: collect, clean, split, label and analyze of a generated CSV beside Polars' own scan to Parquet.

usage: python benchmarks/large.py [--rows 10000000] [--runs 3] [--folder DIR]

The file has twelve columns (a key, a time, whole numbers, decimals, categories, gaps, a marker of missing values); ten
million rows are 0.9 GB. Each contestant runs in a process of its own, in turn on the same file,
``--runs`` times; the ratios are those of the medians. Printed as JSON lines,
with the ratio of both: seconds by the clock and of the processor (on a busy machine only these can be compared), and
memory. ``peak_gib`` is all of it that was resident at once, pages of mapped files among them, which the system may take
back at any time; ``own_gib`` is what was the process's own and could not be taken back, looked at fifty times a second.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

PART = 500_000
_COMPARED = ("seconds", "processor")
CITIES = ["Johannesburg", "Cape Town", "Durban", "Pretoria", "Soweto", "Polokwane", "Kimberley", "Gqeberha"]


def part(rng: np.random.Generator, first: int, rows: int) -> pl.DataFrame:
    """Some rows; the answer hangs on the height."""
    height = rng.normal(50, 15, rows).round(3)
    income = pl.Series(rng.gamma(2, 300, rows).round(2))
    stamp = np.datetime64("2020-01-01T00:00:00", "ms") + ((first + np.arange(rows)) * 15_000).astype("timedelta64[ms]")
    return pl.DataFrame(
        {
            "id": np.arange(first, first + rows),
            "when": stamp,
            "age": rng.integers(18, 90, rows),
            "height": height,
            "income": pl.select(pl.when(pl.Series(rng.random(rows) >= 0.02)).then(income)).to_series(),
            "city": np.array(CITIES)[rng.integers(0, len(CITIES), rows)],
            "plan": np.array(["basic", "plus", "pro"])[rng.integers(0, 3, rows)],
            "visits": rng.poisson(3, rows),
            "score": rng.random(rows).round(4),
            "phone": rng.integers(10**8, 10**9, rows),
            "note": np.array(["ok", "late", "?", "refund asked", "called twice"])[rng.integers(0, 5, rows)],
            "left": np.where(rng.random(rows) < 1 / (1 + np.exp(-(height - 60) / 10)), "yes", "no"),
        }
    )


def generate(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for first in range(0, rows, PART):
            part(rng, first, min(PART, rows - first)).write_csv(file, include_header=first == 0)


class Own(threading.Thread):
    """Watches how much memory is the process's own (Linux: ``RssAnon``)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0
        self.start()

    def run(self) -> None:
        status = Path("/proc/self/status")
        while status.is_file():
            lines = status.read_text(encoding="ascii").splitlines()
            self.most = max(self.most, *(int(v.split()[1]) for v in lines if v.startswith("RssAnon")), 0)
            time.sleep(0.02)


def child(who: str, path: str) -> None:
    """One contestant; prints seconds, gigabytes and, for ours, the seconds of each stage."""
    own = Own()
    start = time.perf_counter()
    stages: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        if who == "polars":
            pl.scan_csv(path, try_parse_dates=True).sink_parquet(f"{folder}/out.parquet")
        else:
            from thirtyfold.core.home import Home
            from thirtyfold.core.spec import Spec
            from thirtyfold.run import execute

            outcome = execute(Spec.of({"target": "left", "collect": path}), Home(folder), until="analyze")
            if outcome.error is not None:
                raise outcome.error
            for line in (outcome.folder / "record.jsonl").read_text(encoding="utf-8").splitlines():
                event = json.loads(line)
                if event["event"] == "stage_done":
                    stages[event["stage"]] = event["seconds"]
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 2**30
    told = {"who": who, "seconds": round(seconds, 2), "processor": round(time.process_time(), 2)}
    memory = {"peak_gib": round(peak, 2), "own_gib": round(own.most / 2**20, 2)}
    print(json.dumps(told | memory | {"stages": stages}))


def main() -> None:
    told = argparse.ArgumentParser()
    told.add_argument("--rows", type=int, default=10_000_000)
    told.add_argument("--runs", type=int, default=3)
    told.add_argument("--folder", default=None)
    told.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked = told.parse_args()
    if asked.child:
        child(*asked.child)
        return
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        path = Path(folder) / "rows.csv"
        generate(path, asked.rows)
        found: dict[str, list[dict[str, float]]] = {"polars": [], "thirtyfold": []}
        for who in list(found) * asked.runs:
            command = [sys.executable, __file__, "--child", who, str(path)]
            line = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[-1]
            print(line, flush=True)
            found[who].append(json.loads(line))
        usual = {who: {k: median(run[k] for run in runs) for k in _COMPARED} for who, runs in found.items()}
        ratio, work = (usual["thirtyfold"][key] / usual["polars"][key] for key in _COMPARED)
        told = {"rows": asked.rows, "megabytes": round(path.stat().st_size / 1e6), "load": os.getloadavg()[0]}
        print(json.dumps(told | {"times_as_long": round(ratio, 2), "times_the_work": round(work, 2)}))


if __name__ == "__main__":
    main()
