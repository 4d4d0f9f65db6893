"""Labeling's server: the page, its verbs, and the files that the table names; for this machine alone."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.pages.labeling import Work

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["app"]


def app(work: Work) -> "Starlette":
    """The server of the page; it answers only to names of this machine, and only to its own page."""
    from importlib.resources import files

    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.concurrency import run_in_threadpool
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.requests import Request
    from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
    from starlette.routing import Route

    page = (files("thirtyfold.pages") / "templates" / "labeling.html").read_text(encoding="utf-8")
    policy = "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src 'self' data:"
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

    def again() -> BackgroundTask | None:
        return BackgroundTask(work.rank) if work.due() else None

    async def told(request: Request) -> dict[str, Any]:
        """The body of a request of our own page; raises DataError for any other."""
        origin = request.headers.get("origin")
        if origin is not None and origin.split("://", 1)[-1] != request.headers.get("host"):
            raise DataError(Fault("", "the request comes from another page."))
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise DataError(Fault("", "the request is not JSON."))
        return _body(await request.body())

    def guarded(do: Any) -> Any:
        async def inner(request: Request) -> Response:
            try:
                body = await told(request)
                return JSONResponse(await run_in_threadpool(do, body), headers=headers, background=again())
            except DataError as error:
                return JSONResponse({"detail": str(error)}, 422, headers=headers)

        return inner

    async def home(_: Request) -> Response:
        return HTMLResponse(page, headers=headers)

    async def media(request: Request) -> Response:
        path = work.file(request.path_params["at"], request.path_params["place"])
        if path is None:
            return JSONResponse({"detail": "there is no such file"}, 404, headers=headers)
        return FileResponse(path, headers={"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"})

    def exported(_: Request) -> Response:
        name = {"Content-Disposition": 'attachment; filename="label-studio.json"'}
        return JSONResponse(work.exported(), headers=headers | name)

    routes = [
        Route("/", home),
        Route("/media/{at:int}/{place:int}", media),
        Route("/export.json", exported),
        *(Route(f"/api/{n}", guarded(f), methods=["POST"]) for n, f in _verbs(work).items()),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])
    return Starlette(routes=routes, middleware=[hosts])


def _body(data: bytes) -> dict[str, Any]:
    """What the page said, with a name; raises DataError."""
    try:
        body = json.loads(data)
    except ValueError:
        raise DataError(Fault("", "the request is not JSON.")) from None
    name = body.get("annotator") if isinstance(body, dict) else None
    if not isinstance(name, str) or not name.strip() or len(name) > 100:
        raise DataError(Fault("annotator", "say your name (1 to 100 characters)."))
    return {**body, "annotator": name.strip()}


def _verbs(work: Work) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """What the page may ask for; each gets the body and gives what is answered."""

    def state(body: dict[str, Any]) -> Any:
        if work.matrix is None:
            work.rank()
        return work.state(body["annotator"])

    def following(body: dict[str, Any]) -> Any:
        return {"item": work.next(body["annotator"], time.time(), body.get("leave"))}

    def answer(body: dict[str, Any]) -> Any:
        seconds = body.get("seconds")
        seconds = float(seconds) if isinstance(seconds, int | float) else None
        work.answer(body["annotator"], str(body.get("key")), body.get("value"), seconds, time.time())
        return {"progress": work.progress(body["annotator"]), **following(body)}

    def undo(body: dict[str, Any]) -> Any:
        return {"item": work.undo(body["annotator"]), "progress": work.progress(body["annotator"])}

    def new_class(body: dict[str, Any]) -> Any:
        work.add_class(str(body.get("name", "")))
        return work.state(body["annotator"])

    return {"state": state, "next": following, "answer": answer, "undo": undo, "class": new_class}
