"""One tile, as another scanner and another lab might have shown it. Pure: the same generator gives the same tile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from classifier.colour.stain import STAIN_VECTORS, shift_stains


@dataclass(frozen=True)
class Augmentation:
    """How far tiles are varied in training. Probabilities `*_share`; ranges are symmetric about no change.

    Stain gain and shift act on optical densities of haematoxylin and eosin, and by half on the residual; the
    ranges follow the "HED-light" to "HED-strong" span of Tellez et al. 2019 (doi 10.1016/j.media.2019.101544).
    Zero leaves a change out; those from `zoom` on make another laboratory of a tile: magnification, the stains' own
    colours, white balance, tone curve and sharpness.
    """

    scale: float = 0.15
    stain_share: float = 0.8
    stain_gain: float = 0.3
    stain_shift: float = 0.06
    brightness: float = 0.2
    hue_share: float = 0.5
    hue_degrees: float = 22.0
    blur_share: float = 0.12
    blur_sigma_px: float = 1.2
    jpeg_share: float = 0.15
    jpeg_quality: tuple[int, int] = (40, 90)
    zoom: float = 0.0  # natural logarithm of the largest magnification, either way; instead of `scale`
    stain_vectors: float = 0.0  # standard deviation of each component of the unit stain vectors
    white_balance: float = 0.0  # of each channel's gain
    gamma: float = 0.0  # natural logarithm of the largest exponent, either way
    sharpen_share: float = 0.0
    sharpen: float = 2.5  # the strongest unsharp mask

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "jpeg_quality": list(self.jpeg_quality)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Augmentation:
        return cls(**{**values, "jpeg_quality": tuple(values["jpeg_quality"])})


# A whole other laboratory at once, on most tiles: stains, white balance, tone, magnification, sharpness, compression.
OTHER_LABORATORIES = Augmentation(
    stain_share=0.9,
    stain_gain=0.4,
    stain_shift=0.03,
    brightness=0.12,
    hue_share=0.25,
    hue_degrees=18.0,
    blur_share=0.5,
    blur_sigma_px=1.6,
    jpeg_share=0.4,
    jpeg_quality=(30, 90),
    zoom=math.log(1.4),
    stain_vectors=0.05,
    white_balance=0.1,
    gamma=0.3,
    sharpen_share=0.35,
)


def augment_tile(
    pixels: NDArray[np.uint8], crop_px: int, how: Augmentation, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A random view of `pixels` (h, w, 3), (crop_px, crop_px, 3): placed, turned, stained, sometimes blurred."""
    zoom = np.exp(rng.uniform(-how.zoom, how.zoom)) if how.zoom else rng.uniform(1 - how.scale, 1 + how.scale)
    view = _crop(pixels, crop_px, zoom, rng)
    view = _turn(view, rng)
    if rng.random() < how.stain_share:
        view = _stain(view, how, rng)
    if rng.random() < how.hue_share:
        view = _turn_hue(view, rng.uniform(-how.hue_degrees, how.hue_degrees))
    if how.white_balance or how.gamma:
        view = _tone(view, how, rng)
    if how.sharpen_share and rng.random() < how.sharpen_share:
        view = _sharpen(view, rng.uniform(0.3, how.sharpen), rng.uniform(0.7, 1.5))
    elif rng.random() < how.blur_share:
        view = np.asarray(cv2.GaussianBlur(view, (0, 0), rng.uniform(0.3, max(0.31, how.blur_sigma_px))), np.uint8)
    if rng.random() < how.jpeg_share:
        view = _recompress(view, int(rng.integers(*how.jpeg_quality, endpoint=True)))
    return view


def _crop(pixels: NDArray[np.uint8], crop_px: int, zoom: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    side = min(round(crop_px * zoom), height, width)
    y, x = rng.integers(0, height - side, endpoint=True), rng.integers(0, width - side, endpoint=True)
    part = pixels[y : y + side, x : x + side]
    if side == crop_px:
        return part
    how = cv2.INTER_AREA if side > crop_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (crop_px, crop_px), interpolation=how), np.uint8)


def _turn(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    turned = np.rot90(pixels, int(rng.integers(4)))
    return np.ascontiguousarray(turned[:, ::-1] if rng.random() < 0.5 else turned)


def _stain(pixels: NDArray[np.uint8], how: Augmentation, rng: np.random.Generator) -> NDArray[np.uint8]:
    residual_less = np.array([1.0, 1.0, 0.5])
    gain = 1.0 + rng.uniform(-how.stain_gain, how.stain_gain, 3) * residual_less
    shift = rng.uniform(-how.stain_shift, how.stain_shift, 3) * residual_less
    vectors = STAIN_VECTORS
    if how.stain_vectors:
        vectors = STAIN_VECTORS + rng.normal(0, how.stain_vectors, STAIN_VECTORS.shape)
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    brightness = rng.uniform(1 - how.brightness, 1 + how.brightness)
    return shift_stains(pixels, gain, shift, brightness, vectors)


def _tone(pixels: NDArray[np.uint8], how: Augmentation, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another camera's white balance, and its tone curve."""
    gain = 1.0 + rng.uniform(-how.white_balance, how.white_balance, 3)
    exponent = np.exp(rng.uniform(-how.gamma, how.gamma))
    curve = np.clip(np.arange(256)[:, None] / 255.0 * gain, 0.0, 1.0) ** exponent
    return np.asarray(cv2.LUT(pixels, np.round(255 * curve).astype(np.uint8)[None]), np.uint8)


def _sharpen(pixels: NDArray[np.uint8], amount: float, sigma_px: float) -> NDArray[np.uint8]:
    """As scanners do: what a blur takes away is added, `amount` times."""
    blurred = cv2.GaussianBlur(pixels, (0, 0), sigma_px)
    return np.asarray(cv2.addWeighted(pixels, 1.0 + amount, blurred, -amount, 0.0), np.uint8)


def _turn_hue(pixels: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    hue, saturation, value = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL))
    # uint8 arithmetic wraps, as hue does: the whole circle is 256.
    turned = hue + np.uint8(round(degrees * 256 / 360) % 256)
    return np.asarray(cv2.cvtColor(cv2.merge([turned, saturation, value]), cv2.COLOR_HSV2RGB_FULL), np.uint8)


def _recompress(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    # Channel order does not matter for chroma subsampling, so RGB is written and read as if it were BGR.
    _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
