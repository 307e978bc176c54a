"""Out-of-distribution detection: pictures that a model should not recognise, cut into tiles, and how well it tells.

Pixels are taken as they are: a picture has no mpp. Slides are no pictures; cut them first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from classifier.colour.white import set_white, white_point
from classifier.dataset.predict import batches
from classifier.dataset.tile_list import IMAGE_SUFFIXES, TileSet
from classifier.evaluation.intervals import BOOTSTRAP_ROUNDS, Figure, Groups, count_groups, draws, with_ends
from classifier.evaluation.metrics import area_under_curve
from classifier.model import TileModel
from classifier.progress import Progress, ProgressCallback, quiet
from tiler.quality import FOCUS_THRESHOLD, focus
from tiler.spec import TileSpec
from wsi.errors import DatasetError, SlideError, SlideTooLargeError
from wsi.picture import read_picture
from wsi.text import plain

IMAGE_FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "PPM")
SUFFIXES = (*IMAGE_SUFFIXES, ".bmp", ".gif", ".webp", ".ppm", ".pgm")
MAX_IMAGE_PIXELS = 100_000_000
# One large picture should not speak for its whole folder.
MAX_TILES_PER_IMAGE = 64

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ForeignSet:
    """The images of one subfolder, by its name; those that lie in no subfolder are named ``.``."""

    name: str
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class ForeignResult:
    """How well a set is told from the judged tiles.

    `auroc`: the chance that a judged tile is more familiar than a foreign one (ties half);
    `auroc_with_focus` the same of the lower of familiarity and focus, since a tile votes only if it passes for both.
    `blurred`: the share that the tiler's own check for blur would have set aside before any vote."""

    name: str
    images: int
    tiles: int
    auroc: Figure
    auroc_with_focus: Figure
    not_recognised: float
    blurred: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "images": self.images,
            "tiles": self.tiles,
            "auroc": self.auroc.to_dict(),
            "auroc_with_focus": self.auroc_with_focus.to_dict(),
            "not_recognised": round(self.not_recognised, 6),
            "blurred": round(self.blurred, 6),
        }


def find_foreign(folder: Path) -> tuple[ForeignSet, ...]:
    """The sets of images below `folder`, by name. Links and hidden files are passed over. Raises DatasetError."""
    if not folder.is_dir():
        raise DatasetError(f"{folder.name} is not a folder", hint="give a folder of images, or of folders of images")
    loose = ForeignSet(".", tuple(path for path in sorted(folder.iterdir()) if _is_image(path)))
    sets = [
        ForeignSet(plain(inner.name, 60), tuple(path for path in sorted(inner.rglob("*")) if _is_image(path)))
        for inner in sorted(folder.iterdir())
        if inner.is_dir() and not inner.is_symlink() and not inner.name.startswith(".")
    ]
    found = tuple(one for one in (loose, *sets) if one.paths)
    if not found:
        raise DatasetError(f"{folder.name} holds no images", hint=f"they end in {', '.join(SUFFIXES)}")
    return found


def cut_tiles(pixels: Pixels, size_px: int) -> Pixels:
    """(n, size_px, size_px, 3) tiles that cover `pixels` (h, w, 3), the last of a row or column moved in from the edge.

    A picture with a shorter side is enlarged to `size_px` first. Of many tiles, MAX_TILES_PER_IMAGE evenly spread ones.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < size_px:
        scale = size_px / min(height, width)
        height, width = max(size_px, round(height * scale)), max(size_px, round(width * scale))
        pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    corners = [(top, left) for top in _starts(height, size_px) for left in _starts(width, size_px)]
    if len(corners) > MAX_TILES_PER_IMAGE:
        corners = [corners[i] for i in np.linspace(0, len(corners) - 1, MAX_TILES_PER_IMAGE).round().astype(int)]
    return np.stack([pixels[top : top + size_px, left : left + size_px] for top, left in corners])


@dataclass(frozen=True)
class ShownTiles:
    """What a model and the tiler thought of n tiles: familiarity and focus (n,), 0 to 1, and what intervals are drawn
    over: `units` (n,)."""

    familiarity: NDArray[np.floating]
    focus: NDArray[np.floating]
    units: Groups
    not_recognised: float

    @property
    def trust(self) -> NDArray[np.floating]:
        """(n,) the smaller of familiarity and focus: a tile is doubted for either."""
        return np.minimum(self.familiarity, self.focus)


class TileCollector:
    """Collects what `model` and the tiler think of tiles that are shown in batches."""

    def __init__(self, model: TileModel) -> None:
        self._model = model
        self._familiarity: list[NDArray[np.float32]] = []
        self._focus: list[NDArray[np.float32]] = []
        self._units: list[Groups] = []

    def show(self, tiles: Pixels, units: Groups) -> None:
        """Tiles (b, size, size, 3) of `units` (b,)."""
        self._familiarity.append(self._model.predict(tiles).familiarity)
        self._focus.append(focus(tiles))
        self._units.append(units)

    def collected(self) -> ShownTiles:
        familiarity = np.concatenate(self._familiarity)
        unknown = float((familiarity < self._model.card.familiarity_threshold).mean())
        return ShownTiles(familiarity, np.concatenate(self._focus), np.concatenate(self._units), unknown)


def detect_foreign(
    model: TileModel, sets: tuple[ForeignSet, ...], known: ShownTiles, progress: ProgressCallback = quiet
) -> tuple[ForeignResult, ...]:
    """Each set against the `known`, judged tiles. Raises DatasetError."""
    total, done = sum(len(one.paths) for one in sets), 0
    results = []
    for one in sets:
        collector = TileCollector(model)
        for number, tiles in enumerate(_tiles_of_images(one, model.card.tile.size_px)):
            collector.show(_as_shown(model, tiles), np.full(len(tiles), str(number)))
            done += 1
            progress(Progress(f"foreign images, {one.name}: {done} of {total}", done / total))
        results.append(foreign_result(one.name, len(one.paths), known, collector.collected()))
    return tuple(results)


def _as_shown(model: TileModel, tiles: Pixels) -> Pixels:
    """A picture's tiles, its white set where the model wants that of a slide."""
    return set_white(tiles, white_point(tiles), model.card.white) if model.card.white else tiles


def foreign_result(name: str, images: int, known: ShownTiles, foreign: ShownTiles) -> ForeignResult:
    """The figures of one set, with intervals over the units of the known tiles and the images of the foreign ones."""
    return ForeignResult(
        name=name,
        images=images,
        tiles=len(foreign.familiarity),
        auroc=_auroc(known.familiarity, known.units, foreign.familiarity, foreign.units),
        auroc_with_focus=_auroc(known.trust, known.units, foreign.trust, foreign.units),
        not_recognised=foreign.not_recognised,
        blurred=float((foreign.focus < FOCUS_THRESHOLD).mean()),
    )


def in_distribution(tiles: TileSet, spec: TileSpec, familiarity: NDArray[np.floating], units: Groups) -> ShownTiles:
    """The judged tiles as what foreign ones are compared with; `familiarity` and `units` (n,) are at hand already."""
    focused = np.concatenate([focus(pixels) for _, pixels in batches(tiles, spec)])
    return ShownTiles(familiarity, focused, units, not_recognised=float("nan"))


def _auroc(known: NDArray[np.floating], units: Groups, foreign: NDArray[np.floating], images: Groups) -> Figure:
    def area(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
        positive = np.arange(len(first) + len(second)) < len(first)
        return area_under_curve(np.concatenate([first, second]), positive)

    pairs = zip(draws(units, rounds=BOOTSTRAP_ROUNDS), draws(images, rounds=BOOTSTRAP_ROUNDS, seed=1), strict=False)
    drawn = [area(known[i], foreign[j]) for i, j in pairs]
    return with_ends(area(known, foreign), drawn, min(count_groups(units), count_groups(images)), is_share=False)


def _tiles_of_images(one: ForeignSet, size_px: int) -> Iterator[Pixels]:
    for path in one.paths:
        yield cut_tiles(_read_picture(path), size_px)


def _read_picture(path: Path) -> Pixels:
    name = f"foreign image {plain(path.name, 60)}"
    try:
        return read_picture(path, IMAGE_FORMATS, MAX_IMAGE_PIXELS, name=name)
    except SlideTooLargeError as error:
        raise DatasetError(error.message, hint="cut it first") from error
    except SlideError as error:
        raise DatasetError(f"{name} cannot be read", hint="replace it or take it out of the folder") from error


def _is_image(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file() and not path.is_symlink()


def _starts(length: int, size_px: int) -> list[int]:
    return [*range(0, length - size_px, size_px), length - size_px]
