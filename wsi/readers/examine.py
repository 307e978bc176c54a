"""A look at a file before any reader: what is no slide or no longer one, and which page of a TIFF is the slide.

OpenSlide takes the first directory of a TIFF that it does not know, Pillow the first page. Neither asks whether that is
a label, the smallest level, or what is left of a file that was cut short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wsi import picture
from wsi.errors import CorruptSlideError, UnsupportedSlideError
from wsi.readers import dicom, features
from wsi.readers.beginnings import is_plain_picture, looks_like_tiff
from wsi.readers.openslide import vendor_of
from wsi.readers.tiff.coded_tile import lacks_extra
from wsi.readers.tiff.directory import FastPathDoubtError, TruncatedTiffError
from wsi.readers.tiff.pages import JPEG, TiffPage, read_pages
from wsi.readers.tiled.coded_tiff import is_coded

# Endings of formats that are never one plain picture.
_SLIDES_ONLY = frozenset((".mrxs", ".ndpi", ".vms", ".vmu", ".scn", ".svs", ".svslide", ".bif", ".czi", ".dcm", ".vsi"))
# OpenSlide's names of the formats whose pixels are tiles of a TIFF's own directories.
_TIFF_VENDORS = frozenset(("aperio", "generic-tiff", "huron", "leica", "philips", "trestle", "ventana"))
# A label or macro picture is smaller beside the slide, another section is not.
_LEAST_OTHER_SHARE = 0.1
_MAX_BITS = 16
_MAX_CHANNELS = 256  # more than any instrument has
# What the image reader decodes: none, CCITT, LZW, JPEG, Deflate, PackBits, LZMA, Zstandard, WebP.
_IMAGE_COMPRESSIONS = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 50000, 50001))


@dataclass(frozen=True)
class Advice:
    """`page` is the page of a TIFF that must be read as a plain image, None where OpenSlide's choice is right;
    `why` says why; `other_images` counts further pictures of the slide's size that are not read."""

    page: int | None = None
    why: str = ""
    other_images: int = 0


def examine(path: Path) -> Advice:
    """How to read the file.

    Raises CorruptSlideError for what is cut short, UnsupportedSlideError for what nothing here reads as it should.
    """
    vendor = vendor_of(path)
    if vendor is None:
        _check_parts(path)
    if vendor == "dicom":
        _check_lights(path)
    if not looks_like_tiff(path) or vendor not in (None, *_TIFF_VENDORS):
        return Advice()
    try:
        pages = read_pages(path)
    except TruncatedTiffError as error:
        if vendor in (None, "generic-tiff"):
            raise _incomplete(path) from error
        return Advice()
    except (FastPathDoubtError, OSError):
        return Advice()  # whoever reads it finds the words
    if not pages:
        return Advice()
    return _advice(path, vendor, pages)


def _check_parts(path: Path) -> None:
    """Of a file that OpenSlide does not know: whether it is what is left of a slide, or a picture named as one."""
    suffix, folder = path.suffix.lower(), path.with_suffix("")
    if suffix == ".mrxs":
        lacking = "is missing" if not folder.is_dir() else "has no Slidedat.ini that can be read"
        raise CorruptSlideError(
            f"{path.name} is incomplete: its folder {folder.name} {lacking}", hint="copy the folder beside the file"
        )
    if (folder / "Slidedat.ini").is_file() and not path.with_suffix(".mrxs").exists() and is_plain_picture(path):
        raise UnsupportedSlideError(
            f"{path.name} is the overview of a MIRAX slide whose px lie in the folder {folder.name} beside it",
            hint=f"name it {folder.name}.mrxs",
        )
    if suffix in _SLIDES_ONLY and is_plain_picture(path):
        raise UnsupportedSlideError(
            f"{path.name} is named as a slide but holds a plain picture",
            hint="copy the slide again, or rename it to .jpg or .png where a picture is meant",
        )


def _check_lights(path: Path) -> None:
    """OpenSlide shows some path of several without a word, so the one that it shows must be told to be bright field."""
    for part in dicom.slide_files_of(path):
        lights = dicom.read_lights(part)
        if len(lights.of_paths) > 1 and not lights.bright and dicom.is_volume(part):
            told = f"{len(lights.of_paths)} optical paths, of which it is not told that the first is bright field"
            raise features.unsupported(path.name, told, features.ONE_LIGHT)


def _advice(path: Path, vendor: str | None, pages: Sequence[TiffPage]) -> Advice:
    main = max(pages, key=lambda page: page.pixels)
    _check_features(path, main)
    _check_places(path, pages, main)
    if vendor in (None, "generic-tiff") and is_coded(pages):
        _check_coded(path, main, pages)
        return Advice(other_images=sum(_is_another(page, main) for page in pages))
    why, others = _what_openslide_misses(vendor, pages, main), 0
    if vendor in (None, "generic-tiff"):
        _check_planes(path, main, pages)
        if (vendor is None or why) and not main.complete:
            raise _incomplete(path)
        others = sum(_is_another(page, main) for page in pages)
    as_image = vendor is None or (bool(why) and vendor == "generic-tiff")
    if as_image and main.compression not in _IMAGE_COMPRESSIONS:
        raise features.unsupported(path.name, features.compression(main.compression))
    if vendor is None:
        return Advice(main.number, "", others)
    if not why:
        return Advice(other_images=others)
    if vendor == "generic-tiff" and main.pixels <= picture.MAX_SLIDE_PIXELS:
        return Advice(main.number, why, others)
    if why == _OPACITY and main.extra:
        return Advice(other_images=others)  # OpenSlide knows opacity that is told as such
    hint = "save it again with the full resolution first, upright, in three colours"
    if why == _ORDER:
        hint = f"which of its {len(pages)} images is meant? {hint}"
    raise UnsupportedSlideError(f"{path.name} cannot be read as it should: {why}", hint=hint)


_ORDER = "its first image is not its full resolution"
_TURNED = "its tiles are stored turned or mirrored (TIFF Orientation)"
_OPACITY = "it has a fourth channel"


def _what_openslide_misses(vendor: str | None, pages: Sequence[TiffPage], main: TiffPage) -> str:
    """Why OpenSlide would show something else than the slide; "" where it does not."""
    seen = pages[0] is main or (main.tiled and main.reduced)
    if vendor == "generic-tiff" and not seen:
        return _ORDER
    # Each tile would be turned in itself while its place is not. JPEG tiles are taken as stored.
    if 2 <= main.orientation <= 8 and main.compression != JPEG:
        return _TURNED
    return _OPACITY if main.samples == 4 else ""


def _check_features(path: Path, page: TiffPage) -> None:
    if page.sample_format in features.SAMPLE_FORMATS:
        raise features.unsupported(path.name, features.SAMPLE_FORMATS[page.sample_format])
    if page.bits > _MAX_BITS:
        raise features.unsupported(path.name, f"samples of {page.bits} bits")
    if page.samples > _MAX_CHANNELS:
        raise CorruptSlideError(f"{path.name} is damaged: {page.samples:,} channels", hint="copy or scan it again")
    if page.samples > 4 or (page.samples == 2 and page.extra == 0):
        raise features.unsupported(path.name, f"{page.samples} channels", hint="export its colours as 8-bit RGB")


def _check_coded(path: Path, main: TiffPage, pages: Sequence[TiffPage]) -> None:
    """Of tiles that are decoded here, since OpenSlide does not know their compression."""
    if lacks_extra(main.compression):
        raise features.unsupported(path.name, features.compression(main.compression), features.WITH_EXTRA)
    _check_planes(path, main, pages)
    if not main.complete:
        raise _incomplete(path)
    if 2 <= main.orientation <= 8:
        raise features.unsupported(path.name, _TURNED)


def _check_places(path: Path, pages: Sequence[TiffPage], main: TiffPage) -> None:
    """A directory that lists fewer tiles than its size asks for has a damaged size: glass that is not there would be
    searched for hours. Tiles that were never written are listed too, with no length."""
    for page in pages:
        if page.listed < page.needed and (page is main or page.tiled):
            raise CorruptSlideError(
                f"{path.name} is damaged: of the {page.needed:,} tiles of its {page.size_px[0]:,} x "
                f"{page.size_px[1]:,} px only {page.listed:,} are listed",
                hint="copy or scan it again",
            )


def _check_planes(path: Path, main: TiffPage, pages: Sequence[TiffPage]) -> None:
    planes = pages[0].focal_planes
    if planes > 1 and sum(page.size_px == main.size_px for page in pages) > 1:
        raise features.unsupported(path.name, f"{planes} focal planes", hint="export one focal plane")


def _is_another(page: TiffPage, main: TiffPage) -> bool:
    """Whether a page shows something else than `main` does, as large as a section is."""
    if page is main or page.reduced or page.pixels < _LEAST_OTHER_SHARE * main.pixels:
        return False
    ratios = [whole / max(side, 1) for whole, side in zip(main.size_px, page.size_px, strict=True)]
    a_level = min(ratios) > 1.5 and abs(ratios[0] / ratios[1] - 1) < 0.02 and abs(ratios[0] - round(ratios[0])) < 0.02
    return not a_level


def _incomplete(path: Path) -> CorruptSlideError:
    return CorruptSlideError(f"{path.name} is incomplete: the file was cut short", hint="copy it again")
