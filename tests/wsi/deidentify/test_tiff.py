"""Copies of TIFF slides: no canary in any byte, every stream of a level as it was, and OpenSlide reads the same."""

import struct
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile

from tests import canaries
from tests.canaries import CANARY, Page, canary, found_in, level, section, strip, write_pages
from tests.ndpis import cut_level, entry_of, write_ndpi
from wsi import open_slide
from wsi.deidentify.copy import make_copy
from wsi.deidentify.formats import plan_slide, refuse_identifying
from wsi.deidentify.plan import Naming
from wsi.errors import IdentifyingMetadataError, UnsupportedSlideError
from wsi.spacing import FillIn

KINDS = {
    "aperio": (canaries.aperio_pages, ".svs"),
    "hamamatsu": (canaries.ndpi_pages, ".ndpi"),
    "ome": (canaries.ome_pages, ".ome.tiff"),
    "philips": (canaries.philips_pages, ".tiff"),
    "generic": (canaries.generic_pages, ".tif"),
}
LAYOUTS = [(kind, order, big) for kind in KINDS for order in "<>" for big in (False, True) if kind != "hamamatsu"]
LAYOUTS.append(("hamamatsu", "<", False))


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "copy"
    made.mkdir()
    return made


def written(tmp_path, kind, order="<", big=False, pages=None) -> Path:
    make, ending = KINDS[kind]
    return write_pages(
        tmp_path / f"{CANARY}{ending}",
        pages or make(),
        order=order,
        big=big,
        ndpi=kind == "hamamatsu",
        before=canary("slack").encode(),
    )


def copied(source, folder) -> tuple[Path, dict]:
    told = make_copy(source, folder, Naming("ps-1", b"key"))
    return folder / told["main"], told


def as_seen(path):
    if openslide.OpenSlide.detect_format(path) is None:  # it knows no classic TIFF of big-endian numbers
        with open_slide(path, mpp=FillIn(9.0)) as slide:
            return slide.levels, slide.spacing, slide.read_region((0, 0), 0, slide.size_px), []
    with openslide.OpenSlide(path) as slide:
        region = np.asarray(slide.read_region((0, 0), 0, slide.dimensions))
        names = ("openslide.mpp-x", "openslide.mpp-y", "openslide.vendor", "openslide.objective-power")
        return (
            slide.level_dimensions,
            [slide.properties.get(name) for name in names],
            region,
            list(slide.associated_images),
        )


@pytest.mark.parametrize(("kind", "order", "big"), LAYOUTS)
def test_no_canary_is_left_and_the_slide_is_the_same(tmp_path, folder, kind, order, big):
    source = written(tmp_path, kind, order, big)
    assert found_in(source.read_bytes())
    copy, told = copied(source, folder)
    assert found_in(copy.read_bytes()) == []
    assert told["format"] == kind and copy.name == f"ps-1{KINDS[kind][1]}"
    before, after = as_seen(source), as_seen(copy)
    assert before[:2] == after[:2] and np.array_equal(before[2], after[2])
    assert after[3] == []
    with open_slide(source, mpp=FillIn(9.0)) as one, open_slide(copy, mpp=FillIn(9.0)) as other:
        assert one.spacing == other.spacing and one.levels == other.levels and one.backend == other.backend


@pytest.mark.parametrize(("kind", "order", "big"), LAYOUTS)
def test_the_streams_of_levels_are_kept_to_the_byte(tmp_path, folder, kind, order, big):
    pages = KINDS[kind][0]()
    source = written(tmp_path, kind, order, big, pages)
    copy, _ = copied(source, folder)
    data = copy.read_bytes()
    roles = {"aperio": (0, 2), "hamamatsu": (0, 1), "ome": (0,), "philips": (0, 1), "generic": (0, 1)}[kind]
    kept = [pages[number] for number in roles] + [sub for page in pages for sub in page.subs]
    for page in kept:
        for stream in page.streams:
            assert stream in data
    for page in pages:
        if page not in kept:
            assert all(stream[-42:-2] not in data for stream in page.streams)


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_found_clean_and_its_source_is_not(tmp_path, folder, kind):
    source = written(tmp_path, kind)
    copy, told = copied(source, folder)
    with pytest.raises(IdentifyingMetadataError) as caught:
        refuse_identifying(source, "slide")
    assert CANARY not in str(caught.value) and CANARY not in str(told)
    assert plan_slide(copy, Naming("again")).removed == ()
    refuse_identifying(copy, "slide")
    again = folder / "again"
    again.mkdir()
    assert copied(copy, again)[1]["removed"] == []


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("aperio", "Aperio ScanScope ID"),
        ("aperio", "Aperio field of another name"),
        ("aperio", "EXIF"),
        ("aperio", "ICC profile: texts and time"),
        ("aperio", "label image"),
        ("aperio", "macro image"),
        ("aperio", "bytes outside of every field"),
        ("hamamatsu", "Reference"),
        ("hamamatsu", "property map"),
        ("hamamatsu", "macro image"),
        ("ome", "OME AcquisitionDate"),
        ("ome", "OME StructuredAnnotations"),
        ("ome", "XML comment"),
        ("philips", "PIM_DP_UFS_BARCODE"),
        ("philips", "Philips attribute of another name"),
        ("generic", "ImageDescription"),
        ("generic", "XMP"),
        ("generic", "label image"),
    ],
)
def test_the_report_names_the_field(tmp_path, folder, kind, field):
    _, told = copied(written(tmp_path, kind), folder)
    assert field in [one["field"] for one in told["removed"]]


def test_reference_is_taken_out_of_every_directory(tmp_path, folder):
    _, told = copied(written(tmp_path, "hamamatsu"), folder)
    assert {"field": "Reference", "times": 4} in told["removed"]


def restarts(stream):
    """Where the intervals of a JPEG begin, as Hamamatsu tells them."""
    marks = [at + 2 for at in range(len(stream) - 1) if stream[at] == 0xFF and 0xD0 <= stream[at + 1] <= 0xD7]
    return [stream.index(b"\xff\xda") + 14, *marks]


def test_restart_places_are_kept_and_words_in_their_stead_are_not(tmp_path, folder):
    pages = canaries.ndpi_pages()
    true = restarts(pages[0].streams[0])
    pages[0].tags[65426], pages[1].tags[65426] = (4, true), (4, CANARY.encode().ljust(16, b"x"))
    pages[1].tags[65432] = (4, [0, 0, 0])
    copy, told = copied(written(tmp_path, "hamamatsu", pages=pages), folder)
    with tifffile.TiffFile(copy) as file:
        assert list(file.pages[0].tags[65426].value) == true and 65426 not in file.pages[1].tags
    assert found_in(copy.read_bytes()) == []
    assert {"field": "restart places that are none", "times": 1} in told["removed"]


@pytest.mark.parametrize(
    ("places", "kept"), [([5, 5, 9], True), ([9, 5], False), ([1 << 30], False), ([0], True), ([1, 1 << 31], False)]
)
def test_places_go_forward_within_the_picture(tmp_path, folder, places, kept):
    pages = canaries.ndpi_pages()
    pages[0].tags[65426] = (4, places)
    _, told = copied(written(tmp_path, "hamamatsu", pages=pages), folder)
    assert ("restart places that are none" not in [one["field"] for one in told["removed"]]) is kept


def test_an_ndpi_whose_directories_share_their_makers_name_is_copied(tmp_path, folder):
    """As scanners write it: the macro's directory, which stays behind, points to the word that levels keep."""
    rng = np.random.default_rng(0)
    level = cut_level(rng.integers(0, 256, (48, 64, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1), 128)
    source = write_ndpi(tmp_path / "x.ndpi", [level])
    data = bytearray(source.read_bytes())
    first, macro = (entry_of(data, number, 271) + 8 for number in (0, 1))
    [place] = struct.unpack_from("<I", data, macro)
    data[place : place + 10] = bytes(10)
    data[macro : macro + 4] = data[first : first + 4]
    source.write_bytes(data)
    copy, told = copied(source, folder)
    assert "macro image" in [one["field"] for one in told["removed"]]
    with open_slide(copy) as slide:
        assert slide.backend == "ndpi-jpeg"
        assert np.array_equal(slide.read_region((0, 0), 0, slide.size_px), level.px)


def test_a_large_ndpi_keeps_its_high_halves(tmp_path, folder):
    """Behind 4 GB a classic TIFF's offsets are only half of the truth."""
    path = tmp_path / "large.ndpi"
    write_pages(path, canaries.ndpi_pages(), ndpi=True, start_at=(1 << 32) + 4096)
    assert path.stat().st_blocks * 512 < 1 << 24
    copy, _ = copied(path, folder)
    assert copy.stat().st_blocks * 512 < 1 << 24
    with copy.open("rb") as file:
        file.seek(1 << 32)
        assert found_in(file.read()) == []
    before, after = as_seen(path), as_seen(copy)
    assert before[:2] == after[:2] and np.array_equal(before[2], after[2])


def test_comments_in_the_streams_of_levels_are_blanked_and_pixels_are_not(tmp_path, folder):
    pages = canaries.aperio_pages(comment=canary("in every tile"))
    source = written(tmp_path, "aperio", pages=pages)
    copy, told = copied(source, folder)
    assert found_in(copy.read_bytes()) == []
    assert {"JPEG comment", "JPEG application segment 1"} <= {one["field"] for one in told["removed"]}
    assert np.array_equal(as_seen(source)[2], as_seen(copy)[2])
    with tifffile.TiffFile(source) as one, tifffile.TiffFile(copy) as other:
        assert one.pages[0].dataoffsets == other.pages[0].dataoffsets


def test_a_tiled_label_is_no_level(tmp_path, folder):
    pages = canaries.aperio_pages()
    pages[3] = level(section(96, 72, 5), 32, description="Aperio Image Library\r\nlabel 96x72", subfile=1)
    copy, told = copied(written(tmp_path, "aperio", pages=pages), folder)
    assert "label image" in [one["field"] for one in told["removed"]]
    data = copy.read_bytes()
    assert all(stream[-42:-2] not in data for stream in pages[3].streams)
    with openslide.OpenSlide(copy) as slide:
        assert slide.level_dimensions == ((512, 384), (128, 96))


def test_a_directory_below_a_level_that_is_none_is_refused(tmp_path, folder):
    pages = canaries.ome_pages()
    pages[0].subs = [strip(section(96, 90, 5))]
    with pytest.raises(UnsupportedSlideError, match="below a level is no level"):
        copied(written(tmp_path, "ome", pages=pages), folder)


def _spoilt_second_section(pages):
    pages.append(level(section(400, 384, 9)))


def _spoilt_compression(pages):
    pages[0].tags[259] = (3, [50001])


def _spoilt_type(pages):
    pages[0].tags[282] = (2, canary("resolution").encode() + b"\0")


def _spoilt_maker(pages):
    pages[0].tags[270] = (2, b'<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01"></scn>\0')


def _spoilt_tiles(pages):
    pages[0].streams = [b"no JPEG at all", *pages[0].streams[1:]]


def _spoilt_mask(pages):
    pages[1].tags[254] = (4, [4])


@pytest.mark.parametrize("spoil", [value for name, value in sorted(globals().items()) if name.startswith("_spoilt")])
def test_what_is_not_understood_is_refused(tmp_path, folder, spoil):
    pages = canaries.generic_pages()
    spoil(pages)
    source = written(tmp_path, "generic", pages=pages)
    with pytest.raises(UnsupportedSlideError) as caught:
        copied(source, folder)
    assert CANARY not in str(caught.value)
    with pytest.raises(IdentifyingMetadataError):
        refuse_identifying(source, "slide")


def test_a_tile_over_what_must_stay_behind_is_refused(tmp_path, folder):
    """A made-up tile whose bytes are a label's, or a text's, would carry them into the copy."""
    pages = canaries.generic_pages()
    pages[0].tags |= {259: (3, [1])}
    for page in pages:
        page.tags[259] = (3, [1])
    source = written(tmp_path, "generic", pages=pages)
    with tifffile.TiffFile(source) as tiff:
        table = tiff.pages[0].tags[324].valueoffset
        over = (tiff.pages[2].dataoffsets[0], tiff.pages[0].tags[270].valueoffset, tiff.pages[0].offset)
    data = bytearray(source.read_bytes() + bytes(1 << 18))
    for place in over:
        struct.pack_into("<I", data, table, place)
        source.write_bytes(data)
        with pytest.raises(UnsupportedSlideError, match="shares bytes"):
            copied(source, folder)


@pytest.mark.parametrize("cut", [4, 100, 1000, 5000, 20000, 40000])
def test_a_file_cut_short_is_refused(tmp_path, folder, cut):
    source = written(tmp_path, "aperio")
    source.write_bytes(source.read_bytes()[:cut])
    with pytest.raises(UnsupportedSlideError):
        plan_slide(source, Naming("x"))


def test_two_ome_files_are_refused(tmp_path, folder):
    pages = canaries.ome_pages()
    other = canaries.OME.replace("</OME>", '<TiffData><UUID FileName="b.ome.tiff"/></TiffData></OME>')
    pages[0].tags[270] = canaries.text(other)
    with pytest.raises(UnsupportedSlideError, match="several files"):
        copied(written(tmp_path, "ome", pages=pages), folder)


def test_xml_that_declares_is_refused(tmp_path, folder):
    pages = canaries.ome_pages()
    pages[0].tags[270] = canaries.text(canaries.OME.replace("<OME ", '<!DOCTYPE a [<!ENTITY b "c">]><OME ', 1))
    with pytest.raises(UnsupportedSlideError, match="declares"):
        copied(written(tmp_path, "ome", pages=pages), folder)


def test_an_exif_only_picture_says_so(tmp_path):
    page = Page(dict(level(section()).tags), level(section()).streams, exif={36867: (2, b"1949:03:02 00:00:00\0")})
    source = write_pages(tmp_path / "x.tif", [page])
    with pytest.raises(IdentifyingMetadataError, match="EXIF") as caught:
        refuse_identifying(source, "slide")
    assert "1949" not in str(caught.value)


def test_real_slides(data_dir, folder):
    for number, name in enumerate(("cmu-1-small-region.svs", "tcga-cr-7395-01a-01-ts1.svs", "boxes.tiff")):
        here = folder / str(number)
        here.mkdir()
        source = data_dir / "wsi" / name
        copy, told = copied(source, here)
        data = copy.read_bytes()
        for secret in ("CPAPERIOCS", "b414003d", "12/29/09", "1004486", "IEC 61966-2.1"):
            assert secret.encode() not in data
        before, after = as_seen(source), as_seen(copy)
        assert before[:2] == after[:2] and np.array_equal(before[2], after[2]) and after[3] == []
        assert told["verified"]["found"] == 0 and "CPAPERIOCS" not in str(told)
