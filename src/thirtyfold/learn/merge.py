"""Merge: the graphs of several models as one, each reading its part of the columns, averaged by weight."""

from collections.abc import Sequence

from thirtyfold.learn.graph import Graph

__all__ = ["merged"]


def merged(parts: Sequence[bytes], weights: Sequence[float], columns: Sequence[tuple[int, int]]) -> bytes:
    """``columns[i]`` are the columns of ``features`` that graph i reads, from the first up to before the second."""
    import numpy as np
    import onnx
    from onnx.compose import add_prefix

    graph, scaled, outputs = Graph(), [], 1
    axis = graph.constant("axis", [1], np.int64)
    for at, (data, weight, (start, stop)) in enumerate(zip(parts, weights, columns, strict=True)):
        # Names of ours begin otherwise than those of a member's own nodes, which may be called anything.
        name, own = f"member{at}_", f"merge{at}_"
        model = add_prefix(onnx.load_model_from_string(data), name)
        borders = [graph.constant(f"{own}{n}", [v], np.int64) for n, v in (("start", start), ("stop", stop))]
        graph.add("Slice", ["features", *borders, axis], f"{name}features")
        graph.nodes.extend(model.graph.node)
        graph.constants.extend(model.graph.initializer)
        outputs = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
        scaled.append(graph.add("Mul", [f"{name}raw", graph.constant(f"{own}weight", weight)], f"{own}part"))
    graph.add("Sum", scaled, "raw")
    return graph.bytes(max(stop for _, stop in columns), outputs)
