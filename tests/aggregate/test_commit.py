"""A folder that is complete or absent: what is synced, in which order, and what comes back when publishing fails."""

import errno
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import zarr

from aggregate import commit, store
from tests.results import make_result
from wsi.errors import OutputUnwritableError, StoreError


@pytest.fixture
def calls(monkeypatch):
    """(what, name) of every sync and rename, in order."""
    made = []
    fsync, rename = os.fsync, os.rename

    def watched_fsync(handle):
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))  # noqa: PTH115
        made.append(("sync", path))
        fsync(handle)

    def watched_rename(source, target, **more):
        made.append(("rename", Path(target)))
        rename(source, target, **more)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "rename", watched_rename)
    return made


def test_all_is_on_the_disk_before_the_result_is_in_its_place(tmp_path, calls):
    path = store.save(make_result("a"), tmp_path)
    order = [what for what, _ in calls]
    assert order.count("rename") == 1 and order[-1] == "sync" and calls[-1] == ("sync", tmp_path)
    published = order.index("rename")
    synced = [where for what, where in calls[:published] if what == "sync"]
    staged = next(where.parent for where in synced if where.name == commit.COMMIT)
    inside = {where.relative_to(staged).as_posix() for where in synced}
    files = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}
    folders = {
        p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_dir() and any(f.is_file() for f in p.iterdir())
    }
    assert files <= inside and folders <= inside and "." in inside
    # commit.json stands for all others: it comes after them, and its folder after it.
    names = [where.relative_to(staged).as_posix() for where in synced]
    assert names.index(commit.COMMIT) == len(names) - 2 and names[-1] == "."


def test_a_result_that_cannot_be_published_leaves_the_older_one_in_its_place(tmp_path, monkeypatch):
    path = store.save(make_result("a"), tmp_path)
    before = (path / commit.COMMIT).read_bytes()
    original = Path.rename

    def rename(self, target):
        if Path(target) == path and not self.name.endswith(".old"):
            raise OSError(errno.EIO, "Input/output error")
        return original(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OutputUnwritableError):
        store.save(make_result("a", call="normal"), tmp_path)
    assert (path / commit.COMMIT).read_bytes() == before and store.verify(path) == []


def test_it_is_announced_with_its_digests_before_it_is_in_its_place(tmp_path):
    told = []
    path = tmp_path / "a.zarr"
    store.save(make_result("a"), tmp_path, announce=lambda digests: told.append((dict(digests), path.exists())))
    assert told == [(store.committed_digests(path), False)]


def test_where_announcing_fails_nothing_appears(tmp_path):
    def announce(digests):
        raise OutputUnwritableError("no audit log")

    with pytest.raises(OutputUnwritableError):
        store.save(make_result("a"), tmp_path, announce=announce)
    assert not (tmp_path / "a.zarr").exists() and list((tmp_path / store.STAGING).iterdir()) == []


def test_what_did_not_read_back_as_written_does_not_appear(tmp_path, monkeypatch):
    original = commit.seal

    def seal(folder, **facts):
        original(folder, **facts)
        (folder / "tiles" / "xy" / "c" / "0" / "0").write_bytes(b"lost")

    monkeypatch.setattr(commit, "seal", seal)
    with pytest.raises(OutputUnwritableError, match="did not read back"):
        store.save(make_result("a"), tmp_path)
    assert not (tmp_path / "a.zarr").exists()


def test_the_digest_knows_the_shape_the_type_and_the_name():
    values = np.arange(6, dtype=np.int32)
    digest = commit.digest_of({}, {"a": values})
    assert digest != commit.digest_of({}, {"a": values.reshape(2, 3)})
    assert digest != commit.digest_of({}, {"a": values.view(np.uint32)})
    assert digest != commit.digest_of({}, {"b": values}) and digest != commit.digest_of({"x": 1}, {"a": values})
    assert digest == commit.digest_of({}, {"a": values.copy()})
    assert commit.digest_of({}, {"a": values[:0]}) != digest


def test_every_chunk_is_written_and_has_its_checksum(tmp_path):
    path = store.save(make_result("a", cells="...\n...\n..0"), tmp_path)
    # Nothing but fill values is written all the same: a chunk that is not there is a chunk that was lost.
    assert not zarr.open_array(path / "tiles" / "quality", mode="r")[:].any()
    assert (path / "tiles" / "quality" / "c" / "0").is_file()
    for chunk in (p for p in path.rglob("c/**/*") if p.is_file()):
        assert chunk.read_bytes()[4] & 0x04  # zstd: Content_Checksum_flag


def test_another_schema_is_refused(tmp_path):
    path = store.save(make_result("a"), tmp_path)
    text = (path / "zarr.json").read_text()
    assert '"schema": 1' in text
    (path / "zarr.json").write_text(text.replace('"schema": 1', '"schema": 2'))
    with pytest.raises(StoreError, match="another version"):
        store.load_summary(path)


def test_the_syncs_of_one_result_are_counted(tmp_path, monkeypatch):
    """Each is some milliseconds on a disk: one a file, one a folder with files, one for the place."""
    counted = []
    monkeypatch.setattr(os, "fsync", lambda handle: counted.append(stat.S_ISDIR(os.fstat(handle).st_mode)))
    path = store.save(make_result("a"), tmp_path)
    files = sum(p.is_file() for p in path.rglob("*"))
    folders = sum(p.is_dir() and any(f.is_file() for f in p.iterdir()) for p in (path, *path.rglob("*")))
    assert counted.count(False) == files and counted.count(True) == folders + 1


def test_a_write_that_comes_late_leaves_no_staged_folder(tmp_path, monkeypatch):
    """As by a thread of Zarr that goes on after another's write failed: here, at each of the first three looks."""
    staged = tmp_path / ".staging" / "slide-1~1-ab"
    (staged / "tiles").mkdir(parents=True)
    late = iter(staged / "tiles" / f"c{number}" for number in range(3))

    def pause(_seconds):
        for path in (next(late, None),):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"late")

    monkeypatch.setattr(commit.time, "sleep", pause)
    commit.discard(staged)
    assert not staged.exists() and next(late, None) is None
