"""Plain JPEG, PNG and TIFF images as slides of one level: an uploaded field of view.

The header is checked at opening; pixels are decoded when first asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Self

import cv2
import numpy as np
import simplejpeg
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from wsi import picture
from wsi.errors import CorruptSlideError, SlideTooLargeError, UnsupportedSlideError
from wsi.identity import SlideFiles, open_slide_file
from wsi.metadata import Metadata, is_synthetic, number
from wsi.picture import open_picture
from wsi.readers.beginnings import may_be_image
from wsi.readers.features import unsupported
from wsi.readers.tiff.description import imagej_mpp, ome_mpp
from wsi.region import Pixels, clip, on_white, overview, shrink_to, white
from wsi.spacing import Level, Spacing, mpp_from_tiff_resolution, resolve_spacing

_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_INCH = 2


def recognises(path: Path) -> bool:
    """Whether the file begins as a JPEG, PNG or TIFF does."""
    return may_be_image(path)


class ImageReader:
    """An image file. Raises CorruptSlideError, UnsupportedSlideError, SlideTooLargeError and the errors of
    `resolve_spacing`."""

    backend = "image"

    def __init__(self, path: Path, mpp: float | None = None, page: int | None = None, why: str = "") -> None:
        """`page` is that of a TIFF whose directories were found whole; `why` says in a few words why OpenSlide does not
        read the file."""
        self.files = SlideFiles.of((path,))
        with _opened(path, page) as image:
            size_px = _upright_size(image)
            spacing = _spacing(path.name, image, mpp, _description(path, image, page))
            metadata = _public(image) | ({"reader": f"{self.backend} ({why})"} if why else {})
        self._share(path, size_px, spacing, metadata, _LazyPixels(path, size_px, page))

    def _share(
        self,
        path: Path,
        size_px: tuple[int, int],
        spacing: Spacing,
        metadata: Mapping[str, str | float | int | bool],
        source: _LazyPixels,
    ) -> None:
        self.path = path
        self.size_px = size_px
        self.levels: tuple[Level, ...] = (Level(size_px, 1.0),)
        self.spacing = spacing
        self.bounds_px = (0, 0, *size_px)
        self.metadata: Mapping[str, str | float | int | bool] = MappingProxyType(dict(metadata))
        self._source: _LazyPixels | None = source

    def read_region(self, level_xy: tuple[int, int], level: int, size_px: tuple[int, int]) -> Pixels:
        """See `wsi.slide.Slide.read_region`."""
        if level != 0:
            raise IndexError(f"an image has level 0 only, not {level}")
        if self._source is None:
            raise ValueError("the slide is closed")
        region = white(size_px)
        window = clip(level_xy, size_px, self.size_px)
        if window is not None:
            (left, top), (x, y), (width, height) = window
            region[top : top + height, left : left + width] = self._source.get()[y : y + height, x : x + width]
        return region

    def thumbnail(self, max_px: int) -> Pixels:
        """See `wsi.slide.Slide.thumbnail`."""
        target = shrink_to(self.size_px, max_px)
        return overview(lambda corner, size: self.read_region(corner, 0, size), self.size_px, target)

    def reopen(self) -> ImageReader:
        """A handle of its own on the same decoded pixels, which nothing writes to."""
        if self._source is None:
            raise ValueError("the slide is closed")
        self.files.check()
        other = object.__new__(ImageReader)
        other.files = self.files
        other._share(self.path, self.size_px, self.spacing, self.metadata, self._source)
        return other

    def stored_components(self) -> ImageReader:
        """See `wsi.slide.KeepsComponents`. Of a JPEG; any other image comes out as it is."""
        other = self.reopen()
        assert self._source is not None
        other._source = self._source.of_components()
        return other

    def close(self) -> None:
        self._source = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _LazyPixels:
    """The image's pixels, decoded once, whichever thread asks first."""

    def __init__(self, path: Path, size_px: tuple[int, int], page: int | None, *, components: bool = False) -> None:
        self._path = path
        self._page = page
        self._components = components
        self._size_px = size_px
        self._lock = threading.Lock()
        self._pixels: Pixels | None = None

    def of_components(self) -> _LazyPixels:
        """The same image with the components of its JPEG shown as they are."""
        return _LazyPixels(self._path, self._size_px, self._page, components=True)

    def get(self) -> Pixels:
        """The whole image, (height, width, 3), shared by all who ask: not to be written to. Raises SlideError."""
        with self._lock:
            if self._pixels is None:
                with _opened(self._path, self._page) as image:
                    pixels = (_upright_components if self._components else _upright_rgb)(self._path, image)
                if pixels.shape[1::-1] != self._size_px:
                    raise _corrupt(self._path)
                self._pixels = pixels
            return self._pixels


@contextmanager
def _opened(path: Path, page: int | None) -> Iterator[Image.Image]:
    """The image as `open_picture` gives it; one that began well and is none after all is damaged."""
    try:
        with open_picture(path, picture.SLIDE_FORMATS, picture.MAX_SLIDE_PIXELS) as image:
            if page:
                image.seek(page)
                if image.width * image.height > picture.MAX_SLIDE_PIXELS:
                    millions = picture.MAX_SLIDE_PIXELS // 1_000_000
                    raise SlideTooLargeError(
                        f"{path.name} has a page of more than {millions} million pixels in one piece",
                        hint="crop it, or convert it to a tiled pyramid",
                    )
            yield image
    except UnsupportedSlideError as error:
        if isinstance(error.__cause__, UnidentifiedImageError) and page is None:
            raise _corrupt(path) from error
        if isinstance(error.__cause__, UnidentifiedImageError):
            raise unsupported(path.name, "a layout of pixels that is no picture's") from error
        raise


def _upright_size(image: Image.Image) -> tuple[int, int]:
    sideways = _orientation(image) in _SIDEWAYS
    return (image.height, image.width) if sideways else (image.width, image.height)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 where there is nothing to turn. Call it before the pixels are loaded.

    Pillow turns TIFF images by itself, and would decode a whole PNG to look for EXIF behind its pixels.
    """
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    return int(image.getexif().get(ExifTags.Base.Orientation, 1))


def _upright_rgb(path: Path, image: Image.Image) -> Pixels:
    if image.format == "JPEG":
        _check_jpeg(path)
    mode = image.mode
    if mode == "F":
        raise UnsupportedSlideError(f"{path.name} holds measured values, not a picture", hint="save it as 8-bit RGB")
    upright = ImageOps.exif_transpose(image) if _orientation(image) != 1 else image
    if mode in _SIXTEEN_BIT or mode == "I":
        return _grey_16(path, np.asarray(upright))
    if upright.has_transparency_data:
        rgba = np.asarray(upright.convert("RGBA"))
        if rgba[..., 3].max() == 0:
            raise UnsupportedSlideError(
                f"every pixel of {path.name} is fully transparent", hint="save it without its alpha channel"
            )
        return on_white(rgba)
    return np.array(upright.convert("RGB"))


def _upright_components(path: Path, image: Image.Image) -> Pixels:
    image.draft("YCbCr", image.size)
    if image.mode != "YCbCr":
        return _upright_rgb(path, image)
    _check_jpeg(path)
    return np.array(ImageOps.exif_transpose(image) if _orientation(image) != 1 else image)


def _grey_16(path: Path, grey: np.ndarray) -> Pixels:
    """16-bit grey by its full range, whatever part of it is used: exposure is part of the picture."""
    if grey.min() < 0 or grey.max() > 65535:
        raise UnsupportedSlideError(f"{path.name} has more than 16 bits a pixel", hint="save it as 8-bit RGB")
    scaled = ((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_GRAY2RGB), np.uint8)


def _check_jpeg(path: Path) -> None:
    """Decodes once, strictly. Pillow and OpenSlide fill what is missing in a JPEG with grey and say nothing."""
    with open_slide_file(path) as file:
        data = file.read()
    try:
        simplejpeg.decode_jpeg(data, colorspace="GRAY", strict=True)
    except ValueError as error:
        raise _corrupt(path) from error


def _description(path: Path, image: Image.Image, page: int | None) -> str:
    """The ImageDescription of a TIFF's first page, which is where OME-XML and ImageJ tell of all."""
    if image.format != "TIFF":
        return ""
    if not page:
        return str(image.tag_v2.get(ExifTags.Base.ImageDescription, ""))  # type: ignore[attr-defined]
    with _opened(path, None) as first:
        return _description(path, first, None)


def _spacing(name: str, image: Image.Image, given: float | None, description: str) -> Spacing:
    """From the description, and the density in the header, which Pillow gives in px per inch for all three formats."""
    dpi = image.info.get("dpi") or (0.0, 0.0)
    if image.format == "TIFF" and ExifTags.Base.XResolution not in image.tag_v2:  # type: ignore[attr-defined]
        dpi = (0.0, 0.0)  # what Pillow still remembers of the page before
    mpp = tuple(mpp_from_tiff_resolution(float(value), _INCH) for value in dpi)
    stated = (mpp[0], mpp[1]) if len(mpp) == 2 and mpp[0] and mpp[1] else None
    tags = getattr(image, "tag_v2", {})
    across, down = (tags.get(tag) for tag in (ExifTags.Base.XResolution, ExifTags.Base.YResolution))
    resolution = tuple(None if value is None else number(str(float(value))) for value in (across, down))
    return resolve_spacing(
        name,
        given=given,
        ome=ome_mpp(description, image.size),
        imagej=imagej_mpp(description, (resolution[0], resolution[1])),
        tiff_resolution=stated,
    )


def _public(image: Image.Image) -> Metadata:
    found: Metadata = {"format": image.format} if image.format in picture.SLIDE_FORMATS else {}
    description = image.info.get("Description") or image.info.get("comment") or ""
    tags = getattr(image, "tag_v2", {})
    description = tags.get(ExifTags.Base.ImageDescription, description)
    if isinstance(description, bytes):
        description = description.decode("utf-8", "replace")
    return found | ({"synthetic": True} if isinstance(description, str) and is_synthetic(description) else {})


def _corrupt(path: Path) -> CorruptSlideError:
    return CorruptSlideError(f"{path.name} is damaged: the image cannot be decoded", hint="copy or export it again")
