"""Members: an ensemble made lighter member by member."""

import json
from collections.abc import Callable

import numpy as np

from thirtyfold.core.encoder import Encoded
from thirtyfold.core.package import Package
from thirtyfold.ship.lighter import Given, Variant, with_files

__all__ = ["by_member"]


def by_member(package: Package, given: Given, make: Callable[[Package, Given], list[Variant]]) -> list[Variant]:
    """What ``make`` makes of each member, put back in its place: variants of one name belong together.

    Members it cannot make lighter stay as they are. Nothing for a Package that is no ensemble.
    """
    if package.manifest["model"] != "ensemble":
        return []
    state = json.loads(package.files["model/model.json"])
    made: dict[str, list[tuple[int, Variant]]] = {}
    for at, word in enumerate(state["words"]):
        alone = Given(_part(given.learning, *state["columns"][at]), given.context)
        for variant in make(_alone(package, at, word), alone):
            if variant.package.manifest["model"] == word:
                made.setdefault(variant.name, []).append((at, variant))
    found = []
    for name, parts in made.items():
        changed = {f"{at}/{n}": data for at, variant in parts for n, data in _files(variant.package).items()}
        what = "; ".join(f"{state['words'][at]}: {variant.what}" for at, variant in parts)
        found.append(Variant(name, with_files(package, changed), what))
    return [v for v in found if v.package.size < package.size]


def _files(package: Package) -> dict[str, bytes]:
    return {n.removeprefix("model/"): data for n, data in package.files.items() if n.startswith("model/")}


def _alone(package: Package, at: int, word: str) -> Package:
    """A member as a Package of its own; what it reads is no longer what the encoder gives, so it answers no rows."""
    inner = {n: data for n, data in package.files.items() if not n.startswith("model/")}
    for name, data in _files(package).items():
        if name.startswith(f"{at}/"):
            inner[f"model/{name.removeprefix(f'{at}/')}"] = data
    return Package(inner, {**package.manifest, "model": word})


def _part(data: Encoded, start: int, stop: int) -> Encoded:
    matrix = np.ascontiguousarray(data.matrix[:, start:stop])
    names, categories = data.names[start:stop], data.categories[start:stop]
    return Encoded(matrix, names, categories, data.target, data.weight, data.classes)
