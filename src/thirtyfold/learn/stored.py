"""Stored: a model that is solved or grown at once and kept as ONNX, which is also what answers from then on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.evidence import Evidence
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.step import Context
from thirtyfold.learn.graph import Session

__all__ = ["Stored"]


class Stored:
    """What such models share. A member calls ``super().__init__`` with its options and, when fitted, ``_keep``."""

    ends: ClassVar[str]
    """Why it cannot go on learning."""
    at_once: ClassVar[int] = 65_536
    """Rows that are answered at once, so that memory stays bounded."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self._files: dict[str, bytes] = {}
        self._size: dict[str, int] = {}
        self._story: list[Evidence] = []
        self._session: Session | None = None

    def _keep(self, graph: bytes) -> None:
        state = json.dumps({"options": self.options, "size": self._size}, sort_keys=True).encode()
        self._files = {"model.onnx": graph, "model.json": state}
        self._session = Session(graph, rows=self.at_once)

    def more(self, train: Encoded, validation: Encoded | None, context: Context) -> None:
        raise SpecError(Fault("finetune", f"{self.ends}; use mlp or boosting, or train it anew."))

    def predict(self, matrix: Array) -> Array:
        assert self._session is not None, "the model has not been fitted"
        return self._session(matrix)

    def size(self) -> dict[str, int]:
        return dict(self._size)

    def story(self) -> list[Evidence]:
        return self._story

    def refit(self) -> dict[str, Any]:
        return {}

    def save(self) -> dict[str, bytes]:
        return dict(self._files)

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        state = json.loads(files["model.json"])
        model = cls(**state["options"])
        model._size = {n: int(v) for n, v in state["size"].items()}
        model._keep(files["model.onnx"])
        return model

    def onnx(self) -> bytes:
        return self._files["model.onnx"]
