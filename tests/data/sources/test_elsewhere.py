"""Sources elsewhere and together: an S3 server on loopback, a hub on loopback, servers that lie, joined sources."""

import http.server
import json
import threading
from typing import ClassVar

import polars as pl
import pytest

from thirtyfold.core.errors import DataError, SpecError
from thirtyfold.core.quiet import Quiet
from thirtyfold.data.naming import choice_of, source_of
from thirtyfold.data.reading import outside_of
from thirtyfold.testing.sources import check_source

FRAME = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})


@pytest.fixture(scope="module")
def s3():
    """The address of moto's server, which speaks S3 over HTTP."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3, monkeypatch, tmp_path):
    """A bucket with a table in two parts; returns a function that puts an object."""
    import boto3

    for name, value in (("ACCESS_KEY_ID", "k"), ("SECRET_ACCESS_KEY", "s"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    client = boto3.client("s3", endpoint_url=s3)
    client.create_bucket(Bucket="sales")

    def put(key, data):
        client.put_object(Bucket="sales", Key=key, Body=data)

    put("y/2023/a.csv", b"a,b\n1,x\n")
    put("y/2024/a.csv", b"a,b\n2,y\n3,z\n")
    put("one.csv", b"a,b\n7,q\n")
    yield put
    for found in client.list_objects_v2(Bucket="sales").get("Contents", ()):
        client.delete_object(Bucket="sales", Key=found["Key"])
    client.close()


@pytest.mark.step(4)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_objects_of_a_store(bucket, s3):
    made = {"address": "s3://sales/y/", "endpoint": s3}
    source = source_of({"object_store": made})
    frame = check_source(source, 3, ["a", "b"])
    assert frame["a"].to_list() == ["1", "2", "3"]
    before = outside_of(source)
    bucket("y/2025/b.csv", b"a,b\n9,w\n")
    assert outside_of(source) != before and source.read(Quiet()).frame["a"].to_list() == ["1", "2", "3", "9"]
    before = outside_of(source)
    bucket("y/2025/b.csv", b"a,b\n5,w\n")  # the same name, another content
    assert outside_of(source) != before and source.read(Quiet()).frame["a"].to_list() == ["1", "2", "3", "5"]
    assert source_of({"object_store": {**made, "address": "s3://sales/y/*/a.csv"}}).read(Quiet()).frame.height == 3
    one = source_of({"object_store": {**made, "address": "s3://sales/one.csv"}}).read(Quiet())
    assert one.frame.rows() == [("7", "q")] and one.lineage["address"] == "s3://sales/one.csv"
    assert choice_of("s3://sales/one.csv") == {"object_store": {"address": "s3://sales/one.csv"}}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("address", "said"),
    [("s3://sales/none/", "no object that fits"), ("s3://no-such/x.csv", "no object|the store says|does not exist")],
)
def test_stores_that_have_nothing(address, said, bucket, s3):
    with pytest.raises(DataError, match=said):
        source_of({"object_store": {"address": address, "endpoint": s3}}).read(Quiet())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_store_that_is_not_there(bucket):
    with pytest.raises(DataError, match="the store says"):
        source_of({"object_store": {"address": "s3://sales/x.csv", "endpoint": "http://127.0.0.1:1"}}).read(Quiet())


class _Hub(http.server.BaseHTTPRequestHandler):
    """Answers from ``files`` by path; ``lie`` adds to the promised length, ``tags`` is the version of each file."""

    files: ClassVar[dict[str, bytes]] = {}
    lie = 0
    tag = '"1"'
    ranges: ClassVar[list[str | None]] = []

    def do_GET(self):
        body = self.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        wanted, version = self.headers.get("Range"), self.headers.get("If-Range", self.tag)
        type(self).ranges.append(wanted)
        start = int(wanted[6:-1]) if wanted and version == self.tag else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start + self.lie))
        self.send_header("ETag", self.tag)
        self.end_headers()
        self.wfile.write(body[start:])

    def log_message(self, *args):
        pass


@pytest.fixture
def hub():
    handler = type("Hub", (_Hub,), {"files": {}, "ranges": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_that_sends_less_than_it_promised(hub, monkeypatch):
    monkeypatch.delenv("THIRTYFOLD_MIRROR", raising=False)
    handler, address = hub
    handler.files["/t.csv"] = b"a,b\n1,2\n"
    handler.lie = 100
    with pytest.raises(DataError, match=r"could not be downloaded.*Run again"):
        source_of(f"{address}/t.csv").read(Quiet())
    handler.lie, handler.tag = 0, '"2"'
    handler.files["/t.csv"] = b"a,b\n3,4\n5,6\n"
    read = source_of(f"{address}/t.csv").read(Quiet())
    assert read.frame.rows() == [("3", "4"), ("5", "6")]  # not the old beginning with the new end
    assert handler.ranges[-1] == "bytes=8-"


def test_addresses_that_are_none(monkeypatch, hub):
    monkeypatch.delenv("THIRTYFOLD_MIRROR", raising=False)
    _, address = hub
    for wrong in ("http://127.0.0.1:1/t.csv", f"{address}/none.csv", "http://[bad/t.csv", "http:///t.csv"):
        with pytest.raises((DataError, SpecError)):
            source_of({"url": wrong}).read(Quiet())


CARD = """---
license: mit
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
  - split: test
    path: data/test.jsonl
dataset_info:
  features:
  - name: label
    dtype:
      class_label:
        names: {'0': neg, '1': pos}
---
# Reviews
"""


def _dataset(folder):
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    rows = {"text": ["good", "bad"], "label": [1, 0], "who": [{"id": 5, "raw": b"\xff"}, None], "tags": [["a"], []]}
    pl.DataFrame(rows).write_parquet(folder / "data/train-0.parquet")
    pl.DataFrame({"text": ["fine"], "label": [1]}).write_parquet(folder / "data/train-1.parquet")
    (folder / "data/test.jsonl").write_text('{"text": "so so", "label": 0}\n')
    return folder


@pytest.mark.step(4)
def test_a_data_set_with_a_card(tmp_path):
    folder = _dataset(tmp_path / "reviews")
    assert choice_of(str(folder)) == {"hugging_face": {"name": str(folder)}}
    frame = check_source(source_of(str(folder)), 4, ["text", "label", "who.id", "tags", "split"])
    assert frame.select("text", "label", "split").rows() == [
        *(("good", "pos", "train"), ("bad", "neg", "train"), ("fine", "pos", "train"), ("so so", "neg", "test"))
    ]
    assert frame["tags"].to_list() == ['["a"]', "[]", None, None]
    train = source_of({"hugging_face": {"name": str(folder), "split": "train"}}).read(Quiet())
    assert train.frame.height == 3 and "split" not in train.frame.columns and train.lineage["license"] == "mit"
    with pytest.raises(DataError, match=r"no split 'tset'\. Did you mean 'test'"):
        source_of({"hugging_face": {"name": str(folder), "split": "tset"}}).read(Quiet())
    with pytest.raises(DataError, match="no config 'de'"):
        source_of({"hugging_face": {"name": str(folder), "config": "de"}}).read(Quiet())
    with pytest.raises(DataError, match="neither a folder here nor a name on the hub"):
        source_of({"hugging_face": "nothing"}).read(Quiet())


def test_a_data_set_by_its_name_on_a_hub_and_from_its_cache(tmp_path, hub, monkeypatch):
    handler, address = hub
    folder = _dataset(tmp_path / "reviews")
    names = ["README.md", "data/train-0.parquet", "data/train-1.parquet", "data/test.jsonl"]
    told = {"sha": "abc123", "siblings": [{"rfilename": n} for n in [*names, "big.bin"]]}
    handler.files["/api/datasets/acme/reviews/revision/main"] = json.dumps(told).encode()
    handler.files |= {f"/datasets/acme/reviews/resolve/abc123/{n}": (folder / n).read_bytes() for n in names}
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    read = source_of({"hugging_face": "acme/reviews"}).read(Quiet())
    assert read.frame.height == 4 and read.lineage["address"] == "acme/reviews"
    told["siblings"].append({"rfilename": "../../evil.csv"})
    handler.files["/api/datasets/acme/reviews/revision/main"] = json.dumps(told).encode()
    with pytest.raises(DataError, match="leads out of its folder"):
        source_of({"hugging_face": "acme/reviews"}).read(Quiet())
    cached = tmp_path / "cache/datasets--acme--reviews"
    _dataset(cached / "snapshots/abc123")
    (cached / "refs").mkdir()
    (cached / "refs/main").write_text("abc123")
    asked = len(handler.ranges)
    assert source_of({"hugging_face": "acme/reviews"}).read(Quiet()).frame.height == 4 and len(handler.ranges) == asked


@pytest.fixture
def sides(tmp_path):
    (tmp_path / "l.csv").write_text("k,x\na,1\nb,2\nc,3\n")
    (tmp_path / "r.csv").write_text("key,x,w\na,9,u\nb,8,v\nd,7,v\n")
    (tmp_path / "m.jsonl").write_text(
        '{"k": "a", "n": 1}\n{"k": "a", "n": 4}\n{"k": "b", "n": 5}\n{"k": null, "n": 6}\n'
    )
    return {n: str(tmp_path / f) for n, f in (("left", "l.csv"), ("right", "r.csv"), ("many", "m.jsonl"))}


@pytest.mark.step(4)
@pytest.mark.parametrize(
    ("how", "rows"),
    [
        ("left", [("a", "1", "9", "u"), ("b", "2", "8", "v"), ("c", "3", None, None)]),
        ("inner", [("a", "1", "9", "u"), ("b", "2", "8", "v")]),
        ("outer", [("a", "1", "9", "u"), ("b", "2", "8", "v"), ("c", "3", None, None), ("d", None, "7", "v")]),
    ],
)
def test_joined_sources_say_what_did_not_match(how, rows, sides):
    made = {"left": sides["left"], "right": sides["right"], "left_on": ["k"], "right_on": ["key"], "how": how}
    read = source_of({"join": made}).read(Quiet())
    assert read.frame.columns == ["k", "x", "right.x", "w"] and read.frame.rows() == rows
    assert read.lineage["left_unmatched"] == 1 and read.lineage["right_unmatched"] == 1
    assert read.lineage["notes"][0].startswith("2 of 3 rows of the left have a match; 1 was ")


def test_many_rows_of_the_right_are_summed_refused_or_kept(sides):
    made = {"left": sides["left"], "right": sides["many"], "on": ["k"], "name": "m"}
    summed = source_of({"join": {**made, "many": "summed", "aggregates": ["count", "sum"]}}).read(Quiet())
    assert summed.frame.rows() == [("a", "1", 2, 5), ("b", "2", 1, 5), ("c", "3", 0, None)]
    assert summed.frame.columns == ["k", "x", "m.count", "m.n.sum"]
    with pytest.raises(DataError, match=r"1 keys of the right stand in several rows \(a: 2 times\).*many: summed"):
        source_of({"join": made}).read(Quiet())
    assert source_of({"join": {**made, "many": "rows"}}).read(Quiet()).frame.height == 4
    with pytest.raises(DataError, match="no column 'K'"):
        source_of({"join": {**made, "on": ["K"]}}).read(Quiet())
    with pytest.raises(DataError, match="needs key columns"):
        source_of({"join": {"left": sides["left"], "right": sides["many"]}})


def test_the_barley_and_its_weather(mirror):
    folder = mirror / "agri_minnesota_barley"
    left, right = (str(folder / f"minnesota.barley.{n}.txt") for n in ("yield", "weather"))
    weather = {
        "left": left,
        "right": right,
        "on": ["site", "year"],
        "many": "summed",
        "how": "inner",
        "name": "weather",
    }
    assert source_of({"join": weather}).read(Quiet()).frame.height == 647  # as the data set's description counts
