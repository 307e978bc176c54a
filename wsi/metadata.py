"""The allow-list: the only facts of a slide's own metadata that may leave it.

Scanners and hospitals write names, numbers, dates and free text anywhere, also under harmless keys. So nothing is
passed on as it stands: numbers must parse, words must be in a vocabulary known here, everything else stays behind.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping

from wsi.spacing import PLAUSIBLE_MPP

Metadata = dict[str, str | float | int | bool]

SYNTHETIC_MARK = "SYNTHETIC pulmoscope"
"""What the ImageDescription of a slide drawn by `wsi.synthetic.slide` says."""
_DESCRIPTIONS = ("tiff.ImageDescription", "leica.device-model")
_SYNTHETIC_STARTS = (SYNTHETIC_MARK, f"Aperio layout, {SYNTHETIC_MARK}")

_VENDORS = frozenset(("aperio", "dicom", "generic-tiff", "hamamatsu", "huron", "leica", "mirax")) | frozenset(
    ("olympus", "philips", "sakura", "trestle", "ventana", "zeiss")
)
# Aperio's description names the codec as "JPEG/RGB Q=30" or "J2K/KDU Q=70".
_APERIO_CODEC = re.compile(r"\b(JPEG|J2K)/(?:RGB|YCC|YC|KDU)\b(?:\s+Q=(\d{1,3})\b)?")
_APERIO_CODECS = {"JPEG": "JPEG", "J2K": "JPEG 2000"}
_DICOM_CODECS = {"ISO_10918_1": "JPEG", "ISO_14495_1": "JPEG-LS", "ISO_15444_1": "JPEG 2000"}
# What can be of use; anything beyond is no measurement but a place to hide a number in.
_OBJECTIVE_POWERS = (0.1, 200.0)
_MAX_LEVELS = 64
_MAX_SIDE_PX = 2**31 - 1
_MAX_TILE_SIDE_PX = 2**16
_MAX_QUALITY = 100


def number(text: str | None, low: float = -math.inf, high: float = math.inf) -> float | None:
    """`text` as a finite number from `low` to `high`, else None. `1_0`, which Python takes for 10, is none."""
    try:
        value = float(text) if text is not None and "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and low <= value <= high else None


def public_metadata(properties: Mapping[str, str]) -> Metadata:
    """What may be told, from OpenSlide's `properties`: vendor, power, mpp, levels, tile size, codec, synthetic."""
    found: dict[str, str | float | int | bool | None] = {
        "vendor": _word(properties.get("openslide.vendor"), _VENDORS),
        "objective_power": number(properties.get("openslide.objective-power"), *_OBJECTIVE_POWERS),
        "mpp_x": number(properties.get("openslide.mpp-x"), *PLAUSIBLE_MPP),
        "mpp_y": number(properties.get("openslide.mpp-y"), *PLAUSIBLE_MPP),
        "level_count": _whole(properties.get("openslide.level-count"), _MAX_LEVELS),
        "level_sizes_px": _level_sizes(properties),
        "tile_width_px": _whole(properties.get("openslide.level[0].tile-width"), _MAX_TILE_SIDE_PX),
        "tile_height_px": _whole(properties.get("openslide.level[0].tile-height"), _MAX_TILE_SIDE_PX),
        **_codec(properties),
        "synthetic": any(is_synthetic(properties.get(key, "")) for key in _DESCRIPTIONS) or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def public_label(label: str, classes: Collection[str]) -> str:
    """`label` where it is one of the model's `classes`, letter for letter; else "".

    A manifest is written by hand: only words that the model knows are sure to tell nothing of a patient.
    """
    return label if label in classes else ""


def is_synthetic(description: str) -> bool:
    """Whether a TIFF ImageDescription is that of a slide drawn by `wsi.synthetic.slide`."""
    return description.startswith(_SYNTHETIC_STARTS)


def _codec(properties: Mapping[str, str]) -> Metadata:
    if properties.get("openslide.vendor") == "dicom":
        codec = _DICOM_CODECS.get(properties.get("dicom.LossyImageCompressionMethod", ""))
        return {"compression": codec} if codec else {}
    if properties.get("openslide.vendor") == "aperio":
        match = _APERIO_CODEC.search(properties.get("tiff.ImageDescription", ""))
        if match:
            quality = _whole(match[2], _MAX_QUALITY)
            return {"compression": _APERIO_CODECS[match[1]]} | ({} if quality is None else {"quality": quality})
    return {}


def _level_sizes(properties: Mapping[str, str]) -> str | None:
    """All level sizes as ``22000x15200 5500x3800``; None where any is not a whole number."""
    sizes = []
    for level in range(_whole(properties.get("openslide.level-count"), _MAX_LEVELS) or 0):
        sides = [
            _whole(properties.get(f"openslide.level[{level}].{side}"), _MAX_SIDE_PX) for side in ("width", "height")
        ]
        if None in sides:
            return None
        sizes.append(f"{sides[0]}x{sides[1]}")
    return " ".join(sizes) or None


def _whole(text: str | None, high: int) -> int | None:
    """ASCII digits as a number up to `high`, else None."""
    if text is None or not re.fullmatch(r"[0-9]{1,10}", text):
        return None
    return int(text) if int(text) <= high else None


def _word(text: str | None, vocabulary: frozenset[str]) -> str | None:
    return text if text in vocabulary else None
