"""Which colour a class has, the same in pie, heatmap, legend, GeoJSON and viewer. No chart is drawn here.

The palette is that of Okabe and Ito (Color Universal Design, 2008), told apart by people with colour-blindness. The
background class takes its bluish green, which stands off pink and purple H&E and reads as calm; tumours the rest.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

from aggregate.result import OTHER_TUMOUR

BACKGROUND_CLASS = "#4DB092"
_TUMOURS = ("#D55E00", "#0072B2", "#F0C419", "#8E4585", "#56B4E9", "#7A3E00")
_GOLDEN_TURN = 0.618034
# Tissue without tumour: pale and quiet beside the tumours, and apart from the background class and from hatching.
_TISSUES = ("#CDB79E", "#8FA3D1", "#E8DFA0", "#B88A8A", "#A5D3DA", "#77706A", "#D9B8D3", "#9DB38A")

NOT_RECOGNISED = "#8A8F98"
POOR_QUALITY = "#C9CDD3"
ATTENTION = "#4B2E9E"  # of a slide model: stands for no class
INK, FAINT, GRID = "#1D2733", "#566070", "#E3E7ED"  # text and axes; lesser text and lines; the grid of a chart

# Of curves, which stand for no class: darkest first; dashes tell them apart in print.
CURVE_COLOURS = ("#0072B2", "#D55E00", "#007A5A", "#8A4F7D", "#9A6A00", "#3B3B3B")
CURVE_DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "1 2")


def class_colours(classes: Sequence[str], background: str, tissues: Sequence[str] = ()) -> dict[str, str]:
    """Name -> ``#RRGGBB``, in the order of `classes` and then `tissues`.

    Tumour classes are given their colours by name, so the order in which a model lists them changes nothing. After
    the palette's end hues follow by the golden ratio: any number of classes is served.
    """
    # A model that knows other tumours besides keeps the colours of those that have names.
    tumours = sorted(set(classes) - {background}, key=lambda name: (name == OTHER_TUMOUR, name))
    colour = {name: _tumour_colour(rank) for rank, name in enumerate(tumours)}
    quiet = {name: _TISSUES[rank % len(_TISSUES)] for rank, name in enumerate(sorted(tissues))}
    return {name: BACKGROUND_CLASS if name == background else colour[name] for name in classes} | {
        name: quiet[name] for name in tissues
    }


def rgb(colour: str) -> tuple[int, int, int]:
    """``#RRGGBB`` as three numbers, 0 to 255."""
    return (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))


def readable_on(colour: str) -> str:
    """Ink or white, whichever has more contrast on `colour` (relative luminance, WCAG 2)."""
    return INK if _contrast(colour, INK) >= _contrast(colour, "#FFFFFF") else "#FFFFFF"


def _tumour_colour(rank: int) -> str:
    if rank < len(_TUMOURS):
        return _TUMOURS[rank]
    beyond = rank - len(_TUMOURS)
    red, green, blue = colorsys.hls_to_rgb((beyond * _GOLDEN_TURN) % 1.0, (0.35, 0.6, 0.48)[beyond % 3], 0.6)
    return f"#{round(255 * red):02X}{round(255 * green):02X}{round(255 * blue):02X}"


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(colour: str, other: str) -> float:
    low, high = sorted((_luminance(colour), _luminance(other)))
    return (high + 0.05) / (low + 0.05)
