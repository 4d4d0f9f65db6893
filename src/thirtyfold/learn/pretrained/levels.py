"""Levels: how deep each weight of a pretrained network lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Levels", "levels_of"]


class Levels(NamedTuple):
    """The layers of a network: ``stack`` is the name of their list, ``many`` how many there are.

    ``of`` has the level of each weight by name: 0 below the first layer, 1 to ``many`` in them, and more behind.
    """

    stack: str
    many: int
    of: Mapping[str, int]

    def within(self, name: str) -> bool:
        """Whether a part lies in one of the layers."""
        return name.startswith(f"{self.stack}.")

    def level(self, name: str) -> int:
        """The level of a weight, or of one that was put beside it since."""
        if not self.within(name):
            return self.of.get(name, self.many + 1)
        return 1 + int(name[len(self.stack) + 1 :].partition(".")[0])


def levels_of(body: nn.Module) -> Levels:
    """The list of modules that holds the most weights is taken for the layers; one layer where there is none."""
    from torch import nn

    lists = {n: m for n, m in body.named_modules() if isinstance(m, nn.ModuleList) and len(m)}
    sizes = {n: (sum(p.numel() for p in m.parameters()), -n.count(".")) for n, m in lists.items()}
    names = [n for n, _ in body.named_parameters()]
    if not sizes:
        return Levels("", 1, dict.fromkeys(names, 1))
    stack = max(sizes, key=lambda n: sizes[n])
    many = len(lists[stack])
    inner = [at for at, name in enumerate(names) if name.startswith(f"{stack}.")]
    outer = {n: 0 if at < inner[0] else many + 1 for at, n in enumerate(names) if not n.startswith(f"{stack}.")}
    levels = Levels(stack, many, outer)
    return levels._replace(of={n: levels.level(n) for n in names})
