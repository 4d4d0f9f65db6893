"""Feedback: what a user says of a prediction, checked against the answers that the model can give."""

import math
import time
from typing import Any

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.core.task import Task
from thirtyfold.core.traffic import Feedback

__all__ = ["feedback_of"]

_FIELDS = ("id", "truth", "thumb", "comment")


def feedback_of(body: Any, task: Task) -> Feedback:
    """The body of ``/feedback``; raises DataError with every fault."""
    if not isinstance(body, dict):
        raise DataError(Fault("", "must be an object with an id and a truth, a thumb or a comment."))
    faults = [Fault(n, "there is no such field.", ", ".join(_FIELDS)) for n in body if n not in _FIELDS]
    name, truth, thumb, comment = (body.get(n) for n in _FIELDS)
    if not isinstance(name, str) or not 0 < len(name) <= 64:
        faults.append(Fault("id", "must be the id of a prediction."))
    faults += [] if truth is None else _truth_faults(truth, task)
    if thumb not in (None, "up", "down"):
        faults.append(Fault("thumb", "must be up or down.", "up, down"))
    if comment is not None and (not isinstance(comment, str) or len(comment) > 4000):
        faults.append(Fault("comment", "must be a text of at most 4,000 characters."))
    if truth is None and thumb is None and not comment:
        faults.append(Fault("", "says nothing: give a truth, a thumb or a comment."))
    if faults:
        raise DataError(faults)
    prediction = str(name) if "-" in str(name) else f"{name}-0"
    return Feedback(prediction, time.time(), truth, {"up": 1, "down": -1}.get(str(thumb)), comment or "")


def _truth_faults(truth: Any, task: Task) -> list[Fault]:
    """A truth that is none of the classes, or no finite number, would be kept and never count."""
    if not isinstance(truth, str | int | float | bool):
        return [Fault("truth", "must be a text, a number, or true or false.")]
    if not task.classes:
        return [] if _finite(truth) else [Fault("truth", f"'{truth}' is not a finite number.", "a finite number")]
    written = {str(truth), str(truth).removesuffix(".0"), *([str(truth).lower()] if isinstance(truth, bool) else [])}
    if written & set(task.classes):
        return []
    allowed = ", ".join(task.classes[:50]) + (" ..." if len(task.classes) > 50 else "")
    return [Fault("truth", f"'{truth}' is no class of this model.", allowed, nearest(str(truth), task.classes))]


def _finite(truth: str | float) -> bool:
    try:
        return not isinstance(truth, bool) and math.isfinite(float(truth))
    except (ValueError, OverflowError):
        return False
