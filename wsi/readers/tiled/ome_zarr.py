"""OME-Zarr pictures as slides: brightfield RGB of 8 bits, read chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wsi.errors import CorruptSlideError, NotAFileError, SlideTooLargeError, UnreadableFileError
from wsi.identity import SlideFiles
from wsi.metadata import Metadata
from wsi.readers import features
from wsi.readers.level_scale import ScaledLevels, StoredLevel, scale_levels
from wsi.readers.openslide import MAX_PIXELS
from wsi.readers.slide_files import slide_files
from wsi.readers.tiled.slide import TiledSlide
from wsi.readers.zarr_files.arrays import ZarrArray
from wsi.readers.zarr_files.chunks import read_chunk
from wsi.readers.zarr_files.folder import OddZarrError, is_picture_folder
from wsi.readers.zarr_files.multiscales import Picture, read_picture
from wsi.region import Pair, Pixels
from wsi.spacing import Spacing, resolve_spacing

_CONVERT = "write it again as OME-Zarr 0.4 or 0.5 of one brightfield plane, red, green and blue in 8 bits, or as TIFF"


def recognises(path: Path) -> bool:
    """Whether it is a folder with a Zarr group that holds a picture."""
    return is_picture_folder(path)


@dataclass(frozen=True)
class _Level:
    """How a level's array is cut, in px."""

    array: ZarrArray
    axes: str

    def _pair(self, sides: tuple[int, ...]) -> Pair:
        return sides[self.axes.index("x")], sides[self.axes.index("y")]

    @property
    def size_px(self) -> Pair:
        return self._pair(self.array.shape)

    @property
    def tile_px(self) -> Pair:
        return self._pair(self.array.chunks)

    @property
    def columns(self) -> int:
        return -(-self.size_px[0] // self.tile_px[0])


class OmeZarrReader(TiledSlide):
    """The first picture of an OME-Zarr folder. Raises CorruptSlideError, UnsupportedSlideError, SlideTooLargeError,
    UnreadableFileError and the errors of `resolve_spacing`."""

    backend = "ome-zarr"

    def __init__(self, path: Path, mpp: float | None = None) -> None:
        self.files = _files(path)
        try:
            picture = read_picture(path)
        except OddZarrError as error:
            raise features.unsupported(path.name, str(error), _CONVERT) from error
        spacing = resolve_spacing(path.name, given=mpp, own=picture.um_px)
        levels = [_Level(array, picture.axes) for array in picture.levels]
        width, height = levels[0].size_px
        if width * height > MAX_PIXELS:
            raise SlideTooLargeError(f"{path.name} claims a level of {width} x {height} px")
        self._closed, self._identity = False, object()
        self._share(path, tuple(levels), spacing, {})
        found = self._scaled(picture)
        self._identity = object()  # levels may have other numbers now
        self._share(path, tuple(levels[number] for number in found.stored), spacing, _public(picture, found))
        self.levels = found.levels

    def _share(self, path: Path, stored: tuple[_Level, ...], spacing: Spacing, metadata: Metadata) -> None:
        self._stored = stored
        self._describe_by_levels(path, [level.size_px for level in stored], spacing, metadata)

    def _scaled(self, picture: Picture) -> ScaledLevels:
        finest = self._stored[0].size_px
        quotients = [
            sum(whole / side for whole, side in zip(finest, level.size_px, strict=True)) / 2 for level in self._stored
        ]
        told = zip(self._stored, picture.downsamples or quotients, strict=True)
        stored = [StoredLevel(level.size_px, downsample, level.tile_px) for level, downsample in told]
        return scale_levels(stored, lambda level, at, size: self.read_region(at, level, size), compare_all=True)

    def _grid(self, level: int) -> _Level:
        return self._stored[level]

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the slide is closed")

    def _decode(self, level: int, index: int, into: Pixels) -> None:
        stored = self._stored[level]
        row, column = divmod(index, stored.columns)
        axes, array = stored.axes, stored.array
        colours = array.chunks[axes.index("c")]
        for first in range(0, 3, colours):
            at = {"c": first // colours, "y": row, "x": column}
            try:
                chunk = read_chunk(array, [at.get(axis, 0) for axis in axes])
            except (OddZarrError, OSError, NotAFileError) as error:
                raise CorruptSlideError(
                    f"{self.path.name} is damaged: a chunk cannot be decoded", hint="copy or convert it again"
                ) from error
            last = min(3, first + colours)
            if chunk is None:
                into[..., first:last] = array.fill
                continue
            # Where t and z are they measure 1; colours may stand before or after the place.
            plane = chunk[tuple(0 if axis in "tz" else slice(None) for axis in axes)]
            left = [axis for axis in axes if axis not in "tz"]
            into[..., first:last] = plane.transpose([left.index(axis) for axis in "yxc"])[..., : last - first]

    def reopen(self) -> OmeZarrReader:
        """A handle of its own that shares the decoded chunks."""
        self._check_open()
        self.files.check()
        other = object.__new__(OmeZarrReader)
        other._share(self.path, self._stored, self.spacing, dict(self.metadata))
        other.files, other.levels, other._identity, other._closed = self.files, self.levels, self._identity, False
        return other

    def close(self) -> None:
        self._closed = True


def _files(path: Path) -> SlideFiles:
    try:
        return SlideFiles.of(slide_files(path))
    except OSError as error:
        raise UnreadableFileError(f"{path.name} cannot be read ({error.strerror})") from error


def _public(picture: Picture, found: ScaledLevels) -> Metadata:
    told: Metadata = {
        "format": f"OME-Zarr {picture.version}",
        "level_count": len(found.levels),
        "level_sizes_px": " ".join(f"{level.size_px[0]}x{level.size_px[1]}" for level in found.levels),
        "reader": OmeZarrReader.backend,
    }
    return told | ({"levels_left_out": found.left_out} if found.left_out else {})
