"""What `info`, `models` and `adapt` tell, as lines for a person."""

from __future__ import annotations

from typing import Any

_FOR_PROGRAMS = frozenset({"temperature", "familiarity_threshold", "false_alarm_rate", "validation"})


def as_lines(facts: dict[str, Any]) -> str:
    """`name  value` lines for a person, nested facts indented."""
    return _lines(_in_words(facts))


def _in_words(facts: dict[str, Any]) -> dict[str, Any]:
    """The same facts for a person: levels and tiles as one reads them, and no more than fits a screen."""
    told = {name: value for name, value in facts.items() if name not in _FOR_PROGRAMS}
    if "levels" in facts:
        told["levels"] = [
            f"{level['size_px'][0]} x {level['size_px'][1]} px, downsample {level['downsample']:.6g}, "
            f"{level['mpp']:.4g} um/px"
            for level in facts["levels"]
        ]
    if isinstance(tile := facts.get("tile"), dict):
        told["tile"] = f"{tile['size_px']} px at {tile['mpp']:g} um/px"
    return told


def _lines(facts: dict[str, Any]) -> str:
    width = max((len(name) for name in facts), default=0)
    lines = []
    for name, value in facts.items():
        if isinstance(value, dict):
            lines += [name, *(f"  {line}" for line in _lines(value).splitlines())]
        elif isinstance(value, list) and any(isinstance(one, str) for one in value) and len(value) > 1:
            lines += [f"{name if i == 0 else '':<{width}}  {one}" for i, one in enumerate(value)]
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            lines.append(f"{name:<{width}}  {text}")
    return "\n".join(lines)
