"""A container: everything that ``docker build`` needs, written and not built."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from thirtyfold import __version__
from thirtyfold.core.errors import PackageError
from thirtyfold.core.home import Home
from thirtyfold.core.package import Package
from thirtyfold.core.store import write_folder

__all__ = ["Container"]

_DOCKERFILE = """\
# Serves the Package {name} {version}: small, not as root, with a health check, its own file system never written to.
FROM {base} AS build
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir "thirtyfold=={release}"

FROM {base}
RUN useradd --uid 10001 --create-home --home-dir /home/thirtyfold thirtyfold \\
 && mkdir /data && chown thirtyfold /data
COPY --from=build /venv /venv
COPY package /srv/package
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 THIRTYFOLD_HOME=/data
USER 10001
VOLUME /data
EXPOSE {port}
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s CMD ["python", "-c", \\
  "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["thirtyfold", "serve", "/srv/package", "--host", "0.0.0.0", "--port", "{port}"]
"""

_README = """\
docker build -t {name} .
docker run --rm --read-only --tmpfs /tmp -v {name}-data:/data -p {port}:{port} {name}

Predictions, feedback and latency are kept in the volume /data.
"""


class Container:
    """Writes a Dockerfile with the Package beside it to ``path`` (by default ``deployed/NAME-container``)."""

    def __init__(
        self,
        path: str | None = None,
        port: Annotated[int, Field(ge=1, le=65535)] = 8000,
        base: Annotated[str, Field(pattern=r"^[\w./:@-]+$")] = "python:3.11-slim",
    ) -> None:
        self.path, self.port, self.base = path, port, base

    def _folder(self, name: str) -> Path:
        return Path(self.path) if self.path else Home.beside().root / "deployed" / f"{name}-container"

    def present(self, name: str) -> str:
        try:
            return Package.open(self._folder(name) / "package").hash
        except PackageError:
            return ""

    def put(self, package: Package) -> str:
        folder = self._folder(package.name)
        if folder.is_dir() and any(folder.iterdir()) and not (folder / "Dockerfile").is_file():
            raise PackageError(f"{folder} holds something else than a container's files; it is not replaced.")
        told = {"name": package.name, "version": package.hash[:12], "release": __version__, "port": self.port}
        files = {f"package/{name}": data for name, data in package.save().items()}
        files["Dockerfile"] = _DOCKERFILE.format(base=self.base, **told).encode()
        files[".dockerignore"] = b"*\n!package\n"
        files["README"] = _README.format(**{**told, "name": package.name.lower()}).encode()
        write_folder(folder, files)
        return str(folder)
