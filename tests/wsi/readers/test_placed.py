"""Leica's SCN and Philips' TIFF by own tile access: px equal to OpenSlide's wherever a region lies, or left to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.reader import ReaderContract
from tests.tiffs import noise
from tests.vendors import write_philips, write_scn
from wsi import open_slide
from wsi.errors import CorruptSlideError
from wsi.readers.tiff.directory import tiled_levels
from wsi.slide import KeepsComponents, Slide

# Its corner comes to half a px of the canvas.
_ODD_PLACE = (1_000_250, 1_500_375)


class TestOnScn(ReaderContract):
    @pytest.fixture
    def slide(self, tmp_path: Path) -> Iterator[Slide]:
        with open_slide(write_scn(tmp_path / "x.scn", places_nm=(_ODD_PLACE,)), reader="tiff-jpeg") as slide:
            yield slide


class TestOnScnWithBlendedLevels(ReaderContract):
    @pytest.fixture
    def slide(self, tmp_path: Path) -> Iterator[Slide]:
        with open_slide(write_scn(tmp_path / "x.scn", (1203, 907)), reader="tiff-jpeg") as slide:
            yield slide


class TestOnPhilips(ReaderContract):
    @pytest.fixture
    def slide(self, tmp_path: Path) -> Iterator[Slide]:
        path = write_philips(tmp_path / "x.tiff", missing=[(0, 0), (0, 9), (1, 1)])
        with open_slide(path, reader="tiff-jpeg") as slide:
            yield slide


def _equal_everywhere(path: Path, data: st.DataObject) -> str:
    """Compares regions on and around what was scanned; gives what the reader that is taken says of itself."""
    with open_slide(path) as fast, open_slide(path, reader="openslide") as slow:
        assert (fast.levels, fast.bounds_px, fast.spacing) == (slow.levels, slow.bounds_px, slow.spacing)
        for _ in range(6):
            level = data.draw(st.integers(0, len(slow.levels) - 1), "level")
            x, y, width, height = (round(side / slow.levels[level].downsample) for side in slow.bounds_px)
            corner = (data.draw(st.integers(x - 90, x + width + 9)), data.draw(st.integers(y - 90, y + height + 9)))
            region = (data.draw(st.integers(0, 200), "columns"), data.draw(st.integers(0, 200), "rows"))
            ours, theirs = (slide.read_region(corner, level, region) for slide in (fast, slow))
            assert np.array_equal(ours, theirs), (level, corner, region)
        assert np.array_equal(fast.thumbnail(300), slow.thumbnail(300))
        return str(fast.metadata["reader"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_region_of_an_scn_equals_openslide(tmp_path: Path, data: st.DataObject) -> None:
    places = st.tuples(st.integers(0, 3_000_000), st.integers(0, 2_500_000))
    size = (data.draw(st.integers(300, 900), "width"), data.draw(st.integers(300, 900), "height"))
    path = write_scn(
        tmp_path / "x.scn",
        size,
        places_nm=(data.draw(places, "place"),),
        downsamples=data.draw(st.sampled_from([(1,), (1, 2), (1, 4), (1, 2, 4)]), "downsamples"),
    )
    assert _equal_everywhere(path, data).startswith("tiff-jpeg (verified")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_region_of_a_philips_tiff_equals_openslide(tmp_path: Path, data: st.DataObject) -> None:
    size = (data.draw(st.integers(200, 1000), "width"), data.draw(st.integers(200, 1000), "height"))
    path = write_philips(
        tmp_path / "x.tiff",
        size,
        downsamples=data.draw(st.sampled_from([(1,), (1, 2), (1, 4, 16), (1, 2, 4, 8, 16)]), "downsamples"),
        missing=data.draw(st.lists(st.tuples(st.just(0), st.integers(0, 3)), max_size=2), "missing"),
    )
    assert _equal_everywhere(path, data).startswith("tiff-jpeg (verified")


def test_a_scan_lies_where_its_view_says_on_white(tmp_path: Path) -> None:
    with open_slide(write_scn(tmp_path / "x.scn", places_nm=((1_000_000, 1_500_000),))) as slide:
        assert slide.backend == "tiff-jpeg"
        assert slide.bounds_px == (2000, 3000, 1200, 900)
        around = slide.read_region((1990, 2990), 0, (1220, 920)).astype(int)
    assert np.abs(around[10:-10, 10:-10] - noise(1200, 900)).mean() < 30  # what JPEG costs noise
    around[10:-10, 10:-10] = 255
    assert (around == 255).all()


def test_two_scans_on_a_canvas_are_left_to_openslide(tmp_path: Path) -> None:
    path = write_scn(tmp_path / "two.scn", places_nm=((0, 0), (2_000_000, 1_000_000)))
    with open_slide(path) as slide:
        assert slide.metadata["reader"] == "openslide (its levels cannot be told apart)"


def test_a_scan_with_a_tile_never_written_is_damaged_for_either_reader(tmp_path: Path) -> None:
    """OpenSlide paints such a tile of an SCN not at all; it says that the file is broken."""
    path = write_scn(tmp_path / "gap.scn", places_nm=((0, 0),), missing=[3])
    for reader in ("auto", "openslide"):
        with open_slide(path, reader=reader) as slide, pytest.raises(CorruptSlideError):
            slide.read_region((0, 0), 0, slide.size_px)


def test_as_stored_components_a_level_that_openslide_blends_is_left_out(tmp_path: Path) -> None:
    """Its px are converted already, and the others are not: a picture must not be pieced together of both."""
    with open_slide(write_scn(tmp_path / "x.scn", (1203, 907)), reader="tiff-jpeg") as slide:
        assert isinstance(slide, KeepsComponents) and len(slide.levels) == 2
        with slide.stored_components() as stored:
            assert stored.levels == slide.levels[:1]
            corner = (slide.bounds_px[0], slide.bounds_px[1])
            assert not np.array_equal(stored.read_region(corner, 0, (64, 64)), slide.read_region(corner, 0, (64, 64)))


def test_a_damaged_tile_costs_no_other_that_openslide_paints(tmp_path: Path) -> None:
    path = write_philips(tmp_path / "x.tiff", missing=[(0, 9)])
    with path.open("r+b") as file:
        tiles = tiled_levels(file.fileno())[0]
        file.seek(int(tiles.offsets[0]))
        file.write(bytes(int(tiles.lengths[0])))
    with open_slide(path, reader="tiff-jpeg") as slide:
        with pytest.raises(CorruptSlideError):
            slide.read_region((0, 0), 0, (9, 9))
        assert (slide.read_region((128, 128), 0, (128, 128)) == 255).all()  # the tile that was never written
