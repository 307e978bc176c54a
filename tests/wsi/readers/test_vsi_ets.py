"""Olympus VSI as a slide: the very px of its one scan, and a line for what is not read."""

from __future__ import annotations

import io
import os
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from app.batch.engines.staging.stager import local_parts as parts_of
from app.batch.inputs import collect_jobs
from app.batch.search import make_job
from tests.coded import reduced
from tests.contracts.reader import ReaderContract
from tests.tiffs import noise
from tests.vsis import (
    BGR,
    CODECS,
    PATIENT,
    RGB,
    Ets,
    Stack,
    by_pillow,
    make_ets,
    write_overview,
    write_vsi,
)
from tests.wsi.readers.test_coded_tiff import picture
from wsi import open_slide
from wsi.deidentify.formats import refuse_identifying
from wsi.errors import (
    CorruptSlideError,
    IdentifyingMetadataError,
    MppImplausibleError,
    MppMissingError,
    SlideChangedError,
    SlideError,
    UnsupportedSlideError,
)
from wsi.files.fingerprint import fingerprint
from wsi.files.parts import slides_of
from wsi.readers.slide_files import slide_files
from wsi.spacing import FillIn

LOSSLESS = [name for name in CODECS if name != "jpeg"]


class TestContract(ReaderContract):
    @pytest.fixture(params=CODECS)
    def slide(self, tmp_path: Path, request):
        with open_slide(write_vsi(tmp_path / "x.vsi", picture(), request.param)) as slide:
            yield slide


def check(path: Path, pixels, downsamples=(1, 2, 4)) -> None:
    with open_slide(path) as slide:
        assert slide.backend == "vsi-ets" and [level.downsample for level in slide.levels] == list(downsamples)
        assert slide.spacing.mpp == pytest.approx(0.5) and slide.spacing.source == "slide"
        for number, by in enumerate(downsamples):
            truth = reduced(pixels, by)
            assert np.array_equal(slide.read_region((0, 0), number, truth.shape[1::-1]), truth)


@pytest.mark.parametrize("size", [(1111, 777), (1024, 768), (513, 257), (700, 300)])
@pytest.mark.parametrize("codec", LOSSLESS)
def test_each_codec_gives_the_very_px(tmp_path: Path, codec, size) -> None:
    pixels = picture(*size)
    check(write_vsi(tmp_path / "x.vsi", pixels, codec), pixels)


@pytest.mark.parametrize("tile_px", [(128, 64), (512, 512), (16, 2000)])
def test_tiles_of_any_shape(tmp_path: Path, tile_px) -> None:
    pixels = picture(640, 500)
    check(write_vsi(tmp_path / "x.vsi", pixels, "raw", tile_px=tile_px), pixels)


def test_a_picture_without_coarser_levels(tmp_path: Path) -> None:
    pixels = picture(640, 500)

    def flat(ets: Ets) -> None:
        ets.pyramid = 0

    check(write_vsi(tmp_path / "x.vsi", pixels, "png", levels=1, ets=flat), pixels, (1,))


def test_jpeg_as_pillow_decodes_it(tmp_path: Path) -> None:
    pixels = cv2.GaussianBlur(picture(600, 500), (0, 0), 3)
    path = write_vsi(tmp_path / "x.vsi", pixels)
    with open_slide(path) as slide:
        for (x, y, _, level), tile in make_ets(pixels).tiles:
            truth = np.array(Image.open(io.BytesIO(tile)))
            width, height = (
                min(256, side - 256 * at) for side, at in zip(slide.levels[level].size_px, (x, y), strict=True)
            )
            shown = slide.read_region((256 * x, 256 * y), level, (width, height))
            assert np.abs(shown.astype(int) - truth[:height, :width]).max() <= 2


def test_jpeg_that_says_of_itself_that_it_is_rgb(tmp_path: Path) -> None:
    pixels = cv2.GaussianBlur(picture(512, 512), (0, 0), 3)

    def as_rgb(ets: Ets) -> None:
        ets.tiles = [
            (at, by_pillow("JPEG", quality=90, keep_rgb=True)(np.array(Image.open(io.BytesIO(tile)))))
            for at, tile in ets.tiles
        ]

    with open_slide(write_vsi(tmp_path / "x.vsi", pixels, ets=as_rgb)) as slide:
        assert np.abs(slide.read_region((0, 0), 0, (512, 512)).astype(int) - pixels).mean() < 4


def test_half_of_a_tile_is_the_jpegs_own_half(tmp_path: Path) -> None:
    pixels = cv2.GaussianBlur(picture(512, 512), (0, 0), 3)
    with open_slide(write_vsi(tmp_path / "x.vsi", pixels)) as slide:
        half = slide.half_region((10, 20), 0, (100, 80))
        assert np.abs(half.astype(int) - reduced(pixels, 2)[20:100, 10:110]).mean() < 4
    with open_slide(write_vsi(tmp_path / "y.vsi", pixels, "png")) as slide:
        assert slide.half_region((10, 20), 0, (100, 80)) is None


@pytest.mark.parametrize("codec", CODECS)
def test_what_was_not_scanned_has_the_colour_of_the_background(tmp_path: Path, codec) -> None:
    pixels = picture(1024, 768)
    without = [(0, 1, 1), (0, 3, 2), (1, 0, 0), (0, 0, 0)]
    with open_slide(write_vsi(tmp_path / "x.vsi", pixels, codec, without=without)) as slide:
        assert (slide.read_region((256, 256), 0, (256, 256)) == 255).all()
        assert (slide.read_region((0, 0), 1, (256, 256)) == 255).all()
        assert not (slide.read_region((512, 256), 0, (256, 256)) == 255).all()


@pytest.mark.parametrize(
    ("by_tags", "by_tiles", "shown"),
    [
        (b"\xf0\xe0\xd0", b"\xf0\xe0\xd0", (240, 224, 208)),
        (b"\xf0\xe0\xd0", b"\0\0\0", (255, 255, 255)),  # they contradict each other
        (b"\0\0", b"\0\0\0", (255, 255, 255)),
    ],
)
def test_a_background_is_believed_where_tags_and_tiles_agree(tmp_path: Path, by_tags, by_tiles, shown) -> None:
    def background(ets: Ets) -> None:
        ets.background = by_tiles

    path = write_vsi(
        tmp_path / "x.vsi",
        picture(1024, 768),
        "png",
        without=[(0, 1, 1)],
        stacks=lambda stacks: setattr(stacks[-1], "background", by_tags),
        ets=background,
    )
    with open_slide(path) as slide:
        assert (slide.read_region((300, 300), 0, (50, 50)) == shown).all()


def spoilt(**fields):
    """A change of what the tags tell of the scan."""

    def change(stacks: list[Stack]) -> None:
        stacks[-1] = replace(stacks[-1], **fields)

    return change


@pytest.mark.parametrize(
    ("um_px", "unit", "mpp"),
    [((0.25, 0.25), "10^-6m^1", 0.25), ((344.0, 344.0), "10^-9m^1", 0.344), ((1e-4, 1e-4), "10^-3m^1", 0.1)],
)
def test_the_scale_in_its_unit(tmp_path: Path, um_px, unit, mpp) -> None:
    with open_slide(write_vsi(tmp_path / "x.vsi", picture(), stacks=spoilt(um_px=um_px, unit=unit))) as slide:
        assert slide.spacing.mpp == pytest.approx(mpp) and slide.spacing.source == "slide"


@pytest.mark.parametrize("told", [{"um_px": None}, {"unit": "10^0px^1"}, {"unit": ""}, {"unit": "10^-6m^2"}])
def test_without_a_scale_it_is_asked_for(tmp_path: Path, told) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture(), stacks=spoilt(**told))
    with pytest.raises(MppMissingError):
        open_slide(path)
    with open_slide(path, mpp=0.3) as slide:
        assert (slide.spacing.mpp, slide.spacing.source) == (0.3, "given")


@pytest.mark.parametrize("um_px", [(0.2, 0.4), (-1.0, -1.0), (float("nan"), 0.5), (float("inf"), 1.0), (1e300, 1e300)])
def test_a_scale_that_can_be_none_is_refused(tmp_path: Path, um_px) -> None:
    with pytest.raises(MppImplausibleError):
        open_slide(write_vsi(tmp_path / "x.vsi", picture(), stacks=spoilt(um_px=um_px)))


@pytest.mark.parametrize(("power", "otherwise"), [(40.0, None), (20.0, None), (4.0, 2.5), (0.0, None), (-3.0, None)])
def test_the_objective_may_contradict_the_scale_but_gives_none(tmp_path: Path, power, otherwise) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture(), stacks=spoilt(power=power))
    with open_slide(path) as slide:
        assert slide.spacing.mpp == pytest.approx(0.5) and slide.spacing.otherwise == otherwise
    path = write_vsi(tmp_path / "y.vsi", picture(), stacks=spoilt(power=power, um_px=None))
    with pytest.raises(MppMissingError):
        open_slide(path)


def test_a_given_scale_that_contradicts_is_told(tmp_path: Path) -> None:
    with open_slide(write_vsi(tmp_path / "x.vsi", picture()), mpp=FillIn(0.25)) as slide:
        assert slide.spacing.mpp == pytest.approx(0.5) and slide.spacing.otherwise == 0.25


def test_a_folder_of_another_slide_is_told(tmp_path: Path) -> None:
    """They are called Image_01 everywhere."""
    one, other = tmp_path / "a" / "Image_01.vsi", tmp_path / "b" / "Image_01.vsi"
    for path, seed in ((one, 1), (other, 2)):
        path.parent.mkdir()
        write_vsi(path, noise(1024, 768, seed))
    shutil.rmtree(one.parent / "_Image_01_")
    shutil.copytree(other.parent / "_Image_01_", one.parent / "_Image_01_")
    with pytest.raises(
        CorruptSlideError, match="what it shows of its scan is another picture than the one in its folder"
    ):
        open_slide(one)


@pytest.mark.parametrize("seen", ["turned", "mirrored", "colours"])
def test_a_picture_that_lies_otherwise_than_it_is_shown_is_told(tmp_path: Path, seen) -> None:
    pixels = noise(512, 512)
    coarse = {"turned": np.rot90, "mirrored": np.fliplr, "colours": lambda a: a[..., ::-1]}[seen](reduced(pixels, 4))
    path = write_vsi(tmp_path / "x.vsi", pixels, "jpeg2000", coarse=np.ascontiguousarray(coarse))
    with pytest.raises(CorruptSlideError, match="another picture"):
        open_slide(path)


@pytest.mark.parametrize("space", [RGB, BGR])
@pytest.mark.parametrize("stored", ["rgb", "bgr"])
def test_the_order_of_uncompressed_px_is_read_off_the_coarse_picture(tmp_path: Path, space, stored) -> None:
    pixels = noise(512, 512)

    def order(ets: Ets) -> None:
        ets.space = space
        if stored == "rgb":
            ets.tiles = [
                (at, np.frombuffer(tile, np.uint8).reshape(-1, 3)[:, ::-1].tobytes()) for at, tile in ets.tiles
            ]

    check(write_vsi(tmp_path / "x.vsi", pixels, "raw", ets=order), pixels)


def test_without_a_coarse_picture_uncompressed_px_are_not_read(tmp_path: Path) -> None:
    for pixels, page in ((noise(512, 512), None), (noise(512, 512), 7), (grey(), 1)):
        path = write_vsi(tmp_path / "x.vsi", pixels, "raw", stacks=spoilt(page=page))
        with pytest.raises(UnsupportedSlideError, match="red and blue cannot be told apart"):
            open_slide(path)


def grey():
    return noise(512, 512)[..., :1].repeat(3, axis=2)


@pytest.mark.parametrize("codec", ["jpeg", "jpeg2000", "png"])
@pytest.mark.parametrize("page", [None, 2, 99, 2**31 - 1, -1])
def test_coded_px_are_read_without_a_coarse_picture(tmp_path: Path, codec, page) -> None:
    with open_slide(write_vsi(tmp_path / "x.vsi", picture(), codec, stacks=spoilt(page=page))) as slide:
        assert slide.backend == "vsi-ets"


@pytest.mark.parametrize("size_px", [(1111, 777), (900, 710)])
@pytest.mark.parametrize("coarse_px", [(300, 210), (111, 78), (56, 39)])
def test_a_coarse_picture_may_be_of_any_size(tmp_path: Path, coarse_px, size_px) -> None:
    pixels = picture(*size_px)
    coarse = cv2.resize(pixels, coarse_px, interpolation=cv2.INTER_AREA)
    fits = abs(size_px[0] / size_px[1] / coarse_px[0] * coarse_px[1] - 1) < 0.06
    path = write_vsi(tmp_path / "x.vsi", pixels, "raw", coarse=coarse)
    if fits:
        check(path, pixels)
    else:
        with pytest.raises(CorruptSlideError, match="another shape"):
            open_slide(path)


@pytest.mark.parametrize("size_px", [(800, 700), (900, 600), (450, 700)])
def test_a_size_that_is_another_than_the_coarse_picture_shows_is_told(tmp_path: Path, size_px) -> None:
    """Px would be cut off without a word."""
    path = write_vsi(tmp_path / "x.vsi", picture(900, 700), stacks=spoilt(size_px=size_px))
    with pytest.raises(CorruptSlideError):
        open_slide(path)


def test_the_label_is_not_taken_for_the_coarse_picture(tmp_path: Path) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture(), stacks=spoilt(page=0))
    with pytest.raises(CorruptSlideError, match="what it shows of its scan has another shape than its tags tell"):
        open_slide(path)


def test_without_a_coarse_picture_the_grid_has_to_fit(tmp_path: Path) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture(700, 300), "png", stacks=spoilt(page=None, size_px=(1400, 300)))
    with pytest.raises(CorruptSlideError, match="do not reach as far as the picture does"):
        open_slide(path)


def test_a_blank_slide_is_read_where_its_grid_fits(tmp_path: Path) -> None:
    blank = np.full((700, 900, 3), 240, np.uint8)
    check_open(write_vsi(tmp_path / "x.vsi", blank, "png"))
    with pytest.raises(CorruptSlideError, match="do not reach as far"):
        open_slide(write_vsi(tmp_path / "y.vsi", blank, "png", without=[(0, 3, y) for y in range(3)]))


def test_a_coarse_picture_that_is_too_coarse_tells_nothing(tmp_path: Path) -> None:
    coarse = np.zeros((7, 9, 3), np.uint8)
    coarse[::2] = 255
    check_open(write_vsi(tmp_path / "x.vsi", picture(), "png", levels=1, coarse=coarse))
    with pytest.raises(UnsupportedSlideError, match="cannot be told apart"):
        open_slide(write_vsi(tmp_path / "y.vsi", picture(), "raw", levels=1, coarse=coarse))


def check_open(path: Path) -> None:
    with open_slide(path) as slide:
        assert slide.backend == "vsi-ets" and slide.thumbnail(50).shape == (39, 50, 3)


@pytest.mark.parametrize("size", [(513, 513), (1025, 1025)])
def test_tiles_of_what_is_no_whole_px_are_left_out(tmp_path: Path, size) -> None:
    """A scanner's second level of 513 px has 256 whole ones; the next half px may have a tile of its own."""
    pixels = picture(*size)

    def longer(ets: Ets) -> None:
        tile = CODECS["png"][1](noise(256, 256, 9))
        columns, rows = (-(-(side // 2) // 256) for side in size)
        ets.tiles += [((columns, 0, 0, 1), tile), ((0, rows, 0, 1), tile), ((columns, rows, 0, 1), tile)]

    check(write_vsi(tmp_path / "x.vsi", pixels, "png", ets=longer), pixels)


def test_a_level_of_no_px_is_left_out(tmp_path: Path) -> None:
    def deeper(ets: Ets) -> None:
        ets.tiles += [((0, 0, 0, level), ets.tiles[0][1]) for level in (10, 23)]

    check(write_vsi(tmp_path / "x.vsi", picture(), "png", ets=deeper), picture())


def test_levels_of_another_picture_are_left_out(tmp_path: Path) -> None:
    pixels = noise(1024, 768)

    def mixed(ets: Ets) -> None:
        foreign = dict(make_ets(noise(1024, 768, 5), "png").tiles)
        ets.tiles = [(at, foreign[at] if at[3] == 1 else tile) for at, tile in ets.tiles]

    with open_slide(write_vsi(tmp_path / "x.vsi", pixels, "png", ets=mixed)) as slide:
        assert [level.downsample for level in slide.levels] == [1, 4] and slide.metadata["levels_left_out"] == 1


def add(*more: Stack):
    return lambda stacks: stacks.extend(more)


def of_ets(**fields):
    def change(ets: Ets) -> None:
        for name, value in fields.items():
            setattr(ets, name, value)

    return change


def places(change):
    """A change of each tile's coordinates."""

    def spoil(ets: Ets) -> None:
        ets.tiles = [(change(at), tile) for at, tile in ets.tiles]

    return spoil


NOT_READ = {
    "2 scan regions": {"stacks": add(Stack((400, 300), number=10004))},
    "scan regions": {"stacks": add(*[Stack((400, 300), number=10004 + n, kind=n + 1000) for n in range(3)])},
    "no scan in a folder beside it": {"stacks": lambda stacks: stacks.pop()},
    "several focal planes, times or channels": {"stacks": spoilt(dimensions=(1, 3))},
    "several focal planes, times": {"stacks": spoilt(kind=64)},
    "several focal planes": {"stacks": spoilt(frames=2)},
    "several focal": {"ets": places(lambda at: (at[0], at[1], at[3], 0))},
    "a scan of a kind that is not known": {"stacks": spoilt(kind=5)},
    "px that do not begin at the corner": {"stacks": spoilt(corner=(5, 0))},
    "px that do not begin": {"stacks": spoilt(origin=(0, 1, 0))},
    "in 8 bits .fluorescence": {"ets": of_ets(kind=4)},
    "other than red, green and blue": {"ets": of_ets(samples=1)},
    "other than red": {"ets": of_ets(space=1)},
    "tiles in lossless JPEG": {"ets": of_ets(codec=5)},
    "tiles in BMP": {"ets": of_ets(codec=9)},
    "tiles in a compression": {"ets": of_ets(codec=77)},
    "tiles of no sensible size": {"ets": of_ets(depth=2)},
    "tiles of no sensible": {"ets": of_ets(tile_px=(2**31, 256))},
    "tiles of no": {"ets": of_ets(tile_px=(0, 0))},
}


@pytest.mark.parametrize("told", NOT_READ)
def test_what_is_not_read_is_said(tmp_path: Path, told) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture(), **NOT_READ[told])
    with pytest.raises(UnsupportedSlideError, match=rf"x\.vsi is an Olympus VSI with what is not read here: .*{told}"):
        open_slide(path, mpp=0.5)


@pytest.mark.parametrize("kind", [1, 2, 4, 8, 16, 32, 256, 1024])
def test_overviews_maps_and_masks_are_no_further_regions(tmp_path: Path, kind) -> None:
    beside = add(Stack((4000, 3000), number=10004, kind=kind))
    check(write_vsi(tmp_path / "x.vsi", picture(), "png", stacks=beside), picture())


@pytest.mark.parametrize("dimensions", [(1,), (1, 1), (1, 1, 1)])
def test_dimensions_of_one_are_none(tmp_path: Path, dimensions) -> None:
    def longer(ets: Ets) -> None:
        ets.tiles = [((*at[:2], *([0] * len(dimensions)), at[3]), tile) for at, tile in ets.tiles]

    path = write_vsi(tmp_path / "x.vsi", picture(), "png", stacks=spoilt(dimensions=dimensions), ets=longer)
    check(path, picture())


@pytest.mark.parametrize("dimensions", [(2,), (0,), (1, 2), (11, 2)])
def test_more_of_a_dimension_is_not_read(tmp_path: Path, dimensions) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture(), stacks=spoilt(dimensions=dimensions))
    with pytest.raises(UnsupportedSlideError, match="several focal planes, times or channels"):
        open_slide(path)


def test_a_scan_that_lies_in_the_vsi_itself_is_none_of_the_folders(tmp_path: Path) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture(), stacks=spoilt(outside=False))
    with pytest.raises(UnsupportedSlideError, match="no scan in a folder beside it"):
        open_slide(path)


def test_a_frame_of_drawings_is_no_second_plane(tmp_path: Path) -> None:
    """What people outlined on a slide lies in frames that have no px."""
    check(write_vsi(tmp_path / "x.vsi", picture(), "png", stacks=spoilt(drawings=2)), picture())


def test_a_kind_that_is_not_told_is_a_scan(tmp_path: Path) -> None:
    with open_slide(write_vsi(tmp_path / "x.vsi", picture(), stacks=spoilt(kind=None))) as slide:
        assert slide.backend == "vsi-ets"


DAMAGED = {
    "no sensible number of tiles": [of_ets(head={"tiles": 0}), of_ets(head={"tiles": 2**32 - 1})],
    "no sensible number": [of_ets(head={"dimensions": n}) for n in (0, 1, 3, 9, 2**31)],
    "ends early": [of_ets(head={"table": n}) for n in (2**63, 2**64 - 1, 10**7)] + [of_ets(head={"more": 10**9})],
    "an .ets that is none": [of_ets(head={"size": 63}), of_ets(head={"more": 0}), of_ets(head={"more": 65})],
    "another slide's": [
        places(lambda at: (at[0] + 2**20, *at[1:])),
        places(lambda at: (at[0], 2**31, *at[2:])),
        places(lambda at: (2**32 - 1, *at[1:])),
    ],
    "more tiles than any slide has": [of_ets(tile_px=(16, 16))],
    "more levels than it says": [
        of_ets(pyramid=0),
        places(lambda at: (*at[:3], 2**31)),
        places(lambda at: (*at[:3], 24)),
    ],
    "two tiles at one place": [places(lambda at: (0, 0, 0, at[3]))],
    "no tile of its finest level": [places(lambda at: (*at[:3], 1) if at == (0, 0, 0, 0) else (0, 0, 0, 2))],
}


@pytest.mark.parametrize(
    ("told", "change"), [(told, change) for told, changes in DAMAGED.items() for change in changes]
)
def test_a_hostile_ets_is_one_clear_line(tmp_path: Path, told, change) -> None:
    large = spoilt(size_px=(40_000_000, 1700), page=None) if told.startswith("more tiles") else None
    path = write_vsi(tmp_path / "x.vsi", picture(), ets=change, stacks=large)
    with pytest.raises(
        CorruptSlideError, match=rf"^corrupt-slide: x\.vsi is damaged or incomplete: .*{told}"
    ) as caught:
        open_slide(path)
    assert "\n" not in str(caught.value) and str(tmp_path) not in str(caught.value)


def ets_of(path: Path) -> Path:
    return path.with_name(f"_{path.stem}_") / "stack10001" / "frame_t.ets"


@pytest.mark.parametrize("place", ["offset", "length"])
@pytest.mark.parametrize("value", [2**31, 2**32 - 1])
def test_tiles_beyond_the_file(tmp_path: Path, place, value) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture())
    data = bytearray(ets_of(path).read_bytes())
    [table] = struct.unpack_from("<Q", data, 32)
    struct.pack_into("<I", data, table + {"offset": 20, "length": 28}[place], value)
    ets_of(path).write_bytes(data)
    with pytest.raises(CorruptSlideError, match="tiles beyond its end: the file was cut short"):
        open_slide(path)


def test_tiles_that_share_their_bytes_are_read_as_they_are(tmp_path: Path) -> None:
    """All of a level's tiles may be one: nothing is held but what is decoded."""

    def alike(ets: Ets) -> None:
        ets.tiles = [(at, ets.tiles[0][1]) for at, _ in ets.tiles]

    path = write_vsi(tmp_path / "x.vsi", picture(700, 600), "png", levels=1, stacks=spoilt(page=None), ets=alike)
    data = bytearray(ets_of(path).read_bytes())
    [table] = struct.unpack_from("<Q", data, 32)
    for row in range(9):
        data[table + 36 * row + 20 : table + 36 * row + 32] = data[table + 20 : table + 32]
    ets_of(path).write_bytes(data)
    with open_slide(path) as slide:
        assert np.array_equal(slide.read_region((256, 256), 0, (256, 256)), slide.read_region((0, 0), 0, (256, 256)))


def test_a_file_that_was_cut_short_anywhere(tmp_path: Path) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture(300, 200))
    tags = path.read_bytes().index(b"\xc8" * 20)
    for file, last in ((path, tags - 200), (ets_of(path), ets_of(path).stat().st_size - 1)):
        whole = file.read_bytes()
        for length in (0, 1, 8, 31, 63, 64, 100, 291, 292, 500, last // 2, last):
            file.write_bytes(whole[:length])
            with pytest.raises(SlideError) as caught:
                open_slide(path)
            assert "\n" not in str(caught.value)
        file.write_bytes(whole)


@pytest.mark.parametrize("damage", [b"", b"\0" * 400, b"\xff\xd8\xff\xe0" + bytes(400)])
def test_a_tile_that_is_none_is_damage(tmp_path: Path, damage) -> None:
    def last(ets: Ets) -> None:
        at, tile = ets.tiles[-1]
        ets.tiles[-1] = (at, damage or tile[: len(tile) // 2])

    path = write_vsi(tmp_path / "x.vsi", picture(), levels=1, stacks=spoilt(page=None), ets=last)
    with (
        open_slide(path) as slide,
        pytest.raises(CorruptSlideError, match=r"x\.vsi is damaged: a tile cannot be decoded"),
    ):
        slide.read_region((0, 0), 0, slide.size_px)


@pytest.mark.parametrize("codec", CODECS)
def test_a_tile_of_another_size_than_it_must_have_is_damage(tmp_path: Path, codec) -> None:
    def last(ets: Ets) -> None:
        ets.tiles[-1] = (ets.tiles[-1][0], CODECS[codec][1](noise(4096, 1)))

    path = write_vsi(tmp_path / "x.vsi", noise(600, 600), codec, levels=1, ets=last)
    with open_slide(path) as slide, pytest.raises(CorruptSlideError, match="a tile cannot be decoded"):
        slide.read_region((0, 0), 0, slide.size_px)


def retold(path: Path, change) -> Path:
    """The tags of a VSI, changed as bytes; its pictures stay where they are."""
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    return path


def put(at: int, form: str, *values: int):
    return lambda data: struct.pack_into("<" + form, data, at, *values)


def boundary(at: int, form: str, *values: int):
    """Changes the last stack's boundary, from so many bytes behind its type on."""
    return lambda data: struct.pack_into("<" + form, data, data.rindex(struct.pack("<Ii", 259, 2053)) + at, *values)


def field_of(tag: int, at: int, form: str, *values: int):
    return lambda data: struct.pack_into("<" + form, data, data.index(struct.pack("<i", tag)) + at, *values)


# The first set begins at 8, its first field at 32: type, tag, where the next one is, size.
TAGS = {
    "a circle": (put(40, "I", 24), "tags that run in a circle"),
    "back": (put(40, "I", 5), "tags that run in a circle"),
    "beyond": (put(40, "I", 2**31), "a tag beyond its end"),
    "far": (put(40, "I", 2**32 - 1), "a tag beyond its end"),
    "none": (put(24, "I", 0), "no scan in a folder beside it"),
    "first beyond": (put(16, "q", 2**62), "a tag beyond its end"),
    "first before": (put(16, "q", 23), "none of the tags"),
    "first in itself": (put(16, "q", 24 + 16), "x.vsi is "),
    "a set before its head": (field_of(2001, 16 + 8, "q", 0), "tags without an end"),
    "not nested": (field_of(2000, -4, "I", 0x40000005), "a tag without the set that it must hold"),
    "a set that is none": (field_of(2001, 18, "H", 7), "a set of tags that is none"),
    "no boundary": (boundary(4, "i", 2054), "a stack of px of no sensible size"),
    "boundary of nothing": (boundary(12, "I", 0), "a stack of px of no sensible size"),
    "boundary of gigabytes": (boundary(12, "I", 2**32 - 1), "a tag of no sensible value"),
    "boundary inline": (boundary(0, "I", 259 | 0x40000000), "a stack of px of no sensible size"),
    "boundary that is a set": (boundary(0, "I", 259 | 0x90000000), "a tag of no sensible value"),
    "a negative side": (boundary(24, "i", -5), "a stack of px of no sensible size"),
    "all there is": (boundary(24, "2i", 2**31 - 1, 2**31 - 1), "claims a level of 2147483647 x 2147483647 px"),
}


@pytest.mark.parametrize("name", TAGS)
def test_a_hostile_tree_of_tags_is_one_clear_line(tmp_path: Path, name) -> None:
    change, told = TAGS[name]
    path = retold(write_vsi(tmp_path / "x.vsi", picture()), change)
    with pytest.raises(SlideError, match=told) as caught:
        open_slide(path)
    assert "\n" not in str(caught.value) and PATIENT not in str(caught.value)


def test_a_count_of_tags_that_lies_is_of_no_matter(tmp_path: Path) -> None:
    """The last field says that it is the last."""
    check(retold(write_vsi(tmp_path / "x.vsi", picture(), "png"), put(24, "I", 0xFFFFFFF)), picture())


def sets_of(tag: int, count: int, at: int, inside: int) -> bytes:
    """A set at `at` of `count` fields, each of which holds a set whose fields are those that begin at `inside`."""
    row, out = 20 + 24, [struct.pack("<HHIqII", 24, 0x5349, 1, 24, count, 0)]
    for number in range(count):
        own = at + 24 + row * number + 20
        out.append(struct.pack("<IiIIi", 0x98000000, tag, 24 + row * (number + 1), 0, number))
        out.append(struct.pack("<HHIqII", 24, 0x5349, 1, inside - own, count, 0))
    return b"".join(out)


def test_tags_without_an_end_are_given_up(tmp_path: Path) -> None:
    """Each of 400 stacks has for its set one and the same, of 400 frames."""
    count, collection, stacks, frames = 400, 8, 1000, 50_000
    path = write_overview(tmp_path / "x.vsi", noise(60, 40), tags=bytes(1 << 20))

    def spoil(whole: bytearray) -> None:
        for at, tag, many, inside in (
            (collection, 2000, 1, stacks + 24),
            (stacks, 2001, count, frames + 24),
            (frames, 2002, count, frames + 24),
        ):
            data = sets_of(tag, many, at, inside)
            whole[at : at + len(data)] = data
        struct.pack_into("<I", whole, collection + 24 + 20 + 16, count)

    retold(path, spoil)
    with pytest.raises(CorruptSlideError, match="tags without an end"):
        open_slide(path)


@pytest.mark.parametrize("seed", range(60))
def test_bytes_that_are_changed_anywhere_are_a_line_or_a_slide(tmp_path: Path, seed) -> None:
    rng = np.random.default_rng(seed)
    path = write_vsi(tmp_path / "x.vsi", picture(300, 200), "raw" if seed % 2 else "jpeg", levels=2)
    file = path if seed % 3 else ets_of(path)
    data = bytearray(file.read_bytes())
    [table] = struct.unpack_from("<Q", ets_of(path).read_bytes(), 32)
    spots = np.r_[8:1800] if file == path else np.r_[0:292, table : len(data)]
    for at in rng.choice(spots, rng.integers(1, 6), replace=False):
        data[at] = rng.integers(0, 256)
    file.write_bytes(data)
    try:
        with open_slide(path) as slide:
            assert slide.thumbnail(64).shape[2] == 3
    except SlideError as error:
        assert "\n" not in str(error) and PATIENT not in str(error) and str(tmp_path) not in str(error)


def lay(path: Path, kind: str) -> str:
    """Something is wrong with the folder; gives what must be told."""
    folder, ets = path.with_name("_x_"), ets_of(path)
    if kind == "no folder":
        shutil.rmtree(folder)
        return r"in the folder _x_ beside it, which is missing; copy the \.vsi and its folder again"
    if kind == "no stack":
        shutil.rmtree(ets.parent)
        return "in stack10001 of the folder _x_ beside it, and there is nothing"
    if kind == "two files":
        shutil.copy(ets, ets.with_name("frame_t_1.ets"))
        return "2 files in stack10001, of which one must be meant"
    if kind == "TIFF":
        ets.rename(ets.with_suffix(".tif"))
        return r"px that do not lie in an \.ets"
    if kind == "link":
        ets.rename(folder / "away")
        ets.symlink_to("../away")
        return "_x_ holds a link; copy what it leads to in its place"
    if kind == "linked folder":
        ets.parent.rename(folder / "away")
        ets.parent.symlink_to("away")
        return "_x_ holds a link"
    if kind == "pipe":
        ets.unlink()
        os.mkfifo(ets)
        return "a pipe or device"
    if kind == "empty":
        ets.write_bytes(b"")
        return "ends early"
    ets.unlink()
    ets.mkdir()
    return "a folder"


@pytest.mark.parametrize(
    "kind", ["no folder", "no stack", "two files", "TIFF", "link", "linked folder", "pipe", "empty", "folder"]
)
def test_a_folder_that_is_not_as_it_must_be(tmp_path: Path, kind) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture())
    told = lay(path, kind)
    with pytest.raises(SlideError, match=told) as caught:
        open_slide(path)
    assert "\n" not in str(caught.value)


def test_a_folder_of_too_many_files(tmp_path: Path) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture())
    for number in range(1001):
        ets_of(path).with_name(f"frame_t_{number}.ets").touch()
    with pytest.raises(SlideError, match="_x_ holds more than 1,000 files"):
        open_slide(path)


def test_a_vsi_by_another_name_is_read_with_its_folder(tmp_path: Path) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture(), "png")
    check(path.rename(path.with_suffix(".tif")), picture())


def test_an_export_beside_a_vsi_is_a_slide_of_its_own(tmp_path: Path) -> None:
    write_vsi(tmp_path / "x.vsi", picture())
    Image.fromarray(noise(120, 90)).save(tmp_path / "x.tif")
    with open_slide(tmp_path / "x.tif", mpp=0.5) as slide:
        assert slide.size_px == (120, 90) and slide.backend != "vsi-ets"


@pytest.mark.parametrize("reader", ["image", "openslide", "tiff-jpeg", "tiff-coded"])
def test_no_other_reader_shows_the_overview(tmp_path: Path, reader) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture())
    with pytest.raises(UnsupportedSlideError, match=f"of which the reader {reader} would show the overview"):
        open_slide(path, mpp=0.5, reader=reader)
    assert open_slide(path, reader="vsi-ets").backend == "vsi-ets"


def test_its_files_are_one_slide(tmp_path: Path) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture())
    overview, scan = tmp_path / "_x_" / "stack1" / "frame_t.ets", ets_of(path)
    (scan.parent / "blob_1_S.blob").write_bytes(b"of no use")
    assert slide_files(path) == (overview, scan, path)
    assert slides_of([path, scan, overview]) == dict.fromkeys([path, scan, overview], path)
    assert [job.path for job in collect_jobs([tmp_path], None)] == [path]
    assert [job.path for job in collect_jobs([scan, overview], None)] == [path]
    names = ["_x_/stack1/frame_t.ets", "_x_/stack10001/frame_t.ets", "x.vsi"]
    assert [name for name, _ in parts_of(make_job(path))] == names


def test_every_file_tells_in_the_fingerprint(tmp_path: Path) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture())
    before = fingerprint(path)
    for file in slide_files(path):
        data = file.read_bytes()
        file.write_bytes(data + b"\0")
        assert fingerprint(path) != before
        file.write_bytes(data)
    (tmp_path / "moved").mkdir()
    for name in ("x.vsi", "_x_"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    assert fingerprint(tmp_path / "moved" / "x.vsi") == before


def test_px_that_are_replaced_meanwhile_are_noticed(tmp_path: Path) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture())
    with open_slide(path) as slide:
        ets_of(path).write_bytes(ets_of(path).read_bytes() + b"\0")
        with pytest.raises(SlideChangedError):
            slide.reopen()


def test_nothing_of_its_texts_is_told(tmp_path: Path) -> None:
    with open_slide(write_vsi(tmp_path / "x.vsi", picture())) as slide:
        assert slide.metadata == {
            "vendor": "olympus",
            "format": "Olympus VSI",
            "compression": "JPEG",
            "level_count": 3,
            "level_sizes_px": "900x700 450x350 225x175",
            "reader": "vsi-ets",
        }


def test_it_is_not_understood_well_enough_to_be_de_identified(tmp_path: Path) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture())
    for file in (path, path.rename(path.with_suffix(".tif"))):
        with pytest.raises(IdentifyingMetadataError, match="it is an Olympus VSI"):
            refuse_identifying(file, "a slide") if file.exists() else refuse_identifying(path.with_suffix(".tif"), "a")


def test_a_profile_of_the_label_is_not_applied(tmp_path: Path) -> None:
    path = write_vsi(tmp_path / "x.vsi", picture(), "png")
    with open_slide(path, icc=True) as slide:
        assert np.array_equal(slide.read_region((0, 0), 0, (50, 50)), picture()[:50, :50])
