"""App: the HTTP face of one Package. What is accepted is answered, and feedback that is accepted is kept."""

import asyncio
import hmac
import json
import os
import sqlite3
import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from thirtyfold import __version__
from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.fieldtype import Array
from thirtyfold.core.package import Package
from thirtyfold.core.traffic import Answered, Failed, Traffic
from thirtyfold.ship.server import inference
from thirtyfold.ship.server.feedback import feedback_of
from thirtyfold.ship.server.meters import Meters
from thirtyfold.ship.server.recorder import Recorder
from thirtyfold.ship.server.schema import answer_schema, example_rows, openapi, row_schema
from thirtyfold.ship.server.shelf import Served, Shelf

__all__ = ["Options", "Server", "create_app"]

FEW = 32
"""Rows that are answered at once, in well under a few milliseconds; more go to a thread, so that nobody waits."""

_V2 = "/v2"
_CHANGING = ("PUT", "PATCH", "DELETE")
_OPEN = ("/healthz", "/readyz", "/v2/health/")


@dataclass(frozen=True)
class Options:
    """``api_key`` is the key itself (the Spec names the environment variable that holds it)."""

    api_key: str | None = None
    max_rows: int = 10_000
    max_mb: float = 16.0


class Refused(Exception):
    """A request that is answered with a status of 400 and above."""

    def __init__(self, status: int, *faults: Fault) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.status, self.faults = status, faults


def create_app(
    source: Package | str | Path, traffic: Traffic, options: Options | None = None, pages: Router | None = None
) -> Any:
    """The FastAPI application. ``source`` is a Package, its folder, or a ``champion.json``, which is followed.

    ``pages`` are mounted at "/" for what is to be looked at; ``app.state.server`` is the Server, for their sake.
    """
    from fastapi import FastAPI

    server = Server(source, traffic, options or Options())

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        server.open()
        try:
            yield
        finally:
            await asyncio.to_thread(server.close)

    # No /docs: FastAPI's page loads its scripts from elsewhere, and the playground is our own.
    app = FastAPI(
        title=server.served.package.name, version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.server = server
    # Plain routes: pydantic models would read the rows a second time, and cost more than the model does.
    app.router.routes.extend(server.routes())
    if pages is not None:
        app.router.routes.append(Mount("/", app=pages))
    app.openapi = server.openapi  # type: ignore[method-assign]
    if server.options.api_key:
        app.add_middleware(_Guard, key=server.options.api_key)
    return app


class Server:
    """What the routes do."""

    def __init__(self, source: Package | str | Path, traffic: Traffic, options: Options) -> None:
        self.traffic, self.options, self.meters = traffic, options, Meters()
        self.shelf = Shelf(source, self._changed)
        self.meters.model(self.served.package.name, self.served.hash)
        self.started = time.time()
        self._recorder: Recorder | None = None
        self._limit = int(options.max_mb * 1_000_000)

    @property
    def served(self) -> Served:
        return self.shelf.current

    @property
    def recorder(self) -> Recorder:
        assert self._recorder is not None, "the server was not opened"
        return self._recorder

    def open(self) -> None:
        """Start to record and to watch for a new model."""
        self._recorder = Recorder(self.traffic, self._seen)
        self.shelf.watch()

    def close(self) -> None:
        """Write everything that is left."""
        self.shelf.close()
        self.recorder.close()

    def _changed(self, served: Served | None) -> None:
        self.meters.swaps.labels("done" if served else "failed").inc()
        if served:
            self.meters.model(served.package.name, served.hash)

    def _seen(self, columns: Mapping[str, Array]) -> None:
        served = self.served
        if all(name in columns for name in served.known):
            for name, count in served.unknown(columns).items():
                self.meters.unknown.labels(name).inc(count)

    def openapi(self) -> dict[str, Any]:
        return openapi(self.served.package, __version__, secured=bool(self.options.api_key))

    def routes(self) -> list[BaseRoute]:
        posts: dict[str, Callable[[Request], Awaitable[tuple[Any, int]]]] = {
            "/predict": self.predict,
            "/feedback": self.feedback,
            "/v2/models/{name}/infer": self.infer,
            "/v2/models/{name}/versions/{version}/infer": self.infer,
        }
        gets: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/healthz": self.alive,
            "/readyz": self.ready,
            "/metrics": self.metrics,
            "/model": self.model,
            "/v2": self.about,
            "/v2/health/live": self.alive,
            "/v2/health/ready": self.ready,
            "/v2/models/{name}": self.metadata,
            "/v2/models/{name}/ready": self.metadata,
            "/v2/models/{name}/versions/{version}": self.metadata,
            "/v2/models/{name}/versions/{version}/ready": self.metadata,
        }
        found: list[BaseRoute] = [Route(path, self._posted(path, act), methods=["POST"]) for path, act in posts.items()]
        found += [Route(path, act, methods=["GET"]) for path, act in gets.items()]
        # Said here, or the pages behind would say that there is nothing at this address.
        found += [Route(path, _only("POST"), methods=["GET", *_CHANGING]) for path in posts]
        found += [Route(path, _only("GET"), methods=["POST", *_CHANGING]) for path in gets]
        return [*found, Route("/v2/{rest:path}", _nothing, methods=["GET", "POST", *_CHANGING])]

    def _posted(
        self, path: str, act: Callable[[Request], Awaitable[tuple[Any, int]]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Count, time and record every request of a route; refusals become answers with every fault named."""
        done = self.meters.done

        async def endpoint(request: Request) -> Response:
            start = time.perf_counter()
            status, why = 500, "an error of ours"
            try:
                body, status = await act(request)
                return Response(_dumps(body), status, media_type="application/json")
            except Refused as refused:
                status, why = refused.status, str(refused)
                return _told(path, refused.faults, status)
            except DataError as error:
                status, why = 400 if path.startswith(_V2) else 422, "; ".join(map(str, error.faults[:20]))
                return _told(path, error.faults, status)
            finally:
                seconds = time.perf_counter() - start
                done(path, status, seconds)
                if status >= 400:
                    failed = Failed(time.time(), self.served.hash, status, why[:2000], seconds * 1000)
                    self.recorder.failed(failed)

        return endpoint

    async def predict(self, request: Request) -> tuple[Any, int]:
        start = time.perf_counter()
        body = _loads(await self._body(request))
        rows = self._rows(body)
        if not isinstance(rows, list) or not rows:
            raise Refused(422, Fault("rows", "must be a list of at least one row."))
        served, answers, name = await self._answer(rows, start)
        return {"id": name, "model": served.hash, "predictions": answers}, 200

    def _rows(self, body: Any) -> Any:
        """One row, or those under "rows", beside which nothing else may stand."""
        if not isinstance(body, dict) or "rows" not in body:
            return [body]
        door = self.served.package.door
        if "rows" in door.aside or any(c.name == "rows" for c in door.columns):
            return body["rows"] if list(body) == ["rows"] else [body]
        more = [n for n in body if n != "rows"]
        if more:
            raise Refused(422, *(Fault(n, "there is no such field beside 'rows'.", "rows") for n in more[:100]))
        return body["rows"]

    async def infer(self, request: Request) -> tuple[Any, int]:
        start = time.perf_counter()
        self._known(request)
        body = _loads(await self._body(request))
        rows, wanted = inference.rows_of(body), inference.wanted(body, self.served.package)
        served, answers, name = await self._answer(rows, start)
        package = served.package
        tensors = inference.outputs(answers, package, wanted)
        given = {"id": str(body["id"])} if body.get("id") else {"id": name}
        more = {"parameters": {"prediction_id": name}}
        return {"model_name": package.name, "model_version": served.hash[:12], **given, **more, "outputs": tensors}, 200

    async def _answer(self, rows: list[Any], start: float) -> tuple[Served, list[dict[str, Any]], str]:
        if len(rows) > self.options.max_rows:
            raise Refused(
                413, Fault("rows", f"are {len(rows):,}; at most {self.options.max_rows:,} go into one request.")
            )
        wrong = [at for at, row in enumerate(rows) if not isinstance(row, dict)]
        if wrong:
            fault = 'must be an object with a value for each field; many rows are sent as {"rows": [...]}.'
            raise Refused(422, *(Fault(f"rows.{at}", fault) for at in wrong[:100]))
        served = self.served
        if len(rows) <= FEW:
            answers, columns = served.answer(rows)
        else:
            answers, columns = await asyncio.to_thread(served.answer, rows)
        name, took = os.urandom(8).hex(), (time.perf_counter() - start) * 1000
        seen = rows if served.package.windows is None else served.made(columns)
        self.recorder.answered(Answered(name, time.time(), served.hash, seen, answers, took), columns)
        self.meters.rows.inc(len(answers))
        return served, answers, name

    async def feedback(self, request: Request) -> tuple[Any, int]:
        body = _loads(await self._body(request))
        feedback = feedback_of(body, self.served.package.task)
        try:
            known = await asyncio.wrap_future(self.recorder.feedback(feedback))
        except sqlite3.Error:
            raise Refused(503, Fault("", "the feedback could not be kept; send it again later.")) from None
        if not known:
            raise Refused(404, Fault("id", f"there is no prediction '{body['id']}'."))
        self.meters.feedback.inc()
        return {"id": feedback.prediction, "kept": True}, 201

    async def alive(self, _: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(self, _: Request) -> Response:
        return JSONResponse({"ready": True, "model": self.served.hash})

    async def about(self, _: Request) -> Response:
        return JSONResponse({"name": "thirtyfold", "version": __version__, "extensions": []})

    async def metrics(self, _: Request) -> Response:
        self.meters.waiting.set(len(self.recorder))
        self.meters.dropped.set(self.recorder.dropped)
        return Response(self.meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def model(self, _: Request) -> Response:
        package = self.served.package
        metrics = json.loads(package.files.get("metrics.json", b"{}"))
        told = {"name": package.name, "hash": package.hash, "task": package.manifest["task"], "metrics": metrics}
        fields = {"row": row_schema(package), "answer": answer_schema(package)["properties"]["predictions"]["items"]}
        more = {} if package.windows is None else {"history": example_rows(package)}
        return JSONResponse({**told, "kind": package.manifest["model"], "schema": fields, **more})

    async def metadata(self, request: Request) -> Response:
        try:
            self._known(request)
        except Refused as refused:
            return _told(_V2, refused.faults, refused.status)
        if request.url.path.endswith("/ready"):
            return JSONResponse({"name": self.served.package.name, "ready": True})
        return JSONResponse(inference.metadata(self.served.package))

    def _known(self, request: Request) -> None:
        name, served = request.path_params["name"], self.served
        version = request.path_params.get("version")
        if name != served.package.name or (version and not served.hash.startswith(version)):
            asked = f"{name} version {version}" if version else name
            known = f"{served.package.name} version {served.hash[:12]}"
            raise Refused(404, Fault("name", f"there is no model '{asked}'.", known))

    async def _body(self, request: Request) -> bytes:
        """The body, refused as soon as it is known to be too large: never read whole first."""
        fault = Fault("body", f"is larger than {self.options.max_mb:g} MB.")
        told = request.headers.get("content-length", "0")
        if told.isdigit() and int(told) > self._limit:
            raise Refused(413, fault)
        parts: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            parts.append(chunk)
            size += len(chunk)
            if size > self._limit:
                raise Refused(413, fault)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _only(method: str) -> Callable[[Request], Awaitable[Response]]:
    """What a path answers to every other method."""

    async def refuse(request: Request) -> Response:
        fault = Fault("", f"{request.url.path} takes {method}, not {request.method}.", method)
        return _told(request.url.path, (fault,), 405, {"Allow": method})

    return refuse


async def _nothing(request: Request) -> Response:
    return _told(_V2, (Fault("", f"there is nothing at {request.url.path}."),), 404)


def _told(path: str, faults: Sequence[Fault], status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Faults as a client of this path expects them: the Open Inference Protocol has one text, ours a list."""
    if path.startswith(_V2):
        return JSONResponse({"error": "; ".join(map(str, faults))}, status, headers)
    return JSONResponse({"detail": [_detail(f) for f in faults]}, status, headers)


def _detail(fault: Fault) -> dict[str, Any]:
    """A fault as FastAPI writes them, with what is allowed and what to try."""
    loc = ["body", *(int(p) if p.isdigit() else p for p in fault.where.split(".") if p and p != "body")]
    more = {k: v for k, v in (("allowed", fault.allowed), ("hint", fault.hint)) if v}
    return {"loc": loc, "msg": fault.what, "type": "value_error", **more}


def _loads(body: bytes) -> Any:
    try:
        read = _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
        if b"\\u" in body:
            _dumps(read)  # half of a surrogate pair is no text: it could be neither kept nor answered
        return read
    except (ValueError, RecursionError) as error:
        if "int_max_str_digits" in str(error):  # Python's own limit, which a client cannot know
            raise Refused(422, Fault("body", "holds a whole number of more than 4,300 digits.")) from None
        raise Refused(400, Fault("body", f"is not JSON: {error}.")) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys come once: of two values nobody knows which was meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [n for n, _ in pairs]
        raise Refused(422, *(Fault(n, "is given twice.") for n in found if names.count(n) > 1))
    return found


def _not_json(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value, a missing number is null")


_DECODER = json.JSONDecoder(parse_constant=_not_json, object_pairs_hook=_once)
"""Made once: ``json.loads`` makes one for every request."""
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _dumps(body: Any) -> bytes:
    return _ENCODER.encode(body).encode()


class _Guard:
    """Lets only requests with the key pass; health is open. A browser may give the key as a password."""

    def __init__(self, app: Any, key: str) -> None:
        self.app, self.key = app, key.encode()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if (
            scope["type"] == "http"
            and not scope["path"].startswith(_OPEN)
            and not self._allowed(dict(scope["headers"]))
        ):
            headers = {"WWW-Authenticate": 'Basic realm="thirtyfold"'}
            fault = Fault("", "the API key is missing or wrong.", "X-API-Key or Authorization: Bearer")
            await _told(scope["path"], (fault,), 401, headers)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _allowed(self, headers: Mapping[bytes, bytes]) -> bool:
        kind, _, given = headers.get(b"authorization", b"").partition(b" ")
        if kind.lower() == b"basic":
            try:
                given = b64decode(given, validate=True).partition(b":")[2]
            except (Base64Error, ValueError):
                given = b""
        given = headers.get(b"x-api-key", given)
        return hmac.compare_digest(given, self.key)
