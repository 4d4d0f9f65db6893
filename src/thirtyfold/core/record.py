"""Record: what happened in a run, one JSON line an event, appended and flushed at once, never rewritten."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["Record"]


class Record:
    """``record.jsonl`` of a run. A line that was cut off by a crash is left out when reading."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, event: str, **fields: Any) -> None:
        """Append one event, durably."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"event": event, **fields}, ensure_ascii=False, default=str) + "\n"
        with self.path.open("ab") as file:
            if file.tell() and not self._ends_whole():
                file.write(b"\n")
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if not self.path.is_file():
            return
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(event, dict):
                yield event

    def _ends_whole(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
