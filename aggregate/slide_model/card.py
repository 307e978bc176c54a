"""A slide model's card: what a folder says of itself. From JSON and back; nothing here reads a file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aggregate.slide_model.bags import FeatureSource
from aggregate.slide_model.calibrate import Calibration
from aggregate.slide_model.conformal import PredictionSets
from aggregate.slide_model.network.heads import find_head
from aggregate.slide_model.network.networks import make_network, network_names
from classifier.model_folder.card import is_class_name, is_model_name
from classifier.model_folder.files import SLIDE_MODEL_FILE
from wsi.errors import ModelError

CARD_FILE = SLIDE_MODEL_FILE
WEIGHTS_FILE = "weights.npz"
FORMAT = 1
MAX_CLASSES, MAX_NETWORKS = 100, 20
_MAX_TEXT = 500


@dataclass(frozen=True)
class SlideModelCard:
    """`networks` of the same shape, whose logits are averaged. `source` is what the features must be of. `training`,
    `metrics` and `notes` are told and not used. `digest` is the card's SHA-256. Raises ModelError."""

    name: str
    classes: tuple[str, ...]
    network: str
    parameters: Mapping[str, int]
    source: FeatureSource
    calibration: Calibration
    sets: PredictionSets
    head: str = "classes"
    networks: int = 1
    version: str = "1"
    notes: tuple[str, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    digest: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        make_network(self.network, self.parameters)
        find_head(self.head)
        fine = is_model_name(self.name) and is_model_name(self.version) and 1 <= self.networks <= MAX_NETWORKS
        fine &= 2 <= len(self.classes) <= MAX_CLASSES and len(set(self.classes)) == len(self.classes)
        fine &= all(map(is_class_name, self.classes)) and all(len(note) <= _MAX_TEXT for note in self.notes)
        fine &= 0 < self.source.dimension <= 8192 and len(self.source.encoder) <= 64
        if not fine:
            raise ModelError(f"{CARD_FILE}: a name, a class or a size is not one that a slide model can have")

    def to_json(self) -> str:
        """The file's text; without `digest`."""
        values = {
            "format": FORMAT,
            "name": self.name,
            "version": self.version,
            "classes": list(self.classes),
            "network": {"name": self.network, "parameters": dict(self.parameters), "count": self.networks},
            "head": self.head,
            "features": {"dimension": self.source.dimension, "encoder": self.source.encoder},
            "calibration": self.calibration.to_dict(),
            "sets": self.sets.to_dict(),
            "notes": list(self.notes),
            "training": dict(self.training),
            "metrics": _finite(dict(self.metrics)),
            "files": dict(self.files),
        }
        return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_dict(cls, values: Any, *, digest: str = "") -> SlideModelCard:
        """Reads what `to_json` says. Raises ModelError."""
        try:
            if values["format"] != FORMAT:
                raise ModelError(f"{CARD_FILE} is not of format {FORMAT}", hint="update pulmoscope")
            network, classes = values["network"], tuple(map(str, values["classes"]))
            if str(network["name"]) not in network_names():
                raise ModelError(f"{CARD_FILE} names a network that is not known here", hint="update pulmoscope")
            return cls(
                name=str(values["name"]),
                version=str(values["version"]),
                classes=classes,
                network=str(network["name"]),
                parameters=dict(network["parameters"]),
                networks=int(network["count"]),
                head=str(values["head"]),
                source=FeatureSource(int(values["features"]["dimension"]), str(values["features"]["encoder"])),
                calibration=Calibration.from_dict(values["calibration"], len(classes)),
                sets=PredictionSets.from_dict(values["sets"], len(classes)),
                notes=tuple(map(str, values["notes"])),
                training=dict(values["training"]),
                metrics=dict(values["metrics"]),
                files={str(name): str(sha256) for name, sha256 in values["files"].items()},
                digest=digest,
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelError(f"{CARD_FILE} cannot be read ({type(error).__name__})") from error


def _finite(value: Any) -> Any:
    """Figures that are none (of no slide) as null."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
