"""What the JSON of a stored result must look like before anything is made of it. Nothing here reads a file.

A result may come from anybody: a text where a number belongs, a class that is none of the model's or a slide id that is
no name would else surface far away, in a table, a page or a path.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from aggregate.provenance import Provenance
from aggregate.result import UNDETERMINED, SlideStatus

MAX_CLASSES = 100
_MAX_ID = 200
_MAX_PX = 1 << 31


def is_slide_id(value: object) -> bool:
    """Whether `value` can be a slide's id: a file name that hides nothing, leads nowhere and is none of our own."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= _MAX_ID
        and value[0] not in ".~"
        and value.isprintable()
        and not {"/", "\\"} & set(value)
    )


def check_attributes(attributes: Mapping[str, Any]) -> None:
    """Raises ValueError, which names the first attribute that is not as a result has it."""
    for name, is_fine in _CHECKS.items():
        if name not in attributes or not is_fine(attributes[name]):
            raise ValueError(name)
    classes = attributes["classes"]
    if set(attributes["probabilities"]) != set(classes):
        raise ValueError("probabilities")
    tissues = attributes.get("tissues", [])
    if not _is_classes([*classes, *tissues] if isinstance(tissues, list) else tissues):
        raise ValueError("tissues")
    if attributes["background"] not in classes:
        raise ValueError("background")
    if attributes["call"] not in (*classes, UNDETERMINED):
        raise ValueError("call")
    if "slide_model" in attributes:
        _check_opinion(attributes["slide_model"])
    Provenance.from_dict(attributes["provenance"])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_figure(value: object) -> bool:
    return value is None or _is_number(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_positive(value: object) -> bool:
    return _is_number(value) and value > 0  # type: ignore[operator]


def _are(check: Callable[[Any], bool], least: int = 0, most: int = 1 << 16) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and least <= len(value) <= most and all(map(check, value))


def _is_px(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_PX


def _is_classes(value: object) -> bool:
    return _are(_is_text, 1, MAX_CLASSES)(value) and len(set(value)) == len(value) and all(value)  # type: ignore[arg-type, call-overload]


def _maps_to(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _is_probability(value: object) -> bool:
    return value is None or (_is_number(value) and -1e-6 <= value <= 1 + 1e-6)  # type: ignore[operator]


def _is_told(value: object) -> bool:
    return isinstance(value, str | bool) or _is_number(value)


def _has(**checks: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, dict) and all(name in value and ok(value[name]) for name, ok in checks.items())
    )


def _is_slide(value: object) -> bool:
    known = {*_SLIDE, "bounds_px"}
    return _has(**_SLIDE)(value) and set(value) <= known and _is_bounds(value.get("bounds_px"))  # type: ignore[call-overload, attr-defined]


def _is_bounds(value: object) -> bool:
    return value is None or _are(_is_px, 4, 4)(value)


def _check_opinion(told: Any) -> None:
    """What a slide model said: texts, probabilities and sets of its own classes. Raises ValueError."""
    if not _has(**_OPINION)(told) or set(told) != set(_OPINION):
        raise ValueError("slide_model")
    classes = set(told["classes"])
    named = {name for names in told["sets"].values() for name in names}
    if classes != set(told["probabilities"]) or not named <= classes or told["call"] not in ("", *classes):
        raise ValueError("slide_model")


_OPINION: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("name", "version", "sha256", "call"), _is_text),
    "classes": _is_classes,
    "probabilities": _maps_to(_is_probability),
    "sets": lambda value: _maps_to(_are(_is_text, 0, MAX_CLASSES))(value) and len(value) <= 8,
    "outcome": lambda value: value in ("single", "several", "none", "refused"),
}
_SLIDE: dict[str, Callable[[Any], bool]] = {
    "file": _is_text,
    "size_px": _are(_is_px, 2, 2),
    "mpp": _is_positive,
    "mpp_source": _is_text,
    "sha256": _is_text,
    "backend": _is_text,
    "synthetic": lambda value: isinstance(value, bool),
    "metadata": _maps_to(_is_told),
}
_CHECKS: dict[str, Callable[[Any], bool]] = {
    "slide_id": is_slide_id,
    "status": lambda value: value in (SlideStatus.DONE, SlideStatus.REVIEW),
    "classes": _is_classes,
    "background": _is_text,
    "call": _is_text,
    "probabilities": _maps_to(_is_probability),
    "confidence": _is_figure,
    "margin": _is_figure,
    "review_reasons": _are(_is_text),
    "qc": _maps_to(_is_figure),
    "slide": _is_slide,
    "grid": _has(origin_px=_are(_is_px, 2, 2), cell_px=_is_positive, cell_um=_is_positive),
    "provenance": lambda value: isinstance(value, dict),
}
