"""What every test may use: the mirror of real data, and a home of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GET = (
    "set THIRTYFOLD_MIRROR to a folder that holds the data sets of recipes/*.yaml with a SHA256SUMS file "
    "(each recipe names its data by public URL and sha256)"
)


def mirror_folder() -> Path | None:
    """The mirror folder, if there is one: THIRTYFOLD_MIRROR, or ``shared/data`` in or beside the checkout."""
    told = os.environ.get("THIRTYFOLD_MIRROR")
    places = [Path(told)] if told else [ROOT / "shared" / "data", ROOT.parent / "shared" / "data"]
    return next((p for p in places if (p / "SHA256SUMS").is_file()), None)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder with the real data sets, or a skip that says how to get them."""
    folder = mirror_folder()
    if folder is None:
        pytest.skip(f"no mirror of the data sets: {GET}")
    return folder


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing a test does lands in the checkout; the mirror is known to what it starts."""
    monkeypatch.setenv("THIRTYFOLD_HOME", str(tmp_path / "home"))
    folder = mirror_folder()
    if folder is not None:
        monkeypatch.setenv("THIRTYFOLD_MIRROR", str(folder))
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    yield
