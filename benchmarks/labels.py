"""Labels: planted noise found, annotators and rules combined, and what the next label is worth, each with its figure.

usage: python benchmarks/labels.py [--share 0.1] [--seeds 3] [--peer]

Noise: a share of the labels of sms_spam and of scikit-learn's digits is changed to another class; printed is the average
precision of the training rows ranked by how little their own label is believed, and of the list of suspects alone (what is
not on it counts as found last). With --peer, cleanlab on probabilities of its usual kind (scikit-learn's logistic
regression, five folds; words for texts) on the same rows. The data is found through THIRTYFOLD_MIRROR.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from thirtyfold.core.aim import Aim
from thirtyfold.core.quiet import Quiet
from thirtyfold.core.spec import Spec
from thirtyfold.data.clean import Clean, Cleaned
from thirtyfold.data.collect import Collect, Collected
from thirtyfold.data.label import Label
from thirtyfold.data.labelers.given import Given
from thirtyfold.data.split import Parted, Split

MIRROR = Path(os.environ.get("THIRTYFOLD_MIRROR", "../shared/data"))
RULES = [
    {"label": "spam", "keyword": ["free", "win", "winner", "won", "prize", "claim", "urgent", "cash"], "column": "message"},
    {"label": "spam", "regex": r"\b\d{5,}\b", "column": "message"},
    {"label": "spam", "regex": r"(?i)\b(txt|text|stop|reply) (\w+ )?to\b", "column": "message"},
    {"label": "ham", "where": 'col("length") < 60'},
    {"label": "ham", "keyword": ["i", "my", "me", "lor", "ok", "ur"], "column": "message"},
    {"label": "ham", "regex": r"(?i)\b(lol|haha|home|sorry|love)\b", "column": "message"},
]  # fmt: skip


def sms() -> tuple[pl.DataFrame, list[str]]:
    frame = pl.read_csv(MIRROR / "sms_spam" / "smsspamcollection.tsv", separator="\t", quote_char=None)
    return frame.drop("label"), frame["label"].to_list()


def digits() -> tuple[pl.DataFrame, list[str]]:
    from sklearn.datasets import load_digits

    found = load_digits()
    return pl.DataFrame({f"p{i}": c for i, c in enumerate(found.data.T)}), [str(v) for v in found.target]


def planted(labels: list[str], share: float, seed: int) -> tuple[list[str], set[int]]:
    rng = np.random.default_rng(seed)
    names = sorted(set(labels))
    wrong = rng.choice(len(labels), int(share * len(labels)), replace=False)
    out = list(labels)
    for at in wrong:
        out[at] = str(rng.choice([n for n in names if n != labels[at]]))
    return out, set(wrong.tolist())


def ran(frame: pl.DataFrame, label: Any = "given", **more: Any) -> tuple[Spec, Collected, Cleaned, Parted, Aim]:
    spec = Spec.of({"target": "y", "collect": "frame", "label": label, **more})
    collected = Collect(spec).run(frame, Quiet())
    cleaned = Clean(spec).run(collected.collected, Quiet())
    aim = Aim("y", "classification", "roc_auc", greater=True, metrics=("roc_auc",))
    return spec, collected, cleaned, Split(spec).run(cleaned.table, cleaned.copies, aim, Quiet()), aim


def noise(name: str, share: float, seed: int, peer: bool) -> dict[str, Any]:
    from sklearn.metrics import average_precision_score

    inputs, labels = sms() if name == "sms_spam" else digits()
    noisy, wrong = planted(labels, share, seed)
    spec, collected, cleaned, parted, aim = ran(inputs.with_columns(pl.Series("y", noisy)))
    train = parted.train
    truth = np.array([r in wrong for r in train.rows.tolist()])
    start = time.process_time()
    labeled = Label(spec).run(train, collected.collected, cleaned.ledger, aim, Quiet())
    seconds = time.process_time() - start
    looked = Given().look(train, labeled.goal, Quiet())
    own = looked.guess[np.arange(len(looked.truth)), looked.truth]
    sure = dict(labeled.suspects.select("row", "confidence").iter_rows())
    listed = np.array([sure.get(r, 0.0) for r in train.rows.tolist()])
    out = {
        "what": f"noise in {name}", "seed": seed, "rows": len(train), "planted": int(truth.sum()),
        "average_precision": round(float(average_precision_score(truth, -own)), 4),
        "of_the_list": round(float(average_precision_score(truth, listed)), 4),
        "listed": len(sure), "precision": round(float(truth[listed > 0].mean()), 4),
        "recall": round(float(truth[listed > 0].sum() / truth.sum()), 4), "cpu_s": round(seconds, 2),
    }  # fmt: skip
    return out | (_cleanlab(name, inputs[train.rows], looked.truth, truth) if peer else {})


def _cleanlab(name: str, inputs: pl.DataFrame, codes: np.ndarray, wrong: np.ndarray) -> dict[str, Any]:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        TfidfVectorizer() if name == "sms_spam" else StandardScaler(), LogisticRegression(max_iter=500)
    )
    rows = inputs["message"].to_list() if name == "sms_spam" else inputs.to_numpy()
    guess = cross_val_predict(model, rows, codes, cv=5, method="predict_proba")
    quality = get_label_quality_scores(codes, guess)
    issues = find_label_issues(codes, guess, n_jobs=1)
    return {
        "cleanlab_average_precision": round(float(average_precision_score(wrong, -quality)), 4),
        "cleanlab_listed": int(issues.sum()),
        "cleanlab_precision": round(float(wrong[issues].mean()), 4),
        "cleanlab_recall": round(float(wrong[issues].sum() / wrong.sum()), 4),
    }


def rules() -> dict[str, Any]:
    inputs, labels = sms()
    spec, collected, cleaned, parted, aim = ran(inputs, {"rules": RULES})
    numbers = Label(spec).run(parted.train, collected.collected, cleaned.ledger, aim, Quiet()).evidence[0].numbers
    true = np.array(labels)[cleaned.table.rows]
    made = cleaned.table["y"].to_numpy()
    return {
        "what": "six rules on sms_spam, no label", "labeled": len(made), "of": len(labels),
        "right": round(float((true == made).mean()), 4), "spam_found": round(float((made[true == "spam"] == "spam").mean()), 4),
        "spam_right": round(float((true[made == "spam"] == "spam").mean()), 4), "conflict": round(numbers["conflict"], 4),
    }  # fmt: skip


def votes() -> dict[str, Any]:
    tweets = pl.read_csv(MIRROR / "hate_offensive_davidson" / "labeled_data.csv").drop("")
    counts = {"hate": "hate_speech", "offensive": "offensive_language", "neither": "neither"}
    start = time.process_time()
    spec, collected, cleaned, parted, aim = ran(
        tweets, {"annotators": {"counts": counts}}, roles={"ignore": ["class", "count"]}
    )
    numbers = Label(spec).run(parted.train, collected.collected, cleaned.ledger, aim, Quiet()).evidence[0].numbers
    names = {0.0: "hate", 1.0: "offensive", 2.0: "neither"}
    theirs = [names[float(v)] for v in cleaned.table["class"].to_list()]
    same = np.mean([a == b for a, b in zip(theirs, cleaned.table["y"].to_list(), strict=True)])
    return {
        "what": "votes on 24,783 tweets, Dawid-Skene", "as_the_majority": round(float(same), 4),
        "unanimous": round(numbers["unanimous"], 4), "alpha": [round(float(v), 4) for v in numbers["alpha"][:3]],
        "cpu_s": round(time.process_time() - start, 2),
    }  # fmt: skip


def useful() -> dict[str, Any]:
    from thirtyfold.core.table import Column, Table
    from thirtyfold.data.quick import chances, features
    from thirtyfold.data.useful import rank

    inputs, labels = sms()
    x = features(Table.of(inputs.select("message"), {"message": Column("message", "text")}))
    truth = np.array([v == "spam" for v in labels], dtype=np.int64)
    test = np.arange(4000, len(truth))
    found: dict[str, list[float]] = {"useful": [], "blind": []}
    for seed in range(5):
        mine = np.array([], dtype=np.int64)
        for _ in range(12):
            open_ = np.setdiff1d(np.arange(4000), mine)
            mine = np.concatenate([mine, rank(x[:4000], mine, truth[mine], 2, open_, seed).order[:10]])
        for name, at in (("useful", mine), ("blind", np.random.default_rng(seed).permutation(4000)[:120])):
            said = chances(x[at], truth[at], x[test], 2).argmax(axis=1)
            found[name].append(float(np.mean([(said[truth[test] == k] == k).mean() for k in (0, 1)])))
    return {"what": "mean recall after 120 labels of sms_spam"} | {
        k: round(float(np.mean(v)), 4) for k, v in found.items()
    }


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("--share", type=float, default=0.1)
    told.add_argument("--seeds", type=int, default=3)
    told.add_argument("--peer", action="store_true", help="cleanlab beside it, where it is installed")
    args = told.parse_args()
    for name in ("sms_spam", "digits"):
        for seed in range(args.seeds):
            print(json.dumps(noise(name, args.share, seed, args.peer)), flush=True)
    for measure in (rules, votes, useful):
        print(json.dumps(measure()), flush=True)
    print(json.dumps({"load": round(os.getloadavg()[0], 1)}))


if __name__ == "__main__":
    main()
