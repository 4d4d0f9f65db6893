"""Quality and time on Adult (48,842 rows, ROC AUC): Thirtyfold beside plain LightGBM and AutoGluon, on the same rows.

usage: python benchmarks/adult.py [--minutes 2] [--peer PYTHON_WITH_AUTOGLUON] [--only boosting|auto]

The rows are split once: the first 85 % of a seed-0 permutation to learn from (15/85 of them held out to choose by), the rest
for the test. Every contestant sees the same rows. Prints one JSON line each, with a 95 % bootstrap interval over the test
rows and the paired difference to the peer. The data is found through THIRTYFOLD_MIRROR.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

COLUMNS = [
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race",
    "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income",
]  # fmt: skip

AUTOGLUON = """
import json, sys, tempfile, time, warnings
warnings.filterwarnings("ignore")
import pandas as pd
from autogluon.tabular import TabularPredictor
frame = pd.read_csv(sys.argv[1]).astype({"part": str})
test = frame.part == "test"
frame = frame.drop(columns="part")
start = time.perf_counter()
with tempfile.TemporaryDirectory() as folder:
    model = TabularPredictor(label="income", eval_metric="roc_auc", path=folder, verbosity=0)
    model.fit(frame[~test], time_limit=float(sys.argv[2]), presets=sys.argv[3], num_cpus=2)
    fit = time.perf_counter() - start
    scores = model.predict_proba(frame[test])[">50K"]
    one = frame[test].iloc[[0]].drop(columns=["income"])
    model.persist()
    model.predict(one)
    start = time.perf_counter()
    for _ in range(30):
        model.predict(one)
    single = (time.perf_counter() - start) / 30
pd.Series(scores.to_numpy()).to_csv(sys.argv[4], index=False, header=False)
print(json.dumps({"fit_s": round(fit, 1), "one_row_ms": round(1000 * single, 2)}))
"""


def table(folder: Path) -> Path:
    """Both files as one CSV, with the part of each row in a column."""
    mirror = Path(os.environ.get("THIRTYFOLD_MIRROR", "../shared/data")) / "adult"
    frames = [
        pl.read_csv(mirror / f"adult-{name}.csv", has_header=False, new_columns=COLUMNS, infer_schema=False)
        for name in ("train", "test")
    ]
    frame = pl.concat(frames).with_columns(pl.all().str.strip_chars())
    frame = frame.with_columns(pl.col("income").str.strip_chars_end(".")).filter(pl.col("income").is_not_null())
    order = np.random.default_rng(0).permutation(len(frame))
    part = np.full(len(frame), "train", dtype=object)
    part[order[int(len(frame) * 0.70) : int(len(frame) * 0.85)]] = "validation"
    part[order[int(len(frame) * 0.85) :]] = "test"
    path = folder / "adult.csv"
    frame.with_columns(pl.Series("part", part.tolist())).write_csv(path)
    return path


def plain_lightgbm(path: Path) -> tuple[dict[str, Any], np.ndarray]:
    """LightGBM as it comes, categories as categories."""
    import lightgbm
    import pandas as pd

    frame = pd.read_csv(path)
    test = (frame.pop("part") == "test").to_numpy()
    truth = (frame.pop("income") == ">50K").to_numpy()
    for name in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = frame[name].astype("category")
    start = time.perf_counter()
    model = lightgbm.LGBMClassifier(n_jobs=2, verbose=-1).fit(frame[~test], truth[~test])
    return {"fit_s": round(time.perf_counter() - start, 2)}, model.predict_proba(frame[test])[:, 1]


def thirtyfold(path: Path, model: str, minutes: float | None) -> tuple[dict[str, Any], np.ndarray]:
    """The whole command in a process of its own, so that its time and memory are what a user sees."""
    spec = path.with_name(f"{model}.yaml")
    spec.write_text(
        f"name: adult-{model}\ntarget: income\ncollect: {path}\nroles: {{part: part}}\nmetric: roc_auc\nmodel: {model}\n"
    )
    command = [sys.executable, "-m", "thirtyfold", "run", str(spec), "--json"]
    command += ["--minutes", str(minutes)] if minutes else []
    home = path.parent / f"home-{model}"
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    before = used.ru_utime + used.ru_stime
    start = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "THIRTYFOLD_HOME": str(home)}, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode not in (0, 3):
        raise SystemExit(done.stderr)
    summary = json.loads(done.stdout)
    from thirtyfold import load

    package = load(summary["package"])
    frame = pl.read_csv(path, infer_schema=False).filter(pl.col("part") == "test").drop("part", "income")
    scores = package.predict(frame)["probability_>50K"].to_numpy()
    row = dict(zip(frame.columns, frame.row(0), strict=True))
    row = {c.name: row[c.name] for c in package.columns}
    package.predict_rows([row])
    times = []
    for _ in range(300):
        at = time.perf_counter()
        package.predict_rows([row])
        times.append(time.perf_counter() - at)
    by_stage = {s["stage"]: 0.0 for s in summary["steps"]}
    for step in summary["steps"]:
        by_stage[step["stage"]] += step["seconds"]
    fits = sum(by_stage.get(s, 0.0) for s in ("train", "tune", "regularize"))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {
        "run_s": round(seconds, 1),
        "all_but_fits_s": round(seconds - fits, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime - before, 1),
        "peak_gib": round(used.ru_maxrss / 2**20, 2),
        "one_row_ms": round(1000 * float(np.median(times)), 3),
        "by_stage": {k: round(v, 2) for k, v in by_stage.items()},
    }
    return told, scores


def autogluon(path: Path, python: str, seconds: float, preset: str) -> tuple[dict[str, Any], np.ndarray]:
    """The peer, in its own environment."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as out:
        command = [python, "-c", AUTOGLUON, str(path), str(seconds), preset, out.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        return json.loads(done.stdout.splitlines()[-1]), np.loadtxt(out.name)


def interval(truth: np.ndarray, first: np.ndarray, second: np.ndarray | None = None) -> list[float]:
    """95 % bootstrap interval of the AUC, or of the paired difference of two."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(200):
        at = rng.integers(0, len(truth), len(truth))
        score = roc_auc_score(truth[at], first[at])
        drawn.append(score - (roc_auc_score(truth[at], second[at]) if second is not None else 0.0))
    return [round(float(q), 5) for q in np.quantile(drawn, [0.025, 0.975])]


def main() -> None:
    from sklearn.metrics import roc_auc_score

    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("--minutes", type=float, default=2.0)
    told.add_argument("--peer", help="a Python that has autogluon.tabular")
    told.add_argument("--presets", nargs="*", default=["medium_quality"], help="of AutoGluon")
    told.add_argument("--only", choices=["boosting", "auto"])
    args = told.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = table(Path(folder))
        truth = (pl.read_csv(path).filter(pl.col("part") == "test")["income"] == ">50K").to_numpy()
        runs = {"lightgbm": lambda: plain_lightgbm(path)}
        if args.only != "auto":
            runs["thirtyfold boosting"] = lambda: thirtyfold(path, "boosting", None)
        if args.only != "boosting":
            runs["thirtyfold auto"] = lambda: thirtyfold(path, "auto", args.minutes)
            if args.peer:
                for preset in args.presets:
                    runs[f"autogluon {preset}"] = lambda p=preset: autogluon(path, args.peer, args.minutes * 60, p)
        scores: dict[str, np.ndarray] = {}
        for name, run in runs.items():
            found, scores[name] = run()
            auc = roc_auc_score(truth, scores[name])
            line = {"who": name, "roc_auc": round(float(auc), 5), "interval": interval(truth, scores[name]), **found}
            if name != "lightgbm":
                line["minus_lightgbm"] = interval(truth, scores[name], scores["lightgbm"])
            if name.startswith("autogluon") and "thirtyfold auto" in scores:
                line["thirtyfold_minus_it"] = interval(truth, scores["thirtyfold auto"], scores[name])
            line["load"] = round(os.getloadavg()[0], 1)
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
