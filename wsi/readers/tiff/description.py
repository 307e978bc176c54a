"""The pixel size that a TIFF's ImageDescription states: in OME-XML, in PerkinElmer's XML, or by ImageJ beside the
resolution tags.

Takes text and gives numbers; nothing of the text is passed on.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from wsi.metadata import number
from wsi.spacing import Pair, mpp_from_tiff_resolution

if TYPE_CHECKING:
    from xml.etree import ElementTree

# The part of a description that is looked at; pixel sizes stand near the beginning.
_MAX_CHARACTERS = 1 << 20
_MICRO = dict.fromkeys(("um", "µm", "μm", "Âµm", "Î¼m", "\\u00b5m"), 1.0)
# um per unit: the symbols of OME's UnitsLength, and the words that ImageJ and its users write. Letter case is kept
# where it tells units apart (Mm, mm); "pixel" and "reference frame" are no lengths.
_UM_PER_UNIT = _MICRO | {
    **{"m": 1e6, "dm": 1e5, "cm": 1e4, "mm": 1e3, "nm": 1e-3, "pm": 1e-6, "\u00c5": 1e-4, "\u00c3\u0085": 1e-4},
    **{"in": 25_400.0, "inch": 25_400.0, "inches": 25_400.0, "ft": 304_800.0, "thou": 25.4, "mil": 25.4},
    **{"li": 25_400.0 / 12, "pt": 25_400.0 / 72},
    **dict.fromkeys(("micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"), 1.0),
    **dict.fromkeys(("nanometer", "nanometers", "nanometre", "nanometres"), 1e-3),
    **dict.fromkeys(("millimeter", "millimeters", "millimetre", "millimetres"), 1e3),
    **dict.fromkeys(("centimeter", "centimeters", "centimetre", "centimetres"), 1e4),
    **dict.fromkeys(("meter", "meters", "metre", "metres"), 1e6),
}


def ome_mpp(description: str, size_px: tuple[int, int]) -> Pair | None:
    """(x, y) um per px of the OME-XML image of `size_px`; None where there is none such, or it states no length.

    Other images of the file are labels and overviews, with other pixel sizes.
    """
    text = description[:_MAX_CHARACTERS]
    if "<OME" not in text and ":OME" not in text[:1000]:
        return None
    if "<!" in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL):  # declarations can name files, and grow without end
        return None
    from xml.etree import ElementTree  # few slides have any XML

    parser: Any = ElementTree.XMLPullParser(("start",))
    try:
        parser.feed(text.encode("utf-8", "surrogateescape").strip(b"\0 \r\n\t\xef\xbb\xbf"))
        for _, element in parser.read_events():
            if element.tag.rpartition("}")[2] == "Pixels" and _size(element) == size_px:
                return _both(_ome_axis(element, "X"), _ome_axis(element, "Y"))
    except (ElementTree.ParseError, ValueError):
        return None
    return None


def qpi_mpp(description: str) -> Pair | None:
    """(x, y) um per px of a QPTIFF, as the profile of its scan has it; None elsewhere.

    Its resolution tags say the same, but a printer's are of the same kind.
    """
    if "<PerkinElmer-QPI-ImageDescription" not in description[:_MAX_CHARACTERS]:
        return None
    found = re.search(r"<PixelSizeMicrons>([0-9.]{1,20})</PixelSizeMicrons>", description[:_MAX_CHARACTERS])
    size = number(found[1]) if found else None
    return _both(size, size)


def imagej_mpp(description: str, resolution: tuple[float | None, float | None]) -> Pair | None:
    """(x, y) um per px where ImageJ wrote the file: `resolution` are the tags' pixels per the unit that it names."""
    if not description.startswith("ImageJ="):
        return None
    found: list[tuple[str, str]] = re.findall(r"^(unit|yunit)=(.*?)\s*$", description[:_MAX_CHARACTERS], re.MULTILINE)
    named = dict(found)
    across, down = (um_per_unit(named.get(key, named.get("unit", ""))) for key in ("unit", "yunit"))
    return _both(_quotient(across, resolution[0]), _quotient(down, resolution[1]))


def tags_mpp(resolution: tuple[float | None, float | None], unit: int) -> Pair | None:
    """(x, y) um per px by a TIFF's resolution tags, where both say something; `unit` as TIFF has it."""
    across, down = (None if value is None else mpp_from_tiff_resolution(value, unit) for value in resolution)
    return None if across is None or down is None else (across, down)


def _size(element: ElementTree.Element) -> tuple[int, int] | None:
    sides = [number(element.get(key), 1, 2**31) for key in ("SizeX", "SizeY")]
    return None if sides[0] is None or sides[1] is None else (int(sides[0]), int(sides[1]))


def _ome_axis(element: Any, axis: str) -> float | None:
    length = number(element.get(f"PhysicalSize{axis}"))
    named = str(element.get(f"PhysicalSize{axis}Unit", "um"))
    unit = um_per_unit(named)
    return None if length is None or unit is None else length * unit


def um_per_unit(unit: str) -> float | None:
    """um in one of a unit, by its symbol or word; None for what is no length."""
    unit = unit.strip().strip('"')
    return _UM_PER_UNIT.get(unit, _UM_PER_UNIT.get(unit.lower()) if len(unit) > 2 else None)


def _quotient(um: float | None, per_unit: float | None) -> float | None:
    return um / per_unit if um is not None and per_unit is not None and per_unit > 0 else None


def _both(x: float | None, y: float | None) -> Pair | None:
    """Where one axis is silent the other speaks for both; 0 and less is silence."""
    said = [value for value in (x, y) if value is not None and math.isfinite(value) and value > 0]
    return (said[0], said[-1]) if said else None
