"""Checks that every layer passes, ours and a stranger's: ``check_layer(member)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thirtyfold.core.fieldtype import Array
from thirtyfold.learn.nets.shapes import Misfit, Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["check_layer"]

ROWS = 5
GIVEN = {
    "image": Shape("image", (3, 8, 10)),
    "sequence": Shape("sequence", (9, 8)),
    "tokens": Shape("tokens", (9,), 20),
    "vector": Shape("vector", (12,)),
}
"""What layers are given in the check."""
PADDING = 4
"""Places at the end of a sequence that are padding."""


def check_layer(layer: Any) -> None:
    """For everything it takes: the shape it says is the shape that comes out, known sizes do not depend on unknown
    ones, padding takes no part, the same rows give the same, and the drawn graph answers as PyTorch does.
    """
    name = type(layer).__name__
    refused: list[str] = []
    for kind in layer.takes:
        given = GIVEN[kind]
        try:
            told = layer.gives(given)
        except Misfit as misfit:
            refused.append(f"{kind} ({misfit.what})")
            continue
        blind = layer.gives(Shape(kind, (None,) * len(given.size)))
        assert blind.kind == told.kind, f"{name}: gives {told.kind} or {blind.kind} by what is known"
        pairs = zip(blind.size, told.size, strict=True)
        assert all(b in (None, t) for b, t in pairs), f"{name}: says {blind} before and {told} after sizes are known"
        _check_module(name, layer, given, told)
    assert len(refused) < len(layer.takes), f"{name}: takes nothing: {', '.join(refused)}"


def _check_module(name: str, layer: Any, given: Shape, told: Shape) -> None:
    import torch

    torch.manual_seed(0)
    network = _alone(layer, given)
    with torch.no_grad():
        for weight in network.parameters():
            torch.nn.init.normal_(weight, std=0.3)
    network.eval()
    x = _rows(given)
    with torch.no_grad():
        found = network(torch.from_numpy(x)).numpy()
        again = network(torch.from_numpy(x)).numpy()
        one = network(torch.from_numpy(x[:1])).numpy()
    width = int(np.prod([s or 0 for s in told.size]))
    assert found.shape == (ROWS, width), f"{name}: says {told} for {given}, and gives {found.shape[1:]} numbers"
    assert np.array_equal(found, again), f"{name}: not the same twice"
    assert np.allclose(one, found[:1], atol=1e-5), f"{name}: a row alone is another than among others"
    if given.kind == "sequence":
        _check_padding(name, network, x, given, found)
    _check_drawn(name, network, x, found)


def _alone(layer: Any, given: Shape) -> nn.Module:
    """A network of this layer alone, (rows, width) in and out; what is padding comes out as zeros."""
    from torch import nn

    size = tuple(s or 1 for s in given.size)

    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.flat = layer.module(given), nn.Flatten()

        def forward(self, x: Tensor) -> Tensor:
            there: Any = None
            if given.kind == "sequence":
                wide = x.reshape(-1, size[0], size[1] + 1)
                x, there = wide[:, :, : size[1]], wide[:, :, size[1] :]
            else:
                x = x.reshape(-1, *size)
            if getattr(self.layer, "padded", False):
                x, there = self.layer(x, there)
            else:
                x = self.layer(x)
            out: Tensor = self.flat(x if there is None else x * there)
            return out

    return Alone()


def _rows(given: Shape) -> Array:
    """Rows of the shape, flat; of a sequence with whether each place counts beside its numbers."""
    rng = np.random.default_rng(1)
    size = tuple(s or 1 for s in given.size)
    if given.kind == "tokens":
        return np.asarray(rng.integers(0, given.codes, (ROWS, *size)), dtype=np.float32)
    x = rng.normal(size=(ROWS, *size)).astype(np.float32)
    if given.kind == "sequence":
        there = np.ones((ROWS, size[0], 1), dtype=np.float32)
        there[:, -PADDING:] = 0
        x = np.concatenate([x, there], axis=2)
    return np.asarray(x.reshape(ROWS, -1))


def _check_padding(name: str, network: nn.Module, x: Array, given: Shape, found: Array) -> None:
    """Other numbers where nothing is change nothing."""
    import torch

    other = x.reshape(ROWS, *(s or 1 for s in (given.size[0], (given.size[1] or 0) + 1))).copy()
    other[:, -PADDING:, :-1] += 3
    with torch.no_grad():
        seen = network(torch.from_numpy(other.reshape(ROWS, -1))).numpy()
    assert np.allclose(seen, found, atol=1e-4), f"{name}: padding takes part"


def _check_drawn(name: str, network: nn.Module, x: Array, found: Array) -> None:
    """The graph that the layer is drawn as answers as the layer does."""
    from thirtyfold.learn.graph import Graph, Session
    from thirtyfold.learn.nets.traced import drawn

    graph = Graph()
    out = drawn(network, graph)
    graph.add("Identity", [out], "raw")
    answer = Session(graph.bytes(x.shape[1], found.shape[1]))(x)
    far = float(np.abs(answer - found).max())
    assert far < 1e-4, f"{name}: the drawn graph is {far:.2g} off"
