"""The image reader: the contract for each format, every kind of pixel, density, and hostile files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.contracts.reader import ReaderContract
from wsi import open_slide
from wsi.errors import CorruptSlideError, MppMissingError, SlideTooLargeError, UnsupportedSlideError
from wsi.picture import MAX_SLIDE_PIXELS
from wsi.slide import Slide
from wsi.synthetic.tissue import paint_tissue

TISSUE = paint_tissue("adenocarcinoma", (157, 101), 0.5, 1)


@pytest.fixture(params=["picture.jpg", "picture.png", "picture.tif"])
def picture(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    Image.fromarray(TISSUE).save(path)
    return path


class TestContract(ReaderContract):
    @pytest.fixture
    def slide(self, picture: Path) -> Iterator[Slide]:
        with open_slide(picture, mpp=0.5) as slide:
            assert slide.backend == "image"
            yield slide


def pixels_of(path: Path) -> np.ndarray:
    with open_slide(path, mpp=0.5) as slide:
        return slide.read_region((0, 0), 0, slide.size_px)


def save(tmp_path: Path, image: Image.Image, name: str = "picture.png", **options: object) -> Path:
    image.save(tmp_path / name, **options)
    return tmp_path / name


def test_lossless_pixels_are_exact(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif"):
        assert np.array_equal(pixels_of(save(tmp_path, Image.fromarray(TISSUE), name)), TISSUE)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = save(tmp_path, Image.fromarray(TISSUE).convert(mode), "a.tif")
    pixels = pixels_of(path)
    assert pixels.shape == TISSUE.shape
    assert np.abs(pixels.mean((0, 1)) - TISSUE.mean((0, 1))).max() < 60


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((20, 30, 4), np.uint8)
    rgba[:10, :, 3] = 255
    rgba[10:, :, 3] = 51
    pixels = pixels_of(save(tmp_path, Image.fromarray(rgba, "RGBA")))
    assert (pixels[:10] == 0).all()
    assert (pixels[10:] == 204).all()


def test_sixteen_bit_grey_is_scaled_by_its_full_range(tmp_path: Path) -> None:
    grey = np.array([[0, 257, 25700, 65535]] * 10, np.uint16)
    for name in ("a.png", "a.tif"):
        pixels = pixels_of(save(tmp_path, Image.fromarray(grey), name))
        assert pixels[0, :, 0].tolist() == [0, 1, 100, 255]


def test_floating_point_is_no_picture(tmp_path: Path) -> None:
    path = save(tmp_path, Image.fromarray(np.ones((20, 20), np.float32)), "a.tif")
    with pytest.raises(UnsupportedSlideError, match="float samples"):
        pixels_of(path)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int, name: str) -> None:
    """A dark square marks the top-left corner of the upright picture; the file holds it turned."""
    upright = np.full((40, 60, 3), 230, np.uint8)
    upright[:16, :16] = 20
    turns = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path, Image.fromarray(np.ascontiguousarray(turns[orientation])), name, exif=exif)
    pixels = pixels_of(path)
    assert pixels.shape == (40, 60, 3)
    assert pixels[:14, :14].max() < 80
    assert pixels[18:].min() > 180 and pixels[:, 18:].min() > 180


@pytest.mark.parametrize(("name", "tolerance"), [("a.jpg", 1e-3), ("a.png", 1e-3), ("a.tif", 1e-6)])
def test_density_gives_mpp(tmp_path: Path, name: str, tolerance: float) -> None:
    path = save(tmp_path, Image.fromarray(TISSUE), name, dpi=(25_400 / 0.5, 25_400 / 0.5))
    with open_slide(path) as slide:
        assert slide.spacing.source == "tiff-resolution"
        assert slide.spacing.mpp == pytest.approx(0.5, rel=tolerance)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
@pytest.mark.parametrize("dpi", [72, 96, 300])
def test_printers_density_is_no_measurement(tmp_path: Path, name: str, dpi: int) -> None:
    with pytest.raises(MppMissingError):
        open_slide(save(tmp_path, Image.fromarray(TISSUE), name, dpi=(dpi, dpi)))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_image_is_corrupt(picture: Path, share: float) -> None:
    picture.write_bytes(picture.read_bytes()[: int(picture.stat().st_size * share)])
    with pytest.raises(CorruptSlideError, match=r"is damaged|is incomplete"):
        pixels_of(picture)


def test_jpeg_cut_and_closed_again_is_corrupt(tmp_path: Path) -> None:
    """With an end marker put after the cut, Pillow fills the lower half with grey and says nothing."""
    path = save(tmp_path, Image.fromarray(TISSUE), "a.jpg")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    with pytest.raises(CorruptSlideError):
        pixels_of(path)


def test_header_problems_show_at_opening(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"nothing that a PNG would hold")
    with pytest.raises(CorruptSlideError):
        open_slide(path, mpp=0.5)


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [100_000, 13_500, 2**31 - 1])
def test_bomb_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(side, side))
    with pytest.raises(SlideTooLargeError, match="million pixels"):
        open_slide(path, mpp=0.5)


@pytest.mark.filterwarnings("error")
def test_large_images_raise_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png_header(10_000, MAX_SLIDE_PIXELS // 10_000))
    with open_slide(path, mpp=0.5) as slide:
        assert slide.size_px == (10_000, 17_500)


def test_only_three_formats_are_opened(tmp_path: Path) -> None:
    for name in ("a.gif", "a.bmp", "a.webp", "a.ppm"):
        disguised = tmp_path / f"{name}.png"
        Image.fromarray(TISSUE).save(disguised, format={"ppm": "PPM"}.get(name[2:], name[2:].upper()))
        with pytest.raises(UnsupportedSlideError):
            open_slide(disguised, mpp=0.5)


def test_text_of_an_image_does_not_leave_it(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Description", "Mueller, Hans 1949-03-02")
    with open_slide(save(tmp_path, Image.fromarray(TISSUE), pnginfo=text), mpp=0.5) as slide:
        assert dict(slide.metadata) == {"format": "PNG"}
