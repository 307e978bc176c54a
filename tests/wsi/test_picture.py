"""One reader of pictures: its bounds at their edges, one tree of errors, and that nothing is waited for."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsi.errors import CorruptSlideError, NotAFileError, SlideTooLargeError, UnreadableFileError, UnsupportedSlideError
from wsi.picture import open_picture, read_picture

FORMATS = ("JPEG", "PNG", "TIFF")


def encoded(kind: str = "PNG", size: tuple[int, int] = (12, 8), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "RGBA", "P"])
def test_any_mode_comes_as_rgb(tmp_path: Path, kind: str, mode: str) -> None:
    if (kind, mode) in (("PNG", "CMYK"), ("JPEG", "RGBA"), ("JPEG", "P")):
        pytest.skip("no such picture")
    (tmp_path / "a").write_bytes(encoded(kind, mode=mode))
    from_file, from_memory = (read_picture(x, FORMATS, 96) for x in (tmp_path / "a", encoded(kind, mode=mode)))
    assert from_file.shape == (8, 12, 3) and from_file.dtype == np.uint8
    assert np.array_equal(from_file, from_memory)


def test_pixels_are_those_stored() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (8, 12, 3), np.uint8)
    assert np.array_equal(read_picture(encoded(), FORMATS, 96), noise)


def test_one_pixel_too_many_is_refused_by_the_header() -> None:
    assert read_picture(encoded(), FORMATS, 96).shape == (8, 12, 3)
    with pytest.raises(SlideTooLargeError, match="a tile has more than 0 million pixels in one piece"):
        read_picture(encoded(), FORMATS, 95, name="a tile")


@pytest.mark.parametrize("side", [11_000, 60_000])
def test_a_bomb_is_refused_by_its_header(side: int, recwarn: pytest.WarningsRecorder) -> None:
    header = encoded()
    chunk = b"IHDR" + side.to_bytes(4, "big") * 2 + header[24:29]
    bomb = header[:12] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + header[33:]
    with pytest.raises(SlideTooLargeError):
        read_picture(bomb, FORMATS, 100_000_000)
    assert not recwarn.list


def test_formats_that_were_not_asked_for_are_refused() -> None:
    for kind in ("GIF", "BMP"):
        with pytest.raises(UnsupportedSlideError, match="x is no JPEG, PNG or TIFF image"):
            read_picture(encoded(kind), FORMATS, 96, name="x")
    assert read_picture(encoded("BMP"), ("BMP",), 96).shape == (8, 12, 3)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_cut_anywhere_is_one_of_the_errors(kind: str) -> None:
    whole = encoded(kind)
    for end in range(0, len(whole) - 1, max(1, len(whole) // 60)):
        try:
            read_picture(whole[:end], FORMATS, 96)
        except (CorruptSlideError, UnsupportedSlideError) as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("seed", range(30))
def test_flipped_bytes_are_one_of_the_errors_or_a_picture(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for kind in FORMATS:
        data = bytearray(encoded(kind))
        for at in rng.integers(4, len(data), 5):
            data[at] = rng.integers(256)
        try:
            assert read_picture(bytes(data), FORMATS, 10_000).dtype == np.uint8
        except (CorruptSlideError, UnsupportedSlideError, SlideTooLargeError) as error:
            assert "\n" not in str(error)


def test_what_breaks_inside_the_with_is_the_pictures_fault() -> None:
    with pytest.raises(CorruptSlideError), open_picture(encoded()[:-40], FORMATS, 96) as image:
        image.load()


def test_a_pipe_a_folder_and_a_missing_file_are_told_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(NotAFileError, match=r"pipe\.png is a pipe or device"):
        read_picture(tmp_path / "pipe.png", FORMATS, 96)
    with pytest.raises(NotAFileError, match="is a folder"):
        read_picture(tmp_path, FORMATS, 96)
    with pytest.raises(UnreadableFileError, match=r"gone\.png cannot be read"):
        read_picture(tmp_path / "gone.png", FORMATS, 96)
