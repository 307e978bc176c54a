"""What each directory of a TIFF shows: a level, or a picture beside it (label, macro, thumbnail) that stays behind.

A picture that could be either is neither: the file is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from wsi.deidentify.plan import NotUnderstoodError
from wsi.deidentify.tiff import tags
from wsi.deidentify.tiff.fields import NDPI_FORMAT, Directory, Tiff

Kind = Literal["aperio", "hamamatsu", "philips", "ome", "imagej", "generic"]
Role = Literal["level", "label", "macro", "thumbnail", "map", "picture"]

_REDUCED, _MACRO = 1, 9
_MASK = 4
_BESIDE: dict[Role, re.Pattern[bytes]] = {
    "label": re.compile(rb"\blabel\b", re.I),
    "macro": re.compile(rb"\b(?:macro|overview)\b", re.I),
    "thumbnail": re.compile(rb"\bthumbnail\b", re.I),
}
# What other makers write; their files keep things in places that are not known here.
_FOREIGN = re.compile(rb"<scn\b|iScan|MedScan|Trestle|<FluorescenceXML|Olympus|<PerkinElmer-QPI|Huron|Pannoramic", re.I)
_LEAST_OTHER_SHARE = 0.25


@dataclass(frozen=True)
class Page:
    """A directory with what matters for telling what it shows."""

    directory: Directory
    size_px: tuple[int, int]
    tiled: bool
    subfile: int
    compression: int
    description: bytes
    lens: float

    @classmethod
    def of(cls, tiff: Tiff, directory: Directory) -> Page:
        sides = (tiff.number(directory, tag) for tag in (tags.WIDTH, tags.HEIGHT))
        width, height = (int(side) for side in sides)
        return cls(
            directory,
            (width, height),
            tags.TILE_OFFSETS in directory.fields,
            int(tiff.number(directory, tags.SUBFILE)),
            int(tiff.number(directory, tags.COMPRESSION, 1)),
            tiff.text(directory, tags.DESCRIPTION, 1 << 16),
            float(tiff.number(directory, tags.SOURCE_LENS)) if NDPI_FORMAT in directory.fields else 0.0,
        )

    @property
    def pixels(self) -> int:
        return self.size_px[0] * self.size_px[1]


def kind_of(tiff: Tiff, pages: Sequence[Page]) -> Kind:
    """Raises NotUnderstoodError where the file is another maker's."""
    first = pages[0]
    software = tiff.text(first.directory, tags.SOFTWARE, 1000)
    told = [first.description, software, tiff.text(first.directory, tags.XMP, 1 << 16)]
    told += [tiff.text(first.directory, tag, 1000) for tag in (tags.MAKE, 33432)]
    if NDPI_FORMAT in first.directory.fields:
        return "hamamatsu"
    if any(_FOREIGN.search(text) for text in told):
        raise NotUnderstoodError("it is of a maker whose format is not known here")
    if first.description.startswith(b"Aperio"):
        return "aperio"
    if software.startswith(b"Philips") and b"DPUfsImport" in first.description:
        return "philips"
    if re.search(rb"<(?:\w+:)?OME\b", first.description[:4096]):
        return "ome"
    return "imagej" if first.description.startswith(b"ImageJ=") else "generic"


def roles_of(kind: Kind, pages: Sequence[Page]) -> list[Role]:
    """One a page; the first is a level. Raises NotUnderstoodError."""
    if kind == "hamamatsu":
        roles = [_by_lens(page) for page in pages]
    else:
        roles = ["level", *(_beside(kind, pages[0], page) for page in pages[1:])]
    if roles[0] != "level" or min(pages[0].size_px) < 1:
        raise NotUnderstoodError("its first picture is no level")
    return roles


def check_sub_level(main: Page, page: Page) -> None:
    """Raises NotUnderstoodError where a directory below a level is none of its reductions."""
    if not _is_reduction(main, page):
        raise NotUnderstoodError("a directory below a level is no level")


def _by_lens(page: Page) -> Role:
    if page.lens > 0:
        return "level"
    found: dict[float, Role] = {-1.0: "macro", -2.0: "map"}
    if page.lens not in found:
        raise NotUnderstoodError("one of its pictures is of no known kind")
    return found[page.lens]


def _beside(kind: Kind, main: Page, page: Page) -> Role:
    text = page.description
    for role, pattern in _BESIDE.items():
        if pattern.search(text.partition(b"|")[0]):
            return role
    if page.subfile & _MASK:
        raise NotUnderstoodError("one of its pictures is a mask")
    if kind == "aperio" and page.subfile == _MACRO:
        return "macro"
    reduced = kind == "aperio" or page.subfile & _REDUCED
    # Philips pads its levels to whole tiles: the small ones have other proportions.
    if page.tiled and reduced and (kind == "philips" or _is_reduction(main, page)):
        return "level"
    if kind == "aperio" and not page.tiled:
        return "label" if page.subfile == _REDUCED else "thumbnail"
    if page.pixels >= _LEAST_OTHER_SHARE * main.pixels:
        raise NotUnderstoodError("one of its pictures is neither a level nor a label, macro or thumbnail")
    return "picture"


def _is_reduction(main: Page, page: Page) -> bool:
    """Whether a page is the first one made smaller by about a whole number, stored in the same way."""
    if min(page.size_px) < 1 or page.compression != main.compression:
        return False
    ratios = [whole / side for whole, side in zip(main.size_px, page.size_px, strict=True)]
    # A side was rounded to whole pixels, in each of the steps.
    slack = max(0.02, 4 / min(page.size_px))
    return min(ratios) > 1.4 and abs(ratios[0] / ratios[1] - 1) < slack
