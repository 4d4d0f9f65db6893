"""The face in Python: ``run``, ``check`` and ``load`` do what the commands of the same names do."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.home import Home
from thirtyfold.core.owncode import trust
from thirtyfold.core.package import Package
from thirtyfold.core.spec import Spec
from thirtyfold.data.sources.frame import polars_of
from thirtyfold.lifecycle import find_package, run_spec
from thirtyfold.run import Outcome

__all__ = ["check", "load", "run"]

SpecLike = str | Path | Mapping[str, Any] | Spec


def run(spec: SpecLike, data: Any = None, *, home: str | Path | None = None, until: str | None = None) -> Outcome:
    """Do the whole lifecycle; returns the Outcome with ``summary``, ``package`` and ``folder``.

    ``spec`` is a YAML file, a mapping or a Spec; ``data`` a pandas, Polars or Arrow frame that takes the place of
    ``collect`` (the model is then named after its target, unless ``name`` is said). Raises SpecError or DataError for
    a mistake, as the command would exit with 2; a gate that says no is in ``summary["status"]``.

        >>> import thirtyfold
        >>> outcome = thirtyfold.run({"target": "target", "collect": {"sklearn": "iris"}, "model": "tree"},
        ...                          home=tmp)  # doctest: +SKIP
        >>> outcome.summary["status"]  # doctest: +SKIP
        'done'
    """
    from thirtyfold.checking import faults_of

    frame = None if data is None else polars_of(data)
    made = _spec(spec, given=frame is not None)
    faults = check(made) if frame is None else faults_of(made, frame.columns)
    if faults:
        raise SpecError(faults)
    path = spec if isinstance(spec, str | Path) else None
    outcome = run_spec(made, Home(home) if home is not None else Home.beside(path), frame=frame, until=until)
    if outcome.error is not None:
        raise outcome.error
    return outcome


def check(spec: SpecLike) -> list[Fault]:
    """Every fault of a Spec, against the data it names; an empty list when there is none. Runs nothing."""
    from thirtyfold.checking import faults_of

    try:
        return faults_of(_spec(spec, given=False))
    except SpecError as error:
        return list(error.faults)


def load(package: str | Path, code: Sequence[str | Path] = ()) -> Package:
    """Open a Package: a folder, a run id, or ``name@champion``. Raises PackageError when it was altered.

    ``code`` are Python files of your own that it may use, where its Spec named ``file.py:Name``; no other is loaded.
    """
    trust([f"{file}:" for file in code])
    return find_package(str(package), Home.beside())


def _spec(spec: SpecLike, *, given: bool) -> Spec:
    if isinstance(spec, Spec):
        return spec
    if isinstance(spec, str | Path):
        return Spec.read(spec)
    if not given:
        return Spec.of(spec)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", str(spec.get("target", ""))).strip("-._")[:64] or "model"
    return Spec.of({"collect": "frame", "name": name, **spec})
