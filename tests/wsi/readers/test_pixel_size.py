"""Where real files state their pixel size, by whichever reader they come, and what is made of contradictions."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from aggregate.result_folder import load_summary
from aggregate.store import save
from app.config import RunConfig
from app.pipeline import run_slide
from classifier.model import load_model
from classifier.model_folder.find import DEMO_MODEL
from tests.dicoms import drawn
from tests.tiffs import ASCII, RATIONAL, SHORT, Tags, write_slide
from wsi import open_slide
from wsi.errors import MppImplausibleError, MppMissingError
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

SIZE = (500, 333)
OME = (
    '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    '<Image ID="Image:0"><Pixels ID="Pixels:0" SizeX="{w}" SizeY="{h}" PhysicalSizeX="{x}" PhysicalSizeXUnit="{u}" '
    'PhysicalSizeY="{y}" PhysicalSizeYUnit="{u}"><TiffData/></Pixels></Image></OME>'
)
IMAGEJ = "ImageJ=1.54f\nimages=1\nunit={}\n"


def ome(x: float = 0.5, y: float = 0.5, unit: str = "\u00b5m", size: tuple[int, int] = SIZE) -> str:
    return OME.format(w=size[0], h=size[1], x=x, y=y, u=unit)


def tiled(path: Path, description: str, per_unit: tuple[float, float] | None = None, unit: int = 1) -> Path:
    """A tiled TIFF with resolution tags: `per_unit` px per none (1), inch (2) or centimetre (3)."""

    def change(levels: list[Tags]) -> None:
        levels[0][270] = (ASCII, description.encode() + b"\0")
        if per_unit:
            for tag, value in zip((282, 283), per_unit, strict=True):
                levels[0][tag] = (RATIONAL, struct.pack("<II", round(value * 1000), 1000))
            levels[0][296] = (SHORT, [unit])

    return write_slide(path, SIZE, downsamples=(1,), change=change)


def stripped(path: Path, description: str, per_unit: tuple[float, float] | None = None, unit: int = 1) -> Path:
    """The same in one piece, which OpenSlide does not read."""
    tags = ImageFileDirectory_v2()
    tags[270] = description.encode()
    tags.tagtype[270] = 2
    if per_unit:
        tags[282], tags[283], tags[296] = per_unit[0], per_unit[1], unit
    Image.fromarray(drawn(*SIZE)).save(path, tiffinfo=tags)
    return path


@pytest.mark.parametrize("write", [tiled, stripped])
@pytest.mark.parametrize(
    ("description", "per_unit", "source"),
    [
        (ome(), None, "ome-xml"),
        (ome(500, 500, "nm"), None, "ome-xml"),
        (ome(0.0005, 0.0005, "mm"), (72, 72), "ome-xml"),
        (IMAGEJ.format("micron"), (2.0, 2.0), "imagej"),
        (IMAGEJ.format("um"), (2.0, 2.0), "imagej"),
        (IMAGEJ.format("\\u00B5m"), (2.0, 2.0), "imagej"),
        (IMAGEJ.format("\u00b5m"), (2.0, 2.0), "imagej"),
        (IMAGEJ.format("nm"), (0.002, 0.002), "imagej"),
    ],
)
def test_a_description_states_the_pixel_size(
    write, description: str, per_unit: tuple[float, float] | None, source: str, tmp_path: Path
) -> None:
    with open_slide(write(tmp_path / "a.tif", description, per_unit)) as slide:
        assert (slide.spacing.mpp, slide.spacing.source) == (pytest.approx(0.5), source)
        assert not slide.spacing.inferred and slide.spacing.otherwise is None


@pytest.mark.parametrize(("per_unit", "unit"), [(20_000.0, 3), (50_800.0, 2)])
def test_an_aperio_slide_with_nothing_but_resolution_tags(per_unit: float, unit: int, tmp_path: Path) -> None:
    text = "Aperio Image Library v11\r\n500x333 (128x128) JPEG/RGB Q=30"
    with open_slide(tiled(tmp_path / "a.svs", text, (per_unit, per_unit), unit)) as slide:
        assert (slide.spacing.mpp, slide.spacing.source) == (pytest.approx(0.5), "tiff-resolution")
        assert slide.spacing.inferred


@pytest.mark.parametrize("write", [tiled, stripped])
@pytest.mark.parametrize(
    "description", [ome(size=(10, 10)), ome(unit="pixel"), ome(0, 0), IMAGEJ.format("pixel"), "unit=micron"]
)
def test_what_states_nothing_is_still_missing(write, description: str, tmp_path: Path) -> None:
    with pytest.raises(MppMissingError):
        open_slide(write(tmp_path / "a.tif", description, (2.0, 2.0)))


@pytest.mark.parametrize("write", [tiled, stripped])
@pytest.mark.parametrize(
    ("description", "per_unit", "unit"),
    [
        (ome(0.5, 0.25), None, 1),
        (IMAGEJ.format("micron"), (2.0, 4.0), 1),
        ("", (20_000.0, 40_000.0), 3),
        ("", (50_800.0, 25_400.0), 2),
    ],
)
def test_oblong_pixels_are_refused_with_a_given_mpp_too(
    write, description: str, per_unit: tuple[float, float] | None, unit: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.tif", description, per_unit, unit)
    for mpp in (None, 0.5):
        with pytest.raises(MppImplausibleError, match="pixels are not square"):
            open_slide(path, mpp=mpp)


@pytest.mark.parametrize(
    ("told", "mpp", "source", "otherwise"),
    [
        ("|AppMag = 40|MPP = 1.0", 1.0, "slide", 0.25),
        ("|AppMag = 20|MPP = 0.5", 0.5, "slide", None),
        ("|AppMag = 40|MPP = 0.5", 0.5, "slide", None),
        ("|AppMag = 5|MPP = 0.25", 0.25, "slide", 2.0),
        ("|AppMag = 40|MPP = 0", 0.25, "objective-power", None),
        ("|AppMag = 40|MPP = 0.0000", 0.25, "objective-power", None),
        ("|MPP = 0.5", 0.5, "slide", None),
    ],
)
def test_two_statements_of_an_aperio_slide(
    told: str, mpp: float, source: str, otherwise: float | None, tmp_path: Path
) -> None:
    path = tiled(tmp_path / "a.svs", f"Aperio Image Library v11\r\n500x333 (128x128) JPEG/RGB Q=30{told}")
    for reader in ("auto", "openslide"):
        with open_slide(path, reader=reader) as slide:
            assert (slide.spacing.mpp, slide.spacing.source) == (pytest.approx(mpp), source)
            assert slide.spacing.otherwise == otherwise


@pytest.mark.parametrize(("given", "told"), [(None, False), (0.5, False), (0.25, True)])
def test_a_contradiction_is_a_review_reason_and_kept(given: float | None, told: bool, tmp_path: Path) -> None:
    regions = (SyntheticRegion(Rectangle((60.0, 60.0), (560.0, 560.0)), "normal"),)
    write_synthetic_slide(tmp_path / "a.svs", regions=regions, mpp=0.5, size_px=(1300, 1300), seed=3)
    config = RunConfig(out=tmp_path / "out", model=DEMO_MODEL)
    result = run_slide(tmp_path / "a.svs", "a", load_model(DEMO_MODEL), config, mpp=given)
    assert ("mpp-contradicted" in result.decision.review_reasons) == told
    save(result, tmp_path / "out")
    kept = load_summary(tmp_path / "out" / "a.zarr")["slide"]["metadata"]
    assert kept.get("mpp_otherwise") == (pytest.approx(0.5, rel=1e-3) if told else None)
