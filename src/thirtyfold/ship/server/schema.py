"""Schema: this model's own fields and answers as JSON schema and OpenAPI, made from the Package alone."""

import json
from typing import Any

import polars as pl

from thirtyfold.core.door import DTYPES, typed
from thirtyfold.core.package import Package
from thirtyfold.core.profile import ColumnProfile
from thirtyfold.core.windows import Windows

__all__ = ["answer_schema", "example_rows", "openapi", "row_schema"]


REST = "(other)"
"""The interval of a profile in which the rare values are counted: no value that was ever seen."""


def row_schema(package: Package) -> dict[str, Any]:
    """The JSON schema of one row: every input field, with description and example from the training rows."""
    profiles = package.profile.columns if package.profile else {}
    fields = {}
    for column in package.asked:
        kind = typed(column)
        told = kind.schema(_seen(kind.dtype, profiles.get(column.name) or profiles.get(f"{column.name}_at_origin")))
        if column.type == "number" and column.mending is not None and column.mending.unit:
            unit = column.mending.unit
            told["description"] = f"{told['description']}; in {unit}, or as text with another unit"
            told["type"] = [*told["type"], "string"]
        fields[column.name] = told
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _forgiving(package: Package) -> dict[str, Any]:
    """The schema of a row with the columns that were set aside in training: a whole row of the table may be sent."""
    schema = row_schema(package)
    told = {"description": "set aside in training: may be sent, is not looked at"}
    aside = dict.fromkeys(package.manifest.get("aside", ()), told)
    return {**schema, "properties": {**schema["properties"], **aside}}


def _seen(dtype: str, profile: ColumnProfile | None) -> pl.Series:
    """Values like those of the training rows, as far as a profile tells them."""
    values: list[Any] = []
    if profile is not None and dtype == "number":
        told = dict(profile.numbers)
        told["typical"] = told.get("typical", told.get("median"))
        values = [told[n] for n in ("min", "typical", "max") if told.get(n) is not None]
    elif profile is not None and dtype == "moment":
        micro = [int(e * 1e6) for e in profile.edges]
        return pl.Series(micro, dtype=pl.Int64).cast(pl.Datetime("us")).sort()
    elif profile is not None:
        top = profile.numbers.get("typical", profile.numbers.get("top"))
        values = [b for b in profile.bins if b != REST] if profile.type == "category" else []
        values += [top] if top is not None else []  # once more, so that it is the most frequent one
    return pl.Series(values, dtype=DTYPES[dtype])


def example_rows(package: Package) -> list[dict[str, Any]]:
    """Rows that can be sent as they are: the stored example, or what the schema says; a history where that comes in."""
    stored = json.loads(package.files.get("example.json", b"{}"))
    if stored:
        return list(stored["rows"]) if "rows" in stored else [dict(stored["row"])]
    fields = row_schema(package)["properties"]
    row = {name: schema.get("examples", [None])[0] for name, schema in fields.items()}
    return package.windows.example(row) if package.windows is not None else [row]


def _one(package: Package) -> dict[str, Any]:
    """The schema of one answer; of a forecast with the series, the time and the step that it is for."""
    told = package.task.schema()
    return told if package.windows is None else package.windows.schema(told)


def answer_schema(package: Package) -> dict[str, Any]:
    """The JSON schema of what ``/predict`` answers."""
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "names the request; prediction i can be named as <id>-<i>"},
            "model": {"type": "string", "description": "hash of the model that answered"},
            "predictions": {"type": "array", "items": _one(package)},
        },
        "required": ["id", "model", "predictions"],
    }


_UNKNOWN = (
    "A category that was never seen in training is answered as an unknown one, with 200, and counted by field in "
    "thirtyfold_unknown_values_total of /metrics."
)


def _history(windows: Windows) -> str:
    """What a request must hold."""
    told = (
        f"The rows are the history of one series or several, a row a time, {windows.least} known values of "
        f"'{windows.target}' at least; {windows.reach} let it answer as it was tested. The answers are for the "
        f"{windows.horizon} times after the last known one."
    )
    if windows.known:
        told += f" A row for each of these must tell {', '.join(windows.known)}, with '{windows.target}' null."
    return told


_DETAIL = {
    "type": "object",
    "properties": {
        "detail": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                    "msg": {"type": "string"},
                    "type": {"type": "string"},
                },
            },
        }
    },
}

_FEEDBACK = {
    "type": "object",
    "required": ["id"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "description": "the id of the request, or <id>-<i> for its prediction number i"},
        "truth": {"type": ["string", "number", "boolean", "null"], "description": "what the true answer was"},
        "thumb": {"type": ["string", "null"], "enum": ["up", "down", None]},
        "comment": {"type": "string", "maxLength": 4000},
    },
}


def openapi(package: Package, version: str, *, secured: bool) -> dict[str, Any]:
    """The whole OpenAPI 3.1 document of a server of this Package."""
    example, windows = example_rows(package), package.windows
    base = f"/v2/models/{package.name}"
    paths = {
        "/predict": _post(
            "Predict one row or many" if windows is None else "Forecast what follows a history",
            {"anyOf": [_ref("Row"), _ref("Rows")]} if windows is None else _ref("Rows"),
            _ref("Answer"),
            {
                **({"one row": {"value": example[0]}} if windows is None else {}),
                "many rows": {"value": {"rows": example}},
            },
            told=_UNKNOWN if windows is None else _history(windows),
        ),
        "/feedback": _post("Say what was true of a prediction", _ref("Feedback"), {"type": "object"}, {}, done="201"),
        "/model": _get("The model in service: name, hash, metrics, fields"),
        "/healthz": _get("Is the process alive?"),
        "/readyz": _get("Can it answer?"),
        "/metrics": _get("Metrics for Prometheus", "text/plain"),
        "/v2": _get("Open Inference Protocol: the server"),
        "/v2/health/live": _get("Open Inference Protocol: alive"),
        "/v2/health/ready": _get("Open Inference Protocol: ready"),
        base: _get("Open Inference Protocol: the model's inputs and outputs"),
        f"{base}/ready": _get("Open Inference Protocol: is the model ready?"),
        f"{base}/infer": _post(
            "Open Inference Protocol: predict, a tensor a field", {"type": "object"}, {"type": "object"}, {}, "Error"
        ),
    }
    schemas = {
        "Row": _forgiving(package),
        "Rows": {
            "type": "object",
            "required": ["rows"],
            "additionalProperties": False,
            "properties": {"rows": {"type": "array", "items": _ref("Row"), "minItems": 1}},
        },
        "Answer": answer_schema(package),
        "Feedback": _FEEDBACK,
        "Faults": _DETAIL,
        "Error": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]},
    }
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": package.name, "version": version, "description": f"Model {package.hash[:12]}."},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if secured:
        key = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        document["components"]["securitySchemes"] = {"key": key, "bearer": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}, {"bearer": []}]
    return document


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _get(summary: str, media: str = "application/json") -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": {"200": {"description": "OK", "content": {media: {}}}}}}


def _post(
    summary: str,
    body: dict[str, Any],
    answer: dict[str, Any],
    examples: dict[str, Any],
    faults: str = "Faults",
    told: str = "",
    done: str = "200",
) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": body} | ({"examples": examples} if examples else {})
    wrong = {"description": "Wrong: every fault is named", "content": {"application/json": {"schema": _ref(faults)}}}
    statuses = {"400": wrong} if faults == "Error" else {"400": {"description": "Not JSON"}, "422": wrong}
    return {
        "post": {
            "summary": summary,
            **({"description": told} if told else {}),
            "requestBody": {"required": True, "content": {"application/json": content}},
            "responses": {
                done: {"description": "OK", "content": {"application/json": {"schema": answer}}},
                **statuses,
                "413": {"description": "Too large"},
            },
        }
    }
