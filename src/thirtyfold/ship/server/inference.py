"""The Open Inference Protocol, version 2: a tensor a field in, a tensor an answer out."""

from collections.abc import Mapping
from typing import Any

from thirtyfold.core.door import typed
from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.family import nearest
from thirtyfold.core.package import Package

__all__ = ["metadata", "outputs", "rows_of", "wanted"]

_NUMBERS = {"FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8", "BOOL"}


def metadata(package: Package) -> dict[str, Any]:
    """What a client must send and what it gets."""
    inputs = [
        {"name": c.name, "datatype": "FP64" if typed(c).dtype == "number" else "BYTES", "shape": [-1]}
        for c in package.asked
    ]
    outputs = [
        {"name": name, "datatype": _datatype(schema), "shape": [-1]}
        for name, schema in package.task.schema()["properties"].items()
    ]
    platform = {"name": package.name, "versions": [package.hash[:12]], "platform": "thirtyfold"}
    return {**platform, "inputs": inputs, "outputs": outputs}


def _datatype(schema: Mapping[str, Any]) -> str:
    return {"number": "FP64", "boolean": "BOOL"}.get(str(schema.get("type")), "BYTES")


def rows_of(body: Any) -> list[dict[str, Any]]:
    """The rows that a request's tensors hold; raises DataError that names every wrong tensor."""
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or not inputs or not all(isinstance(t, dict) for t in inputs):
        raise DataError(Fault("inputs", "must be a list of tensors, each with name, datatype, shape and data."))
    faults: list[Fault] = []
    columns = {str(t.get("name")): _values(t, at, faults) for at, t in enumerate(inputs)}
    rows = max(len(values) for values in columns.values())
    faults += [
        Fault(f"inputs.{name}", f"has {len(values)} values where others have {rows}.")
        for name, values in columns.items()
        if len(values) != rows
    ]
    if faults:
        raise DataError(faults)
    return [{name: values[i] for name, values in columns.items()} for i in range(rows)]


def _values(tensor: Mapping[str, Any], at: int, faults: list[Fault]) -> list[Any]:
    name, shape, data = tensor.get("name"), tensor.get("shape"), tensor.get("data")
    where = f"inputs.{name if isinstance(name, str) else at}"
    if not isinstance(name, str):
        faults.append(Fault(where, "needs a name."))
    if tensor.get("datatype") not in _NUMBERS | {"BYTES"}:
        faults.append(Fault(where, "has no datatype that is known.", ", ".join(sorted(_NUMBERS | {"BYTES"}))))
    if not isinstance(data, list):
        faults.append(Fault(where, "needs its data as a list."))
        return []
    flat = [v[0] if isinstance(v, list) and len(v) == 1 else v for v in data]
    if shape not in ([len(flat)], [len(flat), 1]):
        faults.append(Fault(where, f"says shape {shape} and has {len(flat)} values.", f"[{len(flat)}]"))
    return flat


def wanted(body: Mapping[str, Any], package: Package) -> list[str]:
    """The names of the outputs that a request asks for, by default all; raises DataError for one that is none."""
    known = list(package.task.schema()["properties"])
    asked = body.get("outputs")
    if asked is None or asked == []:
        return known
    if not isinstance(asked, list) or not all(isinstance(t, dict) and isinstance(t.get("name"), str) for t in asked):
        raise DataError(Fault("outputs", "must be a list of objects, each with a name.", ", ".join(known)))
    names = list(dict.fromkeys(t["name"] for t in asked))
    faults = [
        Fault(f"outputs.{n}", "there is no such output.", ", ".join(known), nearest(n, known))
        for n in names
        if n not in known
    ]
    if faults:
        raise DataError(faults)
    return names


def outputs(answers: list[dict[str, Any]], package: Package, names: list[str]) -> list[dict[str, Any]]:
    """Answers as tensors, those of these names in their order."""
    found, schemas = [], package.task.schema()["properties"]
    for name in names:
        data = [a[name] for a in answers]
        found.append({"name": name, "datatype": _datatype(schemas[name]), "shape": [len(data)], "data": data})
    return found
