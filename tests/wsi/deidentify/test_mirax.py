"""Copies of MIRAX slides: no canary in any file, every picture of a level as it was, OpenSlide reads the same."""

import numpy as np
import openslide
import pytest

from tests.canaries import CANARY, canary, found_in
from tests.mirax import write_mirax
from wsi import open_slide
from wsi.deidentify.copy import make_copy
from wsi.deidentify.formats import plan_slide, refuse_identifying
from wsi.deidentify.plan import Naming
from wsi.errors import IdentifyingMetadataError, UnsupportedSlideError

KEY = Naming("ps-1", b"key")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "copy"
    made.mkdir()
    return made


def copied(path, folder):
    told = make_copy(path, folder, KEY)
    return folder / told["main"], told


def everything(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def as_seen(path):
    with openslide.OpenSlide(path) as slide:
        region = np.asarray(slide.read_region((0, 0), 0, slide.dimensions))
        names = ("openslide.mpp-x", "openslide.objective-power", "openslide.vendor")
        return (
            slide.level_dimensions,
            [slide.properties[name] for name in names],
            region,
            sorted(slide.associated_images),
        )


@pytest.mark.parametrize("files", [1, 3, 5])
@pytest.mark.parametrize("positions", ["VIMSLIDE_POSITION_BUFFER", ""])
def test_no_canary_is_left_and_the_slide_is_the_same(tmp_path, folder, files, positions):
    source = write_mirax(tmp_path, files=files, positions=positions)
    before = as_seen(source)
    assert before[3] == ["label", "macro", "thumbnail"]
    copy, told = copied(source, folder)
    assert told["format"] == "mirax" and copy.name == "ps-1.mrxs"
    assert sorted(path.name for path in (folder / "ps-1").iterdir()) == [
        *(f"Data{number:04}.dat" for number in range(files)),
        "Index.dat",
        "Slidedat.ini",
    ]
    assert found_in(everything(folder)) == [] and b"1949" not in everything(folder)
    after = as_seen(copy)
    assert before[:2] == after[:2] and np.array_equal(before[2], after[2]) and after[3] == []
    with open_slide(source) as one, open_slide(copy) as other:
        assert one.spacing == other.spacing and one.levels == other.levels


def test_a_copy_is_found_clean_and_its_source_is_not(tmp_path, folder):
    source = write_mirax(tmp_path)
    copy, told = copied(source, folder)
    with pytest.raises(IdentifyingMetadataError) as caught:
        refuse_identifying(source, "slide")
    assert CANARY not in str(caught.value) and CANARY not in str(told)
    assert plan_slide(copy, Naming("again")).removed == ()


@pytest.mark.parametrize(
    "field",
    [
        *(
            "label image",
            "macro image",
            "thumbnail image",
            "preview image",
            "Slidedat.ini SLIDE_NAME",
            "Slidedat.ini SLIDE_ID",
        ),
        *("Slidedat.ini key of another name", "bytes outside of every record", "another file in its folder"),
    ],
)
def test_the_report_names_the_field(tmp_path, folder, field):
    _, told = copied(write_mirax(tmp_path), folder)
    assert field in [one["field"] for one in told["removed"]]


def test_comments_in_pictures_are_blanked(tmp_path, folder):
    source = write_mirax(tmp_path, comment=canary("picture"))
    copy, told = copied(source, folder)
    assert "JPEG comment" in [one["field"] for one in told["removed"]]
    assert found_in(everything(folder)) == [] and np.array_equal(as_seen(source)[2], as_seen(copy)[2])


def test_several_focal_planes_are_refused(tmp_path, folder):
    with pytest.raises(UnsupportedSlideError, match="focal planes"):
        copied(write_mirax(tmp_path, focal=3), folder)


@pytest.mark.parametrize("name", ["../elsewhere.dat", "/etc/passwd", ".hidden"])
def test_a_data_file_elsewhere_is_refused(tmp_path, folder, name):
    source = write_mirax(tmp_path)
    settings = tmp_path / CANARY / "Slidedat.ini"
    settings.write_text(settings.read_text().replace("Data0001.dat", name))
    with pytest.raises(UnsupportedSlideError, match="elsewhere"):
        copied(source, folder)


def test_an_index_of_another_slide_and_one_cut_short_are_refused(tmp_path, folder):
    source = write_mirax(tmp_path)
    index = tmp_path / CANARY / "Index.dat"
    data = index.read_bytes()
    for spoilt in (data[:100], data[:10] + b"X" + data[11:], data[:45] + b"\xff" * 40):
        index.write_bytes(spoilt)
        with pytest.raises(UnsupportedSlideError):
            copied(source, folder)


def test_a_picture_over_the_label_is_refused(tmp_path, folder):
    """A record of a level whose bytes are the label's would carry it into the copy."""
    source = write_mirax(tmp_path, files=1)
    index, data = tmp_path / CANARY / "Index.dat", (tmp_path / CANARY / "Data0000.dat").read_bytes()
    label = data.index(canary("ScanDataLayer_SlideBarcode").encode())
    start = data.rindex(b"\xff\xd8\xff", 0, label)
    spoilt = bytearray(index.read_bytes())
    first = spoilt.index(data.index(b"\xff\xd8\xff").to_bytes(4, "little"))
    spoilt[first : first + 4] = start.to_bytes(4, "little")
    index.write_bytes(spoilt)
    with pytest.raises(UnsupportedSlideError):
        copied(source, folder)


@pytest.mark.parametrize("kind", ["PNG", "BMP24"])
def test_pictures_of_other_kinds_are_kept(tmp_path, folder, kind):
    source = write_mirax(tmp_path, kind=kind)
    copy, _ = copied(source, folder)
    assert found_in(everything(folder)) == []
    assert np.array_equal(as_seen(source)[2], as_seen(copy)[2])


def test_a_png_with_words_in_it_is_refused(tmp_path, folder):
    source = write_mirax(tmp_path, kind="PNG")
    part = tmp_path / CANARY / "Data0000.dat"
    data = part.read_bytes()
    assert data.count(b"IDAT") > 1
    part.write_bytes(data.replace(b"IDAT", b"tEXt", 1))
    with pytest.raises(UnsupportedSlideError, match="more than pixels"):
        copied(source, folder)
