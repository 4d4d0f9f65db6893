"""The built-in server: follows the champion, so that a better model takes over without a lost request."""

from typing import Annotated

from pydantic import Field

from thirtyfold.core.home import Home
from thirtyfold.core.package import Package
from thirtyfold.core.registry import Registry

__all__ = ["Server"]


class Server:
    """Registers the version; ``thirtyfold serve NAME@champion`` answers with it, at once if it runs already.

    The first version of a name becomes the champion. A later one does when it is promoted, because it must first be
    compared with the one in service (``thirtyfold watch`` does, or ``thirtyfold promote``).
    """

    def __init__(self, host: str = "127.0.0.1", port: Annotated[int, Field(ge=1, le=65535)] = 8000) -> None:
        self.host, self.port = host, port

    def present(self, name: str) -> str:
        return " ".join(v["hash"] for v in Registry(Home.beside().root, name).versions())

    def put(self, package: Package) -> str:
        registry = Registry(Home.beside().root, package.name)
        registry.add(package)
        if registry.champion() is None:
            registry.promote(package.hash, why="the first version that passed every gate")
        return f"thirtyfold serve {package.name}@champion --host {self.host} --port {self.port}"
