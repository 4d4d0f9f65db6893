"""A folder: the Package copied to where another program picks it up."""

from pathlib import Path

from thirtyfold.core.errors import PackageError
from thirtyfold.core.home import Home
from thirtyfold.core.package import Package
from thirtyfold.core.store import write_folder

__all__ = ["Folder"]


class Folder:
    """Copies the Package, whole or not at all, to ``path`` (by default ``deployed/NAME`` in ``.thirtyfold``)."""

    def __init__(self, path: str | None = None) -> None:
        self.path = path

    def _folder(self, name: str) -> Path:
        return Path(self.path) if self.path else Home.beside().root / "deployed" / name

    def present(self, name: str) -> str:
        try:
            return Package.open(self._folder(name)).hash
        except PackageError:
            return ""

    def put(self, package: Package) -> str:
        """Refuses to replace a folder that holds something else than a Package."""
        folder = self._folder(package.name)
        if folder.is_dir() and any(folder.iterdir()) and not (folder / "manifest.json").is_file():
            raise PackageError(f"{folder} holds something else than a Package; it is not replaced.")
        write_folder(folder, package.save())
        return str(folder)
