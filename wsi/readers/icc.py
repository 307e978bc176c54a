"""A slide's colour profile (ICC.1): found whoever reads the slide, looked at before littlecms does, applied if asked.

A profile says what the scanner's red, green and blue are; applied, they become those of sRGB. Models here were trained
on colours as they are stored, so nothing is applied unless somebody asks.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from types import MappingProxyType

import numpy as np
import openslide
from openslide import lowlevel
from PIL import Image, ImageCms

from wsi.errors import CorruptSlideError, PulmoscopeError
from wsi.picture import MAX_SLIDE_PIXELS, SLIDE_FORMATS, open_picture
from wsi.readers.beginnings import looks_like_tiff
from wsi.readers.olympus.marks import is_vsi
from wsi.readers.openslide import vendor_of
from wsi.readers.tiff.directory import FastPathDoubtError
from wsi.readers.tiff.pages import read_profile
from wsi.slide import Pixels, Recoloured, Slide

APPLIED = "colour_profile"
"""Of a slide's metadata: that its profile was applied, or that it has none."""
MAX_BYTES = 4 << 20
_MAX_TAGS, _HEADER_BYTES, _ROW_BYTES = 200, 128, 12
_CLASSES = (b"scnr", b"mntr", b"prtr", b"spac")
_WITHOUT = "run without --icc"


def profile_of(path: Path) -> bytes:
    """The profile of the slide at `path` as it is stored, b"" where it has none. Raises CorruptSlideError for one of no
    sensible size."""
    if path.is_dir() or is_vsi(path):  # a page of a VSI shows the label or the whole glass
        return b""
    vendor = vendor_of(path)
    if vendor is None or vendor == "generic-tiff":
        return _of_tiff(path) if looks_like_tiff(path) else _of_picture(path)
    try:
        return _of_openslide(path)
    except openslide.OpenSlideError as error:
        raise _odd(path) from error


def _of_openslide(path: Path) -> bytes:
    """As bytes: OpenSlide's own property would give it to littlecms at once."""
    handle = lowlevel.open(str(path))
    try:
        _check_size(path, int(lowlevel.get_icc_profile_size(handle)))
        return bytes(lowlevel.read_icc_profile(handle) or b"")
    finally:
        lowlevel.close(handle)


def _of_tiff(path: Path) -> bytes:
    try:
        profile = read_profile(path, MAX_BYTES)
    except FastPathDoubtError as error:
        raise _odd(path) from error
    _check_size(path, len(profile))
    return profile


def _of_picture(path: Path) -> bytes:
    try:
        with open_picture(path, SLIDE_FORMATS, MAX_SLIDE_PIXELS) as image:
            profile = image.info.get("icc_profile") or b""
    except PulmoscopeError:
        return b""  # whoever opens it finds the words
    _check_size(path, len(profile))
    return bytes(profile)


def _check_size(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        raise _odd(path)


def in_srgb(slide: Slide) -> Slide:
    """The slide in sRGB by its profile, and closed with it; itself, and said, where it has none.

    Raises CorruptSlideError where the profile is damaged, or of other colours than red, green and blue.
    """
    profile = profile_of(slide.path)
    if not profile:
        slide.metadata = MappingProxyType({**slide.metadata, APPLIED: "none"})
        return slide
    check_profile(slide.path, profile)
    return _InSrgb(slide, profile)


def check_profile(path: Path, profile: bytes) -> None:
    """Raises CorruptSlideError unless its header and table are such as RGB profiles have, and end inside of it."""
    if len(profile) < _HEADER_BYTES + 4 or profile[36:40] != b"acsp":
        raise _odd(path)
    [size], [tags] = struct.unpack_from(">I", profile), struct.unpack_from(">I", profile, _HEADER_BYTES)
    table_end = _HEADER_BYTES + 4 + tags * _ROW_BYTES
    if profile[16:20] != b"RGB " or profile[12:16] not in _CLASSES or size > len(profile) or tags > _MAX_TAGS:
        raise _odd(path)
    if table_end > len(profile):
        raise _odd(path)
    for at in range(_HEADER_BYTES + 4, table_end, _ROW_BYTES):
        start, length = struct.unpack_from(">II", profile, at + 4)
        if not table_end <= start <= start + length <= len(profile):
            raise _odd(path)


class _InSrgb(Recoloured):
    """`slide` in the colours of sRGB, by the rendering that its profile prefers."""

    def __init__(self, slide: Slide, profile: bytes) -> None:
        super().__init__(slide, {APPLIED: "applied"})
        self._profile = profile
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            intent = ImageCms.Intent(ImageCms.getDefaultIntent(own))
            self._to_srgb = ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), "RGB", "RGB", intent)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
            raise _odd(slide.path) from error

    def _recoloured(self, pixels: Pixels) -> Pixels:
        image = Image.fromarray(np.ascontiguousarray(pixels))
        return np.array(ImageCms.applyTransform(image, self._to_srgb), np.uint8)

    def reopen(self) -> Slide:
        return _InSrgb(self._slide.reopen(), self._profile)


def _odd(path: Path) -> CorruptSlideError:
    return CorruptSlideError(f"{path.name} has a colour profile that is damaged, or none for RGB", hint=_WITHOUT)
