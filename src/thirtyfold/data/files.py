"""Files: the pictures, sounds and videos that a table refers to: some are opened, and their edges asked."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from thirtyfold.core.content import roots_of
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.step import Context
from thirtyfold.core.table import Table
from thirtyfold.data.alarms import Alarm, Question
from thirtyfold.data.decoded import Seen, look_at
from thirtyfold.data.media import KINDS
from thirtyfold.data.names import points_to_files

__all__ = ["Opened", "edges", "opened"]

CANDIDATES = 400
"""Rows of each kind from which files are opened."""
EDGE = 0.8
"""What surrounds a thing may go with it (sky above a road); this much of the answer is more than that."""


@dataclass
class Opened:
    """One column of references: what was seen of a kind, the answers of those rows, and what their edge alone tells."""

    column: str
    seen: Seen
    truth: Array
    score: float | None = None
    error: float = 0.0
    edge_said: str = ""

    @property
    def edge_word(self) -> str:
        return "silence" if self.seen.kind == "audio" else "border"


def opened(table: Table, truth: Array, classes: int, lineage: dict[str, Any], context: Context) -> list[Opened]:
    """For each column that refers to files which are there, what some of them hold; classes in equal numbers."""
    roots = [r for r in roots_of(lineage) if r.is_dir()]
    if not roots:
        return []
    found = []
    for name, column in table.columns.items():
        if column.role == "target" or not points_to_files(table[name]):
            continue
        context.progress(f"opening some files of '{name}'")
        values = table[name].to_list()
        order = _in_turn(truth, classes, np.random.default_rng(context.seed))
        for kind in ("image", "audio", "video"):
            files: dict[int, Path] = {}
            for at in order:
                path = _file(values[at], kind, roots)
                if path is not None:
                    files[at] = path
                if len(files) >= CANDIDATES:
                    break
            if files:
                seen = look_at(files, kind)
                if seen.rows:
                    found.append(Opened(name, seen, truth[np.array(seen.rows)]))
    return found


def _in_turn(truth: Array, classes: int, rng: np.random.Generator) -> list[int]:
    """All rows in an order in which each class has its turn, by lot within a class."""
    lot = rng.permutation(len(truth))
    if not classes:
        return [int(i) for i in lot]
    turn = np.empty(len(truth), dtype=np.int64)
    for code in np.unique(truth):
        own = lot[truth[lot] == code]
        turn[own] = np.arange(len(own))
    return [int(i) for i in np.lexsort((truth, turn))]


def _file(reference: str | None, kind: str, roots: list[Path]) -> Path | None:
    """The file of this kind in one of the folders; never one outside of them."""
    if not reference or PurePosixPath(reference).suffix.lower() not in KINDS[kind]:
        return None
    for root in roots:
        path = root / reference
        if path.is_file() and path.resolve().is_relative_to(root.resolve()):
            return path
    return None


def edges(found: list[Opened], classes: int, context: Context) -> list[Alarm]:
    """Whether a quick model that sees only the border, or only the silence, tells the answer; each score is noted."""
    from thirtyfold.data.probe import boosted

    alarms = []
    for one in found:
        matrix = np.array(one.seen.edge)
        codes, truth = _coded(one.truth, classes)
        least = np.bincount(truth).min() if classes else len(truth)
        if len(truth) < 60 or least < 8 or (classes and codes < 2) or not (matrix.std(axis=0) > 0).any():
            continue
        fold = np.random.default_rng(context.seed).permutation(len(truth)) % 4
        said = boosted(matrix, [], truth, fold, codes, context)
        question = Question(truth, codes, np.random.default_rng(context.seed))
        one.score = _score(truth, said, codes)
        alarm = question.alarm(
            "silence" if one.edge_word == "silence" else "border", one.column, one.edge_word, one.score
        )
        one.error = alarm.error
        if one.score - 2 * alarm.error >= EDGE - 0.1 and one.score >= EDGE:
            alarms.append(alarm)
        else:
            right = (
                f"{100 * alarm.right:.0f} % (a guess {100 * alarm.chance:.0f} %)"
                if classes
                else f"R2 {alarm.right:.2f}"
            )
            one.edge_said = f"{right} of {len(truth):,} opened files of '{one.column}' are told: no alarm."
    return alarms


def _coded(truth: Array, classes: int) -> tuple[int, Array]:
    """Answers that occur, as codes from 0, and how many there are; amounts as they are."""
    if not classes:
        return 0, truth.astype(np.float64)
    known, codes = np.unique(truth, return_inverse=True)
    return len(known), codes


def _score(truth: Array, said: Array, classes: int) -> float:
    """0 is a guess, 1 the answer: of the mean of the recalls, or R2."""
    if not classes:
        total = float(((truth - truth.mean()) ** 2).sum())
        return 1 - float(((truth - said) ** 2).sum()) / total if total else 0.0
    right = said.argmax(axis=1) == truth
    recall = np.bincount(truth, right, classes) / np.bincount(truth, minlength=classes)
    return float((recall.mean() - 1 / classes) / (1 - 1 / classes))
