"""`run --cache`: slides are copied ahead of need; results are those of the originals, and nothing stays behind."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from aggregate import store
from app.batch.engines.staging.copying import AHEAD, PIECE_BYTES, FileSource, StagingError, copy_hashed
from app.batch.engines.staging.engine import StagedEngine
from app.batch.engines.staging.folder import staging_folder, sweep
from app.batch.engines.staging.stager import Stager, local_parts
from app.batch.engines.staging.tickets import Ticket, place_of, wait_for_ticket, write_ticket
from app.batch.inputs import collect_jobs
from app.batch.job import SlideJob
from app.batch.run_batch import Tally, run_batch
from app.config import RunConfig
from classifier.model_folder.find import DEMO_MODEL
from tests.conftest import REPOSITORY
from wsi.files.fingerprint import digests_known, fingerprint
from wsi.text import escape


def job_of(path: Path, slide_id: str = "") -> SlideJob:
    return SlideJob(path, escape(str(path)), slide_id or path.stem)


def files(folder: Path, count=4, size=1000) -> list[SlideJob]:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"{number}.svs").write_bytes(bytes([number]) * size)
    return [job_of(folder / f"{number}.svs") for number in range(count)]


def run_cached(paths, out: Path, cache: Path, **options):
    config = RunConfig(out=out, model=DEMO_MODEL, cache=cache)
    tally = Tally()
    engine = StagedEngine(cache, **options)
    list(run_batch(collect_jobs(paths, None), config, ("normal",), engine=engine, tally=tally))
    return tally


def test_a_result_is_that_of_the_original(ready_slide, tmp_path):
    slides = tmp_path / "slides"
    slides.mkdir()
    for name in ("a.svs", "b.svs"):
        shutil.copy(ready_slide.path, slides / name)
    (slides / "bad.svs").write_bytes(b"II*\0" + bytes(50))
    plain, cached = tmp_path / "plain", tmp_path / "cached"
    config = RunConfig(out=plain, model=DEMO_MODEL)
    list(run_batch(collect_jobs([slides], None), config, ("normal",), tally=Tally()))
    tally = run_cached([slides], cached, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    assert sorted(row.status for row in tally.rows) == ["done", "done", "failed"] or len(tally.rows) == 3
    for name in ("a", "b"):
        ours, theirs = (store.load(out / f"{name}.zarr") for out in (cached, plain))
        assert store.result_digest(ours) == store.result_digest(theirs)
        assert ours.slide == theirs.slide and ours.slide.file == f"{name}.svs"
    rows = [(out / "slides.csv").read_text().splitlines() for out in (cached, plain)]
    bad = [[line for line in lines if line.startswith("bad")] for lines in rows]
    assert bad[0][0].split(",")[-2:] == bad[1][0].split(",")[-2:]
    # ... and is kept as such without a cache, and the other way round.
    again = Tally()
    list(run_batch(collect_jobs([slides], None), RunConfig(out=cached, model=DEMO_MODEL), ("normal",), tally=again))
    assert again.kept == 2 and run_cached([slides], plain, tmp_path / "cache").kept == 2


def test_a_copy_is_read_once_and_has_the_digest_of_what_was_read(tmp_path):
    data = os.urandom(PIECE_BYTES * (AHEAD + 2) + 12345)
    (tmp_path / "x").write_bytes(data)
    asked, most, at_once, lock = [], [0], [0], threading.Lock()

    def read(fd, length, offset):
        with lock:
            asked.append((offset, length))
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.01)
        data = os.pread(fd, min(length, PIECE_BYTES // 2 + 1), offset)  # a disk may give less than it was asked for
        with lock:
            at_once[0] -= 1
        return data

    source = FileSource.of(tmp_path / "x", read)
    sha256 = copy_hashed(source, tmp_path / "y", threading.Event())
    source.close()
    assert (tmp_path / "y").read_bytes() == data and sha256 == hashlib.sha256(data).hexdigest()
    assert 1 < most[0] <= AHEAD and len({offset for offset, _ in asked}) == len(asked)


def test_what_changes_or_ends_early_is_no_copy(tmp_path):
    (tmp_path / "x").write_bytes(bytes(100))
    source = FileSource.of(tmp_path / "x")
    os.utime(tmp_path / "x", (5, 5))
    with pytest.raises(StagingError, match="changed"):
        copy_hashed(source, tmp_path / "y", threading.Event())
    cut = FileSource.of(tmp_path / "x", lambda fd, length, offset: os.pread(fd, length, offset)[: max(0, 50 - offset)])
    with pytest.raises(StagingError, match="ends early"):
        copy_hashed(cut, tmp_path / "z", threading.Event())
    stop = threading.Event()
    stop.set()
    with pytest.raises(StagingError, match="ended"):
        copy_hashed(FileSource.of(tmp_path / "x"), tmp_path / "w", stop)


def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_no_more_lies_there_than_the_limit_and_room_comes_back(tmp_path):
    jobs = files(tmp_path / "in")
    with staging_folder(tmp_path / "cache") as folder:
        stager = Stager(folder, jobs, 2500)
        stager.start()
        tickets = [wait_for_ticket(folder, job.slide_id) for job in jobs[:2]]
        assert [Path(ticket.path).read_bytes()[0] for ticket in tickets] == [0, 1]
        time.sleep(0.2)
        assert not place_of(folder, "2").exists()
        stager.release(jobs[0])
        assert Path(wait_for_ticket(folder, "2").path).name == "2.svs" and not Path(tickets[0].path).exists()
        stager.release(jobs[1])
        wait_for_ticket(folder, "3")
        stager.stop()


def test_what_is_larger_than_the_cache_or_cannot_be_copied_is_read_where_it_lies(tmp_path):
    jobs = files(tmp_path / "in", count=2)
    (tmp_path / "in" / "large.svs").write_bytes(bytes(5000))
    jobs = [job_of(tmp_path / "in" / "large.svs"), job_of(tmp_path / "in" / "gone.svs"), *jobs]
    with staging_folder(tmp_path / "cache") as folder:
        stager = Stager(folder, jobs, 2500)
        stager.start()
        assert wait_for_ticket(folder, "large") == wait_for_ticket(folder, "gone") == Ticket()
        assert wait_for_ticket(folder, "0").path
        stager.stop()


def test_a_slide_of_many_files_is_copied_whole(tmp_path):
    from tests.wsi.readers.test_coded_tiff import picture
    from tests.zarrs import write_ome_zarr

    path = write_ome_zarr(tmp_path / "x.zarr", picture(500, 300))
    with staging_folder(tmp_path / "cache") as folder:
        stager = Stager(folder, [job_of(path)], 10**9, local_parts)
        stager.start()
        ticket = wait_for_ticket(folder, "x")
        with digests_known({Path(part): sha256 for part, sha256 in ticket.digests.items()}):
            assert Path(ticket.path).name == "x.zarr" and fingerprint(Path(ticket.path)) == fingerprint(path)
        stager.stop()


def test_a_vsi_is_copied_with_its_folder(tmp_path):
    from tests.vsis import write_vsi
    from tests.wsi.readers.test_coded_tiff import picture
    from wsi import open_slide

    path = write_vsi(tmp_path / "Image_01.vsi", picture(500, 300), "png")
    with staging_folder(tmp_path / "cache") as folder:
        stager = Stager(folder, [job_of(path)], 10**9, local_parts)
        stager.start()
        ticket = wait_for_ticket(folder, "Image_01")
        with digests_known({Path(part): sha256 for part, sha256 in ticket.digests.items()}):
            assert fingerprint(Path(ticket.path)) == fingerprint(path)
        with open_slide(ticket.path) as copy, open_slide(path) as slide:
            assert (copy.thumbnail(300) == slide.thumbnail(300)).all() and copy.backend == "vsi-ets"
        stager.stop()


def test_a_digest_is_known_only_of_the_file_that_it_is_of(tmp_path):
    path = tmp_path / "x.svs"
    path.write_bytes(b"one")
    with digests_known({path: "0" * 64}):
        assert fingerprint(path) == "0" * 64
        path.write_bytes(b"other")
        assert fingerprint(path) == hashlib.sha256(b"other").hexdigest()
    assert fingerprint(path) == hashlib.sha256(b"other").hexdigest()


KILLED = """
import os, signal, sys, time
from pathlib import Path
from app.batch.engines.staging.folder import staging_folder
with staging_folder(Path(sys.argv[1])) as folder:
    (folder / "copy").write_bytes(bytes(1000))
    print(folder.name, flush=True)
    time.sleep(60)
"""


def test_what_a_killed_run_left_is_swept_and_what_another_holds_is_not(tmp_path):
    run = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE)
    assert run.stdout is not None
    name = run.stdout.readline().decode().strip()
    assert sweep(tmp_path) == [] and (tmp_path / name / "copy").exists()
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert (tmp_path / name / "copy").exists()
    with staging_folder(tmp_path) as ours:
        assert [path.name for path in tmp_path.iterdir()] == [ours.name]
        assert ours.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []


def test_only_folders_of_ours_are_swept(tmp_path):
    (tmp_path / ".pulmoscope-cache-mine").mkdir()  # without a lock: nobody's
    (tmp_path / "other").mkdir()
    (tmp_path / ".pulmoscope-cache-link").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "lock").touch()
    assert sweep(tmp_path) == [] and (tmp_path / "other" / "lock").exists()
    lock = os.open(tmp_path / "other" / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.close(lock)


@pytest.mark.parametrize("fails", [1, 100])
def test_who_waits_is_told_on_a_full_disk_too(tmp_path, monkeypatch, fails):
    jobs, left = files(tmp_path / "in", count=1), [fails]

    def write(folder, slide_id, ticket):
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(28, "No space left on device")
        write_ticket(folder, slide_id, ticket)

    monkeypatch.setattr("app.batch.engines.staging.stager.write_ticket", write)
    with staging_folder(tmp_path / "cache") as folder:
        stager = Stager(folder, jobs, 2500)
        stager.start()
        assert wait_for_ticket(folder, "0") == Ticket() and not place_of(folder, "0").exists()
        stager.stop()


def test_a_cache_among_the_slides_holds_no_slides(tmp_path):
    files(tmp_path, count=1)
    with staging_folder(tmp_path) as folder:
        (folder / "x").mkdir()
        (folder / "x" / "copy.svs").write_bytes(b"x")
        assert [job.path.name for job in collect_jobs([tmp_path], None)] == ["0.svs"]
