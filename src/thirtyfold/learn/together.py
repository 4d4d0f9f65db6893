"""Together: one model learned by several processes of this machine, each with its share of every batch.

The command line's way to what ``torchrun`` does for a program: the processes are started here, meet in a file, and end
with the one that started them, however that ends. What they are given and give back are files in open formats.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from thirtyfold.core.codec import pack, unpack
from thirtyfold.core.encoder import Encoded
from thirtyfold.core.errors import DataError, Fault, SpecError, ThirtyfoldError
from thirtyfold.core.evidence import Evidence
from thirtyfold.core.family import Family, spelled
from thirtyfold.core.late import np
from thirtyfold.core.owncode import trust, trusted
from thirtyfold.core.step import Context
from thirtyfold.core.store import Folder, read_folder, write_folder
from thirtyfold.learn.seen import Curves

__all__ = ["Told", "among", "learned"]

_ERRORS = {kind.__name__: kind for kind in (DataError, SpecError)}
LAST = 2000
"""Characters of what a process said last that are passed on when it dies."""


@dataclass(frozen=True)
class Told:
    """What the processes give back beside the model's files."""

    curves: Curves
    story: list[Evidence]


def among() -> bool:
    """Whether this process is one of several that learn together."""
    import torch

    return torch.distributed.is_available() and torch.distributed.is_initialized()


def learned(
    model: Any, verb: str, many: int, train: Encoded, validation: Encoded | None, context: Context
) -> tuple[dict[str, bytes], Told]:
    """The files of the model after ``fit`` or ``more`` by ``many`` processes, and what they saw.

    Raises what the processes raised, and DataError when one of them dies.
    """
    folder = context.checkpoint.folder("together")
    job = {
        "verb": verb,
        "model": {spelled(model): model.options},
        "seed": context.seed,
        "threads": context.threads,
        "remaining": context.remaining(),
        "many": many,
        "trusted": trusted(),
        "meet": f"meet-{os.urandom(6).hex()}",
    }
    _give(folder / "train", train)
    if validation is not None:
        _give(folder / "validation", validation)
    if verb == "more":
        write_folder(folder / "before", model.save())
    write_folder(folder / "job", {"job.json": json.dumps(job).encode()})
    _work(folder, many, context)
    files = read_folder(folder / "done")
    told = {n.removeprefix("told/"): data for n, data in files.items() if n.startswith("told/")}
    return {n.removeprefix("model/"): d for n, d in files.items() if n.startswith("model/")}, unpack(told, Told)


def _give(folder: Path, data: Encoded) -> None:
    """Rows as files: the matrix by itself, which every process maps, so that it is in memory once."""
    rest = replace(data, matrix=np.empty((0, 0), dtype=np.float32))
    write_folder(folder, pack(rest))
    np.save(folder / "matrix.npy", data.matrix, allow_pickle=False)


def _taken(folder: Path) -> Encoded:
    files = {n: d for n, d in read_folder(folder).items() if n != "matrix.npy"}
    found: Encoded = unpack(files, Encoded)
    return replace(found, matrix=np.load(folder / "matrix.npy", mmap_mode="r", allow_pickle=False))


def _work(folder: Path, many: int, context: Context) -> None:
    """Start the processes, pass on what the first one says, and see that all of them end."""
    logs = [folder / f"process-{rank}.log" for rank in range(many)]
    processes = [_started(folder, rank, log) for rank, log in enumerate(logs)]
    fell: list[int] = []
    watcher = threading.Thread(target=_end_all, args=(processes, fell), daemon=True)
    watcher.start()
    try:
        for line in processes[0].stdout or ():
            said = json.loads(line)
            context.progress(said["text"], said["done"], said["total"])
        for process in processes:
            process.wait()
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        watcher.join()
    if fell:
        raise _why(folder, fell[0], processes[fell[0]].returncode, logs)


def _started(folder: Path, rank: int, log: Path) -> subprocess.Popen[str]:
    with log.open("w", encoding="utf-8") as said:
        return subprocess.Popen(  # noqa: S603 - this Python, and a folder of ours
            [sys.executable, "-m", "thirtyfold.learn.together", str(folder), str(rank)],
            stdin=subprocess.PIPE,  # closed by the system when this process dies, and then they end too
            stdout=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
            stderr=said,
            text=True,
        )


def _end_all(processes: list[subprocess.Popen[str]], fell: list[int]) -> None:
    """When one of them fails the others would wait for it for ever: note which, and end all."""
    while not fell:
        codes = [process.poll() for process in processes]
        fell += [rank for rank, code in enumerate(codes) if code]
        if None not in codes:
            return
        time.sleep(0.05)
    for process in processes:
        process.kill()


def _why(folder: Path, rank: int, code: int, logs: list[Path]) -> ThirtyfoldError:
    """The error that the processes raised; for one that died, what it said last."""
    failed = folder / "failed" / "failed.json"
    if failed.is_file():
        said = json.loads(failed.read_bytes())
        return _ERRORS[said["kind"]]([Fault(**fault) for fault in said["faults"]])
    last = logs[rank].read_text(encoding="utf-8", errors="replace")[-LAST:].strip()
    how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
    what = f"process {rank + 1} of {len(logs)} {how}{f': {last}' if last else ''}."
    killed = "Was there memory enough for all of them? 'processes: 1' learns in one."
    return DataError(Fault("model.framework.pytorch.processes", what, hint=killed if code == -signal.SIGKILL else ""))


class _Among:
    """The runner's handle inside one of the processes: the first one writes and speaks, all read."""

    def __init__(self, folder: Path, job: Mapping[str, Any], *, first: bool) -> None:
        self.seed, self.threads = int(job["seed"]), int(job["threads"])
        self.checkpoint = Folder(folder / "kept")
        self._first = first
        self._end = None if job["remaining"] is None else time.monotonic() + float(job["remaining"])

    def progress(self, text: str, done: float | None = None, total: float | None = None) -> None:
        if self._first:
            print(json.dumps({"text": text, "done": done, "total": total}), flush=True)

    def remaining(self) -> float | None:
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def look(self, seal: str, why: str) -> int:
        """Sealed rows never come here."""
        raise PermissionError(f"{why} ({seal})")


def _learn(folder: Path, rank: int) -> None:
    """One of the processes."""
    import torch

    job = json.loads((folder / "job" / "job.json").read_bytes())
    trust(job["trusted"])
    torch.set_num_threads(1)
    meet = (folder / job["meet"]).as_uri()
    torch.distributed.init_process_group("gloo", init_method=meet, rank=rank, world_size=job["many"])
    try:
        models = Family[Any]("learn.models")
        model = models.build(job["model"], "model")
        if job["verb"] == "more":
            model = type(model).load(read_folder(folder / "before"))
        validation = _taken(folder / "validation") if (folder / "validation").is_dir() else None
        context = _Among(folder, job, first=rank == 0)
        getattr(model, job["verb"])(_taken(folder / "train"), validation, context)
        if rank == 0:
            told = pack(Told(model.curves, model.story()))
            files = {f"model/{n}": d for n, d in model.save().items()} | {f"told/{n}": d for n, d in told.items()}
            write_folder(folder / "done", files)
    finally:
        torch.distributed.destroy_process_group()


def _until_alone() -> None:
    """End with the process that started this one: nobody would take what it learns."""
    while os.read(0, 1):  # unbuffered: a buffer's lock would be held when this process ends by itself
        pass
    os._exit(1)


def _main(folder: Path, rank: int) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the first process decides
    threading.Thread(target=_until_alone, daemon=True).start()
    try:
        _learn(folder, rank)
    except (DataError, SpecError) as error:
        faults = [{"where": f.where, "what": f.what, "allowed": f.allowed, "hint": f.hint} for f in error.faults]
        said = {"kind": type(error).__name__, "faults": faults}
        write_folder(folder / "failed", {"failed.json": json.dumps(said).encode()})
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), int(sys.argv[2])))
