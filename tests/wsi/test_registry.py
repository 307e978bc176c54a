"""Opening: the checks before any reader, and what nothing reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import wsi
from tests.conftest import REPOSITORY, SyntheticSlide
from wsi import SLIDE_SUFFIXES, open_slide
from wsi.errors import (
    EmptyFileError,
    NotAFileError,
    PulmoscopeError,
    SlideError,
    UnreadableFileError,
    UnsupportedSlideError,
    UsageError,
)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "x.svs"
    path.touch()
    with pytest.raises(EmptyFileError, match=r"^empty-file: x\.svs is empty"):
        open_slide(path)


def test_folder_named_like_a_slide(tmp_path: Path) -> None:
    (tmp_path / "x.svs").mkdir()
    with pytest.raises(NotAFileError, match=r"^not-a-file: x\.svs is a folder"):
        open_slide(tmp_path / "x.svs")


@pytest.mark.parametrize("name", ["absent.svs", "absent/x.svs"])
def test_missing_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotAFileError, match="does not exist"):
        open_slide(tmp_path / name)


@pytest.mark.parametrize("name", ["s3://bucket/x.svs", "https://host/x.svs", "file:///data/x.svs"])
def test_an_address_is_no_file(tmp_path: Path, name: str) -> None:
    for path in (Path(name), tmp_path / name):
        with pytest.raises(NotAFileError, match=r"^not-a-file: x\.svs is an address, not a file here; copy"):
            open_slide(path)


def test_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.svs")
    with pytest.raises(NotAFileError, match="pipe or device"):
        open_slide(tmp_path / "x.svs")


def test_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "a.svs").symlink_to("b.svs")
    (tmp_path / "b.svs").symlink_to("a.svs")
    with pytest.raises(UnreadableFileError):
        open_slide(tmp_path / "a.svs")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "x.svs"
    path.write_bytes(b"II*\0")
    path.chmod(0)
    with pytest.raises(UnreadableFileError):
        open_slide(path)


def test_text_named_svs(tmp_path: Path) -> None:
    path = tmp_path / "x.svs"
    path.write_text("This is not a slide.")
    with pytest.raises(UnsupportedSlideError, match=r"^unsupported-format: x\.svs"):
        open_slide(path)


def test_broken_svs(data_dir: Path) -> None:
    with pytest.raises(UnsupportedSlideError, match=r"broken\.svs"):
        open_slide(data_dir / "wsi" / "broken.svs")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("start", [b"", b"II*\0\x08\0\0\0", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
def test_random_bytes_are_one_clear_line(tmp_path: Path, start: bytes, seed: int) -> None:
    path = tmp_path / "x.svs"
    path.write_bytes(start + np.random.default_rng(seed).bytes(3000))
    with pytest.raises(SlideError) as caught:
        open_slide(path, mpp=0.5).thumbnail(32)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_unknown_reader(ready_slide: SyntheticSlide) -> None:
    with pytest.raises(UsageError):
        open_slide(ready_slide.path, reader="magic")


def test_named_reader_is_the_only_one_asked(ready_slide: SyntheticSlide, tmp_path: Path) -> None:
    assert open_slide(ready_slide.path, reader="openslide").backend == "openslide"
    path = tmp_path / "x.txt"
    path.write_text("no image")
    for reader in ("openslide", "image"):
        with pytest.raises(UnsupportedSlideError):
            open_slide(path, reader=reader)


def test_errors_know_their_way_out(tmp_path: Path) -> None:
    with pytest.raises(PulmoscopeError) as caught:
        open_slide(str(tmp_path / "absent.svs"))
    assert caught.value.hint


def test_suffixes_are_lower_case_and_dotted() -> None:
    assert {".svs", ".ndpi", ".mrxs", ".jpg", ".png"} <= SLIDE_SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SLIDE_SUFFIXES)


def test_package_exports() -> None:
    for name in wsi.__all__:
        assert getattr(wsi, name) is not None
    with pytest.raises(AttributeError):
        wsi.no_such_name  # noqa: B018


def test_opening_a_slide_stays_light(ready_slide: SyntheticSlide) -> None:
    heavy = "pandas tensorflow keras skimage sklearn streamlit tifffile zarr pydicom scipy matplotlib"
    script = (
        "import sys; from wsi import open_slide; open_slide(sys.argv[1]).thumbnail(64);"
        f"print([m for m in '{heavy}'.split() if m in sys.modules])"
    )
    command = [sys.executable, "-c", script, str(ready_slide.path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
