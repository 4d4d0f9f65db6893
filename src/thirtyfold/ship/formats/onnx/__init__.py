"""One ONNX graph that holds everything: spellings, features, model and decision; typed values in, answers out.

Inputs, shape [rows, 1]: numbers and moments (seconds since 1970, UTC) as float64 with NaN for missing; text with "" for
missing. A picture or a recording comes decoded, as float32 [rows, channels, height, width] (0 to 255) or [rows, frames,
bands] (log-mel), just as the encoder's first transform gives it: no graph can open a file.
Outputs: ``probabilities`` and ``label`` (and ``unsure``) for classification, ``prediction`` for regression.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import polars as pl

from thirtyfold.core.door import typed
from thirtyfold.core.errors import SpecError
from thirtyfold.core.expression import Expression
from thirtyfold.core.fieldtype import Array, Feature
from thirtyfold.core.package import Package
from thirtyfold.core.table import Column
from thirtyfold.core.transform import Decoder, Tokens
from thirtyfold.ship.formats.onnx.decision import decide
from thirtyfold.ship.formats.onnx.formula import formula
from thirtyfold.ship.formats.onnx.graph import ML_OPSET, OPSET, Graph, Value
from thirtyfold.ship.formats.onnx.ops import add

__all__ = ["Onnx"]


class Onnx:
    """ONNX: runs wherever ONNX Runtime does, from a server to a phone, without Python and without this project."""

    file: ClassVar[str] = "exports/model.onnx"

    def write(self, package: Package) -> bytes:
        """The Package as one checked ONNX model; raises SpecError for a formula that ONNX cannot compute."""
        import onnx
        from onnx import helper

        body = _body(package.model.onnx())
        versions = {o.domain: o.version for o in body.opset_import}
        g = Graph()
        columns = _inputs(g, package)
        features = _features(g, package, columns)
        g.nodes.append(helper.make_node("Identity", [features], ["model/features"]))
        g.nodes.extend(body.graph.node)
        outputs = decide(g, package.task, "model/raw", columns)
        opset, ml = max(OPSET, versions.get("", 0)), max(ML_OPSET, versions.get("ai.onnx.ml", 0))
        others = {d: v for d, v in versions.items() if d not in ("", "ai.onnx", "ai.onnx.ml")}
        model = g.model(outputs, package.name, {"": opset, "ai.onnx.ml": ml, **others})
        model.graph.initializer.extend(body.graph.initializer)
        model.graph.sparse_initializer.extend(body.graph.sparse_initializer)
        model.ir_version = max(model.ir_version, body.ir_version)
        model.doc_string = "Typed columns in, answers out; made by thirtyfold and checked against its Package."
        helper.set_model_props(model, {"package": package.hash, "name": package.name})
        try:
            onnx.checker.check_model(model, full_check=not others)
        except onnx.checker.ValidationError as error:
            raise SpecError(f"the graph of this {package.manifest['model']} is not valid ONNX: {error}") from error
        return bytes(model.SerializeToString(deterministic=True))

    def answers(self, data: bytes, package: Package, columns: Mapping[str, Array]) -> pl.DataFrame:
        """Run a written file in ONNX Runtime on typed columns; a frame like that of ``Package.predict``."""
        session = _session(data)
        feed = {
            c.name: _fed(typed(c).dtype, columns[c.name]) for c in package.columns if c.name not in _opened(package)
        }
        feed |= {name: op.apply(columns[c]).reshape(-1, *op.shape) for name, (c, op) in _decoders(package).items()}
        names = [o.name for o in session.get_outputs()]
        out = dict(zip(names, session.run(names, feed), strict=True))
        if "prediction" in out:
            return pl.DataFrame({name: x[:, 0].astype(np.float64) for name, x in out.items()})
        shares = out["probabilities"].astype(np.float64)
        labels = out["label"][:, 0].astype(object)
        place = {label: code for code, label in enumerate(package.task.classes)}
        codes = np.array([place[v] for v in labels], dtype=np.int64)
        frame = {"prediction": pl.Series(labels.tolist(), dtype=pl.String)}
        frame["confidence"] = pl.Series(shares[np.arange(len(shares)), codes])
        if "unsure" in out:
            frame["unsure"] = pl.Series(out["unsure"][:, 0])
        frame |= {f"probability_{c}": pl.Series(shares[:, at]) for c, at in place.items()}
        return pl.DataFrame(frame)


def _session(data: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _fed(dtype: str, column: Array) -> Array:
    if dtype == "text":
        values = np.empty((len(column), 1), dtype=object)
        values[:, 0] = ["" if v is None else v for v in column]
        return values
    return column.astype(np.float64)[:, None]


def _body(data: bytes) -> Any:
    """The model's own graph, without local functions, at our operator set, every name under ``model/``."""
    import onnx
    from onnx import compose, inliner, version_converter

    body = onnx.load_from_string(data)
    if len(body.functions):
        body = inliner.inline_local_functions(body)
    own = next((o.version for o in body.opset_import if o.domain in ("", "ai.onnx")), OPSET)
    if own < OPSET:
        body = version_converter.convert_version(body, OPSET)
    return compose.add_prefix(body, "model/")


def _inputs(g: Graph, package: Package) -> dict[str, Value]:
    """One input a column, with the markers and spellings that cleaning learned."""
    return {
        c.name: _kept(g, c, g.input(c.name, "text" if typed(c).dtype == "text" else "number"))
        for c in package.columns
        if c.name not in _opened(package)
    }


def _opened(package: Package) -> set[str]:
    """The columns that nothing reads as they are: pictures, sounds, texts that come as tokens."""
    encoder = package.encoder
    opened = {f.column for f in encoder.features if _decoder(f) is not None}
    used = {f.column for f in encoder.features if _decoder(f) is None}
    used |= {n for _, text in encoder.derived for n in Expression(text).names}
    return opened - used - {getattr(package.task, "by", None)}


def _decoder(feature: Feature) -> Decoder | None:
    first = feature.chain[0] if feature.chain else None
    return first if isinstance(first, Decoder) else None


def _decoders(package: Package) -> dict[str, tuple[str, Decoder]]:
    """The inputs that hold decoded files: the column's name, with the shape where a column is decoded in two ways."""
    found: dict[str, tuple[str, Decoder]] = {}
    for feature in package.encoder.features:
        op = _decoder(feature)
        if op is not None:
            name = f"{feature.column}:tokens" if isinstance(op, Tokens) else feature.column
            if name in found and found[name][1] != op:
                name = f"{name}:{'x'.join(map(str, op.shape))}"
            found.setdefault(name, (feature.column, op))
    return found


def _kept(g: Graph, column: Column, x: Value) -> Value:
    if x.kind == "number":
        name = x.name
        for marker in _numbers(column.markers):
            name = g.op("Where", g.op("Equal", name, g.constant(marker)), g.constant(np.nan), name)
        return Value(name, x.kind)
    table = {**dict.fromkeys(column.markers, ""), **column.spellings}
    table = {written: kept for written, kept in table.items() if written and written != kept}
    if not table:
        return x
    other = "\x01"
    kept = g.op(
        "LabelEncoder",
        x.name,
        domain="ai.onnx.ml",
        keys_strings=list(table),
        values_strings=list(table.values()),
        default_string=other,
    )
    unknown = g.op("Equal", g.index(kept, [other], 1), g.constant(0, np.int64))
    return Value(g.op("Where", unknown, x.name, kept), "text")


def _numbers(markers: tuple[str, ...]) -> list[float]:
    found = []
    for marker in markers:
        try:
            found.append(float(marker))
        except ValueError:
            continue
    return [m for m in found if np.isfinite(m)]


def _features(g: Graph, package: Package, columns: dict[str, Value]) -> str:
    """The encoder's matrix, float32 [rows, features]."""
    from onnx import TensorProto

    encoder = package.encoder
    known = dict(columns)
    if encoder.derived:
        like = g.number(_shaped(g, next(iter(columns.values()))))
        for name, text in encoder.derived:
            known[name] = formula(g, Expression(text), known, like)
    opened = {pair: g.decoded(name, pair[1].shape) for name, pair in _decoders(package).items()}
    parts = []
    for feature in encoder.features:
        first = _decoder(feature)
        x = known[feature.column] if first is None else opened[feature.column, first]
        for transform in feature.chain[first is not None :]:
            x = add(g, transform, x)
        parts.append(x.name)
    whole = g.op("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    return g.op("Cast", whole, to=TensorProto.FLOAT)


def _shaped(g: Graph, x: Value) -> str:
    """Something of shape [rows, 1], whatever the kind."""
    return g.op("IsNaN", x.name) if x.kind == "number" else g.index(x.name, [""], 1)
