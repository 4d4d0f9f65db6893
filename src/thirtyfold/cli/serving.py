"""``predict``, ``serve``, ``promote``, ``rollback``: a Package at work."""

import argparse
import io
import sys
import tempfile
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thirtyfold.core.errors import DataError, Fault, SpecError
from thirtyfold.core.family import nearest
from thirtyfold.core.home import Home
from thirtyfold.core.owncode import trust

if TYPE_CHECKING:
    import polars as pl

    from thirtyfold.core.package import Package

__all__ = ["free", "predict", "promote", "rollback", "serve"]

ANSWERS = ("prediction", "confidence", "probability_", "error", "unsure")
"""How the columns of answers begin: columns of the data that do too are kept as ``..._given``."""


def predict(told: argparse.Namespace) -> int:
    """Answers for every row of a file (or of what a Spec collects), in order. A row that cannot be read gets no answer
    but the reason.
    """
    from thirtyfold.core import content
    from thirtyfold.core.quiet import Quiet
    from thirtyfold.core.spec import Spec
    from thirtyfold.data.naming import source_of
    from thirtyfold.lifecycle import find_package

    trust([f"{file}:" for file in told.code])
    package = find_package(told.package, Home.beside())
    folder = Path(told.out).parent
    if told.out != "-" and not folder.is_dir():
        raise SpecError(Fault("--out", f"there is no folder {folder}."))
    if told.data == "-":
        read = _piped()
    else:
        asked = Path(told.data).suffix in (".yaml", ".yml")
        read = source_of(Spec.read(told.data).collect if asked else told.data).read(Quiet())
    frame = read.frame
    lost = [
        Fault(f"line {line}", f"{why}: it has no answer, the others have theirs in order.")
        for line, why in read.quarantine.select("row", "reason").iter_rows()
    ]
    if package.windows is not None:
        return _forecast(package, frame, told, lost)
    kept = _kept(frame, told.keep)
    with content.reading(content.roots_of(read.lineage)):
        answers, faults = _answers(package, frame)
    _write(kept.hstack(answers) if kept.width else answers, told.out)
    faults = [*lost, *faults]
    if faults:
        _refuse(faults, "; the column 'error' has them all")
    return 0


def _refuse(faults: list[Fault], where: str) -> None:
    more = [Fault("", f"and {len(faults) - 20:,} more{where}.")] if len(faults) > 20 else []
    raise DataError([*faults[:20], *more])


def _forecast(package: "Package", frame: "pl.DataFrame", told: argparse.Namespace, lost: list[Fault]) -> int:
    """The next values of each series in the file; a series that cannot be answered is told, the others are."""
    if told.keep:
        raise SpecError(Fault("--keep", "answers of a forecast are for times that the data does not have yet."))
    answers, faults = package.forecast(frame)
    _write(answers, told.out)
    if lost or faults:
        _refuse([*lost, *faults], "")
    return 0


def _kept(frame: "pl.DataFrame", keep: str) -> "pl.DataFrame":
    """Columns of the data that stand before the answers, so that each can be told whose it is."""
    names = [n for n in frame.columns if not n.startswith("__")] if keep == "all" else [n for n in keep.split(",") if n]
    wrong = [n for n in names if n not in frame.columns]
    if wrong:
        allowed = ", ".join(["all", *frame.columns])
        raise SpecError(
            [Fault("--keep", f"the data has no column '{n}'.", allowed, nearest(n, frame.columns)) for n in wrong]
        )
    return frame.select(names).rename({n: f"{n}_given" for n in names if n.startswith(ANSWERS)})


def _piped() -> Any:
    """What comes through standard input: CSV, JSON, JSON lines or Parquet, told apart by how it begins."""
    from thirtyfold.core.quiet import Quiet
    from thirtyfold.data.naming import source_of
    from thirtyfold.data.sources.stdin import ending_of

    data = sys.stdin.buffer.read()
    ending = ending_of(data[:4096])
    with tempfile.NamedTemporaryFile(suffix=ending) as file:
        file.write(data)
        file.flush()
        try:
            choice = {"csv": {"path": file.name, "header": True}} if ending == ".csv" else file.name
            return source_of(choice).read(Quiet())
        except DataError as error:  # nobody knows a file of that name
            raise DataError(
                [Fault(*(text.replace(file.name, "standard input") for text in astuple(f))) for f in error.faults]
            ) from None


def _answers(package: "Package", frame: "pl.DataFrame") -> tuple["pl.DataFrame", list[Fault]]:
    """One answer a row; rows with a fault have the reasons in a column ``error`` instead."""
    import polars as pl

    table, faults = package.door.table(frame)
    answers = package.predict(table)
    if not faults:
        return answers, []
    why: dict[int, list[str]] = {}
    for fault in faults:
        _, row, column = fault.where.split(".", 2)
        why.setdefault(int(row), []).append(f"{column}: {fault.what}")
    errors = pl.Series("error", ["; ".join(why.get(i, [])) or None for i in range(len(frame))], dtype=pl.String)
    known = errors.is_null()
    kept = [pl.when(known).then(pl.col(n)).otherwise(None).alias(n) for n in answers.columns]
    return answers.with_columns(kept).with_columns(errors), faults


def _write(frame: "pl.DataFrame", out: str) -> None:
    suffix = Path(out).suffix.lower()
    if out == "-":
        buffer = io.BytesIO()
        frame.write_csv(buffer)
        sys.stdout.write(buffer.getvalue().decode())
    elif suffix == ".csv":
        frame.write_csv(out)
    elif suffix == ".parquet":
        frame.write_parquet(out)
    elif suffix in (".jsonl", ".ndjson"):
        frame.write_ndjson(out)
    else:
        raise SpecError(Fault("--out", f"'{suffix}' is no ending that can be written.", ".csv, .parquet, .jsonl"))


def serve(told: argparse.Namespace) -> int:
    """Serve a Package, or follow the champion of a name, until told to stop."""
    import os

    from thirtyfold.core.registry import Registry
    from thirtyfold.core.spec import ServeSection, Spec
    from thirtyfold.core.traffic import Traffic
    from thirtyfold.lifecycle import find_package
    from thirtyfold.pages.service import router
    from thirtyfold.ship.server.serve import options_of, run

    home = Home.beside()
    name = told.package or _last_name(home)
    model, at, which = name.partition("@")
    source: Any
    trust([f"{file}:" for file in told.code])
    package = find_package(name, home)
    if at and which == "champion":
        source = Registry(home.root, model).pointer
    else:
        source, model = package, package.name
    spec = _spec_of(home, package)
    section = Spec.read(spec).serve if spec is not None else ServeSection()
    traffic = Traffic(home.root / "traffic" / f"{model}.sqlite").prepare()
    host, port = told.host or section.host, section.port if told.port is None else told.port

    free(host, port)

    def ready(address: str) -> None:
        print(
            f"Serving {name} at {address} (playground {address}/, API {address}/openapi.json). Ctrl-C stops.",
            flush=True,
        )

    if host not in ("127.0.0.1", "localhost", "::1") and not section.api_key:
        print(f"thirtyfold: listening on {host} without an API key: anyone who reaches it may ask.", file=sys.stderr)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    run(source, traffic, host, port, options=options_of(section), pages=router(traffic), ready=ready)
    return 0


def free(host: str, port: int) -> None:
    """Raise SpecError when the port is taken, before anything is loaded."""
    if not 0 <= port <= 65535:
        raise SpecError(Fault("--port", f"there is no port {port}.", "0 to 65535"))
    import socket

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            hint = "Choose another with --port; 0 takes a free one."
            raise SpecError(Fault("--port", f"{host}:{port} cannot be used: {error.strerror}.", hint=hint)) from None


def _last_name(home: Home) -> str:
    """The champion of the last run's name, or that run itself where it has none."""
    import json

    from thirtyfold.core.registry import Registry

    folder = home.run()
    name = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["name"]
    return f"{name}@champion" if Registry(home.root, name).champion() else folder.name


def _spec_of(home: Home, package: "Package") -> Path | None:
    """The filled-in Spec of the newest run that made this very Package, or else of the newest run of its name: another
    model's Spec may have another key, or none.
    """
    import json

    found: list[tuple[bool, float, Path]] = []
    for path in home.runs.glob(f"{package.name}-*/summary.json"):
        summary = json.loads(path.read_text(encoding="utf-8"))
        spec = path.with_name("spec.yaml")
        if summary.get("name") == package.name and spec.is_file():
            found.append((summary.get("package_hash") == package.hash, spec.stat().st_mtime, spec))
    return max(found)[2] if found else None


def promote(told: argparse.Namespace) -> int:
    """Make a Package the champion of its name."""
    from thirtyfold.core.registry import Registry
    from thirtyfold.lifecycle import find_package

    home = Home.beside()
    package = find_package(told.package, home)
    refused = _refused(told.package, home)
    if refused and not told.force:
        raise SpecError(Fault(told.package, f"its gates said no: {refused}.", hint="--force promotes it all the same."))
    registry = Registry(home.root, package.name)
    registry.add(package)
    champion = registry.promote(package.hash, why="promoted by hand")
    print(f"{package.name}@champion is now {champion.hash[:12]}. A running server follows.")
    return 0


def _refused(name: str, home: Home) -> str:
    """Why the run that made a Package was refused; empty where it was not, or where no run is known."""
    import json

    folders = [home.runs / name, Path(name), Path(name).parent]
    path = next((f / "summary.json" for f in folders if (f / "summary.json").is_file()), None)
    summary = json.loads(path.read_text(encoding="utf-8")) if path else {}
    return "; ".join(g["why"] for g in summary.get("gates", []) if not g["passed"])


def rollback(told: argparse.Namespace) -> int:
    """Make the champion before this one the champion again."""
    from thirtyfold.core.registry import Registry

    root = Home.beside().root
    known = sorted(p.name for p in (root / "registry").glob("*"))
    if told.name not in known:
        raise SpecError(Fault("name", f"there is no model '{told.name}'.", ", ".join(known), nearest(told.name, known)))
    champion = Registry(root, told.name).rollback(why="rolled back by hand")
    print(f"{told.name}@champion is again {champion.hash[:12]}. A running server follows.")
    return 0
