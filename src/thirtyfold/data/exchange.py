"""Exchange: labels from and to Label Studio's JSON (a list of tasks with annotations), and from plain files."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from thirtyfold.core.annotations import Annotations, Answer, key_of
from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.core.table import Table

__all__ = ["KEY", "Keyed", "answers_in", "from_label_studio", "keyed", "to_label_studio"]

KEY = "thirtyfold_key"
"""The field of a task's data that says which row it is."""

MOST = 512 * 2**20


class Keyed(NamedTuple):
    """The key of every collected row, in order, and the cells of each key."""

    order: list[str]
    rows: dict[str, dict[str, Any]]


def keyed(table: Table, target: str, id_column: str | None = None) -> Keyed:
    """Keys of the rows of a collected table; what stands in the target does not count."""
    names = [n for n in table.columns if n != target]
    if id_column is not None and id_column not in names:
        known = ", ".join(names)
        raise DataError(
            Fault("label.by_hand.id", f"there is no column '{id_column}'.", known, nearest(id_column, names))
        )
    rows = list(table.frame.select(names).iter_rows(named=True))
    order = [key_of(row, id_column) for row in rows]
    return Keyed(order, dict(zip(order, rows, strict=True)))


def to_label_studio(answers: Iterable[Answer], media: Mapping[str, str]) -> list[dict[str, Any]]:
    """A task a row with an annotation an annotator; ``media`` says what columns are: text, image, audio, video."""
    tasks: dict[str, dict[str, Any]] = {}
    for answer in answers:
        row = dict(answer.row or {})
        shown = next((n for n in row if media.get(n)), next(iter(row), "row"))
        task = tasks.setdefault(
            answer.key,
            {"id": len(tasks) + 1, "data": {**row, KEY: answer.key}, "annotations": [], "predictions": []},
        )
        task["annotations"].append(
            {
                "id": answer.at,
                "completed_by": {"email": answer.annotator},
                "created_at": datetime.fromtimestamp(answer.time, UTC).isoformat(),
                "lead_time": answer.seconds,
                "was_cancelled": answer.value is None,
                "result": _results(answer.value, shown),
            }
        )
        if answer.guess is not None and not task["predictions"]:
            task["predictions"].append({"model_version": "quick", "result": _results(answer.guess, shown)})
    return list(tasks.values())


def _results(value: Any, shown: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if isinstance(value, list):
        return [
            {
                "type": "rectanglelabels",
                "from_name": "label",
                "to_name": shown,
                "value": {
                    **{k: box[k] for k in ("x", "y", "width", "height")},
                    "rotation": 0,
                    "rectanglelabels": [box["label"]],
                },
            }
            for box in value
        ]
    if isinstance(value, int | float):
        return [{"type": "number", "from_name": "label", "to_name": shown, "value": {"number": value}}]
    return [{"type": "choices", "from_name": "label", "to_name": shown, "value": {"choices": [value]}}]


def from_label_studio(tasks: Any, keys: Keyed) -> tuple[list[Answer], list[str]]:
    """The answers in tasks, on the rows of ``keys``, and what could not be taken, a sentence each.

    A task is the row that its data names, or else the one whose cells are those of the task's data.
    """
    if not isinstance(tasks, list):
        raise DataError(Fault("", "is not Label Studio's JSON: that is a list of tasks."))
    finder = _Finder(keys.rows)
    answers, wrong = [], []
    for at, task in enumerate(tasks):
        data = task.get("data") if isinstance(task, dict) else None
        key = finder.find(data) if isinstance(data, dict) else None
        if key is None:
            wrong.append(f"task {at}: no row has its data.")
            continue
        for annotation in task.get("annotations") or task.get("completions") or []:
            if not isinstance(annotation, dict):
                wrong.append(f"task {at}: an annotation is not an object.")
                continue
            try:
                value = None if annotation.get("was_cancelled") else _value(annotation.get("result") or [])
            except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
                wrong.append(f"task {at}: a result cannot be read ({type(error).__name__}: {error}).")
                continue
            if value is None and not annotation.get("was_cancelled"):
                wrong.append(f"task {at}: an annotation has no choice and no box.")
                continue
            seconds = annotation.get("lead_time")
            seconds = float(seconds) if isinstance(seconds, int | float) else None
            answers.append(Answer(key, _who(annotation), value, _when(annotation), None, seconds, keys.rows[key]))
    return answers, wrong


class _Finder:
    """Rows by their key, or by their cells as text."""

    def __init__(self, keys: Mapping[str, Mapping[str, Any]]) -> None:
        self.keys = keys
        self._by: dict[tuple[str, ...], dict[tuple[str, ...], str]] = {}

    def find(self, data: Mapping[str, Any]) -> str | None:
        if isinstance(data.get(KEY), str) and data[KEY] in self.keys:
            return str(data[KEY])
        names = next(iter(self.keys.values()), {})
        shared = tuple(n for n in names if n in data)
        if not shared:
            return None
        if shared not in self._by:
            self._by[shared] = {tuple(str(row.get(n)) for n in shared): k for k, row in self.keys.items()}
        return self._by[shared].get(tuple(str(data[n]) for n in shared))


def _value(results: Sequence[Mapping[str, Any]]) -> Any:
    boxes = [
        {
            "label": str(r["value"]["rectanglelabels"][0]),
            **{k: float(r["value"][k]) for k in ("x", "y", "width", "height")},
        }
        for r in results
        if r.get("type") == "rectanglelabels"
    ]
    if boxes:
        return boxes
    for result in results:
        if result.get("type") == "choices":
            return str(result["value"]["choices"][0])
        if result.get("type") == "number":
            return float(result["value"]["number"])
    return None


def _who(annotation: Mapping[str, Any]) -> str:
    who = annotation.get("completed_by")
    if isinstance(who, dict):
        who = who.get("email") or who.get("username") or who.get("id")
    return str(who) if who not in (None, "") else "label studio"


def _when(annotation: Mapping[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(annotation.get("created_at"))).timestamp()
    except ValueError:
        return 0.0


def answers_in(path: Path, keys: Keyed) -> tuple[list[Answer], list[str]]:
    """Answers of a store (.sqlite), Label Studio's JSON, or a table (.csv, .jsonl, .parquet) of row, label, annotator.

    ``row`` counts the collected rows from 0.
    """
    if not path.is_file():
        hint = "Make it with 'thirtyfold label', or name the right file."
        raise DataError(Fault(str(path), "there is no such file.", hint=hint))
    suffix = path.suffix.lower()
    if suffix in (".sqlite", ".db"):
        return Annotations(path).answers(), []
    if suffix == ".json":
        return from_label_studio(_json(path), keys)
    return _table(path, suffix, keys)


def _json(path: Path) -> Any:
    if path.stat().st_size > MOST:
        raise DataError(Fault(str(path), f"is larger than {MOST >> 20} MB."))
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(Fault(str(path), f"is not JSON: {error}.")) from None


def _table(path: Path, suffix: str, keys: Keyed) -> tuple[list[Answer], list[str]]:
    import polars as pl

    readers: dict[str, Any] = {
        ".csv": lambda: pl.read_csv(path, infer_schema=False),
        ".jsonl": lambda: pl.read_ndjson(path),
        ".parquet": lambda: pl.read_parquet(path),
    }
    if suffix not in readers:
        raise DataError(
            Fault(str(path), f"'{suffix}' is no ending of labels.", ".sqlite, .json, .csv, .jsonl, .parquet")
        )
    try:
        frame = readers[suffix]()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(Fault(str(path), f"cannot be read: {error}.")) from None
    missing = [n for n in ("row", "label") if n not in frame.columns]
    if missing:
        raise DataError([Fault(str(path), f"there is no column '{n}'.", ", ".join(frame.columns)) for n in missing])
    names = keys.order
    answers, wrong = [], []
    numbers = frame["row"].cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False).to_list()
    who = frame["annotator"].cast(pl.String).to_list() if "annotator" in frame.columns else ["file"] * frame.height
    for at, (row, label, name) in enumerate(zip(numbers, frame["label"].cast(pl.String).to_list(), who, strict=True)):
        if row is None or not 0 <= row < len(names):
            wrong.append(f"line {at}: there is no row {frame['row'][at]!r}.")
        elif label is not None and label.strip():
            answers.append(Answer(names[row], name or "file", label.strip(), row=keys.rows[names[row]]))
    return answers, wrong
