"""The fast reader: the contract, pixels equal to OpenSlide's on random regions, and files that it must decline."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import SyntheticSlide
from tests.contracts.reader import ReaderContract
from tests.tiffs import APERIO, LONG, SHORT, Tags, level_tags, write_slide, write_tiff
from wsi import open_slide
from wsi.errors import CorruptSlideError, SlideError, UnsupportedSlideError
from wsi.readers.tiff.directory import FastPathDoubtError, tiled_levels
from wsi.slide import Slide


class TestOnSynthetic(ReaderContract):
    @pytest.fixture
    def slide(self, ready_slide: SyntheticSlide) -> Iterator[Slide]:
        with open_slide(ready_slide.path, reader="tiff-jpeg") as slide:
            yield slide


class TestOnRealPhotometricRgb(ReaderContract):
    @pytest.fixture
    def slide(self, data_dir: Path) -> Iterator[Slide]:
        with open_slide(data_dir / "wsi" / "cmu-1-small-region.svs", reader="tiff-jpeg") as slide:
            yield slide


class TestOnMissingTiles(ReaderContract):
    @pytest.fixture
    def slide(self, tmp_path: Path) -> Iterator[Slide]:
        path = write_slide(tmp_path / "gaps.tif", aperio=False, missing=[(0, 0), (0, 5), (1, 0)])
        with open_slide(path, mpp=0.25, reader="tiff-jpeg") as slide:
            yield slide


def test_what_the_slide_is_comes_from_openslide(ready_slide: SyntheticSlide) -> None:
    with open_slide(ready_slide.path) as fast, open_slide(ready_slide.path, reader="openslide") as slow:
        assert (fast.backend, slow.backend) == ("tiff-jpeg", "openslide")
        for name in ("path", "size_px", "levels", "spacing", "bounds_px"):
            assert getattr(fast, name) == getattr(slow, name)
        assert {**slow.metadata, "reader": "tiff-jpeg (verified on 4 tiles)"} == dict(fast.metadata)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_region_of_any_layout_equals_openslide(tmp_path: Path, data: st.DataObject) -> None:
    """Sides that divide by 4, so that OpenSlide blends nothing and every pixel can be compared."""
    draw = data.draw
    size = (4 * draw(st.integers(20, 150), "width"), 4 * draw(st.integers(20, 120), "height"))
    aperio = draw(st.booleans(), "aperio")
    gaps = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 200)), max_size=0 if aperio else 3)
    path = write_slide(
        tmp_path / "slide.svs",
        size,
        16 * draw(st.integers(2, 9), "tile"),
        subsampling=draw(st.sampled_from(["420", "422", "444"]), "subsampling"),
        photometric=draw(st.sampled_from(["ycbcr", "rgb"]), "photometric"),
        aperio=aperio,
        missing=draw(gaps, "missing"),
        seed=draw(st.integers(0, 5), "seed"),
    )
    with open_slide(path, mpp=0.25, reader="tiff-jpeg") as fast, open_slide(path, mpp=0.25, reader="openslide") as slow:
        for _ in range(6):
            level = draw(st.integers(0, 1), "level")
            width, height = slow.levels[level].size_px
            corner = (draw(st.integers(-40, width + 5), "x"), draw(st.integers(-40, height + 5), "y"))
            region = (draw(st.integers(0, 200), "columns"), draw(st.integers(0, 200), "rows"))
            assert np.array_equal(fast.read_region(corner, level, region), slow.read_region(corner, level, region)), (
                level,
                corner,
                region,
            )


def test_the_whole_real_slide_equals_openslide(data_dir: Path) -> None:
    path = data_dir / "wsi" / "cmu-1-small-region.svs"
    with open_slide(path, reader="tiff-jpeg") as fast, open_slide(path, reader="openslide") as slow:
        whole = ((0, 0), 0, slow.size_px)
        assert np.array_equal(fast.read_region(*whole), slow.read_region(*whole))
        assert np.array_equal(fast.thumbnail(500), slow.thumbnail(500))


def test_odd_downsamples_give_stored_pixels(tmp_path: Path) -> None:
    """OpenSlide blends neighbours on a level of 4.0x; here any region is a part of the whole level."""
    path = write_slide(tmp_path / "odd.svs", (503, 339))
    with open_slide(path, reader="tiff-jpeg") as fast, open_slide(path, reader="openslide") as slow:
        level = fast.read_region((0, 0), 1, fast.levels[1].size_px)
        assert np.array_equal(level, slow.read_region((0, 0), 1, slow.levels[1].size_px))
        assert np.array_equal(fast.read_region((77, 41), 1, (30, 20)), level[41:61, 77:107])


def test_an_aperio_slide_with_missing_tiles_is_left_to_openslide(tmp_path: Path) -> None:
    """Which paints them, and present tiles of coarser levels with them, from finer levels."""
    path = write_slide(tmp_path / "gap.svs", missing=[(0, 4)])
    with open_slide(path) as slide:
        assert slide.metadata["reader"] == "openslide (some of its tiles are missing)"


def test_either_byte_order_is_read_alike(tmp_path: Path) -> None:
    found = []
    for order in "<>":
        fd = os.open(write_slide(tmp_path / "order.svs", order=order), os.O_RDONLY)
        found.append(tiled_levels(fd))
        os.close(fd)
    little, big = found
    for one, other in zip(little, big, strict=True):
        assert (one.size_px, one.tile_px, one.photometric) == (other.size_px, other.tile_px, other.photometric)
        assert np.array_equal(one.offsets, other.offsets) and np.array_equal(one.lengths, other.lengths)


@pytest.mark.parametrize("tile", [0, 7])
def test_a_cut_tile_is_as_openslide_reads_it_or_corrupt(tmp_path: Path, tile: int) -> None:
    def cut(levels: list[Tags]) -> None:
        levels[0][325][1][tile] //= 2

    path = write_slide(tmp_path / "cut.svs", change=cut)
    with open_slide(path) as fast, open_slide(path, reader="openslide") as slow:
        whole = ((0, 0), 0, slow.size_px)
        try:
            expected = slow.read_region(*whole)
        except CorruptSlideError:
            with pytest.raises(CorruptSlideError):
                fast.read_region(*whole)
        else:
            assert np.array_equal(fast.read_region(*whole), expected)


def _set(tag: int, kind: int, values: list[int]) -> Callable[[list[Tags]], None]:
    return lambda levels: levels[0].update({tag: (kind, values)})


DECLINED = {
    "offsets beyond the file": _set(324, LONG, [2**31] * 12),
    "lengths beyond the file": _set(325, LONG, [2**31] * 12),
    "too few offsets": _set(324, LONG, [8] * 3),
    "a huge level": lambda levels: levels[0].update({256: (LONG, [2**31 - 1]), 257: (LONG, [400])}),
    "separate planes": _set(284, SHORT, [2]),
    "sixteen bits": _set(258, SHORT, [16, 16, 16]),
    "two samples": _set(277, SHORT, [2]),
    "another codec": _set(259, SHORT, [5]),
    "tile of no width": _set(322, SHORT, [0]),
    "a grey photometric": _set(262, SHORT, [1]),
    "many widths": _set(256, LONG, [500, 500, 500]),
}


@pytest.mark.parametrize("what", DECLINED)
def test_an_odd_file_is_left_to_openslide_or_refused_with_a_code(tmp_path: Path, what: str) -> None:
    path = write_slide(tmp_path / "odd.svs", change=DECLINED[what])
    with pytest.raises((SlideError, UnsupportedSlideError)):
        open_slide(path, mpp=0.25, reader="tiff-jpeg").read_region((0, 0), 0, (64, 64))
    try:
        with open_slide(path, mpp=0.25) as slide:
            assert slide.backend == "openslide"
            assert str(slide.metadata["reader"]).startswith("openslide (")
            slide.read_region((0, 0), 0, (64, 64))
    except SlideError as error:
        assert "\n" not in str(error) and str(tmp_path) not in str(error)


def test_directories_in_a_circle_end(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "loop.svs", loop=True)
    fd = os.open(path, os.O_RDONLY)
    with pytest.raises(FastPathDoubtError, match="circle"):
        tiled_levels(fd)
    os.close(fd)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=6), cut=st.floats(0, 1))
def test_damaged_directories_are_doubted_or_bounded(tmp_path: Path, flips: list[tuple[int, int]], cut: float) -> None:
    path = write_slide(tmp_path / "d.svs", (200, 150), 64)
    content = bytearray(path.read_bytes())
    tail = len(content) - 700
    for at, value in flips:
        content[at if at < 8 else tail + at - 1] = value
    path.write_bytes(content if cut > 0.3 else content[: int(len(content) * cut)])
    fd = os.open(path, os.O_RDONLY)
    try:
        for level in tiled_levels(fd):
            assert len(level.offsets) == len(level.lengths) <= 2**24
    except FastPathDoubtError as doubt:
        assert str(doubt)
    finally:
        os.close(fd)


def test_a_pixel_that_differs_from_openslides_declines_the_file(
    ready_slide: SyntheticSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wsi.readers.tiled import jpeg_tiff as tiff_reader

    def wrong(head: bytes, tile: bytes, into: np.ndarray) -> None:
        into[:] = 200

    monkeypatch.setattr(tiff_reader, "decode_tile", wrong)
    with open_slide(ready_slide.path) as slide:
        assert slide.backend == "openslide"
        assert slide.metadata["reader"] == "openslide (its tiles come out differently)"
    with pytest.raises(UnsupportedSlideError, match="declines"):
        open_slide(ready_slide.path, reader="tiff-jpeg")


def test_each_tile_is_decoded_once_by_threads_that_share(
    ready_slide: SyntheticSlide, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wsi.readers.tiled import jpeg_tiff as tiff_reader

    with open_slide(ready_slide.path) as slide:
        expected = slide.read_region((0, 0), 0, slide.size_px)
    decoded = []
    decode = tiff_reader.decode_tile
    monkeypatch.setattr(
        tiff_reader, "decode_tile", lambda head, tile, into: decoded.append(tile) or decode(head, tile, into)
    )
    with open_slide(ready_slide.path) as slide:
        handles = [slide.reopen() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            regions = list(pool.map(lambda handle: handle.read_region((0, 0), 0, handle.size_px), handles))
        assert all(np.array_equal(region, expected) for region in regions)
        for handle in handles:
            handle.close()
    level_0 = -(-1603 // 256) * -(-1207 // 256)
    assert len(decoded) == level_0 + 2  # and the tiles of levels 1 and 2 that were looked at on opening


def _coloured(tmp_path: Path, *, tiles_say: str, tags_say: str, glass: bool, aperio: bool, change=None) -> Path:
    """A slide of one level whose tiles are JPEG in the colour space `tiles_say`, with its marker."""
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[:] = (222, 60, 196)
    pixels[::3, ::2] = (96, 52, 130)
    if glass:
        pixels[:, 150:] = 244
    tiles = []
    for y in range(0, 200, 64):
        for x in range(0, 300, 64):
            part = np.pad(pixels, ((0, 64), (0, 64), (0, 0)), mode="edge")[y : y + 64, x : x + 64]
            buffer = io.BytesIO()
            Image.fromarray(part).save(buffer, "JPEG", quality=92, subsampling=0, keep_rgb=tiles_say == "rgb")
            tiles.append(buffer.getvalue())
    text = APERIO.format(300, 200, 64, 64) if aperio else ""
    tags = level_tags((300, 200), 64, tiles, tags_say, "444", text)
    return write_tiff(tmp_path / "x.svs", [(tags, tiles)], change=change)


@pytest.mark.parametrize("aperio", [False, True])
@pytest.mark.parametrize(("tiles_say", "tags_say"), [("rgb", "ycbcr"), ("ycbcr", "rgb")])
def test_contradicting_colour_spaces_are_told_apart_by_glass(
    tmp_path: Path, tiles_say: str, tags_say: str, aperio: bool
) -> None:
    path = _coloured(tmp_path, tiles_say=tiles_say, tags_say=tags_say, glass=True, aperio=aperio)
    with open_slide(path, mpp=0.25) as slide:
        assert slide.metadata["reader"] == "tiff-jpeg (colours as its tiles say, not as its tags)"
        region = slide.read_region((0, 0), 0, (300, 200)).astype(int)
        assert np.abs(region[:, 200:] - 244).max() < 4
        assert np.abs(region[1, 11:120:2] - (222, 60, 196)).mean() < 12
        with slide.reopen() as other:
            assert np.array_equal(other.read_region((0, 0), 0, (300, 200)), region)


def test_contradicting_colour_spaces_without_glass_are_refused(tmp_path: Path) -> None:
    path = _coloured(tmp_path, tiles_say="rgb", tags_say="ycbcr", glass=False, aperio=False)
    with pytest.raises(UnsupportedSlideError, match="contradicts itself"):
        open_slide(path, mpp=0.25)


@pytest.mark.parametrize("space", ["rgb", "ycbcr"])
def test_a_marker_that_agrees_changes_nothing(tmp_path: Path, space: str) -> None:
    with open_slide(_coloured(tmp_path, tiles_say=space, tags_say=space, glass=False, aperio=True), mpp=0.25) as slide:
        assert slide.metadata["reader"] == "tiff-jpeg (verified on 2 tiles)"


@pytest.mark.parametrize("tiles_say", ["rgb", "ycbcr"])
@pytest.mark.parametrize("glass", [True, False])
@pytest.mark.parametrize("aperio", [True, False])
def test_openslide_is_not_asked_for_colours_that_it_would_show_wrongly(
    tmp_path: Path, tiles_say: str, glass: bool, aperio: bool
) -> None:
    tags_say = "ycbcr" if tiles_say == "rgb" else "rgb"
    path = _coloured(tmp_path, tiles_say=tiles_say, tags_say=tags_say, glass=glass, aperio=aperio)
    with pytest.raises(UnsupportedSlideError, match="contradicts itself"):
        open_slide(path, mpp=0.25, reader="openslide")
    agreeing = _coloured(tmp_path, tiles_say=tiles_say, tags_say=tiles_say, glass=glass, aperio=aperio)
    assert open_slide(agreeing, mpp=0.25, reader="openslide").backend == "openslide"


def test_nor_where_the_fast_reader_leaves_the_slide_to_it(tmp_path: Path) -> None:
    """A tile is missing, which the fast reader declines: OpenSlide would have shown the colours of the tags."""

    def one_missing(directories):
        directories[0][325][1][0] = 0

    path = _coloured(tmp_path, tiles_say="rgb", tags_say="ycbcr", glass=True, aperio=True, change=one_missing)
    with pytest.raises(UnsupportedSlideError, match="contradicts itself"):
        open_slide(path, mpp=0.25)
