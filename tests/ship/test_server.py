"""The server as clients meet it: a real uvicorn on a loopback port, in its own process where signals matter."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router

from thirtyfold.aim.tasks.classification import Classification
from thirtyfold.aim.tasks.regression import Regression
from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.package import Package
from thirtyfold.core.registry import Registry
from thirtyfold.core.spec import ServeSection
from thirtyfold.core.traffic import Traffic
from thirtyfold.ship.server.app import Options, create_app
from thirtyfold.ship.server.feedback import feedback_of
from thirtyfold.ship.server.serve import options_of, server_of
from thirtyfold.testing.formats import example, unusual_rows

ROW = unusual_rows()[0]


class Client:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.http = HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        self.http.request(method, path, data, {"Content-Type": "application/json", **headers})
        answer = self.http.getresponse()
        text = answer.read()
        kind = answer.headers.get("content-type", "")
        return answer.status, json.loads(text) if "json" in kind else text.decode()

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        return self.ask("GET", path, None, **headers)

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        return self.ask("POST", path, body, **headers)


@contextmanager
def serving(source: Any, folder: Path, options: Options | None = None, pages: Router | None = None) -> Iterator[Client]:
    from queue import SimpleQueue

    told: SimpleQueue[str] = SimpleQueue()
    traffic = Traffic(folder / "traffic.sqlite")
    server = server_of(create_app(source, traffic, options, pages), "127.0.0.1", 0, told.put)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    client = Client(int(told.get(timeout=30).rsplit(":", 1)[1]))
    try:
        yield client
    finally:
        client.http.close()
        server.should_exit = True
        thread.join(timeout=30)
        assert not thread.is_alive()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with serving(example().package, tmp_path) as found:
        yield found


@pytest.mark.step(29)
def test_one_row_and_many_rows_are_answered_as_in_python(client: Client) -> None:
    package = example().package
    status, one = client.post("/predict", ROW)
    assert status == 200
    assert one["model"] == package.hash
    assert one["predictions"] == package.predict_rows([ROW])
    rows = unusual_rows() * 20
    status, many = client.post("/predict", {"rows": rows})
    assert (status, many["predictions"]) == (200, package.predict_rows(rows))
    assert many["id"] != one["id"]


@pytest.mark.step(29)
def test_every_wrong_field_is_named(client: Client) -> None:
    wrong = {**ROW, "age": "abc", "joined": "yesterday-ish", "cty": "Durban"}
    del wrong["city"]
    status, told = client.post("/predict", wrong)
    assert status == 422
    assert {tuple(d["loc"]) for d in told["detail"]} == {("body", n) for n in ("age", "joined", "cty", "city")}
    assert any("'abc' is not a number" in d["msg"] for d in told["detail"])
    status, told = client.post("/predict", {"rows": [ROW, wrong]})
    assert status == 422
    assert {tuple(d["loc"][:3]) for d in told["detail"]} == {("body", "rows", 1)}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b"\xff\xfe", 400),
        (b'{"age": NaN}', 400),
        (b'{"\\ud800": 1}', 400),
        (b'{"age": 1e999}', 422),
        (b'{"age": 1' + b"0" * 400 + b"}", 422),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b"3", 422),
        (b'{"rows": []}', 422),
        (b'{"rows": 5}', 422),
        (b'{"rows": [1, null]}', 422),
        (b"{}", 422),
    ],
)
def test_what_is_not_a_row_is_refused(client: Client, body: bytes, status: int) -> None:
    found, told = client.post("/predict", body)
    assert found == status
    assert told["detail"]
    assert client.post("/predict", ROW)[0] == 200


def test_a_huge_body_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with serving(example().package, tmp_path, Options(max_mb=0.01, max_rows=3)) as client:
        with socket.create_connection(("127.0.0.1", client.http.port)) as raw:
            raw.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{")
            assert b" 413 " in raw.recv(1000)
        with socket.create_connection(("127.0.0.1", client.http.port)) as raw:
            raw.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            raw.sendall(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
            assert b" 413 " in raw.recv(1000)
        status, told = client.post("/predict", {"rows": [ROW] * 4})
        assert status == 413
        assert "at most 3" in told["detail"][0]["msg"]


def test_the_open_inference_protocol(client: Client) -> None:
    package = example().package
    assert client.get("/v2/health/live")[0] == client.get("/v2/health/ready")[0] == 200
    assert client.get("/v2")[1]["name"] == "thirtyfold"
    status, about = client.get("/v2/models/example")
    assert status == 200
    assert [t["name"] for t in about["inputs"]] == [c.name for c in package.columns]
    rows = unusual_rows()[:3]
    tensors = [{**t, "shape": [3], "data": [r[t["name"]] for r in rows]} for t in about["inputs"]]
    status, told = client.post("/v2/models/example/infer", {"id": "42", "inputs": tensors})
    assert status == 200
    assert told["id"] == "42"
    found = {t["name"]: t["data"] for t in told["outputs"]}
    wanted = package.predict_rows(rows)
    assert found == {n: [a[n] for a in wanted] for n in wanted[0]}
    assert [t["name"] for t in about["outputs"]] == list(found)
    assert client.get(f"/v2/models/example/versions/{package.hash[:12]}/ready")[0] == 200
    assert client.get("/v2/models/other")[0] == 404
    assert client.post("/v2/models/other/infer", {"inputs": tensors})[0] == 404
    tensors[0]["shape"] = [4]
    tensors[1]["datatype"] = "COMPLEX"
    status, told = client.post("/v2/models/example/infer", {"inputs": tensors})
    assert status == 400
    assert (
        list(told) == ["error"]
        and f"inputs.{tensors[0]['name']}" in told["error"]
        and tensors[1]["name"] in told["error"]
    )


def test_the_open_inference_protocol_gives_the_outputs_that_are_asked_for(client: Client) -> None:
    tensors = [{**t, "shape": [1], "data": [ROW[t["name"]]]} for t in client.get("/v2/models/example")[1]["inputs"]]
    asked = {"inputs": tensors, "outputs": [{"name": "confidence"}, {"name": "prediction"}]}
    status, told = client.post("/v2/models/example/infer", asked)
    assert (status, [t["name"] for t in told["outputs"]]) == (200, ["confidence", "prediction"])
    status, told = client.post("/v2/models/example/infer", {**asked, "outputs": [{"name": "predicton"}]})
    assert status == 400
    assert "Did you mean 'prediction'" in told["error"] and list(told) == ["error"]
    assert client.post("/v2/models/example/infer", {**asked, "outputs": "prediction"})[0] == 400
    for method, path, status in (("GET", "/v2/models/example/infer", 405), ("GET", "/v2/nothing", 404),
                                 ("POST", "/v2/models/other/infer", 404)):  # fmt: skip
        found, told = client.ask(method, path, {} if method == "POST" else None)
        assert (found, list(told)) == (status, ["error"])


def test_what_is_said_twice_or_beside_rows_is_named(client: Client) -> None:
    twice = json.dumps(ROW)[:-1] + ', "age": 1, "age": 2}'
    status, told = client.post("/predict", twice.encode())
    assert (status, told["detail"][0]["loc"], told["detail"][0]["msg"]) == (422, ["body", "age"], "is given twice.")
    status, told = client.post("/predict", {"rows": [ROW], "foo": 1})
    assert (status, [d["loc"] for d in told["detail"]]) == (422, [["body", "foo"]])


def test_another_method_is_405_even_with_pages_behind(tmp_path: Path) -> None:
    pages = Router([Route("/", lambda request: PlainTextResponse("hello"))])
    with serving(example().package, tmp_path, pages=pages) as client:
        assert client.get("/predict")[0] == client.get("/feedback")[0] == client.post("/metrics", {})[0] == 405
        assert client.get("/")[1] == "hello"


def test_unknown_categories_are_told_of_in_the_document(client: Client) -> None:
    assert client.post("/predict", {**ROW, "city": "Atlantis"})[0] == 200
    told = client.get("/openapi.json")[1]["paths"]["/predict"]["post"]["description"]
    assert "thirtyfold_unknown_values_total" in told


def test_the_openapi_document_has_this_models_fields(client: Client) -> None:
    status, told = client.get("/openapi.json")
    assert status == 200
    schema = told["components"]["schemas"]["Row"]
    assert list(schema["properties"]) == [c.name for c in example().package.columns]
    assert schema["required"] == list(schema["properties"])
    row = told["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]["one row"][
        "value"
    ]
    assert client.post("/predict", row)[0] == 200
    assert "Johannesburg" in schema["properties"]["city"]["x-values"]
    learning = example().learning
    for name in ("city", "note"):  # a value that was written, the most frequent one
        times = dict(learning[name].drop_nulls().value_counts().iter_rows())
        assert times[row[name]] == max(times.values())
    assert row["income"] in learning["income"].to_list()


def test_metrics_count_what_happened(client: Client) -> None:
    client.post("/predict", {"rows": [{**ROW, "city": "Atlantis"}, ROW]})
    client.post("/predict", {})
    time.sleep(1.2)
    text = client.get("/metrics")[1]
    assert 'thirtyfold_requests_total{route="/predict",status="200"} 1.0' in text
    assert 'thirtyfold_failures_total{status="422"} 1.0' in text
    assert "thirtyfold_rows_total 2.0" in text
    assert 'thirtyfold_unknown_values_total{field="city"} 1.0' in text
    assert f'hash="{example().package.hash}"' in text
    assert 'thirtyfold_request_seconds_bucket{le="0.005",route="/predict"}' in text


@pytest.mark.step(30)
def test_feedback_is_kept_with_its_prediction(tmp_path: Path) -> None:
    with serving(example().package, tmp_path) as client:
        name = client.post("/predict", {"rows": [ROW, ROW]})[1]["id"]
        assert client.post("/feedback", {"id": f"{name}-1", "truth": "yes", "comment": "called"})[0] == 201
        assert client.post("/feedback", {"id": name, "thumb": "down"})[0] == 201
        status, said = client.post("/feedback", {"id": "nope", "thumb": "up"})
        assert status == 404
        assert said["detail"][0]["msg"] == "there is no prediction 'nope'."
        for wrong in (
            {"id": name},
            {"id": 5, "thumb": "up"},
            {"id": name, "thumb": "sideways"},
            {"id": name, "x": 1},
            {"id": name, "truth": "7"},
            {"id": name, "truth": True},
            [],
        ):
            assert client.post("/feedback", wrong)[0] == 422
        told = client.post("/feedback", {"id": name, "truth": "7"})[1]["detail"][0]
        assert (told["loc"], told["allowed"]) == (["body", "truth"], "no, yes")
    found = Traffic(tmp_path / "traffic.sqlite").feedback()
    assert found["truth"].to_list() == ['"yes"', None]
    assert found["thumb"].to_list() == [None, -1]
    assert [json.loads(r) for r in found["row"].to_list()] == [ROW, ROW]


@pytest.mark.parametrize(("truth", "good"), [(3, True), ("2.5", True), ("many", False), (True, False), ("inf", False)])
def test_the_truth_of_an_amount_is_a_finite_number(truth: Any, good: bool) -> None:
    body = {"id": "a", "truth": truth}
    if good:
        assert feedback_of(body, Regression()).truth == truth
    else:
        with pytest.raises(DataError, match="finite number"):
            feedback_of(body, Regression())


def test_classes_that_are_numbers_may_be_said_as_numbers() -> None:
    task = Classification(("0", "1"))
    for truth in ("1", 1, 1.0, "0.0"):
        feedback_of({"id": "a", "truth": truth}, task)
    with pytest.raises(DataError, match="no class"):
        feedback_of({"id": "a", "truth": 7}, task)


def test_a_key_is_asked_for_where_there_is_one(tmp_path: Path) -> None:
    pages = Router([Route("/", lambda request: PlainTextResponse("hello"))])
    with serving(example().package, tmp_path, Options(api_key="s3cret"), pages) as client:
        assert client.post("/predict", ROW)[0] == 401
        assert client.post("/predict", ROW, **{"X-API-Key": "wrong"})[0] == 401
        assert client.post("/predict", ROW, **{"X-API-Key": "s3cret"})[0] == 200
        assert client.post("/predict", ROW, Authorization="Bearer s3cret")[0] == 200
        assert client.get("/", Authorization="Basic dXNlcjpzM2NyZXQ=")[1] == "hello"
        assert client.get("/", Authorization="Basic !!!")[0] == 401
        assert client.get("/")[0] == client.get("/metrics")[0] == client.get("/openapi.json")[0] == 401
        assert client.get("/healthz")[0] == client.get("/readyz")[0] == 200


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "abc")
    assert options_of(ServeSection(api_key="MY_KEY")).api_key == "abc"
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(SpecError, match="MY_KEY is not set"):
        options_of(ServeSection(api_key="MY_KEY"))


def other(threshold: float) -> Package:
    package = example().package
    return package.with_task(package.task.with_threshold(threshold))  # type: ignore[attr-defined]


@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.step(29, 30)
def test_no_request_is_lost_under_load_with_a_swap_in_the_middle(tmp_path: Path, seconds: int) -> None:
    registry = Registry(tmp_path, "example")
    packages = [other(0.2), other(0.9)]
    for package in packages:
        registry.add(package)
    registry.promote(packages[0].hash)
    counts: list[dict[str, int]] = []
    with serving(registry.pointer, tmp_path) as client:
        end = time.monotonic() + seconds

        def load() -> None:
            own, models = Client(client.http.port), {"asked": 0}
            counts.append(models)
            while time.monotonic() < end:
                models["asked"] += 1
                status, told = own.post("/predict", ROW)
                assert status == 200
                served = packages[[p.hash for p in packages].index(told["model"])]
                assert told["predictions"] == served.predict_rows([ROW])
                models[told["model"]] = models.get(told["model"], 0) + 1
            own.http.close()

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(seconds / 2)
        registry.promote(packages[1].hash)
        for thread in threads:
            thread.join()
        assert 'thirtyfold_swaps_total{outcome="done"} 1.0' in client.get("/metrics")[1]
    assert len(counts) == 3
    for models in counts:
        assert models["asked"] == models[packages[0].hash] + models[packages[1].hash]
    kept = Traffic(tmp_path / "traffic.sqlite")
    assert kept.count() == sum(models["asked"] for models in counts)
    assert kept.failures().is_empty()


def test_a_model_that_cannot_be_used_is_left_aside(tmp_path: Path) -> None:
    registry = Registry(tmp_path, "example")
    first, second = other(0.2), other(0.9)
    registry.add(first)
    registry.promote(first.hash)
    with serving(registry.pointer, tmp_path) as client:
        folder = registry.add(second)
        registry.promote(second.hash)
        (folder / "encoder.json").write_text("{}")
        state = json.loads(registry.pointer.read_text())
        registry.pointer.write_text(json.dumps({**state, "why": "broken meanwhile"}))
        deadline = time.monotonic() + 10
        while "swaps_total" not in client.get("/metrics")[1] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert client.post("/predict", ROW)[0] == 200


_SERVER = """
import sys
from thirtyfold.core.traffic import Traffic
from thirtyfold.ship.server.feedback import feedback_of
from thirtyfold.ship.server.serve import run
run(sys.argv[1], Traffic(sys.argv[2]), port=0, ready=lambda address: print(address, flush=True))
"""


@contextmanager
def process(package: Package, folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    from thirtyfold.core.store import write_folder

    write_folder(folder / "package", package.save())
    command = [sys.executable, "-c", _SERVER, str(folder / "package"), str(folder / "traffic.sqlite")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield running, int(running.stdout.readline().rsplit(":", 1)[1])
        finally:
            running.kill()


def test_when_told_to_stop_it_answers_what_it_accepted_and_keeps_it(tmp_path: Path) -> None:
    with process(example().package, tmp_path) as (running, port):
        client = Client(port)
        done = 0
        for _ in range(50):
            done += client.post("/predict", ROW)[0] == 200
        slow: list[int] = []
        body = {"rows": [ROW] * 5000}
        late = Client(port)
        thread = threading.Thread(target=lambda: slow.append(late.post("/predict", body)[0]))
        thread.start()
        time.sleep(0.15)
        running.send_signal(signal.SIGTERM)
        thread.join(timeout=60)
        assert running.wait(timeout=60) in (0, -signal.SIGTERM)
        client.http.close()
        late.http.close()
    assert slow == [200]
    assert done == 50
    assert Traffic(tmp_path / "traffic.sqlite").count() == 5050


def test_kill_9_loses_no_accepted_feedback(tmp_path: Path) -> None:
    with process(example().package, tmp_path) as (running, port):
        client, accepted = Client(port), []
        threading.Timer(1.5, lambda: os.kill(running.pid, signal.SIGKILL)).start()
        while True:
            try:
                name = client.post("/predict", ROW)[1]["id"]
                if client.post("/feedback", {"id": name, "truth": "yes"})[0] == 201:
                    accepted.append(f"{name}-0")
            except (OSError, json.JSONDecodeError, HTTPException):
                break
        client.http.close()
    assert len(accepted) > 10
    kept = set(Traffic(tmp_path / "traffic.sqlite").feedback()["id"].to_list())
    assert set(accepted) <= kept


def test_a_disk_that_refuses_makes_feedback_wait_and_loses_no_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(example().package, tmp_path) as client:
        name = client.post("/predict", ROW)[1]["id"]
        right = Traffic.put

        def full(*_: Any) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(Traffic, "put", staticmethod(full))
        assert client.post("/feedback", {"id": name, "thumb": "up"})[0] == 503
        assert client.post("/predict", ROW)[0] == 200
        monkeypatch.setattr(Traffic, "put", staticmethod(right))
        assert client.post("/feedback", {"id": name, "thumb": "up"})[0] == 201
    assert Traffic(tmp_path / "traffic.sqlite").count() == 2
