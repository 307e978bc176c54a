"""`open_slide`: checks the file, then asks each reader in turn. The registry is the ordered tuple below."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from wsi.errors import (
    CorruptSlideError,
    EmptyFileError,
    NotAFileError,
    SlideError,
    UnreadableFileError,
    UnsupportedSlideError,
    UsageError,
)
from wsi.files.foreign import HEAD_BYTES, is_blank, what_it_is
from wsi.identity import SlideFiles, open_slide_file
from wsi.readers.beginnings import is_dicom, looks_like_tiff, may_be_image
from wsi.readers.examine import Advice, examine
from wsi.readers.olympus.marks import is_vsi
from wsi.readers.tiff.directory import FastPathDoubtError
from wsi.readers.zarr_files.folder import is_picture_folder
from wsi.slide import OTHER_IMAGES, Slide

# What is left of `s3://` and its like in a path.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class Reader(NamedTuple):
    """A reader by its name, and where it is: its module is loaded for a file that it may read by its first bytes.

    There `recognises(path)` looks closer, without decoding a pixel, and the class takes the path and the given mpp.
    """

    name: str
    may_read: Callable[[Path], bool]
    module: str
    opener: str

    @property
    def home(self) -> Any:
        return import_module(self.module)

    def recognises(self, path: Path) -> bool:
        return self.may_read(path) and bool(self.home.recognises(path))

    def open(self, path: Path, *known: object) -> Slide:
        slide: Slide = getattr(self.home, self.opener)(path, *known)
        return slide


_OME_ZARR = Reader("ome-zarr", is_picture_folder, "wsi.readers.tiled.ome_zarr", "OmeZarrReader")
_VSI = Reader("vsi-ets", is_vsi, "wsi.readers.tiled.vsi_ets", "VsiReader")
_TIFF_JPEG = Reader("tiff-jpeg", looks_like_tiff, "wsi.readers.tiled.jpeg_tiff", "TiffJpegReader")
_OPENSLIDE = Reader("openslide", Path.is_file, "wsi.readers.openslide", "OpenSlideReader")
_IMAGE = Reader("image", may_be_image, "wsi.readers.image", "ImageReader")

READERS: tuple[Reader, ...] = (
    _OME_ZARR,
    _VSI,
    Reader("tiff-coded", looks_like_tiff, "wsi.readers.tiled.coded_tiff", "CodedTiffReader"),
    _TIFF_JPEG,
    Reader("ndpi-jpeg", looks_like_tiff, "wsi.readers.tiled.ndpi_jpeg", "NdpiJpegReader"),
    Reader("dicom-jpeg", is_dicom, "wsi.readers.tiled.dicom_jpeg", "DicomJpegReader"),
    _OPENSLIDE,
    _IMAGE,
)


def open_slide(path: Path | str, *, mpp: float | None = None, reader: str = "auto", icc: bool = False) -> Slide:
    """The slide at `path` by the first reader that recognises and does not decline it, or by the reader of that name.

    `mpp` (um per px) goes before whatever the file says; `icc` applies the slide's colour profile.

    Raises NotAFileError, EmptyFileError, UnreadableFileError,
    UnsupportedSlideError, CorruptSlideError, SlideChangedError, SlideTooLargeError, MppMissingError,
    MppImplausibleError, UsageError.
    """
    path = Path(path)
    if reader != "auto" and reader not in [known.name for known in READERS]:
        names = ", ".join(known.name for known in READERS)
        raise UsageError(f"no reader is called {reader!r}", hint=f"use auto, or one of {names}")
    check_file(path)
    slide = _of_folder(path, mpp, reader) if path.is_dir() else _of_file(path, mpp, reader)
    if not icc:
        return slide
    from wsi.readers.icc import in_srgb  # few runs ask for it

    try:
        return in_srgb(slide)
    except BaseException:
        slide.close()
        raise


def _of_file(path: Path, mpp: float | None, reader: str) -> Slide:
    seen = SlideFiles.of((path,))
    if is_vsi(path):
        return _of_vsi(path, mpp, reader, seen)
    advice = examine(path)
    if advice.page is not None and advice.why and reader not in ("auto", "image"):
        raise UnsupportedSlideError(
            f"the reader {reader} would misread {path.name}: {advice.why}", hint="use --reader auto"
        )
    slide = _opened(path, mpp, reader, advice, seen)
    if advice.other_images:
        slide.metadata = MappingProxyType({**slide.metadata, OTHER_IMAGES: advice.other_images})
    return slide


def _of_vsi(path: Path, mpp: float | None, reader: str, seen: SlideFiles) -> Slide:
    """Any other reader would take one of the pictures that show the scan for the slide."""
    if reader not in ("auto", _VSI.name):
        raise UnsupportedSlideError(
            f"{path.name} is an Olympus VSI, of which the reader {reader} would show the overview",
            hint="use --reader auto",
        )
    with seen.unchanged():
        return _VSI.open(path, mpp)


def _of_folder(path: Path, mpp: float | None, reader: str) -> Slide:
    if reader not in ("auto", _OME_ZARR.name):
        raise UnsupportedSlideError(f"the reader {reader} opens no folder", hint="use --reader auto")
    slide = _OME_ZARR.open(path, mpp)
    slide.files.check()
    return slide


def _opened(path: Path, mpp: float | None, reader: str, advice: Advice, seen: SlideFiles) -> Slide:
    if advice.page is not None and reader in ("auto", "image"):
        with seen.unchanged():
            return _IMAGE.open(path, mpp, advice.page, advice.why)
    why = ""
    for known in READERS:
        if reader in ("auto", known.name) and known.recognises(path):
            try:
                with seen.unchanged():
                    return _by_openslide(path, mpp, why) if known is _OPENSLIDE else known.open(path, mpp)
            except FastPathDoubtError as doubt:
                why = str(doubt)
    if why:
        raise UnsupportedSlideError(f"the reader {reader} declines {path.name}: {why}", hint="use --reader auto")
    raise _foreign(path)


def _by_openslide(path: Path, mpp: float | None, why: str) -> Slide:
    """`why` is why the reader before it declined the file, "" where none did."""
    if _TIFF_JPEG.may_read(path):
        _TIFF_JPEG.home.refuse_false_colours(path)
    return _OPENSLIDE.open(path, mpp, why)


def _foreign(path: Path) -> SlideError:
    with open_slide_file(path) as file:
        head = file.read(HEAD_BYTES)
    if is_blank(head):
        return CorruptSlideError(
            f"{path.name} is incomplete: it begins with nothing but zeros",
            hint="copy it again: the copy did not finish",
        )
    words, remedy = what_it_is(path, head)
    return UnsupportedSlideError(f"{path.name} is {words}", hint=remedy)


def check_file(path: Path) -> None:
    """Raises unless `path` is a regular file that is not empty and may be read, or an OME-Zarr folder. Opens no pipe or
    device."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        if any(_SCHEME.fullmatch(part) for part in path.parts):
            raise NotAFileError(
                f"{path.name} is an address, not a file here", hint="copy the slide here first"
            ) from error
        raise NotAFileError(f"{path.name} does not exist", hint="check the path") from error
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"{path.name} cannot be reached ({_reason(error)})") from error
    if is_picture_folder(path):
        return
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
        raise NotAFileError(f"{path.name} is {what}, not a slide file")
    if status.st_size == 0:
        raise EmptyFileError(f"{path.name} is empty", hint="copy it again")
    try:
        with open_slide_file(path) as file:
            file.read(1)
    except OSError as error:
        raise UnreadableFileError(f"{path.name} cannot be read ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    """The system's words without the path that it adds to them."""
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
