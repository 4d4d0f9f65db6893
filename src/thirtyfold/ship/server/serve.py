"""Serve: run the server until it is told to stop; what was accepted by then is still answered and kept."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.routing import Router

from thirtyfold.core.errors import Fault, SpecError
from thirtyfold.core.package import Package
from thirtyfold.core.spec import ServeSection
from thirtyfold.core.traffic import Traffic
from thirtyfold.ship.server.app import Options, create_app

__all__ = ["options_of", "run", "server_of"]


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
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then answer what was accepted and write what was recorded.

    ``ready`` is called with the address once requests are answered; port 0 takes a free one.
    """
    server_of(create_app(source, traffic, options, pages), host, port, ready).run()


def server_of(app: Any, host: str, port: int, ready: Callable[[str], None] | None = None) -> Any:
    """A uvicorn server for an app that says when it answers; ``run`` serves, ``should_exit = True`` stops."""
    import uvicorn

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets=sockets)
            if self.started and ready is not None:
                at, number = self.servers[0].sockets[0].getsockname()[:2]
                ready(f"http://[{at}]:{number}" if ":" in at else f"http://{at}:{number}")

    config = uvicorn.Config(
        app, host, port, log_level="warning", access_log=False, timeout_graceful_shutdown=30, server_header=False
    )
    return Announcing(config)
