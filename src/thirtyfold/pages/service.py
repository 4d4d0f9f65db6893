"""Pages of a running server: a playground with a form made from the model's own schema, and what is live now."""

import json
import time
from typing import TYPE_CHECKING, Any

from thirtyfold.core.traffic import Traffic

if TYPE_CHECKING:
    from starlette.routing import Router

__all__ = ["live_numbers", "router"]

WINDOW = 3600.0
BARS = 60
LONG = 2000
"""Characters from which on a value is a file rather than something to be read."""


def router(traffic: Traffic | None) -> "Router":
    """Routes ``/``, ``/live`` and ``/live.json``, to be mounted by the server."""
    from importlib.resources import files

    from starlette.requests import Request
    from starlette.responses import HTMLResponse, JSONResponse, Response
    from starlette.routing import Route, Router

    pages = {
        name: (files("thirtyfold.pages") / "templates" / f"{name}.html").read_text(encoding="utf-8")
        for name in ("playground", "live")
    }

    async def playground(_: Request) -> Response:
        return HTMLResponse(pages["playground"])

    async def live(_: Request) -> Response:
        return HTMLResponse(pages["live"])

    def numbers(_: Request) -> Response:
        return JSONResponse(live_numbers(traffic, time.time()))

    return Router([Route("/", playground), Route("/live", live), Route("/live.json", numbers)])


def live_numbers(traffic: Traffic | None, now: float) -> dict[str, Any]:
    """The last hour: requests and failures a minute, latency percentiles, answers, late labels."""
    if traffic is None:
        return {"kept": False}
    since = now - WINDOW
    rows, failures, feedback = traffic.predictions(since), traffic.failures(since), traffic.feedback(since)
    latency = rows["latency_ms"]
    minutes = ((rows["time"] - since) // (WINDOW / BARS)).cast(int).to_list() if len(rows) else []
    counts = [0] * BARS
    for minute in minutes:
        counts[min(BARS - 1, max(0, minute))] += 1
    known = feedback.drop_nulls("truth")
    last = rows.tail(20).reverse().select("id", "time", "row", "answer", "latency_ms").to_dicts()
    for one in last:
        one["row"] = _shortened(one["row"])
    return {
        "kept": True,
        "answered": len(rows),
        "failed": len(failures),
        "latency_ms": {f"p{q}": latency.quantile(q / 100) for q in (50, 95, 99)} if len(rows) else {},
        "by_minute": counts,
        "labels": len(known),
        "thumbs": {"up": int((feedback["thumb"] == 1).sum()), "down": int((feedback["thumb"] == -1).sum())},
        "last": last,
        "failures": failures.tail(10).reverse().select("time", "status", "why").to_dicts(),
    }


def _shortened(row: str) -> str:
    """A row as JSON, without the files that are in it."""
    if len(row) <= LONG:
        return row
    values = json.loads(row)
    cut = {n: f"{v[:40]}..." if isinstance(v, str) and len(v) > LONG else v for n, v in values.items()}
    return json.dumps(cut, ensure_ascii=False)
