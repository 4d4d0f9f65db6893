"""The wheel holds everything, and works outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_wheel_works_outside_the_checkout(tmp_path: Path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    wheel = next(tmp_path.glob("*.whl"))
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("pages/templates/report.html.j2", "pages/templates/playground.html", "core/family.py", "py.typed"):
        assert f"thirtyfold/{needed}" in names
    assert any(n.endswith("licenses/LICENSE") for n in names) and any(n.endswith("licenses/NOTICE") for n in names)
    assert not any(n.startswith(("tests/", "benchmarks/")) for n in names)
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    install = [*pip, "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    spec = tmp_path / "iris.yaml"
    spec.write_text("target: target\ncollect: {sklearn: iris}\nmodel: tree\nsafety: []\ncompress: null\n")
    environment = {**os.environ, "PYTHONPATH": str(site), "THIRTYFOLD_HOME": str(tmp_path / "home")}
    code = f"import thirtyfold; assert thirtyfold.__file__.startswith({str(site)!r}), thirtyfold.__file__"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    command = [sys.executable, "-m", "thirtyfold", "run", str(spec), "--quiet"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert list((tmp_path / "home" / "runs").glob("iris-*/report.html"))
