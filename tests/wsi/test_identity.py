"""Files that are replaced or written to while a slide is read, and what is no regular file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from aggregate.result_folder import stored_results
from app.config import RunConfig
from app.pipeline import run_slide
from classifier.model import load_model
from classifier.model_folder.find import DEMO_MODEL
from tests.conftest import SyntheticSlide
from tests.dicoms import drawn, write_series, write_vms
from wsi import open_slide
from wsi.errors import CorruptSlideError, NotAFileError, SlideChangedError
from wsi.identity import FileIdentity, SlideFiles, open_slide_file


def replaced(path: Path) -> None:
    other = path.with_name(f"{path.name}.other")
    shutil.copy2(path, other)  # the same bytes and time: the inode tells
    other.replace(path)


def appended(path: Path) -> None:
    status = path.stat()
    with path.open("ab") as file:
        file.write(b"\0")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # the size tells


def cut(path: Path) -> None:
    status = path.stat()
    os.truncate(path, status.st_size // 2)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def rewritten(path: Path) -> None:
    status = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))  # the time tells


def removed(path: Path) -> None:
    path.unlink()


CHANGES = [replaced, appended, cut, rewritten, removed]
KINDS = ["tiff-jpeg", "openslide", "image", "dicom", "vms"]


def slide_of_kind(kind: str, folder: Path, ready: SyntheticSlide) -> tuple[Path, list[Path]]:
    """The slide's path and its files; the last of them is not the one that is opened by name, where there are more."""
    if kind == "image":
        Image.fromarray(drawn(64, 64)).save(folder / "a.png")
        return folder / "a.png", [folder / "a.png"]
    if kind == "dicom":
        files = write_series(folder)
        return files[0], files[:2]
    if kind == "vms":
        index = write_vms(folder, "scan")
        return index, [index, folder / "scan.jpg"]
    shutil.copyfile(ready.path, folder / "a.svs")
    return folder / "a.svs", [folder / "a.svs"]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_seen_at_reopening_and_at_the_end(
    kind: str, change: Callable[[Path], None], tmp_path: Path, ready_slide: SyntheticSlide
) -> None:
    path, files = slide_of_kind(kind, tmp_path, ready_slide)
    reader = kind if kind in ("tiff-jpeg", "openslide", "image") else "auto"
    with open_slide(path, mpp=0.5, reader=reader) as slide:
        assert set(files) <= set(slide.files.paths)
        slide.files.check()
        slide.reopen().close()
        change(files[-1])
        with pytest.raises(SlideChangedError, match=rf"^slide-changed: {files[-1].name} was replaced or written to"):
            slide.reopen()
        with pytest.raises(SlideChangedError):
            slide.files.check()


def test_an_error_that_a_change_explains_is_told_as_the_change(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("x")
    files = SlideFiles.of((path,))
    with pytest.raises(CorruptSlideError), files.unchanged():
        raise CorruptSlideError("broken")
    with pytest.raises(SlideChangedError), files.unchanged():
        path.write_text("longer")
        raise CorruptSlideError("broken")
    with pytest.raises(ZeroDivisionError), files.unchanged():
        raise ZeroDivisionError


@pytest.mark.parametrize("change", CHANGES)
def test_a_slide_that_changes_while_it_is_read_has_no_result(
    change: Callable[[Path], None], ready_slide: SyntheticSlide, tmp_path: Path
) -> None:
    path = tmp_path / "a.svs"
    shutil.copyfile(ready_slide.path, path)
    done = []

    def progress(tiles: int, _all: int) -> None:
        if not done:
            change(path)
        done.append(tiles)

    with pytest.raises(SlideChangedError):
        run_slide(path, "a", load_model(DEMO_MODEL), RunConfig(tmp_path / "out", DEMO_MODEL), progress=progress)
    assert done and list(stored_results(tmp_path / "out")) == []


def test_a_file_that_is_written_while_it_is_opened_is_not_called_damaged(
    tmp_path: Path, ready_slide: SyntheticSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(drawn(64, 64)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    of = SlideFiles.of

    def of_then_more_arrives(paths: tuple[Path, ...]) -> SlideFiles:
        found = of(paths)
        path.write_bytes(whole[:22])
        return found

    monkeypatch.setattr("wsi.registry.SlideFiles.of", of_then_more_arrives)
    with pytest.raises(SlideChangedError):
        open_slide(path, mpp=0.5)


def test_identity_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("abc")
    status = path.stat()
    expected = FileIdentity(status.st_dev, status.st_ino, 3, status.st_mtime_ns)
    assert FileIdentity.of(path) == expected
    (tmp_path / "link").symlink_to(path)
    assert FileIdentity.of(tmp_path / "link") == expected


def test_only_regular_files_are_opened_and_none_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("abc")
    os.mkfifo(tmp_path / "pipe")
    with open_slide_file(tmp_path / "a") as file:
        assert file.read() == b"abc"
    for path, what in ((tmp_path / "pipe", "pipe or device"), (tmp_path, "a folder"), (Path(os.devnull), "device")):
        with pytest.raises(NotAFileError, match=what):
            open_slide_file(path)
    with pytest.raises(FileNotFoundError):
        open_slide_file(tmp_path / "gone")


def test_a_file_that_becomes_a_pipe_between_look_and_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("abc")
    before = len(list(Path("/proc/self/fd").iterdir()))
    opened = os.open

    def swapped(path: Path, flags: int) -> int:
        Path(path).unlink()
        os.mkfifo(path)
        return opened(path, flags)

    monkeypatch.setattr("wsi.identity.os.open", swapped)
    with pytest.raises(NotAFileError):
        open_slide_file(tmp_path / "a")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
