"""One row, in process and over HTTP beside an empty FastAPI route, and full load with a change of model in the middle.

usage: python benchmarks/serving.py PACKAGE [--other PACKAGE] [--seconds 60] [--clients 8]

The server and each client are processes of their own. Latencies are medians of several rounds that take turns, so that
both routes see the same machine. Under load every client keeps its connection and asks again as soon as it is
answered; half-way the champion is exchanged. A request is lost when it gets no answer or one other than 200.
Prints one JSON line for each part.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from thirtyfold.core.package import Package
from thirtyfold.core.registry import Registry
from thirtyfold.core.traffic import Traffic

ROUNDS = 7
ASKED = 300
"""Requests a round."""
SPAWN = multiprocessing.get_context("spawn")


def example(package: Package) -> dict[str, Any]:
    """The row that the package shows as its example."""
    told: dict[str, Any] = json.loads(package.files["example.json"])["row"]
    return told


def in_process(package: Package, row: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds from one row to its answer."""
    package.predict_rows([row])
    took = []
    for _ in range(2000):
        start = time.perf_counter()
        package.predict_rows([row])
        took.append(time.perf_counter() - start)
    return {"what": "in process", "median_ms": _ms(took, 0.5), "p99_ms": _ms(took, 0.99)}


def _ms(seconds: list[float], share: float) -> float:
    return round(1000 * float(np.quantile(seconds, share)), 3)


def serve(source: str, folder: str, ready: Any) -> None:
    """The process that serves a package, a champion, or nothing but an empty route."""
    from thirtyfold.ship.server.serve import run, server_of

    if source:
        run(source, Traffic(Path(folder) / "traffic.sqlite").prepare(), port=0, ready=ready.put)
        return
    from fastapi import FastAPI

    app = FastAPI()

    @app.post("/predict")
    async def empty() -> dict[str, bool]:
        return {"ok": True}

    server_of(app, "127.0.0.1", 0, ready.put).run()


@contextmanager
def serving(source: str, folder: str) -> Iterator[tuple[str, int]]:
    """A server in a process of its own; gives host and port."""
    ready: Any = SPAWN.Queue()
    process = SPAWN.Process(target=serve, args=(source, folder, ready), daemon=True)
    process.start()
    host, _, port = str(ready.get(timeout=120)).removeprefix("http://").partition(":")
    try:
        yield host, int(port)
    finally:
        process.terminate()
        process.join(30)


def ask(connection: HTTPConnection, body: bytes) -> int:
    """One request on a connection that is kept; the status."""
    connection.request("POST", "/predict", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def over_http(package: str, row: dict[str, Any], folder: str) -> dict[str, Any]:
    """The median of /predict and of an empty route, in turns."""
    body = json.dumps(row).encode()
    with serving(package, folder) as ours, serving("", folder) as empty:
        lines = {"predict": HTTPConnection(*ours), "empty": HTTPConnection(*empty)}
        rounds: dict[str, list[float]] = {name: [] for name in lines}
        for _ in range(ROUNDS):
            for name, connection in lines.items():
                took = []
                for _ in range(ASKED):
                    start = time.perf_counter()
                    if ask(connection, body) != 200:
                        raise SystemExit(f"{name} refused the row")
                    took.append(time.perf_counter() - start)
                rounds[name].append(_ms(took[20:], 0.5))
    mine, bare = (float(np.median(rounds[n])) for n in ("predict", "empty"))
    return {"what": "over HTTP", "median_ms": mine, "empty_route_ms": bare, "times": round(mine / bare, 2)}


def client(place: tuple[str, int], body: bytes, end: float, told: Any) -> None:
    """Asks until the end; tells how many requests there were, by status, and the latencies of each 20th."""
    found: Counter[str] = Counter()
    took = []
    connection = HTTPConnection(*place, timeout=30)
    while time.time() < end:
        start = time.perf_counter()
        try:
            found[str(ask(connection, body))] += 1
        except (OSError, HTTPException) as error:
            found[type(error).__name__] += 1
            connection.close()
        if sum(found.values()) % 20 == 0:
            took.append(time.perf_counter() - start)
    told.put((dict(found), took))


def under_load(
    packages: tuple[Package, Package], row: dict[str, Any], folder: str, seconds: float, clients: int
) -> dict[str, Any]:
    """Full load for some seconds, with the champion exchanged in the middle."""
    registry = Registry(Path(folder) / "home", packages[0].name)
    for package in packages:
        registry.add(package)
    registry.promote(packages[0].hash)
    told: Any = SPAWN.Queue()
    body = json.dumps(row).encode()
    with serving(str(registry.pointer), folder) as place:
        end = time.time() + seconds + 3
        swap = threading.Timer(3 + seconds / 2, registry.promote, (packages[1].hash,))
        swap.start()
        asking = [SPAWN.Process(target=client, args=(place, body, end, told)) for _ in range(clients)]
        for process in asking:
            process.start()
        found: Counter[str] = Counter()
        took: list[float] = []
        for _ in asking:
            counts, times = told.get(timeout=seconds + 120)
            found.update(counts)
            took += times
        for process in asking:
            process.join()
        connection = HTTPConnection(*place)
        connection.request("GET", "/readyz")
        now = json.loads(connection.getresponse().read())["model"]
    with Traffic(Path(folder) / "traffic.sqlite").connect() as db:
        kept = db.execute("SELECT count(*) FROM predictions").fetchone()[0]
    return {
        "what": f"{clients} clients for {seconds:g} s with a swap",
        "asked": sum(found.values()),
        "lost": sum(n for status, n in found.items() if status != "200"),
        "by_status": dict(found),
        "recorded": kept,
        "swapped": now == packages[1].hash,
        "p50_ms": _ms(took, 0.5),
        "p99_ms": _ms(took, 0.99),
    }


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("package", help="a package's folder")
    told.add_argument("--other", help="the package to change to; by default the same with another threshold")
    told.add_argument("--seconds", type=float, default=60.0)
    told.add_argument("--clients", type=int, default=8)
    args = told.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    package = Package.open(args.package)
    task: Any = package.task
    other = Package.open(args.other) if args.other else package.with_task(task.with_threshold(0.4))
    row = example(package)
    print(json.dumps(in_process(package, row)), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(over_http(args.package, row, folder)), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = under_load((package, other), row, folder, args.seconds, args.clients)
        print(json.dumps({**found, "load": round(os.getloadavg()[0], 1)}), flush=True)


if __name__ == "__main__":
    main()
