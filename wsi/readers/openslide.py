"""Everything that OpenSlide reads, behind the Slide interface. Label and macro images are never touched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from operator import sub
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np
import openslide

from wsi.errors import CorruptSlideError, SlideError, SlideTooLargeError, UnreadableFileError
from wsi.identity import SlideFiles
from wsi.metadata import number, public_metadata
from wsi.readers import dicom
from wsi.readers.beginnings import is_dicom
from wsi.readers.features import explained
from wsi.readers.level_scale import ScaledLevels, StoredLevel, scale_levels
from wsi.readers.slide_files import slide_files
from wsi.readers.tiff.description import imagej_mpp, ome_mpp, qpi_mpp, tags_mpp
from wsi.readers.tiff.directory import FastPathDoubtError
from wsi.readers.tiff.ndpi import level_sizes
from wsi.region import clip, on_white, overview, shrink_to, white
from wsi.slide import Pixels
from wsi.spacing import Spacing, resolve_spacing

# A slide of a square decimetre at 0.1 um/px is 10**12 px; a header that claims more is broken.
MAX_SIDE_PX = 2**31 - 1
MAX_PIXELS = 10**12
MAX_LEVELS = 64
MAX_REGION_PIXELS = 2**28
_RESOLUTION_UNITS = {"inch": 2, "centimeter": 3}


def recognises(path: Path) -> bool:
    """Whether OpenSlide knows the format. A folder's worth of JPEG, PNG or stripped TIFF it does not."""
    return vendor_of(path) is not None


def vendor_of(path: Path) -> str | None:
    """OpenSlide's name for the format of the file; None where it knows none, or cannot look."""
    try:
        vendor = openslide.OpenSlide.detect_format(str(path))
    except openslide.OpenSlideError:
        return None
    return None if vendor is None else str(vendor)


def files_of(path: Path) -> SlideFiles:
    """All files that OpenSlide reads for the slide, as they are now. Raises UnreadableFileError, NotAFileError."""
    try:
        return SlideFiles.of(slide_files(path))
    except OSError as error:
        raise UnreadableFileError(f"{path.name} cannot be read ({error.strerror})") from error


class OpenSlideReader:
    """A slide opened by OpenSlide. Raises CorruptSlideError, UnsupportedSlideError for features that OpenSlide does not
    read, SlideTooLargeError and the errors of `resolve_spacing`."""

    backend = "openslide"

    def __init__(
        self, path: Path, mpp: float | None = None, why: str = "", known: OpenSlideReader | None = None
    ) -> None:
        """`why` says in a few words why a faster reader left the file to this one; it goes into the metadata.

        `known` is an earlier reader of the same file, whose findings about the levels are taken over.
        """
        self.path = path
        self._given_mpp = mpp
        self._why = why
        self.files = files_of(path)
        self._shown = ExitStack()
        try:
            shown = self._shown.enter_context(dicom.alone(path, self.files.paths)) if is_dicom(path) else path
            self._shown_path = str(shown)
            handle = openslide.OpenSlide(self._shown_path)
            properties = dict(handle.properties)
            stored = _stored_levels(handle, path.name, properties)
        except (openslide.OpenSlideError, ValueError) as error:
            self._shown.close()
            raise explained(path.name, error) from error
        except SlideError:
            self._shown.close()
            raise
        try:
            self._handle: openslide.OpenSlide | None = handle
            self._openslide_downsamples = [level.said for level in stored]
            self._scaled: ScaledLevels = known._scaled if known else self._scale(stored, properties)
            self.levels = self._scaled.levels
            self.stored_sizes_px = tuple(stored[number].size_px for number in self._scaled.stored)
            self.size_px = self.levels[0].size_px
            self.spacing: Spacing = _spacing(path.name, properties, mpp)
            self.bounds_px = _bounds(properties, self.size_px)
            self.metadata: Mapping[str, str | float | int | bool] = MappingProxyType(
                public_metadata(properties)
                | ({"reader": f"{self.backend} ({why})"} if why else {})
                | ({"levels_left_out": self._scaled.left_out} if self._scaled.left_out else {})
            )
        except Exception:
            self.close()
            raise

    def _scale(self, stored: list[StoredLevel], properties: Mapping[str, str]) -> ScaledLevels:
        # The directories of a generic TIFF need not be levels of one picture.
        generic = properties.get("openslide.vendor") == "generic-tiff"
        made = _made_levels(self.path, stored) if properties.get("openslide.vendor") == "hamamatsu" else ()
        return scale_levels(stored, self._read_stored, compare_all=generic, made=made)

    def read_region(self, level_xy: tuple[int, int], level: int, size_px: tuple[int, int]) -> Pixels:
        """See `wsi.slide.Slide.read_region`."""
        if not 0 <= level < len(self.levels):
            raise IndexError(f"the slide has levels 0 to {len(self.levels) - 1}, not {level}")
        if self._handle is None:
            raise ValueError("the slide is closed")
        window = clip(level_xy, size_px, self.levels[level].size_px)
        if window is None:
            return white(size_px)
        (left, top), (x, y), (width, height) = window
        if width * height > MAX_REGION_PIXELS:
            raise SlideTooLargeError(
                f"{self.path.name}: a region of {width} x {height} px is too large to read at once"
            )
        part = self._read_stored(self._scaled.stored[level], (x, y), (width, height))
        if (width, height) == tuple(size_px):
            return part
        pixels = white(size_px)
        pixels[top : top + height, left : left + width] = part
        return pixels

    def _read_stored(self, stored: int, level_xy: tuple[int, int], size_px: tuple[int, int]) -> Pixels:
        """(height, width, 3) of OpenSlide's level number `stored`, from its px `level_xy` or as near as whole px allow.

        OpenSlide divides by its own figure for the downsample and blends neighbours where that does not come out whole.
        """
        downsample = self._openslide_downsamples[stored]
        corner = (round(level_xy[0] * downsample), round(level_xy[1] * downsample))
        try:
            return on_white(np.asarray(self._open_handle().read_region(corner, stored, size_px)))
        except openslide.OpenSlideError as error:
            self._begin_anew()
            raise explained(self.path.name, error) from error

    def _begin_anew(self) -> None:
        """Another handle in the place of one that failed: OpenSlide refuses everything from then on, and what is whole
        can still be read."""
        failed = self._open_handle()
        with suppress(openslide.OpenSlideError):
            self._handle = openslide.OpenSlide(self._shown_path)
            failed.close()

    def gives_stored_pixels(self, level_xy: tuple[int, int], level: int) -> bool:
        """Whether a region that begins there comes as it is stored, and not blended with neighbouring pixels."""
        downsample = self._openslide_downsamples[self._scaled.stored[level]]
        return all(abs(at * downsample - round(at * downsample)) < 1e-6 for at in level_xy)

    def thumbnail(self, max_px: int) -> Pixels:
        """See `wsi.slide.Slide.thumbnail`: area-averaged from the coarsest level that is large enough."""
        target = shrink_to(self.size_px, max_px)
        fitting = [i for i, level in enumerate(self.levels) if min(map(sub, level.size_px, target)) >= 0]
        level = max(fitting, key=lambda i: self.levels[i].downsample, default=0)
        return overview(lambda corner, size: self.read_region(corner, level, size), self.levels[level].size_px, target)

    def reopen(self) -> OpenSlideReader:
        self.files.check()
        return OpenSlideReader(self.path, self._given_mpp, self._why, self)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.close()
        self._handle = None
        self._shown.close()

    def _open_handle(self) -> openslide.OpenSlide:
        if self._handle is None:
            raise ValueError("the slide is closed")
        return self._handle

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _stored_levels(handle: openslide.OpenSlide, name: str, properties: Mapping[str, str]) -> list[StoredLevel]:
    sizes, downsamples = handle.level_dimensions, handle.level_downsamples
    if not 1 <= len(sizes) <= MAX_LEVELS:
        raise CorruptSlideError(f"{name} claims {len(sizes)} levels")
    for width, height in sizes:
        if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX and width * height <= MAX_PIXELS):
            raise SlideTooLargeError(f"{name} claims a level of {width} x {height} px")
    return [
        StoredLevel((int(size[0]), int(size[1])), downsample, _tile_px(properties, level))
        for level, (size, downsample) in enumerate(zip(sizes, downsamples, strict=True))
    ]


def _made_levels(path: Path, stored: list[StoredLevel]) -> tuple[int, ...]:
    """Numbers of the levels that OpenSlide makes itself between those of an NDPI, by decoding a finer one coarsely.

    Such px are no area averages as in other formats: the same picture had another call. None where it cannot be told.
    """
    try:
        sizes = level_sizes(path)
    except (FastPathDoubtError, OSError):
        return ()
    return tuple(number for number, level in enumerate(stored) if number and level.size_px not in sizes)


def _tile_px(properties: Mapping[str, str], level: int) -> tuple[int, int] | None:
    sides = [number(properties.get(f"openslide.level[{level}].tile-{side}"), 1, 2**16) for side in ("width", "height")]
    return None if sides[0] is None or sides[1] is None else (int(sides[0]), int(sides[1]))


def _spacing(name: str, properties: Mapping[str, str], given: float | None) -> Spacing:
    found = [number(properties.get(f"openslide.mpp-{axis}")) for axis in "xy"]
    known = [mpp for mpp in found if mpp is not None]
    stated = (known[0], known[-1]) if known else None
    # For a generic TIFF OpenSlide takes the resolution tags, which mostly hold a printer's 72 dpi.
    generic = properties.get("openslide.vendor") == "generic-tiff"
    size = tuple(int(properties.get(f"openslide.level[0].{side}", 0)) for side in ("width", "height"))
    description = properties.get("tiff.ImageDescription", "")
    unit = properties.get("tiff.ResolutionUnit", "")
    across, down = (number(properties.get(f"tiff.{axis}Resolution")) for axis in "XY")
    return resolve_spacing(
        name,
        given=given,
        own=qpi_mpp(description) if generic else stated,
        ome=ome_mpp(description, (size[0], size[1])),
        imagej=imagej_mpp(description, (across, down)),
        objective_power=number(properties.get("openslide.objective-power")),
        tiff_resolution=stated if generic else tags_mpp((across, down), _RESOLUTION_UNITS.get(unit, 0)),
    )


def _bounds(properties: Mapping[str, str], size_px: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part that holds pixels, clipped to the slide; the whole slide where nothing sensible is said."""
    stated = [number(properties.get(f"openslide.bounds-{what}")) for what in ("x", "y", "width", "height")]
    whole = (0, 0, *size_px)
    if None in stated:
        return whole
    x, y, width, height = (math.floor(value) for value in stated if value is not None)
    part = clip((x, y), (width, height), size_px) if min(width, height) > 0 else None
    return whole if part is None else (*part[1], *part[2])
