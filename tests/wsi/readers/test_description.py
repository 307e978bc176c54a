"""Pixel sizes in descriptions: every unit, the right image, and nothing taken from what only looks like one."""

from __future__ import annotations

import pytest

from wsi.readers.tiff.description import imagej_mpp, ome_mpp

HEAD = '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'


def ome(*images: str) -> str:
    return HEAD + "".join(f'<Image ID="Image:{i}">{image}</Image>' for i, image in enumerate(images)) + "</OME>"


def pixels(size: tuple[int, int] = (90, 60), **told: str) -> str:
    attributes = " ".join(f'{key}="{value}"' for key, value in told.items())
    return f'<Pixels ID="Pixels:0" SizeX="{size[0]}" SizeY="{size[1]}" {attributes}><TiffData/></Pixels>'


def both(value: str, unit: str | None = None) -> dict[str, str]:
    units = {} if unit is None else {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    return {"PhysicalSizeX": value, "PhysicalSizeY": value} | units


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("0.5", None),
        ("0.5", "\u00b5m"),
        ("0.5", "\u03bcm"),
        ("0.5", "\u00c2\u00b5m"),  # UTF-8 taken for Latin-1, as Pillow does
        ("0.5", "&#181;m"),
        ("500", "nm"),
        ("5e2", "nm"),
        ("0.0005", "mm"),
        ("0.00005", "cm"),
        ("5e-7", "m"),
        ("5000", "\u00c5"),
        ("500000", "pm"),
        ("1.9685039370078740e-05", "in"),
        ("0.019685039370078740", "thou"),
        ("0.0014173228346456694", "pt"),
    ],
)
def test_units_of_ome(value: str, unit: str | None) -> None:
    assert ome_mpp(ome(pixels(**both(value, unit))), (90, 60)) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize("unit", ["pixel", "reference frame", "", "furlong", "Mm", "kpc"])
def test_what_is_no_length_of_a_pixel_states_nothing(unit: str) -> None:
    assert ome_mpp(ome(pixels(**both("0.5", unit))), (90, 60)) is None


def test_the_image_of_the_right_size_counts() -> None:
    text = ome(pixels((20, 20), **both("9")), pixels((90, 60), **both("0.5")), pixels((9, 6), **both("5")))
    assert ome_mpp(text, (90, 60)) == (0.5, 0.5)
    assert ome_mpp(text, (9, 6)) == (5.0, 5.0)
    assert ome_mpp(text, (60, 90)) is None


def test_axes_are_kept_apart_and_one_may_be_silent() -> None:
    assert ome_mpp(ome(pixels(PhysicalSizeX="0.5", PhysicalSizeY="0.25")), (90, 60)) == (0.5, 0.25)
    mixed = {"PhysicalSizeX": "0.5", "PhysicalSizeY": "250", "PhysicalSizeYUnit": "nm"}
    assert ome_mpp(ome(pixels(**mixed)), (90, 60)) == (0.5, 0.25)
    assert ome_mpp(ome(pixels(PhysicalSizeX="0.5")), (90, 60)) == (0.5, 0.5)
    assert ome_mpp(ome(pixels(PhysicalSizeX="0", PhysicalSizeY="0.5")), (90, 60)) == (0.5, 0.5)


@pytest.mark.parametrize("prefix", ["ome:", ""])
@pytest.mark.parametrize("head", ['<?xml version="1.0"?>', "", "\ufeff", "<!-- Warning: <!DOCTYPE -->\n"])
def test_ways_to_begin(prefix: str, head: str) -> None:
    space = f'xmlns{":ome" if prefix else ""}="http://www.openmicroscopy.org/Schemas/OME/2013-06"'
    body = f'<{prefix}Pixels SizeX="90" SizeY="60" PhysicalSizeX="0.5"/>'
    text = f"{head}<{prefix}OME {space}><{prefix}Image>{body}</{prefix}Image></{prefix}OME>"
    assert ome_mpp(text, (90, 60)) == (0.5, 0.5)


@pytest.mark.parametrize("value", ["", "nan", "inf", "-0.5", "0", "0,5", "half", "1e999"])
def test_values_that_are_none(value: str) -> None:
    assert ome_mpp(ome(pixels(**both(value))), (90, 60)) is None


def test_a_description_that_is_cut_short_still_tells_and_a_bomb_does_not_go_off() -> None:
    whole = ome(pixels(**both("0.5")), pixels((1, 1)))
    assert ome_mpp(whole[: whole.index("<TiffData/>")], (90, 60)) == (0.5, 0.5)
    entities = "".join(f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(12))
    bomb = f'<!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><OME n="&a12;">{pixels(**both("0.5"))}</OME>'
    assert ome_mpp(bomb, (90, 60)) is None
    outside = f'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hosts">]><OME>&f;{pixels(**both("0.5"))}</OME>'
    assert ome_mpp(outside, (90, 60)) is None


@pytest.mark.parametrize("text", ["", "<OME", "<OME>", "<OME></EMO>", "OME <Pixels/>", "\0", "\udcff<OME/>"])
def test_what_is_no_ome_xml(text: str) -> None:
    assert ome_mpp(text, (90, 60)) is None


@pytest.mark.parametrize(
    ("unit", "per_unit"),
    [
        *(
            (unit, 2.0)
            for unit in ("micron", "microns", "Micron", "um", "\u00b5m", "\u03bcm", "\u00c2\u00b5m", "\\u00b5m")
        ),
        *((unit, 2.0) for unit in ("\\u00B5m", "micrometer", "micrometre", " micron ", '"micron"')),
        *((unit, 0.002) for unit in ("nm", "nanometer")),
        ("mm", 2000.0),
        ("cm", 20_000.0),
        ("inch", 50_800.0),
    ],
)
def test_units_of_imagej(unit: str, per_unit: float) -> None:
    for line_end in ("\n", "\r\n"):
        text = line_end.join(("ImageJ=1.54f", "images=1", f"unit={unit}", "loop=false", ""))
        assert imagej_mpp(text, (per_unit, per_unit)) == pytest.approx((0.5, 0.5))


def test_imagej_with_another_unit_down() -> None:
    assert imagej_mpp("ImageJ=1.53t\nunit=micron\nyunit=nm\n", (2.0, 0.004)) == pytest.approx((0.5, 0.25))


@pytest.mark.parametrize(
    ("text", "resolution"),
    [
        ("ImageJ=1.54f\nimages=1\n", (2.0, 2.0)),
        ("ImageJ=1.54f\nunit=pixel\n", (2.0, 2.0)),
        ("ImageJ=1.54f\nunit=micron\n", (None, None)),
        ("ImageJ=1.54f\nunit=micron\n", (0.0, 0.0)),
        ("Made by hand; ImageJ=1\nunit=micron\n", (2.0, 2.0)),
        ("unit=micron\n", (2.0, 2.0)),
        ("ImageJ=1.54f\nzunit=micron\n", (2.0, 2.0)),
    ],
)
def test_what_imagej_does_not_state(text: str, resolution: tuple[float | None, float | None]) -> None:
    assert imagej_mpp(text, resolution) is None
