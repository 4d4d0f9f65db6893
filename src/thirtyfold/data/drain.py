"""Drain: templates mined from log messages with a tree of fixed depth.

P. He, J. Zhu, Z. Zheng, M. R. Lyu, "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017. Messages
go down a tree by their number of words and then by their first words; in the leaf they join the most similar group, or
open one. A group's template keeps the words that all its messages share and has ``<*>`` where they differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
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
_KNOWN, _SHORT = 100_000, 500
"""So many messages, each of at most so many characters, are remembered as they are: what repeats is not looked for."""
_GROUPS = 20_000
"""From so many templates on a message joins the one that is nearest: a log of more has no templates."""


@dataclass
class Group:
    """Messages of one template; ``words`` is the template so far, ``number`` counts the groups from 0."""

    words: list[str]
    number: int
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
            if len(self._known) < _KNOWN and len(masked) < _SHORT:
                self._known[masked] = group
        group.count += 1
        return group

    def state(self) -> dict[str, Any]:
        """All that was learned, as JSON values, to go on from."""
        groups = [[g.words, g.count] for g in self.groups]
        known = [[text, group.number] for text, group in self._known.items()]
        return {"groups": groups, "known": known, "tree": _told(self.root)}

    def go_on(self, state: Mapping[str, Any]) -> None:
        """As it was when ``state`` was told."""
        self.groups = [Group(list(words), at, count) for at, (words, count) in enumerate(state["groups"])]
        self._known = {text: self.groups[at] for text, at in state["known"]}
        self.root = _node(state["tree"], self.groups)

    def _placed(self, words: list[str]) -> Group:
        leaf = self._leaf(words)
        best, score = None, -1.0
        varied = -1
        for group in leaf.groups:
            same, any_ = _similar(group.words, words)
            if same > score or (same == score and any_ > varied):
                best, score, varied = group, same, any_
        full = len(self.groups) >= _GROUPS
        if best is None or (score < self.similarity and not full):
            best = Group([ANY] * len(words) if full else list(words), len(self.groups))
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


def _told(node: _Node) -> list[Any]:
    """A node as JSON: what leads to each inner one, these, and the numbers of its groups."""
    return [list(node.inner), [_told(n) for n in node.inner.values()], [g.number for g in node.groups]]


def _node(told: Sequence[Any], groups: Sequence[Group]) -> _Node:
    keys, inner, numbers = told
    nodes = [_node(n, groups) for n in inner]
    return _Node(dict(zip(keys, nodes, strict=True)), [groups[n] for n in numbers])


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
