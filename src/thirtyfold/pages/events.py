"""Events: what a run saw while its networks learned, as event files that TensorBoard shows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from thirtyfold.core.errors import DataError, Fault, MissingExtra

__all__ = ["write_events"]

SERIES = {
    "train": "loss/train",
    "validation": "loss/validation",
    "rate": "learning rate",
    "gradient": "length of the gradient",
    "update": "update to weight",
}
"""Numbers by epoch in the evidence of step 20, and the tags that they have in TensorBoard."""


def write_events(run: Path, out: Path) -> list[Path]:
    """Write a folder below ``out`` for each network that the run trained, and return them.

    Raises DataError where the run has not ended, trained no network, or ``out`` cannot be written; MissingExtra without
    TensorBoard.
    """
    try:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ModuleNotFoundError as error:
        how = "pip install 'thirtyfold[tensorboard]'"
        raise MissingExtra(Fault("--tensorboard", f"needs tensorboard, which is not installed: {how}")) from error
    folders = []
    for name, numbers in _learned(run):
        folder = out / run.name / name
        try:
            writer = EventFileWriter(str(folder))
        except OSError as error:
            raise DataError(Fault(str(folder), f"cannot be written: {error.strerror}.")) from error
        for key, tag in SERIES.items():
            for epoch, value in enumerate(numbers.get(key, ()), start=1):
                writer.add_event(_scalar(tag, value, epoch))
        writer.close()
        folders.append(folder)
    if not folders:
        raise DataError(
            Fault(str(run), "trained no network: there are no curves for TensorBoard.", hint="'model: mlp' has some.")
        )
    return folders


def _learned(run: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and the numbers of everything that learned by epochs."""
    path = run / "evidence.json"
    if not path.exists():
        raise DataError(Fault(str(run), "this run has not ended yet: there is no evidence."))
    stages: dict[str, list[dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8"))
    for stage, told in stages.items():
        for evidence in told:
            for model, numbers in evidence["numbers"].items() if evidence["step"] == 20 else ():
                if isinstance(numbers, dict) and isinstance(numbers.get("train"), list):
                    yield f"{stage}-{model}", numbers


def _scalar(tag: str, value: float, step: int) -> Any:
    """One number at one epoch. The time is the epoch too: when it was is not known any more."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Event(wall_time=step, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))
