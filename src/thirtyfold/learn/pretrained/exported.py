"""Exported: a network that no pen of ours knows, as nodes of an ONNX graph, every weight under its own name.

PyTorch's own exporter draws it node by node and folds nothing together, so that the weights can be read back from the
graph by their names, as from any other of ours, and go on learning. What would tell where or by whom it was drawn is
left out: the same weights give the same bytes.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from thirtyfold.core.errors import Fault, MissingExtra, SpecError
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.late import np
from thirtyfold.learn.graph import OPSET, Graph, Session

if TYPE_CHECKING:
    from torch import nn

__all__ = ["add_to"]

LARGEST = 1_900_000_000
"""Bytes of weights that one graph can hold: its file format ends at 2 GB."""
CLOSE = 1e-3
"""How far answers of the graph may be from those of PyTorch, on the scale of the largest one."""


DRAWN = 4
"""Graphs that are kept: a run learns the same network several times, and drawing one takes seconds."""
_drawn: dict[str, Any] = {}


def add_to(network: nn.Module, graph: Graph, rows: Array, what: str) -> str:
    """Add a network of ``rows`` (rows, features) to a graph; returns its output's name.

    ``what`` says all of the network but its weights: where the same was drawn before, only these are put in. The
    graph's answers are compared with PyTorch's row by row, alone and together. Raises SpecError where they differ,
    or where the network is too large for a graph.
    """
    size = sum(w.numel() * w.element_size() for w in network.state_dict().values())
    if size > LARGEST:
        what = f"its weights take {size / 1e9:.1f} GB, and a graph that can be shipped holds {LARGEST / 1e9:.1f} GB."
        raise SpecError(Fault("model.pretrained", what, hint="Take a smaller model of the same kind."))
    network.eval()
    state = network.state_dict()
    model = _filled(_once(network, rows, what), state)
    names = {t.name: f"net.{t.name}" for t in model.graph.initializer if t.name in state}
    names |= {"features": "features", "": ""}

    def named(name: str) -> str:
        return names.get(name) or (name and f"body.{name}")

    for tensor in model.graph.initializer:
        tensor.name = named(tensor.name)
        tensor.doc_string = ""
        graph.constants.append(tensor)
    for node in model.graph.node:
        assert not any(a.HasField("g") for a in node.attribute), f"{node.op_type} holds a graph of its own"
        node.name, node.doc_string = f"body.{node.name}", ""
        del node.metadata_props[:]
        node.input[:], node.output[:] = map(named, node.input), map(named, node.output)
        graph.nodes.append(node)
    output = named(model.graph.output[0].name)
    _same(network, graph, output, rows)
    return output


def _once(network: nn.Module, rows: Array, what: str) -> Any:
    """The network drawn, without its weights."""
    key = f"{what} {network}"
    if key not in _drawn:
        model = _exported(network, rows)
        for tensor in model.graph.initializer:
            if tensor.name in network.state_dict():
                tensor.ClearField("raw_data")
        while len(_drawn) >= DRAWN:
            _drawn.pop(next(iter(_drawn)))
        _drawn[key] = model
    return _drawn[key]


def _filled(model: Any, state: Mapping[str, Any]) -> Any:
    """A copy of a drawn network with its weights."""
    import onnx
    from onnx import numpy_helper

    filled = onnx.ModelProto()
    filled.CopyFrom(model)
    for tensor in filled.graph.initializer:
        if tensor.name in state:
            weight = state[tensor.name].detach().cpu().contiguous().numpy()
            tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
    return filled


def _exported(network: nn.Module, rows: Array) -> Any:
    """The network as PyTorch draws it, for any number of rows."""
    import torch

    try:
        import onnxscript  # noqa: F401 - the exporter asks for it in the middle of its work
    except ModuleNotFoundError:
        what = "a pretrained model needs onnxscript, which is not installed: pip install 'thirtyfold[pretrained]'"
        raise MissingExtra(Fault("model.pretrained", what)) from None
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network, (torch.from_numpy(np.array(rows[:2])),), dynamo=True, optimize=False, verbose=False,
                input_names=["features"], output_names=["answers"], opset_version=OPSET,
                dynamic_shapes=({0: torch.export.Dim("rows")},),
            )  # fmt: skip
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).strip().split("\n")[0][:200]
        what = f"this network cannot be drawn as a graph, so it could not be shipped: {reason}"
        raise SpecError(
            Fault("model.pretrained", what, hint="BERT, ViT, ResNet, wav2vec2 and their kinds can.")
        ) from None
    finally:
        quiet.setLevel(level)
    assert program is not None
    return program.model_proto


def _same(network: nn.Module, graph: Graph, output: str, rows: Array) -> None:
    """Compare the graph so far with PyTorch on a few rows."""
    import torch

    with torch.no_grad():
        wanted = network(torch.from_numpy(np.array(rows))).numpy().astype(np.float64)
    whole = Graph()
    whole.nodes, whole.constants = [*graph.nodes], [*graph.constants]
    whole.add("Identity", [output], "raw")
    session = Session(whole.bytes(rows.shape[1], wanted.shape[1]))
    found = [session(rows), np.concatenate([session(rows[i : i + 1]) for i in range(len(rows))])]
    scale = max(1.0, float(np.abs(wanted).max()))
    worst = max(float(np.abs(f - wanted).max()) / scale for f in found)
    if not worst <= CLOSE:
        what = (
            f"drawn as a graph, this network answers otherwise than PyTorch, by up to {worst:.2g}: it is not shipped."
        )
        raise SpecError(Fault("model.pretrained", what, hint="Take another architecture."))
