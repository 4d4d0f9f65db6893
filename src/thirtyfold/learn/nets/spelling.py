"""Spelling: layers as people write them, in one line: ``conv 32``, ``conv 32 size 5``, ``global pool``."""

from __future__ import annotations

import inspect
from typing import Any

from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.family import Choice, Family, nearest, split_choice
from thirtyfold.learn.nets.shapes import Layer

__all__ = ["LAYERS", "Layers", "made", "words_of"]


class Layers(Family[Layer]):
    """The layers by word. A text is a word, the value of its first option, and other options by name."""

    def check(self, choice: Choice, where: str) -> tuple[str, dict[str, Any]]:
        return super().check(self._apart(choice, where), where)

    def build(self, choice: Choice, where: str, **given: Any) -> Layer:
        """The layer, which knows how it was spelled."""
        word, options = self.check(choice, where)
        layer = super().build({word: options}, where, **given)
        layer.choice = {word: options} if options else word
        return layer

    def _apart(self, choice: Choice, where: str) -> Choice:
        """``conv 32 size 5`` as ``{conv: {channels: 32, size: 5}}``."""
        if not isinstance(choice, str) or " " not in choice.strip():
            return choice
        parts = choice.split()
        known = self.own()
        longest = range(len(parts), 0, -1)
        many = next((n for n in longest if "_".join(parts[:n]) in known), 1)
        word, rest = "_".join(parts[:many]), parts[many:]
        if not rest:
            return word
        return {word: _options(list(inspect.signature(self.find(word, where)).parameters), rest, choice, where)}


def _options(names: list[str], rest: list[str], text: str, where: str) -> dict[str, Any]:
    """Words behind a layer's own: a value for the first option, then names and values. Raises SpecError."""
    import yaml

    found: dict[str, Any] = {}
    while rest:
        head = rest.pop(0)
        if head in names and rest:
            found[head] = yaml.safe_load(rest.pop(0))
        elif names and not found:
            found[names[0]] = yaml.safe_load(head)
        else:
            what = f"'{head}' in '{text}' {'has no value' if head in names else 'is not the name of an option'}."
            raise SpecError(Fault(where, what, ", ".join(names) or "no options", nearest(head, names)))
    return found


LAYERS = Layers("learn.layers")


def made(choice: Choice | Layer | None) -> Layer | None:
    """A layer as it is, or the one that a choice names."""
    return LAYERS.build(choice, "layer") if isinstance(choice, str | dict) else choice


def words_of(layer: Layer) -> str:
    """The layer as a person writes it: its first option and those that differ from what they usually are."""
    word, options = split_choice(layer.choice, "layer") if layer.choice else (type(layer).__name__.lower(), {})
    usual = {n: p.default for n, p in inspect.signature(type(layer)).parameters.items()}
    said = [word.rpartition(":")[2].replace("_", " ")]
    for at, (name, default) in enumerate(usual.items()):
        value = options.get(name, default)
        if isinstance(value, list):
            said.append(f"[{', '.join(words_of(part) for part in getattr(layer, name))}]")
        elif at == 0 and not isinstance(value, dict):
            said.append(str(value))
        elif at and value != default and _plain(value) != default:
            said.append(f"{name} {'null' if value is None else _plain(value)}")
    return " ".join(said)


def _plain(value: Any) -> Any:
    return split_choice(value, "layer")[0] if isinstance(value, dict) else value
