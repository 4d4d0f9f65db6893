"""Forecasts against the seasonal-naive forecast, on series with the split said: what is won, and how sure that is.

usage: python benchmarks/forecasting.py [--sets air,sunspots,temperatures,dow,etth1-24,etth1-96,bikes] [--seeds 1] [--model auto]

Each is a whole run of Thirtyfold without audits and compression. Prints one JSON line a run: MASE, MAE and RMSE on the test
windows, the naive forecast's MASE, the 95 % interval of what is better (runs of origins drawn together), how many truths
the 90 % intervals held, seconds and processor seconds; then a table. The data is found through THIRTYFOLD_MIRROR.

ETTh1 is cut as it is published: 12 months to learn from, 4 to choose by, 4 to test on (rows 0 to 8,639, to 11,519, to
14,399), every window of the test part for 24 hours, every fifth for 96; its errors are also told in standard deviations of
the training rows, as papers do. Informer (Zhou et al. 2021, table 1) has MSE 0.098 and MAE 0.247 for 24 hours of OT alone.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

import thirtyfold

CLASSICS = "timeseries_classics"
ETT = {
    "file": "etth1/ETTh1.csv",
    "target": "OT",
    "rows": 14_400,
    "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
}
SETS: dict[str, dict[str, Any]] = {
    "air": {"file": f"{CLASSICS}/airline-passengers.csv", "target": "Passengers", "task": {"horizon": 12}},
    "sunspots": {"file": f"{CLASSICS}/monthly-sunspots.csv", "target": "Sunspots", "task": {"horizon": 12}},
    "temperatures": {"file": f"{CLASSICS}/daily-min-temperatures.csv", "target": "Temp", "task": {"horizon": 7}},
    "dow": {"file": "dow_jones/dowjones.csv", "target": "M1109BUSM293NNBR", "task": {"horizon": 12}},
    "etth1-24": {**ETT, "task": {"horizon": 24, "every": 1}},
    "etth1-96": {**ETT, "task": {"horizon": 96, "every": 5}},
    "bikes": {
        "file": "bike_sharing/bike.csv",
        "target": "cnt",
        "task": {"horizon": 24, "hour": "hr", "known": ["holiday", "workingday"]},
        "roles": {"time": "dteday", "ignore": ["instant", "yr", "season", "mnth", "weekday"]},
        "fields": {"hr": "number", "holiday": "number", "workingday": "number"},
    },
}
MODELS: dict[str, Any] = {"both": {"ensemble": {"members": ["linear", "boosting"]}}}


def measure(name: str, model: str, seed: int) -> dict[str, Any]:
    """One run; what its test said, and what it took."""
    own = SETS[name]
    frame = pl.read_csv(Path(os.environ["THIRTYFOLD_MIRROR"]) / own["file"], infer_schema_length=None)
    frame = frame.head(own["rows"]) if "rows" in own else frame
    spec = {"name": name, "target": own["target"], "collect": "frame", "task": {"forecasting": own["task"]}}
    spec |= {n: own[n] for n in ("roles", "fields", "split") if n in own}
    spec |= {"seed": seed, "safety": [], "compress": None, "monitor": [], "model": MODELS.get(model, model)}
    wall, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as home:
        outcome = thirtyfold.run(spec, frame, home=home)
        if outcome.error is not None:
            raise outcome.error
        evidence = json.loads((outcome.folder / "evidence.json").read_text())
    numbers = evidence["test"][0]["numbers"]
    found = {"set": name, "model": model, "seed": seed, **numbers["scores"], "naive_mase": numbers["baseline"]}
    found |= {"better_by": numbers["lead"], "held": numbers["forecasts"]["coverage"], "rows": numbers["rows"]}
    if name.startswith("etth1"):
        spread = float(frame[own["target"]].head(8_640).to_numpy().std())
        found |= {"standard_mse": (found["rmse"] / spread) ** 2, "standard_mae": found["mae"] / spread}
    took = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    return {**found, **took, "load": os.getloadavg()[0]}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--model", default="both", help="both (linear and boosting), auto, or a model's word")
    told = parser.parse_args()
    rows = []
    for name in told.sets.split(","):
        for seed in range(told.seeds):
            rows.append(measure(name, told.model, seed))
            print(json.dumps({n: round(v, 4) if isinstance(v, float) else v for n, v in rows[-1].items()}), flush=True)
    print("\n| set | MASE | naive | better by (95 %) | 90 % intervals held | seconds |\n|---|---|---|---|---|---|")
    for name in dict.fromkeys(r["set"] for r in rows):
        own = [r for r in rows if r["set"] == name]
        mean = {n: statistics.mean(r[n] for r in own) for n in ("mase", "naive_mase", "held", "seconds")}
        low, high = (statistics.mean(r["better_by"][at] for r in own) for at in (0, 1))
        print(
            f"| {name} | {mean['mase']:.3f} | {mean['naive_mase']:.3f} | {low:.3f} to {high:.3f} "
            f"| {mean['held']:.1%} | {mean['seconds']:.0f} |"
        )


if __name__ == "__main__":
    main()
