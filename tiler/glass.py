"""What colour the glass of a slide has on its thumbnail: clear, tinted, or false. Tissue, ink and stains are judged
against it, elsewhere. Works in bands of rows on bytes, as `tiler.thumbnail_colour` does."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tiler.false_colours.tell import Mistake, mistake_of_glass
from tiler.planes.bands import row_bands

Plane = NDArray[np.uint8]

_BAND_PIXELS = 1 << 18
# Only near-colourless bright px can be glass; a slide full of pale tissue has none and stays as it is.
_GLASS_BRIGHTNESS = 215
_GLASS_TINT = 20
_LEAST_GLASS = 0.02
# Glass of another colour (a lamp, a filter, wrong colours) is plain, which tissue is not, lets light through, and
# outweighs clear glass. Range of 3 x 3 px in grey levels; of 800 tiles of 29 tissues at most 13 px in one piece are so
# plain. Plain areas of H&E's own colours beside clear glass are never glass: there they are stained.
_PLAIN_RANGE = 4
_TINTED_GREY = 130
_TINTED_SATURATION = 0.60
_MOST_TINT = np.floor(_TINTED_SATURATION * np.arange(256)).astype(np.uint8)  # by the greatest channel
_LEAST_TINTED_GLASS = 0.05
_STAIN_HUES = (225, 352)
_STAIN_SATURATION = 0.20
_TINT_BINS = 32
# The glass of a negative is black and plain, and what lies on it has the colours opposite to those of H&E.
_NEGATIVE_GREY = 40
_NEGATIVE_SHARE = 0.20
_NEGATIVE_HUES = (45, 172)
_NEGATIVE_TISSUE = 0.60
_NEGATIVE_RANGE = 16
# Fluorescence and dark field shine on black, and fade into it. No H&E tissue was seen below a value of 105 (lowest of
# 1,600 lung tiles), so that the middle of what is beside an unscanned border is far above this.
_DARK_FIELD_VALUE = 128
_LEAST_LIT = 0.01


@dataclass(frozen=True)
class Glass:
    """`colour` (3,), RGB; with a `mistake` where no lamp and no filter gives it, but one in the colours of the file;
    `dark` where it is the black of a fluorescence or dark field picture."""

    colour: NDArray[np.floating]
    mistake: Mistake | None = None
    dark: bool = False

    @property
    def tint(self) -> int:
        """How far it is from neutral, in grey levels; 0 up to what clear glass has."""
        tint = int(np.ptp(self.colour))
        return tint if tint > _GLASS_TINT and not self.dark else 0


def find_glass(rgb: NDArray[np.uint8]) -> Glass | None:
    """The slide's own glass on a thumbnail (rows, columns, 3); None where none is seen."""
    clear, share = _clear_glass(rgb)
    tinted, tinted_share = _tinted_glass(rgb)
    beside_clear = share >= _LEAST_GLASS
    if tinted is not None and tinted_share > max(share, _LEAST_TINTED_GLASS):
        mistake = mistake_of_glass(tinted)
        if mistake or not (beside_clear and _looks_stained(tinted)):
            return Glass(tinted, mistake)
    if clear is not None and beside_clear:
        return Glass(clear)
    return _negative(rgb) or _dark_field(rgb)


def extremes(rgb: NDArray[np.uint8]) -> tuple[Plane, Plane]:
    """(rows, columns) the least and the greatest of the three channels. NumPy's own, along an axis of three, take ten
    times as long."""
    red, green, blue = cv2.split(np.ascontiguousarray(rgb))
    least, greatest = (extreme(extreme(red, green), blue) for extreme in (cv2.min, cv2.max))
    return np.asarray(least, np.uint8), np.asarray(greatest, np.uint8)


def local_range(rgb: NDArray[np.uint8], rows: slice) -> Plane:
    """(rows, columns) largest difference of any channel among the 3 x 3 px around each."""
    first, last = max(0, rows.start - 1), min(len(rgb), rows.stop + 1)
    part, square = np.ascontiguousarray(rgb[first:last]), np.ones((3, 3), np.uint8)
    spread = cv2.split(cv2.subtract(cv2.dilate(part, square), cv2.erode(part, square)))
    return np.asarray(cv2.max(cv2.max(*spread[:2]), spread[2]), np.uint8)[rows.start - first : rows.stop - first]


def _negative(rgb: NDArray[np.uint8]) -> Glass | None:
    """The glass of a slide whose light and dark were exchanged; None of any other."""
    black = structure = opposite = 0
    total = np.zeros(3)
    for rows in row_bands(rgb.shape, _BAND_PIXELS):
        part = np.ascontiguousarray(rgb[rows])
        hue, saturation, value = cv2.split(cv2.cvtColor(part, cv2.COLOR_RGB2HSV))
        spread = local_range(rgb, rows)
        plain = (value <= _NEGATIVE_GREY) & (spread <= _PLAIN_RANGE)
        black += int(np.count_nonzero(plain))
        total += part[plain].sum(axis=0)
        uneven = (spread >= _NEGATIVE_RANGE) & (value > _NEGATIVE_GREY)
        structure += int(np.count_nonzero(uneven))
        stained = uneven & (saturation >= 255 * _STAIN_SATURATION)
        reversed_hue = (hue >= _NEGATIVE_HUES[0] // 2) & (hue <= _NEGATIVE_HUES[1] // 2)
        opposite += int(np.count_nonzero(stained & reversed_hue))
    if black < _NEGATIVE_SHARE * rgb[..., 0].size or opposite <= _NEGATIVE_TISSUE * structure:
        return None
    return Glass(total / black, Mistake.NEGATIVE)


def _dark_field(rgb: NDArray[np.uint8]) -> Glass | None:
    """The background of a picture that shines on black; None of any other."""
    counts, total = np.zeros(256, np.int64), np.zeros(3)
    for rows in row_bands(rgb.shape, _BAND_PIXELS):
        _, value = extremes(rgb[rows])
        counts += np.bincount(value.ravel(), minlength=256)
        total += rgb[rows][value <= _NEGATIVE_GREY].sum(axis=0)
    lit, pixels = counts.copy(), int(counts.sum())
    lit[: _NEGATIVE_GREY + 1] = 0
    black = pixels - int(lit.sum())
    if black < _NEGATIVE_SHARE * pixels or lit.sum() < _LEAST_LIT * pixels or _median(lit) >= _DARK_FIELD_VALUE:
        return None
    return Glass(total / black, dark=True)


def _looks_stained(colour: NDArray[np.floating]) -> bool:
    """Whether a colour (3,) is one that H&E gives."""
    hue, saturation, _ = cv2.cvtColor(np.rint(colour).astype(np.uint8).reshape(1, 1, 3), cv2.COLOR_RGB2HSV)[0, 0]
    return bool(_STAIN_HUES[0] <= 2 * int(hue) <= _STAIN_HUES[1] and saturation >= 255 * _STAIN_SATURATION)


def _tinted_glass(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.floating] | None, float]:
    """(3,) the commonest colour of plain, light px that are not neutral, and their share of the picture."""
    counts, sums = np.zeros(_TINT_BINS**3, np.int64), np.zeros((_TINT_BINS**3, 3))
    for rows in row_bands(rgb.shape, _BAND_PIXELS):
        part = rgb[rows]
        grey, (least, greatest) = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY), extremes(part)
        tint = greatest - least
        chosen = (grey >= _TINTED_GREY) & (tint >= _GLASS_TINT) & (tint <= _MOST_TINT[greatest])
        chosen &= local_range(rgb, rows) <= _PLAIN_RANGE
        colours = part[chosen]
        bins = (colours // (256 // _TINT_BINS)).astype(np.int64) @ np.array([_TINT_BINS**2, _TINT_BINS, 1])
        counts += np.bincount(bins, minlength=len(counts))
        for channel in range(3):
            sums[:, channel] += np.bincount(bins, weights=colours[:, channel], minlength=len(counts))
    mode = int(np.argmax(counts))
    if counts[mode] == 0:
        return None, 0.0
    # Glass that lies at the border of two bins counts in both.
    place = np.array(np.unravel_index(np.arange(len(counts)), (_TINT_BINS,) * 3))
    near = (np.abs(place - place[:, mode : mode + 1]) <= 1).all(axis=0)
    pixels = rgb.shape[0] * rgb.shape[1]
    return sums[near].sum(axis=0) / counts[near].sum(), float(counts[near].sum() / pixels)


def _clear_glass(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.floating] | None, float]:
    """(3,) the median colour of bright px that are nearly neutral, and their share of the picture."""
    counts = np.zeros((3, 256), np.int64)
    for rows in row_bands(rgb.shape, _BAND_PIXELS):
        channels = cv2.split(np.ascontiguousarray(rgb[rows]))
        brightest, darkest = (extreme(extreme(*channels[:2]), channels[2]) for extreme in (cv2.max, cv2.min))
        tint = cv2.subtract(brightest, darkest)
        glass = ((brightest > _GLASS_BRIGHTNESS) & (tint < _GLASS_TINT)).view(np.uint8)
        for channel, count in zip(channels, counts, strict=True):
            count += cv2.calcHist([channel], [0], glass, [256], [0, 256]).ravel().astype(np.int64)
    share = float(counts[0].sum() / (rgb.shape[0] * rgb.shape[1]))
    return (np.array([_median(count) for count in counts]) if share > 0 else None), share


def _median(counts: NDArray[np.int64]) -> float:
    """Of whole numbers, by how often each occurs."""
    below = np.cumsum(counts)
    middle = [np.searchsorted(below, rank, side="right") for rank in ((below[-1] - 1) // 2, below[-1] // 2)]
    return float(np.mean(middle))
