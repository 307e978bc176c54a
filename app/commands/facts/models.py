"""`pulmoscope models`: what the cards of the packaged models say."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from classifier.model_folder.find import packaged_models

# Of a model: `models` prints its words, `models --json` its figures too.
_MEASURED = ("tiles", "groups", "figures", "not_recognised")


def describe_models() -> list[dict[str, Any]]:
    return [
        {
            "name": card.name,
            "version": card.version,
            "classes": list(card.classes),
            "background": card.background,
            "tissues": list(card.tissues),
            "tile": asdict(card.tile),
            "sha256": card.digest,
            "synthetic": card.synthetic,
            "intended_use": card.intended_use,
            "limits": list(card.limits),
            "never_shown": list(card.never_shown),
            "temperature": card.temperature,
            "familiarity_threshold": card.familiarity_threshold,
            "false_alarm_rate": card.false_alarm_rate,
            "validation": {name: card.metrics.get("val", {}).get(name) for name in _MEASURED},
        }
        for card in packaged_models()
    ]
