"""NDPI in strips: px as they were drawn and as OpenSlide gives them, and files that lie about their strips."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import openslide
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.reader import ReaderContract
from tests.ndpis import LONG, NdpiLevel, cut_level, entry_of, whole_level, write_ndpi
from wsi import open_slide, registry
from wsi.errors import CorruptSlideError, SlideError, UnsupportedSlideError
from wsi.readers.tiff.directory import FastPathDoubtError
from wsi.readers.tiff.ndpi import read_levels, strip_places
from wsi.slide import Halves, Slide
from wsi.synthetic.tissue import paint_tissue

SIZE_PX, SMALL_PX, STRIP_PX = (1024, 384), (256, 96), 256


def picture(width: int = SIZE_PX[0], height: int = SIZE_PX[1], seed: int = 0) -> np.ndarray:
    return np.ascontiguousarray(paint_tissue("adenocarcinoma", (width, height), 0.5, seed))


def levels_of(subsampling: str = "444", strip_px: int | None = STRIP_PX) -> list[NdpiLevel]:
    whole = picture()
    small = cv2.resize(whole, SMALL_PX, interpolation=cv2.INTER_AREA)
    return [cut_level(whole, strip_px, subsampling), cut_level(small, None, subsampling)]


def drawn(path: Path, subsampling: str = "444", strip_px: int | None = STRIP_PX, **more) -> Path:
    return write_ndpi(path, levels_of(subsampling, strip_px), **more)


class TestInColumns(ReaderContract):
    @pytest.fixture
    def slide(self, tmp_path: Path) -> Iterator[Slide]:
        with open_slide(drawn(tmp_path / "x.ndpi"), reader="ndpi-jpeg") as slide:
            yield slide


class TestBesideOpenSlidesLevels(ReaderContract):
    """The smallest level has no restart markers, and so is OpenSlide's."""

    @pytest.fixture
    def slide(self, tmp_path: Path) -> Iterator[Slide]:
        whole, small = levels_of()
        path = write_ndpi(tmp_path / "x.ndpi", [whole, whole_level(small.px)])
        with open_slide(path, reader="ndpi-jpeg") as slide:
            yield slide


def test_what_the_slide_is_comes_from_openslide(tmp_path: Path) -> None:
    path = drawn(tmp_path / "x.ndpi")
    with open_slide(path) as fast, open_slide(path, reader="openslide") as slow:
        assert (fast.backend, slow.backend) == ("ndpi-jpeg", "openslide")
        for name in ("path", "size_px", "levels", "spacing", "bounds_px"):
            assert getattr(fast, name) == getattr(slow, name)
        assert {**slow.metadata, "reader": "ndpi-jpeg (verified on 3 blocks)"} == dict(fast.metadata)
        assert [level.size_px for level in fast.levels] == [SIZE_PX, SMALL_PX]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_region_of_any_layout_is_as_it_was_drawn(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    subsampling = draw(st.sampled_from(["422", "444"]), "subsampling")
    strip_px = 16 * draw(st.integers(1, 12), "strip")
    size = (strip_px * draw(st.integers(1, 4), "columns"), 8 * draw(st.integers(1, 50), "rows"))
    level = cut_level(picture(*size, seed=draw(st.integers(0, 3), "seed")), strip_px, subsampling)
    path = write_ndpi(tmp_path / "slide.ndpi", [level])
    with open_slide(path, reader="ndpi-jpeg") as fast, open_slide(path, reader="openslide") as slow:
        assert np.array_equal(fast.read_region((0, 0), 0, size), level.px)
        for _ in range(4):
            corner = (draw(st.integers(-40, size[0] + 5), "x"), draw(st.integers(-40, size[1] + 5), "y"))
            region = (draw(st.integers(0, 200), "width"), draw(st.integers(0, 200), "height"))
            assert np.array_equal(fast.read_region(corner, 0, region), slow.read_region(corner, 0, region))


@pytest.mark.parametrize(("subsampling", "strip_px"), [("444", 256), ("422", 512), ("422", None)])
def test_each_level_is_as_it_was_drawn(tmp_path: Path, subsampling: str, strip_px: int | None) -> None:
    levels = levels_of(subsampling, strip_px)
    path = write_ndpi(tmp_path / "x.ndpi", levels)
    with openslide.OpenSlide(str(path)) as raw, open_slide(path) as slide:
        assert raw.properties["openslide.vendor"] == "hamamatsu"
        assert slide.backend == "ndpi-jpeg"
        for number, level in enumerate(levels):
            assert level.size_px in raw.level_dimensions
            assert np.array_equal(slide.read_region((0, 0), number, level.size_px), level.px)


def test_every_px_of_real_files_equals_openslides(data_dir: Path) -> None:
    paths = sorted((data_dir / "wsi").glob("*.ndpi"))
    if not paths:
        pytest.skip("no NDPI among the real data")
    for path in paths:
        with open_slide(path, reader="ndpi-jpeg") as fast, open_slide(path, reader="openslide") as slow:
            for number, level in enumerate(fast.levels):
                for y in range(0, level.size_px[1], 1000):
                    for x in range(0, level.size_px[0], 1000):
                        window = ((x, y), number, (1000, 1000))
                        assert np.array_equal(fast.read_region(*window), slow.read_region(*window)), window


def test_a_level_wider_than_a_jpeg_can_tell(tmp_path: Path) -> None:
    """Its head claims no width at all."""
    level = cut_level(picture(2048, 16), 1024, beside=33, claimed=(0, 16))
    path = write_ndpi(tmp_path / "x.ndpi", [level])
    with open_slide(path) as slide:
        assert slide.backend == "ndpi-jpeg"
        assert slide.size_px == (67_584, 16)
        assert np.array_equal(slide.read_region((66_000, 0), 0, (1584, 16)), level.px[:, 66_000:])


def test_a_level_whose_last_rows_make_no_strip_is_openslides(tmp_path: Path) -> None:
    whole = picture(1024, 400)
    small = cv2.resize(whole, (256, 100), interpolation=cv2.INTER_AREA)
    filled = cut_level(np.pad(small, ((0, 4), (0, 0), (0, 0)), mode="edge"))
    cut = NdpiLevel((256, 100), filled.head, filled.strips, filled.px[:100])
    cut.head = cut.head.replace(struct.pack(">HH", 104, 256), struct.pack(">HH", 100, 256))
    cut.tags[65426] = (LONG, cut.starts[:-1])
    path = write_ndpi(tmp_path / "x.ndpi", [cut_level(whole, STRIP_PX), cut])
    with open_slide(path) as fast, open_slide(path, reader="openslide") as slow:
        assert fast.backend == "ndpi-jpeg"
        shown = fast.read_region((0, 0), 1, (256, 100))
        assert np.array_equal(shown, slow.read_region((0, 0), 1, (256, 100)))
        assert np.array_equal(shown[:96], cut.px[:96])
        assert isinstance(fast, Halves) and fast.half_region((0, 0), 1, (8, 8)) is None


def test_other_focal_planes_are_passed_over(tmp_path: Path) -> None:
    sharp, blurred = levels_of(), levels_of()
    planes = []
    for plane, levels in ((-1, blurred), (0, sharp), (1, blurred)):
        for level in levels:
            planes.append(NdpiLevel(level.size_px, level.head, list(level.strips), level.px, {65424: (9, [plane])}))
    for level in (*planes[:2], *planes[4:]):
        level.strips[:] = level.strips[::-1]  # another picture
    path = write_ndpi(tmp_path / "x.ndpi", planes)
    with open_slide(path) as slide:
        assert slide.backend == "ndpi-jpeg"
        assert np.array_equal(slide.read_region((0, 0), 0, SIZE_PX), sharp[0].px)
        assert np.array_equal(slide.read_region((0, 0), 1, SMALL_PX), sharp[1].px)


def test_what_lies_beyond_4_gb_is_found(tmp_path: Path) -> None:
    """There the directories are, too, and levels that OpenSlide makes itself are told apart as ever."""
    path = drawn(tmp_path / "x.ndpi", start_at=(1 << 32) + 4096)
    with open_slide(path) as slide, open_slide(path, reader="openslide") as slow:
        assert slide.backend == "ndpi-jpeg"
        assert [level.size_px for level in slide.levels] == [level.size_px for level in slow.levels]
        assert len(slow.levels) == 2
        for number, level in enumerate(levels_of()):
            assert np.array_equal(slide.read_region((0, 0), number, level.size_px), level.px)


@pytest.mark.parametrize("subsampling", ["444", "422"])
def test_a_halved_level_is_its_area_average(tmp_path: Path, subsampling: str) -> None:
    with open_slide(drawn(tmp_path / "x.ndpi", subsampling)) as slide:
        assert isinstance(slide, Halves)
        half = slide.half_region((0, 0), 0, (512, 192))
        assert half is not None
        averaged = cv2.resize(slide.read_region((0, 0), 0, SIZE_PX), (512, 192), interpolation=cv2.INTER_AREA)
        assert np.abs(half.astype(int) - averaged).mean() < 3
        assert np.abs(half.astype(int) - np.roll(averaged, 1, axis=1)).mean() > 3


def _places(change: Callable[[list[int]], list[int]]) -> Callable[[bytearray], None]:
    """The list of strips of level 0, changed; it may not get longer."""

    def spoil(data: bytearray) -> None:
        at = entry_of(data, 0, 65426)
        count, place = struct.unpack_from("<II", data, at + 4)
        found = change(list(struct.unpack_from(f"<{count}I", data, place)))
        struct.pack_into(f"<{len(found)}I", data, place, *found)
        struct.pack_into("<I", data, at + 4, len(found))

    return spoil


def _field(tag: int, value: int, *, count: bool = False) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into("<I", data, entry_of(data, 0, tag) + (4 if count else 8), value)


def _head(find: bytes, skip: int, put: bytes) -> Callable[[bytearray], None]:
    """`put` so many bytes behind `find` in the JPEG of level 0."""

    def spoil(data: bytearray) -> None:
        [start] = struct.unpack_from("<I", data, entry_of(data, 0, 273) + 8)
        at = data.index(find, start) + skip
        data[at : at + len(put)] = put

    return spoil


def _link(data: bytes) -> int:
    """Where the first directory tells of the second."""
    [place] = struct.unpack_from("<Q", data, 4)
    [count] = struct.unpack_from("<H", data, place)
    return place + 2 + 12 * count


def _swapped(places: list[int]) -> list[int]:
    return [*places[:7], places[8], places[7], *places[9:]]


HOSTILE = {
    "no list of strips": _field(65426, 0, count=True),
    "a list too short": _places(lambda places: places[:-1]),
    "a list without end": _field(65426, 2**31, count=True),
    "a list of 2^32": _field(65426, 2**32 - 1, count=True),
    "strips far beyond the file": _places(lambda places: [*places[:-1], 2**32 - 1]),
    "strips that go back": _places(_swapped),
    "strips that lie upon each other": _places(lambda places: [*places[:5], places[4], *places[6:]]),
    "all strips in one place": _places(lambda places: places[:1] * len(places)),
    "strips at random": _places(lambda places: [places[0], *(at + 5 for at in places[1:])]),
    "each strip is the next one": _places(lambda places: [places[0], *places[2:], places[-1] + 40]),
    "the first strip is elsewhere": _places(lambda places: [places[0] + 3, *places[1:]]),
    "strips before the picture's head": _places(lambda places: [0, *places[1:]]),
    "no width": _field(256, 0),
    "no height": _field(257, 0),
    "a width of 2^31 - 1": _field(256, 2**31 - 1),
    "a height of 2^31 - 1": _field(257, 2**31 - 1),
    "less height": _field(257, 376),
    "the picture begins elsewhere": _field(273, 40),
    "the picture begins beyond the file": _field(273, 2**32 - 1),
    "the picture is longer than the file": _field(279, 2**32 - 1),
    "the picture is short": _field(279, 2_000),
    "markers that divide no row": _head(b"\xff\xdd", 4, b"\0\x1f"),
    "twice the markers": _head(b"\xff\xdd", 4, b"\0\x10"),
    "half the markers": _head(b"\xff\xdd", 4, b"\0\x40"),
    "a marker a row and more": _head(b"\xff\xdd", 4, b"\xff\xff"),
    "no markers told": _head(b"\xff\xdd", 4, b"\0\0"),
    "progressive": _head(b"\xff\xc0", 1, b"\xc2"),
    "lossless": _head(b"\xff\xc0", 1, b"\xc3"),
    "arithmetic": _head(b"\xff\xc0", 1, b"\xc9"),
    "12 bits": _head(b"\xff\xc0", 4, b"\x0c"),
    "16 bits": _head(b"\xff\xc0", 4, b"\x10"),
    "one colour": _head(b"\xff\xc0", 9, b"\x01"),
    "four colours": _head(b"\xff\xc0", 9, b"\x04"),
    "another size in the head": _head(b"\xff\xc0", 5, b"\x01\x88\x04\x00"),
    "no size in the head": _head(b"\xff\xc0", 5, b"\0\0\0\0"),
    "colours halved": _head(b"\xff\xc0", 11, b"\x21"),
    "colours halved both ways": _head(b"\xff\xc0", 11, b"\x22"),
    "colours of another layout": _head(b"\xff\xc0", 14, b"\x21"),
    "no Huffman table": _head(b"\xff\xc4", 1, b"\xfe"),
    "a Huffman table of nonsense": _head(b"\xff\xc4", 5, b"\xff" * 12),
    "a segment without end": _head(b"\xff\xdb", 2, b"\xff\xff"),
    "a scan of some coefficients": _head(b"\xff\xda", 11, b"\x01\x08\x00"),
    "no plane told": _field(65424, 0, count=True),
    "another plane": _field(65424, 7),
    "no lens": _field(65421, 0),
    "another compression": _field(259, 5),
    "rows of another number": _field(278, 8),
    "directories in a circle": lambda data: struct.pack_into(
        "<Q", data, _link(data), *struct.unpack_from("<Q", data, 4)
    ),
}


def _whole(path: Path) -> np.ndarray | str:
    """Level 0, or what is told in its stead."""
    try:
        with open_slide(path, mpp=0.5) as slide:
            return slide.read_region((0, 0), 0, slide.size_px)
    except SlideError as error:
        assert "\n" not in str(error) and str(path.parent) not in str(error)
        return error.code


@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_that_lies_is_read_or_refused_as_without_this_reader(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drawn(tmp_path / "x.ndpi")
    data = bytearray(path.read_bytes())
    HOSTILE[what](data)
    assert data != path.read_bytes()
    path.write_bytes(data)
    ours = _whole(path)
    others = tuple(reader for reader in registry.READERS if reader.name != "ndpi-jpeg")
    monkeypatch.setattr(registry, "READERS", others)
    theirs = _whole(path)
    assert type(ours) is type(theirs)
    assert np.array_equal(ours, theirs)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(0, 480), st.integers(0, 255)), min_size=1, max_size=6), cut=st.floats(0, 1))
def test_damaged_directories_are_doubted_or_bounded(tmp_path: Path, flips: list[tuple[int, int]], cut: float) -> None:
    """The list of strips and the directories, which lie at the end, and the first one's place."""
    drawn_level = cut_level(np.zeros((64, 256, 3), np.uint8), 64)
    path = write_ndpi(tmp_path / "d.ndpi", [drawn_level])
    content, head_bytes = bytearray(path.read_bytes()), len(drawn_level.head)
    tail = 12 + len(drawn_level.jpeg)
    for at, value in flips:
        content[at if at < 12 else tail + at - 12] = value
    path.write_bytes(content if cut > 0.3 else content[: int(len(content) * cut)])
    fd = os.open(path, os.O_RDONLY)
    try:
        for level in read_levels(fd):
            assert 0 <= level.start <= level.end <= len(content)
            places = strip_places(fd, level, 32, head_bytes)
            assert len(places) == 33 and (np.diff(places) > 2).all()
            assert level.start + head_bytes == places[0] and places[-1] == level.end
    except FastPathDoubtError as doubt:
        assert str(doubt)
    finally:
        os.close(fd)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.99])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    path = drawn(tmp_path / "x.ndpi")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert _whole(path) in ("corrupt-slide", "unsupported-format")


def _stored(data: bytes) -> tuple[int, list[int]]:
    """Where the JPEG of level 0 begins, and its strips from there."""
    [start] = struct.unpack_from("<I", data, entry_of(data, 0, 273) + 8)
    count, place = struct.unpack_from("<II", data, entry_of(data, 0, 65426) + 4)
    return start, list(struct.unpack_from(f"<{count}I", data, place))


def test_markers_that_are_numbered_wrongly_matter_not(tmp_path: Path) -> None:
    """Nor do they to OpenSlide, which decodes each strip alone."""
    path = drawn(tmp_path / "x.ndpi")
    data = bytearray(path.read_bytes())
    start, places = _stored(data)
    for number, place in enumerate(places[1:]):
        data[start + place - 1] = 0xD0 + number * 5 % 8
    path.write_bytes(data)
    with open_slide(path) as slide:
        assert slide.backend == "ndpi-jpeg"
        assert np.array_equal(slide.read_region((0, 0), 0, SIZE_PX), levels_of()[0].px)


SPOILT_STRIP = {
    "zeros": lambda strip: bytes(len(strip)),
    "a marker inside": lambda strip: strip[:20] + b"\xff\xd3" + strip[22:],
    "an end inside": lambda strip: strip[:20] + b"\xff\xd9" + strip[22:],
    "no marker behind": lambda strip: strip[:-2] + b"\0\0",
    "another marker behind": lambda strip: strip[:-1] + b"\xe0",
    "an end behind": lambda strip: strip[:-1] + b"\xd9",
    "half of it": lambda strip: strip[: len(strip) // 2] + bytes(len(strip) - 2 - len(strip) // 2) + strip[-2:],
}


AROUND = (((260, 8), (20, 10)), ((0, 0), SIZE_PX), ((260, 20), (20, 10)), ((510, 24), (1, 8)))
NEXT = (((512, 24), (20, 8)), ((600, 0), (20, 30)), ((600, 32), (20, 30)))  # of whose marker OpenSlide takes note, too


@pytest.mark.parametrize("how", SPOILT_STRIP)
def test_a_damaged_strip_has_openslides_word_and_costs_no_other(tmp_path: Path, how: str) -> None:
    path, level = drawn(tmp_path / "x.ndpi"), levels_of()[0]
    data = bytearray(path.read_bytes())
    start, places = _stored(data)
    # One of a block that is looked at on opening would leave the whole file to OpenSlide.
    first, end = start + places[4 * 3 + 1], start + places[4 * 3 + 2]
    data[first:end] = SPOILT_STRIP[how](bytes(data[first:end]))
    path.write_bytes(data)
    with open_slide(path) as fast, open_slide(path, reader="openslide") as slow:
        assert fast.backend == "ndpi-jpeg"
        for corner, size in (
            ((260, 8), (20, 10)),
            ((0, 0), SIZE_PX),
            ((260, 20), (20, 10)),
            ((510, 24), (1, 8)),
            *NEXT,
        ):
            try:
                with slow.reopen() as fresh:
                    theirs = fresh.read_region(corner, 0, size)
            except CorruptSlideError:
                with pytest.raises(CorruptSlideError):
                    fast.read_region(corner, 0, size)
            else:
                assert np.array_equal(fast.read_region(corner, 0, size), theirs)
        assert np.array_equal(fast.read_region((256, 0), 0, (256, 24)), level.px[:24, 256:512])
        assert np.array_equal(fast.read_region((768, 0), 0, (256, 384)), level.px[:, 768:])
        if how == "zeros":
            with pytest.raises(CorruptSlideError):
                fast.read_region((260, 24), 0, (4, 4))
            assert isinstance(fast, Halves) and fast.half_region((130, 10), 0, (8, 8)) is None


def test_px_that_differ_from_openslides_decline_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wsi.readers.tiled import ndpi_jpeg

    decode = ndpi_jpeg.decode_strip

    def wrong(head, strip, into, **how):
        decode(head, strip, into, **how)
        into[-1, -1, 0] ^= 1

    monkeypatch.setattr(ndpi_jpeg, "decode_strip", wrong)
    path = drawn(tmp_path / "x.ndpi")
    with open_slide(path) as slide:
        assert slide.metadata["reader"] == "openslide (its strips come out differently)"
    with pytest.raises(UnsupportedSlideError, match="declines"):
        open_slide(path, reader="ndpi-jpeg")


def test_levels_of_one_size_are_not_guessed_at(tmp_path: Path) -> None:
    whole, small = levels_of()
    path = write_ndpi(tmp_path / "x.ndpi", [whole, small, small])
    assert _whole(path) == "corrupt-slide"
