"""A network for tables beside boosting, and both together, on adult, bike_sharing and ames_house: the same split for all.

usage: python benchmarks/tabular.py [--sets adult,bikes,houses] [--models boosting,tabular,both] [--seeds 3] [--set key=value ...]

Each is a whole run of Thirtyfold with the Spec's defaults, without tuning, audits and compression, so the split, the
columns and the test rows of a seed are the same for every contestant. Prints one JSON line a run (test metric with its
95 % bootstrap interval, seconds and processor seconds), then a table of means over seeds. The data is found through
THIRTYFOLD_MIRROR.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

import thirtyfold

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
SETS: dict[str, dict[str, Any]] = {
    "adult": {"recipe": "income", "metric": "roc_auc", "seeds": 1},
    # By hours drawn at random, as tables are, and without the date.
    "bikes": {"recipe": "bikes", "metric": "rmse", "roles": {"ignore": ["instant", "dteday"]}},
    "houses": {"recipe": "houses", "metric": "mae"},
}
PLAIN = {"safety": [], "compress": None, "tune": {"trials": 0}}
BOTH = ("boosting", "tabular")


def spec_of(name: str, model: str, seed: int, options: dict[str, Any]) -> dict[str, Any]:
    """The recipe's data and target, with one model and nothing else."""
    own = SETS[name]
    recipe = yaml.safe_load((RECIPES / f"{own['recipe']}.yaml").read_text(encoding="utf-8"))
    spec = {n: recipe[n] for n in ("target", "collect", "roles") if n in recipe}
    spec |= {"name": f"{name}-{model}", "metric": own["metric"], "seed": seed, **PLAIN}
    spec |= {n: own[n] for n in ("roles",) if n in own}
    spelled: dict[str, Any] = {"boosting": "boosting", "tabular": {"tabular": options}, "mlp": "mlp"}
    spec["model"] = {"ensemble": {"members": [spelled[m] for m in BOTH]}} if model == "both" else spelled[model]
    return spec


def measure(name: str, model: str, seed: int, options: dict[str, Any]) -> dict[str, Any]:
    """One run; its test metric with the interval, and what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as home:
        score = thirtyfold.run(spec_of(name, model, seed, options), home=home).summary["score"]
    return {
        "set": name,
        "model": model,
        "seed": seed,
        **{n: score[n] for n in ("metric", "validation", "test", "interval")},
        "seconds": round(time.perf_counter() - wall, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "load": round(os.getloadavg()[0], 1),
    }


def summed(found: list[dict[str, Any]]) -> str:
    """Mean over seeds, with the interval of the first one."""
    lines = [f"{'set':8} {'model':10} {'metric':8} {'mean':>12} {'seeds':>6}  interval of the first"]
    for name, model in dict.fromkeys((f["set"], f["model"]) for f in found):
        rows = [f for f in found if (f["set"], f["model"]) == (name, model)]
        mean = statistics.mean(f["test"] for f in rows)
        low, high = rows[0]["interval"]
        lines.append(f"{name:8} {model:10} {rows[0]['metric']:8} {mean:12.5g} {len(rows):6}  {low:.5g} to {high:.5g}")
    return "\n".join(lines)


def main() -> None:
    """Every set, every seed, every model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--models", default="boosting,tabular,both")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an option of 'tabular'")
    given = parser.parse_args()
    options = {n: yaml.safe_load(v) for n, _, v in (s.partition("=") for s in given.set)}
    found = []
    for name in given.sets.split(","):
        for seed in range(min(given.seeds, SETS[name].get("seeds", given.seeds))):
            for model in given.models.split(","):
                found.append(measure(name, model, seed, options))
                print(json.dumps(found[-1]), flush=True)
    print(summed(found))


if __name__ == "__main__":
    main()
