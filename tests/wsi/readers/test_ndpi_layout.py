"""What an NDPI says of its strips, looked at alone: odd heads and lists, refused whatever OpenSlide makes of them."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.ndpis import LONG, SHORT, cut_level, entry_of, write_ndpi
from wsi.readers.tiff.directory import FastPathDoubtError
from wsi.readers.tiff.jpeg_strips import between_markers, decode_strip, read_head
from wsi.readers.tiff.jpeg_tile import OddJpegError
from wsi.readers.tiff.ndpi import NdpiLevel, level_sizes, read_levels, strip_places

SOF, DRI, SOS = b"\xff\xc0", b"\xff\xdd", b"\xff\xda"


def level(subsampling: str = "444", strip_px: int = 64):
    rng = np.random.default_rng(0)
    return cut_level(rng.integers(0, 256, (64, 256, 3), np.uint8), strip_px, subsampling)


def changed(find: bytes, skip: int, put: bytes) -> bytes:
    head = bytearray(level().head)
    at = head.index(find) + skip
    head[at : at + len(put)] = put
    return bytes(head)


@pytest.mark.parametrize(("subsampling", "strip_px"), [("444", 64), ("422", 64), ("444", 256)])
def test_a_head_tells_the_size_of_a_strip_and_of_all(subsampling: str, strip_px: int) -> None:
    made = level(subsampling, strip_px)
    head = read_head(made.head + made.strips[0])
    assert head is not None
    assert (head.size_px, head.strip_px, head.length) == ((256, 64), (strip_px, 8), len(made.head))
    px = np.empty((8, strip_px, 3), np.uint8)
    decode_strip(head, made.strips[0], px)
    assert np.array_equal(px, made.px[:8, :strip_px])


def test_sizes_of_two_bytes_are_told_whole() -> None:
    made = cut_level(np.zeros((264, 4096 + 16, 3), np.uint8))
    head = read_head(made.head)
    assert head is not None and (head.size_px, head.strip_px) == ((4112, 264), (4112, 8))


def test_what_a_head_says_beside_the_picture_is_left_out() -> None:
    words = b"".join(b"\xff" + kind + b"\0\x09Patient" for kind in (b"\xe1", b"\xed", b"\xef", b"\xfe"))
    words += b"\xff\xfe\0\x04Hi"  # as long as an interval
    plain = level().head
    for at in (2, plain.index(SOS)):
        head = read_head(plain[:at] + words + plain[at:])
        assert head is not None and head.length == len(plain) + len(words)
        assert head.strip_px == (64, 8)
        assert b"Patient" not in head.of_one and b"JFIF" in head.of_one


ODD_HEADS = {
    "no beginning": level().head[1:],
    "an end in its place": b"\xff\xd9" + level().head[2:],
    "words before": b"x" + level().head,
    "words between": changed(b"\xff\xdb", 0, b"\0"),
    "a segment of no length": changed(b"\xff\xdb", 2, b"\0\1"),
    "a segment that ends beyond": changed(b"\xff\xdb", 2, b"\xff\xf0"),
    "no scan": level().head[:-14],
    "half a scan": level().head[:-5],
    "no size": changed(SOF, 1, b"\xfe"),
    "two sizes": changed(b"\xff\xdb", 1, b"\xc0"),
    "a segment that nobody knows": changed(b"\xff\xdb", 1, b"\xdc"),
    "arithmetic": changed(SOF, 1, b"\xc9"),
    "progressive": changed(SOF, 1, b"\xc2"),
    "12 bits": changed(SOF, 4, b"\x0c"),
    "four colours": changed(SOF, 9, b"\x04"),
    "a frame of another length": changed(SOF, 2, b"\0\x12"),
    "an interval of another length": level().head.replace(DRI + b"\0\x04", DRI + b"\0\x05\0"),
    "colours halved downwards": changed(SOF, 11, b"\x12"),
    "colours halved both ways": changed(SOF, 11, b"\x22"),
    "a second colour of another layout": changed(SOF, 14, b"\x21"),
    "a third colour of another layout": changed(SOF, 17, b"\x21"),
    "a scan of two colours": changed(SOS, 4, b"\x02"),
    "a scan of other colours": changed(SOS, 7, b"\x07"),
    "a scan from the second coefficient": changed(SOS, 11, b"\x01"),
    "a scan of few coefficients": changed(SOS, 12, b"\x08"),
    "a scan of few bits": changed(SOS, 13, b"\x10"),
}


@pytest.mark.parametrize("what", ODD_HEADS)
def test_a_head_of_another_kind_is_odd(what: str) -> None:
    with pytest.raises(OddJpegError):
        read_head(ODD_HEADS[what])


def test_a_head_without_restart_markers_has_no_strips() -> None:
    assert read_head(changed(DRI, 4, b"\0\0")) is None
    whole = level().head
    at = whole.index(DRI)
    assert read_head(whole[:at] + whole[at + 6 :]) is None


@pytest.mark.parametrize(
    ("data", "first", "last", "found"),
    [
        (b"\xff\xd3abc\xff\xd1", False, False, b"abc"),
        (b"\xff\xd0a\xff\xd7", False, False, b"a"),
        (b"..abc\xff\xd0", True, False, b"abc"),
        (b"\xff\xd3abc\xff\xd9", False, True, b"abc"),
        (b"\xff\xd3abc\xff\xd9", False, False, None),
        (b"..abc\xff\xd0", False, False, None),
        (b"\xff\xd8abc\xff\xd0", False, False, None),
        (b"\xff\xcfabc\xff\xd0", False, False, None),
        (b"\xd0\xd0abc\xff\xd0", False, True, None),
        (b"\xff\xd0abc..", True, True, None),
        (b"\xff\xd0\xff\xd1", False, False, None),
        (b"\xff\xd0", True, True, None),
        (b"", True, True, None),
    ],
)
def test_a_strip_stands_between_its_markers(data: bytes, first: bool, last: bool, found: bytes | None) -> None:
    if found is not None:
        assert between_markers(data, first=first, last=last) == found
        return
    with pytest.raises(OddJpegError):
        between_markers(data, first=first, last=last)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[int]:
    fd = os.open(write_ndpi(tmp_path / "x.ndpi", [level()]), os.O_RDONLY)
    yield fd
    os.close(fd)


def test_strips_are_where_they_were_written(opened: int) -> None:
    made, [found] = level(), read_levels(opened)
    assert found.size_px == (256, 64)
    assert os.pread(opened, found.end - found.start, found.start) == made.jpeg
    places = strip_places(opened, found, 32, len(made.head))
    assert places.tolist() == [found.start + at for at in [*made.starts, len(made.jpeg)]]


def _places(change) -> list[int]:
    return change(level().starts)


ODD_LISTS = {
    "none": [],
    "one less": _places(lambda at: at[:-1]),
    "one more": _places(lambda at: [*at, at[-1] + 3]),
    "two in one place": _places(lambda at: [*at[:4], at[3], *at[5:]]),
    "a strip of no bytes": _places(lambda at: [*at[:4], at[3] + 2, *at[5:]]),
    "back": _places(lambda at: [*at[:4], at[5], at[4], *at[6:]]),
    "the last behind the picture": _places(lambda at: [*at[:-1], len(level().jpeg)]),
    "the last at the picture's end": _places(lambda at: [*at[:-1], len(level().jpeg) - 2]),
    "the first within the head": _places(lambda at: [at[0] - 1, *at[1:]]),
    "the first behind the head": _places(lambda at: [at[0] + 1, *at[1:]]),
}


@pytest.mark.parametrize("what", ODD_LISTS)
def test_a_list_that_does_not_fit_is_doubted(tmp_path: Path, what: str) -> None:
    made = level()
    made.tags[65426] = (LONG, ODD_LISTS[what])
    fd = os.open(write_ndpi(tmp_path / "x.ndpi", [made]), os.O_RDONLY)
    try:
        [found] = read_levels(fd)
        with pytest.raises(FastPathDoubtError):
            strip_places(fd, found, 32, len(made.head))
    finally:
        os.close(fd)


def test_a_count_is_refused_before_its_memory_is_asked_for(opened: int) -> None:
    [found] = read_levels(opened)
    for count in (0, -1, 31, 33, 1 << 22, 1 << 40):
        with pytest.raises(FastPathDoubtError, match="length"):
            strip_places(opened, found, count, 629)
    with pytest.raises(FastPathDoubtError, match="where its strips"):
        strip_places(opened, NdpiLevel(found.size_px, found.start, found.end, None), 32, 629)


ODD_TAGS = {
    "another compression": {259: (SHORT, [1])},
    "rows of another number": {278: (LONG, [8])},
    "no width": {256: (LONG, [0])},
    "no height": {257: (LONG, [0]), 278: (LONG, [0])},
    "two widths": {256: (LONG, [256, 256])},
    "no lens": {65421: (LONG, [])},
    "a lens that is no float": {65421: (LONG, [20])},
    "no plane": {65424: (LONG, [])},
}


@pytest.mark.parametrize("what", ODD_TAGS)
def test_a_directory_of_another_kind_is_doubted(tmp_path: Path, what: str) -> None:
    made = level()
    made.tags |= ODD_TAGS[what]
    fd = os.open(write_ndpi(tmp_path / "x.ndpi", [made]), os.O_RDONLY)
    try:
        with pytest.raises(FastPathDoubtError):
            read_levels(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize(("tag", "by"), [(279, 0), (279, 1), (273, 1)])
def test_a_level_ends_where_the_file_does_at_the_latest(tmp_path: Path, tag: int, by: int) -> None:
    path = write_ndpi(tmp_path / "x.ndpi", [level()])
    data = bytearray(path.read_bytes())
    [start] = struct.unpack_from("<I", data, entry_of(data, 0, 273) + 8)
    struct.pack_into("<I", data, entry_of(data, 0, 279) + 8, len(data) - start)
    at = entry_of(data, 0, tag) + 8
    struct.pack_into("<I", data, at, struct.unpack_from("<I", data, at)[0] + by)
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        if by:
            with pytest.raises(FastPathDoubtError, match="beyond"):
                read_levels(fd)
        else:
            assert [found.end for found in read_levels(fd)] == [len(data)]
    finally:
        os.close(fd)


def test_macro_and_other_planes_are_no_levels(tmp_path: Path) -> None:
    sharp, blurred = level(), level()
    blurred.tags[65424] = (9, [-1])
    path = write_ndpi(tmp_path / "x.ndpi", [blurred, sharp])
    fd = os.open(path, os.O_RDONLY)
    [found] = read_levels(fd)
    os.close(fd)
    assert found.start > len(level().jpeg)
    assert level_sizes(path) == {(256, 64)}
