"""A folder that is complete or absent: what is synced, in which order, and what comes back when publishing fails."""

import errno
import hashlib
import os
import re
import stat
from pathlib import Path

import numpy as np
import pytest
import zarr

from aggregate import store
from aggregate.layout import commit
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
    digest = store.digest_of({}, {"a": values})
    assert digest != store.digest_of({}, {"a": values.reshape(2, 3)})
    assert digest != store.digest_of({}, {"a": values.view(np.uint32)})
    assert digest != store.digest_of({}, {"b": values}) and digest != store.digest_of({"x": 1}, {"a": values})
    assert digest == store.digest_of({}, {"a": values.copy()})
    assert store.digest_of({}, {"a": values[:0]}) != digest


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


# The folder itself, without a result in it


@pytest.fixture
def folder(tmp_path):
    """Two files and a folder with one, sealed."""
    path = tmp_path / "place" / "staged"
    (path / "inner").mkdir(parents=True)
    (path / "b.txt").write_text("b")
    (path / "a.txt").write_text("a")
    (path / "inner" / "c.txt").write_text("c")
    commit.seal(path, zeta="1", alpha="2")
    return path


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_commit_json_is_written_as_ever(folder):
    """Byte for byte: stores of today must verify with what was there before. Sizes are the one thing that was added."""
    files = {"a.txt": sha256("a"), "b.txt": sha256("b"), "inner/c.txt": sha256("c")}
    lines = [' "alpha": "2",', ' "files": {', *(f'  "{name}": "{digest}",' for name, digest in files.items())]
    lines[-1] = lines[-1].rstrip(",")
    lines += [" },", ' "format": 1,']
    sizes = [' "sizes": {', *(f'  "{name}": 1,' for name in files)]
    sizes[-1] = sizes[-1].rstrip(",")
    last = [*sizes, " },", ' "zeta": "1"', "}"]
    own = sha256("\n".join(["{", *lines, *last]))
    expected = "\n".join(["{", *lines, f' "sha256": "{own}",', *last]) + "\n"
    assert (folder / commit.COMMIT).read_text() == expected
    assert commit.fingerprint(folder) == sha256(expected) and commit.read(folder)["zeta"] == "1"
    assert commit.verify(folder) == [] and commit.is_committed(folder)


def test_what_was_changed_is_named(folder):
    (folder / "a.txt").write_text("A")
    (folder / "b.txt").unlink()
    (folder / "inner" / "d.txt").write_text("d")
    (folder / "link").symlink_to("a.txt")
    assert commit.verify(folder) == [
        "b.txt is missing",
        "inner/d.txt was added",
        "link was added",
        "a.txt was altered",
    ]


def test_a_quick_look_reads_what_it_is_asked_to_and_no_more(folder):
    (folder / "a.txt").write_text("A")
    (folder / "b.txt").write_text("B")
    assert commit.look_over(folder) == []
    assert commit.look_over(folder, read=("b.txt",)) == ["b.txt was altered"]


def test_a_part_is_a_file_or_all_that_a_folder_holds(folder):
    for name in ("a.txt", "b.txt", "inner/c.txt"):
        (folder / name).write_text("!")
    assert commit.verify(folder, ("b.txt",)) == ["b.txt was altered"]
    assert commit.verify(folder, ("inner", "b.tx")) == ["inner/c.txt was altered"]


def test_a_file_that_became_a_link_or_a_pipe_cannot_be_read(folder, tmp_path):
    (tmp_path / "same").write_text("a")
    (folder / "a.txt").unlink()
    (folder / "a.txt").symlink_to(tmp_path / "same")
    [problem] = commit.verify(folder)
    assert problem.startswith("a.txt cannot be read (")
    (folder / "a.txt").unlink()
    os.mkfifo(folder / "a.txt")
    assert commit.verify(folder) == ["a.txt cannot be read (not a regular file)"]


def test_a_folder_that_is_linked_in_is_no_part_of_it(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").write_text("x")
    (folder / "inner" / "link").symlink_to(tmp_path / "elsewhere")
    assert commit.verify(folder) == ["inner/link was added"]


def test_what_is_no_folder_or_was_never_completed_says_so(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "file").touch()
    for name in ("link", "file", "nothing"):
        assert commit.verify(tmp_path / name) == ["is not a folder"] and not commit.is_committed(tmp_path / name)
    (folder / commit.COMMIT).unlink()
    assert commit.verify(folder) == ["commit.json is missing: the result was never completed"]
    assert not commit.is_committed(folder)
    (folder / commit.COMMIT).symlink_to("a.txt")
    [problem] = commit.verify(folder)
    assert problem.startswith("commit.json cannot be read (") and not commit.is_committed(folder)


FILES = (
    *('"files": 7', '"files": []', '"files": {"a.txt": 7}', '"files": {"a": "b", "c": null}'),
    *('"files": {}, "sizes": 7', '"files": {"a": "b"}, "sizes": {"a": "1"}', '"files": {}, "sizes": null'),
)


@pytest.mark.parametrize("text", ["", "[]", "7", "{}", *(f"{{{files}}}" for files in FILES)])
def test_a_commit_that_is_none_is_damaged(folder, text):
    (folder / commit.COMMIT).write_text(text)
    assert commit.verify(folder) == ["commit.json is damaged"]
    with pytest.raises(ValueError):
        commit.read(folder)


@pytest.mark.parametrize(("old", "new"), [('"alpha": "2"', '"alpha": "3"'), ("\n}", "\n }"), (' "format": 1,\n', "")])
def test_a_commit_that_was_written_anew_by_hand_is_damaged(folder, old, new):
    text = (folder / commit.COMMIT).read_text()
    assert old in text
    (folder / commit.COMMIT).write_text(text.replace(old, new))
    assert commit.verify(folder) == ["commit.json is damaged"]


def test_a_commit_of_more_than_16_mb_is_not_read(folder):
    with (folder / commit.COMMIT).open("r+b") as file:
        file.truncate((16 << 20) + 1)
    assert commit.verify(folder) == ["commit.json cannot be read (larger than 16 MB)"]
    with (folder / commit.COMMIT).open("r+b") as file:
        file.truncate(16 << 20)
    assert commit.verify(folder) == ["commit.json is damaged"]


def test_every_folder_that_is_sealed_is_synced_but_once(folder, calls):
    commit.seal(folder, x="y")
    synced = [where.relative_to(folder).as_posix() for what, where in calls]
    # The files side by side, in any order; then what must outlast them.
    assert sorted(synced[:4]) == ["a.txt", "b.txt", "commit.json", "inner/c.txt"]
    assert synced[4:] == ["inner", "commit.json", "."]


# Staging and publishing


def test_a_staged_folder_is_empty_and_its_own(tmp_path):
    first, second = (commit.stage(tmp_path / "deep" / "staging", "slide-1") for _ in range(2))
    assert first != second and first.parent == tmp_path / "deep" / "staging" and list(first.iterdir()) == []
    assert re.fullmatch(rf"slide-1~{os.getpid()}-[0-9a-f]{{8}}", first.name)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_nothing_is_staged_through_a_link(tmp_path, kind):
    (tmp_path / "elsewhere").mkdir()
    where = tmp_path / "staging"
    where.symlink_to(tmp_path / "elsewhere") if kind == "link" else where.touch()
    with pytest.raises(OSError):
        commit.stage(where, "slide-1")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("older", ["nothing", "folder", "file", "link", "broken link"])
def test_a_folder_takes_the_place_of_whatever_lies_there(folder, tmp_path, older):
    target, elsewhere = folder.parent / "target", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    if older == "folder":
        (target / "deep").mkdir(parents=True)
    elif older == "file":
        target.touch()
    elif "link" in older:
        target.symlink_to(elsewhere if older == "link" else tmp_path / "gone")
    commit.publish(folder, target)
    assert commit.verify(target) == [] and not target.is_symlink()
    assert [path.name for path in folder.parent.iterdir()] == ["target"]
    assert (elsewhere / "precious").exists()


@pytest.mark.parametrize("older", [True, False])
def test_the_place_is_synced_after_the_folder_has_moved(folder, calls, older):
    target = folder.parent / "target"
    if older:
        target.mkdir()
    commit.publish(folder, target)
    aside = [("rename", folder.with_name("staged.old"))] if older else []
    assert calls == [*aside, ("rename", target), ("sync", folder.parent)]


def test_discarding_removes_a_folder_whole_and_passes_over_what_is_gone(folder):
    for _ in range(2):
        commit.discard(folder)
        assert not folder.exists() and folder.parent.is_dir()


def test_discarding_follows_no_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    commit.discard(tmp_path / "link")
    assert (tmp_path / "elsewhere").is_dir()


def test_the_digest_is_the_same_in_every_version():
    """The digests of stored results are compared with those of new runs. Made here from its description."""
    values = np.arange(6, dtype=np.int32).reshape(2, 3)
    told = b'{"a":1,"b":[1.5,null]}' + b"\nx <i4 (2, 3)\n" + values.tobytes() + b"\ny |u1 (0,)\n"
    arrays = {"y": np.zeros(0, np.uint8), "x": values}
    assert store.digest_of({"b": [1.5, None], "a": 1}, arrays) == hashlib.sha256(told).hexdigest()
    turned = np.asfortranarray(values)
    assert store.digest_of({"b": [1.5, None], "a": 1}, {**arrays, "x": turned}) == hashlib.sha256(told).hexdigest()
