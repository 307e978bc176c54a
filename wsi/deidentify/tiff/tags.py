"""Which fields of a directory a copy keeps, and of what type they must be; and what the others are called in a report.

A field that is not listed stays behind. Numbers are TIFF 6.0's, BigTIFF's and, from 65420 on, Hamamatsu's.
"""

from __future__ import annotations

import re

from wsi.deidentify.plan import NotUnderstoodError
from wsi.deidentify.tiff.fields import NDPI_FORMAT, Field

SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 259, 262
DESCRIPTION, MAKE, SOFTWARE, STRIP_OFFSETS, STRIP_BYTES = 270, 271, 305, 273, 279
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES, SUB_DIRECTORIES = 322, 323, 324, 325, 330
JPEG_TABLES, ICC_PROFILE, XMP = 347, 34675, 700
SOURCE_LENS, RESTARTS, RESTARTS_HIGH = 65421, 65426, 65432
OTHER_DIRECTORIES = (34665, 34853, 40965)  # EXIF, GPS, interoperability

_SHORT, _LONG, _RATIONAL, _LONG8 = 3, 4, 5, 16
_WHOLE = (_SHORT, _LONG, _LONG8)
MANY = 1 << 24
# Tag -> types, most values.
_NUMBERS: dict[int, tuple[tuple[int, ...], int]] = {
    **dict.fromkeys((SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, COMPRESSION, PHOTOMETRIC), (_WHOLE, 1)),
    **dict.fromkeys((266, 274, 277, 278, 284, 296, 317, TILE_WIDTH, TILE_HEIGHT, 531, 32997), (_WHOLE, 1)),
    **dict.fromkeys((258, 280, 281, 338, 339), ((_SHORT,), 8)),
    **dict.fromkeys((297, 530), ((_SHORT,), 2)),
    **dict.fromkeys((282, 283), ((_RATIONAL, 11), 1)),
    529: ((_RATIONAL,), 3),
    532: ((_RATIONAL, _LONG), 6),
    **dict.fromkeys((STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES), (_WHOLE, MANY)),
    SUB_DIRECTORIES: ((_LONG, 13, _LONG8, 18), 64),
    JPEG_TABLES: ((7, 1), 1 << 16),
}
_OF_NDPI: dict[int, tuple[tuple[int, ...], int]] = {
    NDPI_FORMAT: ((_SHORT, _LONG), 1),
    SOURCE_LENS: ((11,), 1),
    65424: ((9,), 1),  # distance of the focal plane
    # Where restart intervals of the JPEG begin, low and high halves: without them no part of it can be read alone.
    RESTARTS: ((_LONG, _LONG8), MANY),
    RESTARTS_HIGH: ((_LONG,), MANY),
}
_WORDS = {
    MAKE: re.compile(rb"(?i)aperio|hamamatsu|leica|philips|3dhistech|ventana|roche|huron"),
    SOFTWARE: re.compile(
        rb"(?:Philips DP v|Philips|tifffile\.py|libvips|LibTIFF,? ?Version|OME Bio-Formats|OpenSlide)[ v.\d]{0,16}"
    ),
}

NAMES = {
    **{269: "DocumentName", DESCRIPTION: "ImageDescription", MAKE: "Make", 272: "Model", 285: "PageName"},
    **{SOFTWARE: "Software", 306: "DateTime", 315: "Artist", 316: "HostComputer", XMP: "XMP", 33432: "Copyright"},
    **{
        33723: "IPTC",
        34377: "Photoshop",
        34665: "EXIF",
        34853: "GPS",
        37510: "UserComment",
        ICC_PROFILE: "ICC profile",
    },
    **{65422: "X offset from the slide's centre", 65423: "Y offset from the slide's centre", 65427: "Reference"},
    **{65442: "scanner's serial number", RESTARTS: "restart places that are none", 65449: "property map"},
}


def name_of(tag: int) -> str:
    return NAMES.get(tag, f"tag {tag}")


def is_kept(field: Field, ndpi: bool) -> bool:
    """Whether a field of numbers is the picture's. Raises NotUnderstoodError where it is not of its proper type: words
    could hide in it."""
    listed = _NUMBERS | (_OF_NDPI if ndpi else {})
    if field.tag not in listed:
        return False
    kinds, most = listed[field.tag]
    if field.kind not in kinds or not 1 <= field.count <= most:
        raise NotUnderstoodError(f"tag {field.tag} is of an unexpected type or length")
    return True


def is_known_word(tag: int, text: bytes) -> bool:
    """Whether a short text is one of the few that tell nothing of a person."""
    return tag in _WORDS and _WORDS[tag].fullmatch(text) is not None
