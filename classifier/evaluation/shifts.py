"""The shift battery: one tile as other labs and scanners might show it, twelve fixed ways, and what each costs a model.

The views are for measuring, the same in every version, so that cards can be compared; the random ones that a network
learns from are in `augment.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from classifier.colour.stain import shift_stains
from classifier.dataset.predict import judge_tiles, told_as
from classifier.dataset.tile_list import TileSet
from classifier.evaluation.intervals import Figure, Groups, difference, share_with_interval
from classifier.familiarity import not_turned_away
from classifier.model import TileModel, TilePredictions
from classifier.model_folder.card import ModelCard
from classifier.progress import Progress, ProgressCallback, quiet

# Six laboratories staining the same tissue had ratios of haematoxylin to eosin of 0.57 to 0.89, a factor of 1.56 (Gray
# et al. 2015, doi 10.1136/jclinpath-2014-202526). One stain times 0.75 and times 1.3 spans 1.73: that, and some more.
STAIN_UP, STAIN_DOWN = 1.3, 0.75
# Source images of one tumour in LC25000 differ in mean hue by 23 to 26 degrees (2.5th to 97.5th percentile), H&E slides
# of two other laboratories from them by some 50 and 70, though of other tissue: a twentieth of the circle each way.
HUE_DEGREES = 18.0
# No survey gives this: overexposed and underexposed at a glance, and still readable.
BRIGHTER, DARKER = 1.2, 0.8
JPEG_QUALITY = 40
BLUR_SIGMA_PX = 1.0
SMALLER, LARGER = 0.8, 1.25

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Shift:
    """A named view: `view` takes a tile (h, w, 3) uint8 RGB, leaves it as it is, and gives one of the same shape."""

    name: str
    title: str
    view: Callable[[Pixels], Pixels]


@dataclass(frozen=True)
class ShiftResult:
    """What one shift does to a model. `difference` is accuracy with the shift minus accuracy without, on the same
    tiles; `not_recognised` the share of tiles under the card's familiarity threshold."""

    name: str
    title: str
    accuracy: Figure
    difference: Figure
    not_recognised: float
    recognised_accuracy: Figure

    def to_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "title": self.title,
            "accuracy": self.accuracy.to_dict(),
            "difference": self.difference.to_dict(),
            "not_recognised": None if math.isnan(self.not_recognised) else round(self.not_recognised, 6),
            "recognised_accuracy": self.recognised_accuracy.to_dict(),
        }


def stains(pixels: Pixels, *, haematoxylin: float = 1.0, eosin: float = 1.0) -> Pixels:
    """Optical densities of the two stains times these factors. (h, w, 3) uint8 RGB, as in all that follow."""
    return shift_stains(pixels, np.array([haematoxylin, eosin, 1.0]), np.zeros(3))


def turn_hue(pixels: Pixels, *, degrees: float) -> Pixels:
    """The hue of each pixel turned on the colour circle; positive from red towards yellow."""
    hsv = cv2.cvtColor(pixels.astype(np.float32) / np.float32(255.0), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + degrees) % 360.0
    return _to_uint8(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255.0)


def brighten(pixels: Pixels, *, factor: float) -> Pixels:
    """All values times `factor`; what would be brighter than white is white, as on an overexposed scan."""
    return _to_uint8(pixels.astype(np.float32) * np.float32(factor))


def recompress(pixels: Pixels, *, quality: int) -> Pixels:
    """Written as JPEG (4:2:0) of that quality and read again."""
    _, encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def blur(pixels: Pixels, *, sigma_px: float) -> Pixels:
    """Gaussian blur, the border reflected."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma_px), np.uint8)


def rescale(pixels: Pixels, *, factor: float) -> Pixels:
    """The tissue `factor` times as large, as if the pixel size were told wrongly: above 1 the tile's centre enlarged,
    below 1 the tile shrunk and its border reflected outwards."""
    height, width = pixels.shape[:2]
    if factor >= 1:
        inner_height, inner_width = round(height / factor), round(width / factor)
        top, left = (height - inner_height) // 2, (width - inner_width) // 2
        centre = pixels[top : top + inner_height, left : left + inner_width]
        return np.asarray(cv2.resize(centre, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    inner_height, inner_width = round(height * factor), round(width * factor)
    small = cv2.resize(pixels, (inner_width, inner_height), interpolation=cv2.INTER_AREA)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    bottom, right = height - inner_height - top, width - inner_width - left
    return np.asarray(cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_REFLECT_101), np.uint8)


SHIFTS: tuple[Shift, ...] = (
    Shift("haematoxylin-up", f"haematoxylin x{STAIN_UP:g}", partial(stains, haematoxylin=STAIN_UP)),
    Shift("haematoxylin-down", f"haematoxylin x{STAIN_DOWN:g}", partial(stains, haematoxylin=STAIN_DOWN)),
    Shift("eosin-up", f"eosin x{STAIN_UP:g}", partial(stains, eosin=STAIN_UP)),
    Shift("eosin-down", f"eosin x{STAIN_DOWN:g}", partial(stains, eosin=STAIN_DOWN)),
    Shift("hue-to-red", f"hue +{HUE_DEGREES:g} degrees (redder)", partial(turn_hue, degrees=HUE_DEGREES)),
    Shift("hue-to-blue", f"hue -{HUE_DEGREES:g} degrees (bluer)", partial(turn_hue, degrees=-HUE_DEGREES)),
    Shift("brighter", f"brightness x{BRIGHTER:g}", partial(brighten, factor=BRIGHTER)),
    Shift("darker", f"brightness x{DARKER:g}", partial(brighten, factor=DARKER)),
    Shift("jpeg-40", f"JPEG quality {JPEG_QUALITY}", partial(recompress, quality=JPEG_QUALITY)),
    Shift("blur", f"Gaussian blur, sigma {BLUR_SIGMA_PX:g} px", partial(blur, sigma_px=BLUR_SIGMA_PX)),
    Shift("smaller", f"tissue at {SMALLER:g} of its size", partial(rescale, factor=SMALLER)),
    Shift("larger", f"tissue at {LARGER:g} of its size", partial(rescale, factor=LARGER)),
)


def shift_battery(
    model: TileModel,
    tiles: TileSet,
    progress: ProgressCallback = quiet,
    *,
    unshifted: TilePredictions | None = None,
    units: Groups | None = None,
    shifts: Sequence[Shift] = SHIFTS,
) -> tuple[ShiftResult, ...]:
    """`model` judged on `tiles` under each shift, in the order of `shifts`.

    `unshifted` are its predictions of the tiles as they are, if at hand; `units` (n,) what intervals are drawn over,
    else source groups. Raises DatasetError.
    """
    if unshifted is None:
        unshifted = told_as(model, tiles, judge_tiles(model, tiles))
    groups = tiles.groups if units is None else units
    plainly_right = unshifted.probabilities.argmax(axis=1) == tiles.labels
    results = []
    for number, shift in enumerate(shifts):
        shown = _part_of(progress, number, len(shifts), shift.title)
        judged = judge_tiles(model, tiles, view=_without_index(shift.view), progress=shown)
        predictions = told_as(model, tiles, judged)
        results.append(shift_result(shift, model.card, predictions, tiles.labels, plainly_right, groups))
    return tuple(results)


class Titled(Protocol):
    """What was done to the tiles."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...


def shift_result(
    shift: Titled,
    card: ModelCard,
    predictions: TilePredictions,
    labels: NDArray[np.integer],
    plainly_right: NDArray[np.bool_],
    groups: Groups,
) -> ShiftResult:
    """The figures of (n,) tiles under `shift`; `plainly_right` tells which were right without it."""
    right = predictions.probabilities.argmax(axis=1) == labels
    told = card.knows_familiarity
    known = not_turned_away(predictions.familiarity, card.familiarity_threshold) & told
    return ShiftResult(
        name=shift.name,
        title=shift.title,
        accuracy=share_with_interval(right, groups),
        difference=difference(right, plainly_right, groups),
        not_recognised=float((~known).mean()) if told else math.nan,
        recognised_accuracy=share_with_interval(right, groups, known),
    )


def worst_shift(results: Sequence[ShiftResult]) -> ShiftResult | None:
    """The shift that costs most accuracy; the first of several that cost the same, None without results."""
    return min(results, key=lambda result: result.difference.value, default=None)


def _without_index(view: Callable[[Pixels], Pixels]) -> Callable[[Pixels, int], Pixels]:
    return lambda pixels, index: view(pixels)


def _part_of(progress: ProgressCallback, number: int, count: int, title: str) -> ProgressCallback:
    return lambda part: progress(
        Progress(f"shift {number + 1} of {count}, {title}: {part.text}", (number + part.done) / count)
    )


def _to_uint8(values: NDArray[np.floating]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
