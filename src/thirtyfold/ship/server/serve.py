"""Serve: run the server until it is told to stop; what was accepted by then is still answered and kept."""

import os
from pathlib import Path
from typing import Any

from starlette.routing import Router

from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.package import Package
from thirtyfold.core.spec import ServeSection
from thirtyfold.core.traffic import Traffic
from thirtyfold.ship.server.app import Options, create_app

__all__ = ["options_of", "run"]


def options_of(section: ServeSection) -> Options:
    """The server's options as the Spec says; raises SpecError when the variable that should hold the key does not."""
    key = None
    if section.api_key:
        key = os.environ.get(section.api_key)
        if not key:
            raise SpecError(Fault("serve.api_key", f"the environment variable {section.api_key} is not set."))
    return Options(key, section.max_rows, section.max_mb)


def run(
    source: Package | str | Path,
    traffic: Traffic,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    options: Options | None = None,
    pages: Router | None = None,
    ready: Any = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then answer what was accepted and write what was recorded.

    ``ready`` is called with the address once requests are answered; port 0 takes a free one.
    """
    import uvicorn

    app = create_app(source, traffic, options, pages)
    config = uvicorn.Config(
        app, host, port, log_level="warning", access_log=False, timeout_graceful_shutdown=30, server_header=False
    )
    server = _Announcing(config, ready) if ready else uvicorn.Server(config)
    server.run()


def _Announcing(config: Any, ready: Any) -> Any:  # noqa: N802 - makes a class of a library that is imported late
    import uvicorn

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets=sockets)
            if self.started and self.servers:
                host, port = self.servers[0].sockets[0].getsockname()[:2]
                ready(f"http://{host}:{port}")

    return Announcing(config)
