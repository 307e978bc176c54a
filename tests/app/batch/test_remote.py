"""Slides of an object store, against moto's server on this machine, which speaks S3: skipped where moto is absent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from aggregate import store
from app.batch.engines.staging.copying import StagingError
from app.batch.engines.staging.engine import StagedEngine
from app.batch.engines.staging.remote import ObjectSource, is_address
from app.batch.engines.staging.tickets import place_of
from app.batch.inputs import collect_jobs
from app.batch.run_batch import Tally, run_batch
from app.config import RunConfig
from classifier.model_folder.find import DEMO_MODEL
from wsi.errors import UsageError

SECRET = "very-secret-key-3141"


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("s3fs")
    pytest.importorskip("flask_cors")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(server, monkeypatch, tmp_path):
    """`bucket(name, bytes)` puts an object into a bucket that is empty at first."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (
        ("AWS_ENDPOINT_URL", server),
        ("AWS_ACCESS_KEY_ID", "somebody"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_CONFIG_FILE", str(tmp_path / "none")),
        ("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none")),
    ):
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem(use_listings_cache=False)
    name = f"slides-{tmp_path.name.replace('_', '-').lower()[-40:]}"
    files.mkdir(name)

    def put(key: str, data: bytes) -> str:
        files.pipe_file(f"{name}/{key}", data)
        return f"s3://{name}/{key}"

    put.name = name
    yield put
    files.rm(name, recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()


def run_remote(addresses, out: Path, cache: Path, **options):
    tally = Tally()
    config = RunConfig(out=out, model=DEMO_MODEL, cache=cache)
    jobs = collect_jobs([Path(address) for address in addresses], None)
    list(run_batch(jobs, config, ("normal",), engine=StagedEngine(cache, **options), tally=tally))
    return {row.slide_id: row for row in tally.rows}


def test_a_slide_of_a_store_has_the_result_of_its_file(bucket, ready_slide, tmp_path):
    data = ready_slide.path.read_bytes()
    bucket("in/case-1.svs", data)
    bucket("in/deep/case-2.svs", b"II*\0" + bytes(40))
    bucket("in/notes.txt", b"x")
    rows = run_remote([f"s3://{bucket.name}/in"], tmp_path / "out", tmp_path / "cache")
    assert {name: str(row.status) for name, row in rows.items()} == {"case-1": "review", "case-2": "failed"}
    ours = store.load(tmp_path / "out" / "case-1.zarr")
    assert ours.slide.file == "case-1.svs" and ours.slide.sha256 == hashlib.sha256(data).hexdigest()
    (tmp_path / "case-1.svs").write_bytes(data)
    list(
        run_batch(
            collect_jobs([tmp_path / "case-1.svs"], None),
            RunConfig(out=tmp_path / "plain", model=DEMO_MODEL),
            ("normal",),
            tally=Tally(),
        )
    )
    assert store.result_digest(ours) == store.result_digest(store.load(tmp_path / "plain" / "case-1.zarr"))
    assert f"s3://{bucket.name}/in/case-1.svs" in (tmp_path / "out" / "slides.csv").read_text()
    assert list((tmp_path / "cache").iterdir()) == []
    tally = Tally()
    list(
        run_batch(
            collect_jobs([Path(f"s3://{bucket.name}/in/case-1.svs")], None),
            RunConfig(out=tmp_path / "out", model=DEMO_MODEL, cache=tmp_path / "cache"),
            ("normal",),
            engine=StagedEngine(tmp_path / "cache"),
            tally=tally,
        )
    )
    assert tally.kept == 1


def test_what_cannot_be_fetched_is_a_row_and_no_secret_is_told(bucket, tmp_path, monkeypatch, capfd):
    there = bucket("a.svs", b"x" * 1000)
    gone = there.replace("a.svs", "b.svs")
    rows = run_remote([there, gone], tmp_path / "out", tmp_path / "cache", limit_gb=5e-7)
    assert [(row.error_code, row.message) for row in rows.values()] == [
        ("unreadable-file", "a.svs cannot be fetched (it is larger than the cache)"),
        ("unreadable-file", "b.svs cannot be fetched (FileNotFoundError)"),
    ]
    with pytest.raises(UsageError, match=r"cannot be looked through"):
        collect_jobs([Path("s3://there-is-no-such-bucket/in")], None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    told = capfd.readouterr()
    for text in (told.out, told.err, *(p.read_text("latin1") for p in (tmp_path / "out").rglob("*") if p.is_file())):
        assert SECRET not in text and "somebody" not in text


def test_keys_in_an_address_are_refused_and_not_repeated():
    for address in (f"s3://somebody:{SECRET}@bucket/x.svs", f"s3://bucket/x.svs?key={SECRET}"):
        with pytest.raises(UsageError, match="without keys in it") as told:
            collect_jobs([Path(address)], None)
        assert SECRET not in str(told.value)


@pytest.mark.parametrize("name", ["x.mrxs", "x.vsi"])
def test_a_slide_of_many_files_is_asked_for_here(name):
    [job] = collect_jobs([Path(f"s3://bucket/{name}")], None)
    assert job.problem.startswith("is more than one file") and job.remote == f"s3://bucket/{name}"
    assert [is_address(Path(name)) for name in ("s3://b/x.svs", "gs://b/x", "x.svs", "/s3:/b")] == [1, 1, 0, 0]


def test_an_object_that_is_replaced_meanwhile_is_no_slide(bucket):
    address = bucket("a.svs", b"one")
    source = ObjectSource.of(address)
    assert source.read(1, 2) == b"ne" and source.unchanged()
    bucket("a.svs", b"two")
    assert not source.unchanged()
    with pytest.raises((StagingError, FileNotFoundError)):
        ObjectSource.of(address.rpartition("/")[0] + "/none")
    assert place_of(Path("x"), "a") != place_of(Path("x"), "b")
