"""The laboratory battery: tiles as whole other laboratories might show them, 16 a little and 8 far away, fixed once.

A shift of `shifts.py` changes one thing. A laboratory changes all at once: amount and colour of each stain, white
balance, tone curve, magnification, sharpness, compression. Numbers are drawn once from a seed, the same for every
model and card. Where a model wants a slide's white set, it is set after the laboratory, as it would be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from classifier.colour.stain import STAIN_VECTORS, shift_stains
from classifier.colour.white import set_white, white_point
from classifier.dataset.predict import mean_of_parts, told_as
from classifier.dataset.tile_list import TileSet, read_parts
from classifier.evaluation.shifts import Pixels, ShiftResult, blur, recompress, rescale, shift_result
from classifier.model import TileModel, TilePredictions
from classifier.progress import Progress, ProgressCallback, quiet

MILD, STRONG = "mild", "strong"
MILD_COUNT, STRONG_COUNT = 16, 8
# Of so many tiles, evenly spread over the list: enough for shares of a point or two.
MAX_TILES = 384
_SEED = 20261129


@dataclass(frozen=True)
class Strength:
    """How far laboratories of one kind are away: the ends of what is drawn, symmetric about no change."""

    name: str
    stain_gain: float  # of each stain's optical density, natural logarithm
    stain_turn: float  # of each component of the unit stain vectors, standard deviation
    white: float  # of each channel's gain
    tone: float  # natural logarithm of the exponent
    zoom: float  # natural logarithm of the magnification
    sharpen: float  # amount of the unsharp mask, drawn as often as a blur
    blur_px: float
    jpeg_quality: tuple[int, int]


KINDS = (
    (Strength(MILD, 0.15, 0.02, 0.04, 0.10, math.log(1.12), 1.0, 0.6, (60, 92)), MILD_COUNT),
    (Strength(STRONG, 0.35, 0.05, 0.10, 0.25, math.log(1.35), 2.5, 1.2, (35, 80)), STRONG_COUNT),
)


@dataclass(frozen=True)
class Laboratory:
    """One laboratory. `view` takes a tile (h, w, 3) uint8 RGB, and gives one of the same shape."""

    name: str
    kind: str
    gain: NDArray[np.float64]  # (3,) of the optical densities: haematoxylin, eosin, the rest
    vectors: NDArray[np.float64]  # (3, 3) unit stain vectors
    white: NDArray[np.float64]  # (3,) gains
    exponent: float
    factor: float  # above 1 the tissue is larger
    sharpen: float  # below 0: the standard deviation of a blur, px
    quality: int

    @property
    def title(self) -> str:
        edge = f"sharpened {self.sharpen:.1f}" if self.sharpen >= 0 else f"blurred {-self.sharpen:.1f} px"
        stains = f"H x{self.gain[0]:.2f}, E x{self.gain[1]:.2f}"
        return f"{self.name}: {stains}, tissue x{self.factor:.2f}, {edge}, JPEG {self.quality}"

    def view(self, pixels: Pixels) -> Pixels:
        """A tile (h, w, 3) uint8 RGB as this laboratory shows it, of the same shape; all changes in turn."""
        pixels = rescale(pixels, factor=self.factor)
        pixels = shift_stains(pixels, self.gain, np.zeros(3), 1.0, self.vectors)
        curve = np.clip(np.arange(256)[:, None] / 255.0 * self.white, 0.0, 1.0) ** self.exponent
        pixels = np.asarray(cv2.LUT(pixels, np.round(255 * curve).astype(np.uint8)[None]), np.uint8)
        pixels = _sharpened(pixels, self.sharpen) if self.sharpen >= 0 else blur(pixels, sigma_px=-self.sharpen)
        return recompress(pixels, quality=self.quality)


def laboratories() -> tuple[Laboratory, ...]:
    """All of them, the mild ones first."""
    rng = np.random.default_rng(_SEED)
    return tuple(_drawn(rng, how, number + 1) for how, count in KINDS for number in range(count))


def laboratory_battery(
    model: TileModel, tiles: TileSet, progress: ProgressCallback = quiet, chosen: Sequence[Laboratory] | None = None
) -> tuple[ShiftResult, ...]:
    """`model` judged on tiles of `tiles`, as they are stored, in each laboratory. Raises DatasetError."""
    part = np.unique(np.linspace(0, len(tiles) - 1, min(MAX_TILES, len(tiles))).round().astype(int))
    records = tuple(tiles.records[i] for i in part)
    judged = TileSet(records, tiles.classes)
    parts = [read_parts(record, model.card.tile) for record in records]
    plainly = _predictions(model, judged, parts)
    plainly_right = plainly.probabilities.argmax(axis=1) == judged.labels
    results = []
    chosen = laboratories() if chosen is None else chosen
    for number, laboratory in enumerate(chosen):
        progress(Progress(f"laboratory {number + 1} of {len(chosen)}", number / len(chosen)))
        predictions = _predictions(model, judged, [_seen_in(laboratory, shown) for shown in parts])
        results.append(shift_result(laboratory, model.card, predictions, judged.labels, plainly_right, judged.groups))
    return tuple(results)


def by_kind(results: Sequence[ShiftResult]) -> dict[str, list[ShiftResult]]:
    """The results of the mild laboratories and of the strong ones; a kind without any is left out."""
    kinds = {how.name: [one for one in results if one.name.startswith(f"{how.name}-")] for how, _ in KINDS}
    return {kind: members for kind, members in kinds.items() if members}


def _seen_in(laboratory: Laboratory, parts: Pixels) -> Pixels:
    return np.stack([laboratory.view(one) for one in parts])


def _predictions(model: TileModel, tiles: TileSet, parts: Sequence[Pixels]) -> TilePredictions:
    shown, counts = np.concatenate(parts), [len(one) for one in parts]
    if model.card.white:
        groups = np.repeat(tiles.groups, counts)
        for group in np.unique(groups):
            places = groups == group
            shown[places] = set_white(shown[places], white_point(shown[places]), model.card.white)
    return told_as(model, tiles, mean_of_parts(model.predict(shown), counts))


def _drawn(rng: np.random.Generator, how: Strength, number: int) -> Laboratory:
    vectors = STAIN_VECTORS + rng.normal(0, how.stain_turn, STAIN_VECTORS.shape)
    gain = np.exp(rng.uniform(-how.stain_gain, how.stain_gain, 2))
    sharper = rng.random() < 0.5
    return Laboratory(
        name=f"{how.name}-{number}",
        kind=how.name,
        gain=np.array([*gain, 1.0]),
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        white=1.0 + rng.uniform(-how.white, how.white, 3),
        exponent=float(np.exp(rng.uniform(-how.tone, how.tone))),
        factor=float(np.exp(rng.uniform(-how.zoom, how.zoom))),
        sharpen=float(rng.uniform(0.2, how.sharpen)) if sharper else -float(rng.uniform(0.3, how.blur_px)),
        quality=int(rng.integers(*how.jpeg_quality, endpoint=True)),
    )


def _sharpened(pixels: Pixels, amount: float) -> Pixels:
    blurred = cv2.GaussianBlur(pixels, (0, 0), 1.0)
    return np.asarray(cv2.addWeighted(pixels, 1.0 + amount, blurred, -amount, 0.0), np.uint8)
