"""The OpenSlide reader: the contract on synthetic and real slides, exact pixels, spacing, damage."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import openslide
import pytest
from PIL import Image

from tests.conftest import SyntheticSlide
from tests.contracts.reader import ReaderContract
from tests.tiffs import Tags, write_slide
from wsi import open_slide
from wsi.errors import CorruptSlideError, MppImplausibleError, MppMissingError, SlideError
from wsi.readers.level_scale import true_downsample
from wsi.slide import Slide
from wsi.spacing import plan_read
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion


class TestOnSynthetic(ReaderContract):
    @pytest.fixture
    def slide(self, ready_slide: SyntheticSlide) -> Iterator[Slide]:
        with open_slide(ready_slide.path, reader="openslide") as slide:
            yield slide


class TestOnRealAperio(ReaderContract):
    @pytest.fixture
    def slide(self, data_dir: Path) -> Iterator[Slide]:
        with open_slide(data_dir / "wsi" / "cmu-1-small-region.svs") as slide:
            assert slide.spacing.mpp == 0.499
            assert slide.spacing.source == "slide"
            yield slide


class TestOnRealJpeg2000(ReaderContract):
    @pytest.fixture
    def slide(self, data_dir: Path) -> Iterator[Slide]:
        with open_slide(data_dir / "wsi" / "tcga-cr-7395-01a-01-ts1.svs", mpp=0.5) as slide:
            assert slide.spacing.source == "given"
            yield slide


class TestOnRealGenericTiff(ReaderContract):
    @pytest.fixture
    def slide(self, data_dir: Path) -> Iterator[Slide]:
        with open_slide(data_dir / "wsi" / "boxes.tiff", mpp=0.5) as slide:
            assert [level.downsample for level in slide.levels] == [1.0, 2.0, 4.0, 8.0]
            yield slide


class TestOnRealDicom(ReaderContract):
    @pytest.fixture
    def slide(self, data_dir: Path) -> Iterator[Slide]:
        with open_slide(data_dir / "wsi" / "boxes_0.dcm") as slide:
            assert slide.spacing.source == "slide"
            yield slide


def test_regions_equal_openslides_own(ready_slide: SyntheticSlide) -> None:
    with open_slide(ready_slide.path) as slide, openslide.OpenSlide(str(ready_slide.path)) as raw:
        for level, corner in [(0, (401, 302)), (0, (0, 0)), (1, (0, 0))]:
            expected = np.asarray(raw.read_region(corner, level, (120, 90)))[..., :3]
            assert np.array_equal(slide.read_region(corner, level, (120, 90)), expected)


@pytest.mark.parametrize("corner", [(0, 0), (1, 1), (63, 17), (255, 257), (101, 130)])
def test_level_pixels_are_exact_at_whole_downsamples(
    synthetic_slide: Callable[..., SyntheticSlide], corner: tuple[int, int]
) -> None:
    """Sides that divide by 16: OpenSlide's downsample is whole, and any level pixel comes unblended."""
    everywhere = SyntheticRegion(Rectangle((0, 0), (1e5, 1e5)), "adenocarcinoma")
    made = synthetic_slide(size_px=(1600, 1600), regions=(everywhere,), tile_px=128)
    with open_slide(made.path) as slide:
        level = slide.read_region((0, 0), 1, slide.levels[1].size_px)
        x, y = corner
        assert np.array_equal(slide.read_region(corner, 1, (50, 40)), level[y : y + 40, x : x + 50])


def test_odd_level_pixels_are_near_exact(ready_slide: SyntheticSlide) -> None:
    """1603 x 1207 has no whole downsample for OpenSlide; what it blends stays within a fraction of a pixel."""
    with open_slide(ready_slide.path) as slide:
        assert [level.downsample for level in slide.levels] == [1.0, 4.0, 16.0]
        level = slide.read_region((0, 0), 1, slide.levels[1].size_px).astype(int)
        part = slide.read_region((301, 203), 1, (60, 50)).astype(int)
        assert np.abs(part - level[203:253, 301:361]).mean() < 6


def test_levels_are_area_averages(synthetic_slide: Callable[..., SyntheticSlide]) -> None:
    everywhere = SyntheticRegion(Rectangle((0, 0), (1e5, 1e5)), "adenocarcinoma")
    made = synthetic_slide(size_px=(1603, 1207), regions=(everywhere,), subsampling="4:4:4", quality=98)
    with open_slide(made.path) as slide:
        fine = slide.read_region((0, 0), 0, (1600, 1204)).astype(float).reshape(301, 4, 400, 4, 3).mean(axis=(1, 3))
        coarse = slide.read_region((0, 0), 1, (400, 301)).astype(float)
        assert np.abs(fine - coarse).mean() < 2
        assert np.abs(fine[:, 1:] - coarse[:, :-1]).mean() > 5


def test_thumbnail_is_the_slide_made_small(ready_slide: SyntheticSlide) -> None:
    with open_slide(ready_slide.path) as slide:
        thumbnail = slide.thumbnail(200).astype(float)
        level = slide.read_region((0, 0), 0, slide.size_px).astype(float)
        assert np.abs(thumbnail.mean((0, 1)) - level.mean((0, 1))).max() < 2


@pytest.mark.parametrize(
    ("tag", "source", "mpp"),
    [
        ("aperio", "slide", 0.2527),
        ("aperio-power-only", "objective-power", 0.2527),
        ("tiff-resolution", "tiff-resolution", 0.2527),
    ],
)
def test_spacing_source(synthetic_slide: Callable[..., SyntheticSlide], tag: str, source: str, mpp: float) -> None:
    made = synthetic_slide(size_px=(300, 200), mpp=mpp, spacing_tag=tag)
    with open_slide(made.path) as slide:
        assert slide.spacing.source == source
        assert slide.spacing.mpp == pytest.approx(mpp, rel=1e-4)
    with open_slide(made.path, mpp=1.0) as slide:
        assert (slide.spacing.mpp, slide.spacing.source) == (1.0, "given")


def test_no_spacing_is_an_error_that_a_given_mpp_mends(synthetic_slide: Callable[..., SyntheticSlide]) -> None:
    made = synthetic_slide("plain.tiff", size_px=(300, 200), spacing_tag="none")
    with pytest.raises(MppMissingError, match=r"plain\.tiff tells no pixel size; give --mpp"):
        open_slide(made.path)
    with open_slide(made.path, mpp=0.5) as slide:
        assert slide.size_px == (300, 200)


def test_implausible_given_mpp_is_refused(ready_slide: SyntheticSlide) -> None:
    with pytest.raises(MppImplausibleError):
        open_slide(ready_slide.path, mpp=500.0)


def test_printer_resolution_is_no_measurement(data_dir: Path) -> None:
    """boxes.tiff says 72 dpi, for which OpenSlide claims 353 um per px."""
    with pytest.raises(MppMissingError):
        open_slide(data_dir / "wsi" / "boxes.tiff")


def test_tcga_slide_without_mpp(data_dir: Path) -> None:
    with pytest.raises(MppMissingError):
        open_slide(data_dir / "wsi" / "tcga-cr-7395-01a-01-ts1.svs")


def test_truncated_slide_breaks_cleanly(ready_slide: SyntheticSlide, tmp_path: Path) -> None:
    """Directories lie at the end of our files: cut anywhere, no part of them is left."""
    data = ready_slide.path.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        path = tmp_path / "cut.svs"
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(SlideError) as caught:
            open_slide(path).thumbnail(64)
        assert "\n" not in str(caught.value)


def test_damaged_tile_is_corrupt_slide(ready_slide: SyntheticSlide, tmp_path: Path) -> None:
    data = bytearray(ready_slide.path.read_bytes())
    data[16 : len(data) // 2] = bytes(len(data) // 2 - 16)
    path = tmp_path / "holes.svs"
    path.write_bytes(data)
    with open_slide(path) as slide, pytest.raises(CorruptSlideError, match=r"holes\.svs is damaged"):
        slide.read_region((0, 0), 0, slide.size_px)


@pytest.mark.parametrize(
    ("size", "level", "said", "expected"),
    [
        ((300, 250), (75, 62), 4.016, 4.0),
        ((46000, 32914), (2875, 2057), 16.0004, 16.0),
        ((1000, 1000), (300, 300), 3.3333, 3.3333),
        ((1000, 1000), (240, 240), 4.1667, 4.1667),
    ],
)
def test_true_downsample(size: tuple[int, int], level: tuple[int, int], said: float, expected: float) -> None:
    assert true_downsample(size, level, said) == expected


def _ndpi(path: Path, pictures: list[np.ndarray]) -> Path:
    """Levels as Hamamatsu stores them: a JPEG with restart markers each."""
    data, link = bytearray(b"II*\0" + bytes(4)), 4
    for number, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        encoded = io.BytesIO()
        Image.fromarray(picture).save(encoded, "JPEG", quality=95, subsampling="4:4:4", restart_marker_blocks=8)
        at = len(data)
        data += encoded.getvalue() + bytes(-len(encoded.getvalue()) % 2)
        bits, resolution, make = len(data), len(data) + 8, len(data) + 16
        data += struct.pack("<4H2I", 8, 8, 8, 0, 20000, 1) + b"Hamamatsu\0"
        [lens] = struct.unpack("<I", struct.pack("<f", 20.0 / 4**number))
        fields = [
            *[
                (256, 4, 1, width),
                (257, 4, 1, height),
                (258, 3, 3, bits),
                (259, 3, 1, 7),
                (262, 3, 1, 6),
                (271, 2, 10, make),
            ],
            *[(273, 4, 1, at), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, len(encoded.getvalue()))],
            *[(282, 5, 1, resolution), (283, 5, 1, resolution), (296, 3, 1, 3)],
            *[(65420, 4, 1, 1), (65421, 11, 1, lens), (65424, 9, 1, 0)],
        ]
        struct.pack_into("<I", data, link, len(data))
        data += struct.pack("<H", len(fields)) + b"".join(struct.pack("<HHII", *field) for field in fields) + bytes(8)
        link = len(data) - 8
    path.write_bytes(data)
    return path


def test_levels_that_openslide_makes_itself_are_not_read(tmp_path: Path) -> None:
    """An NDPI is read from the levels that it has, as the same picture in any other format."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (128, 128, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    small = cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA)
    path = _ndpi(tmp_path / "x.ndpi", [picture, small])
    with openslide.OpenSlide(str(path)) as raw, open_slide(path) as slide:
        assert raw.level_count > 2
        assert [(level.size_px, level.downsample) for level in slide.levels] == [((1024, 1024), 1.0), ((256, 256), 4.0)]
        assert "levels_left_out" not in slide.metadata
        assert np.abs(slide.read_region((0, 0), 1, (256, 256)).astype(int) - small).mean() < 6
        plan = plan_read(slide.levels, slide.spacing, 64, 1.0)
        assert (plan.level, plan.read_px) == (0, 128)


def test_a_damaged_tile_costs_no_other(tmp_path: Path) -> None:
    """OpenSlide refuses everything once a tile could not be decoded: in a viewer that was the whole slide."""

    def cut(levels: list[Tags]) -> None:
        levels[0][325][1][0] = 3

    with open_slide(write_slide(tmp_path / "cut.svs", change=cut), reader="openslide") as slide:
        whole = slide.read_region((128, 128), 0, (100, 100))
        for _ in range(2):
            with pytest.raises(CorruptSlideError):
                slide.read_region((0, 0), 0, (9, 9))
        assert np.array_equal(slide.read_region((128, 128), 0, (100, 100)), whole)
    with pytest.raises(ValueError, match="closed"):
        slide.read_region((128, 128), 0, (9, 9))
