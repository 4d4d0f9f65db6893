"""Drain: templates mined from log messages with a tree of fixed depth.

P. He, J. Zhu, Z. Zheng, M. R. Lyu, "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017. Messages
go down a tree by their number of words and then by their first words; in the leaf they join the most similar group, or
open one. A group's template keeps the words that all its messages share and has ``<*>`` where they differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

__all__ = ["ANY", "MASKS", "Drain", "Group", "parameters"]

ANY = "<*>"

MASKS = (
    r"https?://\S+",
    r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b",
    r"\bblk_-?\d+",
    r"(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?",
    r"\b(?:[\w-]+\.){2,}[\w-]+\b",
    r"\b\d{1,2}:\d{2}:\d{2}\b",
    r"\b0x[0-9a-fA-F]+\b",
)
"""What varies whatever the program: addresses, identifiers, names of hosts, times."""


@dataclass
class Group:
    """Messages of one template; ``words`` is the template so far."""

    words: list[str]
    count: int = 0

    @property
    def template(self) -> str:
        return " ".join(self.words)


@dataclass
class _Node:
    inner: dict[Any, _Node] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)


class Drain:
    """The tree. ``depth`` counts its levels as the paper does: with 4, the root, the length and two words."""

    def __init__(
        self,
        depth: int = 4,
        similarity: float = 0.4,
        children: int = 100,
        masks: Sequence[str] = MASKS,
    ) -> None:
        self.words_down, self.similarity, self.children = depth - 2, similarity, children
        self.mask = re.compile("|".join(f"(?:{m})" for m in masks)) if masks else None
        self.root = _Node()
        self.groups: list[Group] = []
        self._known: dict[str, Group] = {}

    def learn(self, messages: Iterable[str]) -> list[Group]:
        """The group of each message; the groups' templates are final when all are learned."""
        return [self.add(m) for m in messages]

    def add(self, message: str) -> Group:
        """Put one message into its group; a message that was seen before goes where it went."""
        masked = self.mask.sub(ANY, message) if self.mask else message
        group = self._known.get(masked)
        if group is None:
            group = self._placed(masked.split())
            if len(self._known) < 1_000_000:
                self._known[masked] = group
        group.count += 1
        return group

    def _placed(self, words: list[str]) -> Group:
        leaf = self._leaf(words)
        best, score = None, -1.0
        varied = -1
        for group in leaf.groups:
            same, any_ = _similar(group.words, words)
            if same > score or (same == score and any_ > varied):
                best, score, varied = group, same, any_
        if best is None or score < self.similarity:
            best = Group(list(words))
            leaf.groups.append(best)
            self.groups.append(best)
        else:
            best.words = [a if a == b else ANY for a, b in zip(best.words, words, strict=True)]
        return best

    def _leaf(self, words: list[str]) -> _Node:
        node = self.root.inner.setdefault(len(words), _Node())
        for word in words[: self.words_down]:
            key = ANY if any(c.isdigit() for c in word) or ANY in word else word
            if key not in node.inner and key != ANY and len(node.inner) >= self.children:
                key = ANY
            node = node.inner.setdefault(key, _Node())
        return node


def _similar(template: list[str], words: list[str]) -> tuple[float, int]:
    """The share of words that are the template's own (the paper's simSeq), and how many of the template's vary."""
    if not words:
        return 1.0, 0
    same = varied = 0
    for a, b in zip(template, words, strict=True):
        if a == ANY:
            varied += 1
        elif a == b:
            same += 1
    return same / len(words), varied


def parameters(template: str, message: str) -> list[str]:
    """What stands in a message where its template varies."""
    found: list[str] = []
    for pattern, word in zip(template.split(), message.split(), strict=False):
        if pattern == ANY:
            found.append(word)
        elif ANY in pattern:
            inner = _pattern(pattern).fullmatch(word)
            found += inner.groups() if inner else [word]
    return found


@cache
def _pattern(word: str) -> re.Pattern[str]:
    return re.compile("(.*?)".join(re.escape(p) for p in word.split(ANY)))
