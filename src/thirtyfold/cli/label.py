"""``label``: the page on which people label rows, and labels from and to Label Studio's JSON."""

import argparse
import getpass
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.family import split_choice
from thirtyfold.core.home import Home
from thirtyfold.core.spec import Spec

if TYPE_CHECKING:
    from thirtyfold.pages.labeling import Asked, Work

__all__ = ["label"]


def label(told: argparse.Namespace) -> int:
    """Serve the page until told to stop; or take labels in, or write them out."""
    from thirtyfold.core.annotations import Annotations
    from thirtyfold.core.quiet import Quiet
    from thirtyfold.data.collect import Collect
    from thirtyfold.pages.labeling import Work

    spec = _spec(told)
    options = _options(spec)
    home = Home.beside(told.spec if told.spec.endswith((".yaml", ".yml")) else None)
    path = Path(told.store or options.get("store") or home.root / "labels" / f"{spec.name}.sqlite")
    if path.suffix not in (".sqlite", ".db"):
        raise SpecError(Fault("--store", f"'{path}' is not a store of labels.", ".sqlite, .db"))
    collected = Collect(spec).run(None, Quiet()).collected
    store = Annotations(path).prepare()
    work = Work(collected, _asked(spec, told, options, home), store, _root(spec, told))
    if told.take is not None:
        return _take(work, Path(told.take))
    if told.give is not None:
        from thirtyfold.core.store import write_text

        write_text(Path(told.give), json.dumps(work.exported(), indent=1, ensure_ascii=False, default=str))
        print(f"{len(store.answers()):,} answers written to {told.give} (Label Studio's JSON).")
        return 0
    return _serve(work, told, path)


def _spec(told: argparse.Namespace) -> Spec:
    if told.spec.endswith((".yaml", ".yml")):
        return Spec.read(told.spec)
    from thirtyfold.cli.making import spec_of_data

    return spec_of_data(told.spec, told.target or "label")


def _options(spec: Spec) -> dict[str, Any]:
    """What the Spec says of labeling by hand."""
    word, options = split_choice(spec.label, "label")
    if word != "by_hand":
        return {}
    return options if isinstance(options, dict) else {"store": options}


def _asked(spec: Spec, told: argparse.Namespace, options: dict[str, Any], home: Home) -> "Asked":
    from thirtyfold.pages.labeling import Asked

    guidelines = told.guidelines or options.get("guidelines")
    if guidelines is not None and not Path(guidelines).is_file():
        raise SpecError(Fault("--guidelines", f"there is no file '{guidelines}'."))
    classes = told.classes.split(",") if told.classes else options.get("classes") or []
    return Asked(
        name=spec.name,
        target=spec.target,
        classes=tuple(c.strip() for c in classes if c.strip()),
        guidelines=Path(guidelines).read_text(encoding="utf-8") if guidelines else spec.goal,
        guess=not told.no_guess,
        overlap=told.overlap or options.get("overlap", 1),
        boxes=told.boxes or options.get("boxes"),
        amount=spec.task == "regression",
        id=options.get("id"),
        first=_suspects(home, told.review) if told.review is not None else (),
    )


def _suspects(home: Home, run: str) -> tuple[int, ...]:
    """The rows whose labels a run suspects, the surest first."""
    import polars as pl

    folder = home.run(run or None)
    path = folder / "suspects.parquet"
    rows = pl.read_parquet(path)["row"].to_list() if path.is_file() else []
    if not rows:
        raise SpecError(Fault("--review", f"the run {folder.name} suspects no label."))
    return tuple(int(r) for r in rows)


def _root(spec: Spec, told: argparse.Namespace) -> Path:
    """The folder below which files may be shown: that of the data, unless another is said."""
    if told.media is not None:
        return Path(told.media)
    found = _paths(spec.collect)
    return found[0].parent if found else Path.cwd()


def _paths(choice: Any) -> list[Path]:
    if isinstance(choice, dict):
        return [p for v in choice.values() for p in _paths(v)]
    if isinstance(choice, list):
        return [p for v in choice for p in _paths(v)]
    return [Path(choice)] if isinstance(choice, str) and len(choice) < 4096 and Path(choice).exists() else []


def _take(work: "Work", path: Path) -> int:
    """Labels of Label Studio's JSON, or of a table of row and label, into the store."""
    from thirtyfold.data.exchange import answers_in

    answers, wrong = answers_in(path, work.keys)
    known = {(a.key, a.annotator, json.dumps(a.value, sort_keys=True)) for a in work.store.answers()}
    new = [a for a in answers if (a.key, a.annotator, json.dumps(a.value, sort_keys=True)) not in known]
    work.store.put(new)
    print(f"{len(new):,} answers taken from {path} into {work.store.path}.")
    for line in wrong[:20]:
        print(f"  not taken: {line}", file=sys.stderr)
    if len(wrong) > 20:
        print(f"  and {len(wrong) - 20:,} more", file=sys.stderr)
    return 2 if wrong and not answers else 0


def _serve(work: "Work", told: argparse.Namespace, path: Path) -> int:
    from urllib.parse import quote

    from thirtyfold.cli.serving import free
    from thirtyfold.pages.labeling_server import app
    from thirtyfold.ship.server.serve import server_of

    free("127.0.0.1", told.port)
    name = told.annotator or _user()

    def ready(address: str) -> None:
        print(f"Label at {address}/?annotator={quote(name)} (Ctrl-C stops; nothing is lost).", flush=True)
        print(f"Labels are kept in {path}. To learn from them: label: {{by_hand: {{store: {path}}}}}", flush=True)

    server_of(app(work), "127.0.0.1", told.port, ready).run()
    return 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "me"
