"""What every test may use: the mirror of real data, and a home of its own."""

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# A neighbor on the same machine makes a quick example slow; how long all of them take is another question.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real browser, or a skip that says how to get one; its event loop ends with the module."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no browser: install Debian's package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-quic"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Any], str]]:
    """Serves a Package by the real server with its pages, on loopback; returns the address."""
    import uvicorn

    from thirtyfold.core.traffic import Traffic
    from thirtyfold.pages.service import router
    from thirtyfold.ship.server.app import create_app

    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def serve(package: Any) -> str:
        traffic = Traffic(tmp_path_factory.mktemp("traffic") / "t.sqlite").prepare()
        app = create_app(package, traffic, pages=router(traffic))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        while not server.started:
            time.sleep(0.02)
        return f"http://127.0.0.1:{port}"

    yield serve
    for server, thread in running:
        server.should_exit = True
        thread.join()


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background, where shells ignore Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "step(*numbers): proves these of the thirty steps")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("step"):
        item.user_properties += [("step", number) for number in mark.args]


class _StepTable:
    """Which tests proved which step, gathered from the reports (of every worker) and written at the end."""

    def __init__(self, path: str) -> None:
        self.path, self.proved = Path(path), dict[int, set[str]]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" or not report.passed:
            return
        name = report.nodeid.split("[")[0]
        for key, number in report.user_properties:
            if key == "step":
                self.proved.setdefault(int(str(number)), set()).add(name)

    def pytest_sessionfinish(self) -> None:
        from thirtyfold.core.evidence import NAMES

        lines = ["# Which test proves which step", "", "Made by the test run (`scripts/test --all`).", ""]
        lines += ["| step | | tests that passed |", "|---|---|---|"]
        for number, step in NAMES.items():
            tests = "<br>".join(f"`{t}`" for t in sorted(self.proved.get(number, ()))) or "**none**"
            lines.append(f"| {number} | {step} | {tests} |")
        self.path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Where THIRTYFOLD_STEP_TABLE names a file, the table 'step -> test that proves it' is written there."""
    path = os.environ.get("THIRTYFOLD_STEP_TABLE")
    if path and not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(_StepTable(path))
