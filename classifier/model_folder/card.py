"""The model card: what a tile model is, was made of, can and cannot do. Data and its checks; opens no file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from classifier.networks.catalog import read_architecture
from classifier.networks.shape import FEATURES, NetworkShape, check_size
from tiler.spec import TileSpec
from wsi.errors import ModelError, UsageError
from wsi.spacing import PLAUSIBLE_MPP

CARD_FORMAT = 1
CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.npz"
FAMILIARITY_FILE = "familiarity.npz"
LITERT_FILE = "litert-int8.tflite"
# Of a network that int8 changes too much.
LITERT_FLOAT_FILE = "litert-float32.tflite"
NETWORK_FILE = "network.onnx"
MODEL_FILES = frozenset({WEIGHTS_FILE, FAMILIARITY_FILE, LITERT_FILE, LITERT_FLOAT_FILE, NETWORK_FILE})

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CLASS = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,59}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_TEXT = 4000
_MAX_LINES = 50
_TEMPERATURES = (0.05, 20.0)


def is_model_name(name: str) -> bool:
    """Whether a card may carry it: ASCII letters, digits, `.`, `_` and `-`, at most 64."""
    return bool(_NAME.fullmatch(name))


def name_for(folder: Path) -> str:
    """A name that a card may carry, from the folder's."""
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).lstrip("-._")
    return kept[:64] or "model"


def is_class_name(name: str) -> bool:
    """Whether a card may carry it: ASCII letters, digits, blanks, `_` and `-`, at most 60; no mark first."""
    return bool(_CLASS.fullmatch(name))


@dataclass(frozen=True)
class ModelCard:
    """Everything that is told of a tile model. Raises ModelError where a value is outside its bounds.

    A slide is called one of `classes`; `background` is the one that is no tumour. `tissues` are further kinds without
    tumour that the network tells of a tile (stroma, lymphoid tissue): each has a name and a look of its own, and counts
    as background for the slide. `temperature` divides the logits (1: as they came). A tile whose familiarity is under
    `familiarity_threshold` is not recognised; of held-out known tissue `false_alarm_rate` is.
    A leading probability under `sure_from` is not told with high confidence: from there on at least 0.95 of held-out
    tiles are right (0: not measured, 1: nowhere). `white` is what a slide's brightest is set to before the network sees
    its tiles (`classifier.colour.white`; 0: colours stay as they are). `files` maps each file of the model to its hex
    SHA-256. `digest` is the SHA-256 of card.json as read or written.
    """

    name: str
    version: str
    classes: tuple[str, ...]
    background: str
    tile: TileSpec
    architecture: Mapping[str, Any]  # {"name", "parameters"}
    temperature: float
    familiarity_threshold: float
    false_alarm_rate: float
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]
    intended_use: str
    limits: tuple[str, ...]
    never_shown: tuple[str, ...]
    synthetic: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    digest: str = field(default="", compare=False)
    tissues: tuple[str, ...] = ()
    sure_from: float = 0.0
    white: float = 0.0

    def __post_init__(self) -> None:
        _check(bool(_NAME.fullmatch(self.name)), "the name is empty or odd")
        _check(bool(_NAME.fullmatch(self.version)), "the version is empty or odd")
        _check(all(_CLASS.fullmatch(name) for name in self.outputs), "a class name is empty or odd")
        _check(len(set(self.outputs)) == len(self.outputs), "two classes have one name")
        _check(self.background in self.classes, f"background {self.background[:60]!r} is not one of the classes")
        low, high = _TEMPERATURES
        _check(math.isfinite(self.temperature) and low <= self.temperature <= high, "the temperature is implausible")
        _check(0.0 <= self.familiarity_threshold <= 1.0, "the familiarity threshold is outside 0 to 1")
        _check(0.0 <= self.false_alarm_rate <= 1.0, "the false alarm rate is outside 0 to 1")
        _check(0.0 <= self.sure_from <= 1.0, "sure_from is outside 0 to 1")
        _check(self.white == 0.0 or 200.0 <= self.white <= 255.0, "white is neither 0 nor 200 to 255")
        _check(PLAUSIBLE_MPP[0] <= self.tile.mpp <= PLAUSIBLE_MPP[1], "the tile's mpp is implausible")
        check_size(self.network, self.tile.size_px, len(self.outputs))
        for name, sha256 in self.files.items():
            _check(name in MODEL_FILES, f"it names the file {name[:60]!r}, which no model has")
            _check(bool(_SHA256.fullmatch(sha256)), f"the SHA-256 of {name} is malformed")

    @property
    def network(self) -> NetworkShape:
        return read_architecture(self.architecture)

    @property
    def required_files(self) -> frozenset[str]:
        """What the model's folder must hold besides the card."""
        network = self.network
        if not network.in_a_file:
            return frozenset({WEIGHTS_FILE, FAMILIARITY_FILE})
        # A classifier from elsewhere brings no training tissue to be familiar with.
        return frozenset({NETWORK_FILE, *((WEIGHTS_FILE, FAMILIARITY_FILE) if network.gives == FEATURES else ())})

    @property
    def optional_files(self) -> frozenset[str]:
        return frozenset() if self.network.in_a_file else frozenset({LITERT_FILE, LITERT_FLOAT_FILE})

    @property
    def knows_familiarity(self) -> bool:
        """Whether it can be said how alike the training tissue a tile is."""
        return FAMILIARITY_FILE in self.required_files

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the network tells of a tile, in the order of its probabilities: the classes, then the tissues."""
        return self.classes + self.tissues

    @property
    def tumour_classes(self) -> tuple[str, ...]:
        return tuple(name for name in self.classes if name != self.background)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; without `digest`, which is known only of the bytes."""
        return {
            "format": CARD_FORMAT,
            "name": self.name,
            "version": self.version,
            "synthetic": self.synthetic,
            "intended_use": self.intended_use,
            "classes": list(self.classes),
            "background": self.background,
            # Cards of models without them stay the bytes that they were.
            **({"tissues": list(self.tissues)} if self.tissues else {}),
            **({"sure_from": self.sure_from} if self.sure_from else {}),
            **({"white": self.white} if self.white else {}),
            "tile": {
                "size_px": self.tile.size_px,
                "mpp": self.tile.mpp,
                "overlap": self.tile.overlap,
                "min_tissue": self.tile.min_tissue,
            },
            "architecture": dict(self.architecture),
            "temperature": self.temperature,
            "familiarity_threshold": self.familiarity_threshold,
            "false_alarm_rate": self.false_alarm_rate,
            "limits": list(self.limits),
            "never_shown": list(self.never_shown),
            "training": dict(self.training),
            "metrics": dict(self.metrics),
            "files": dict(self.files),
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, digest: str = "") -> ModelCard:
        """Reads what `to_dict` gives; raises ModelError naming the field at fault, never anything else."""
        if not isinstance(values, Mapping) or values.get("format") != CARD_FORMAT:
            raise ModelError(f"card.json is not of format {CARD_FORMAT}", hint="update pulmoscope, or ask its maker")
        return cls(
            name=_text(values, "name"),
            version=_text(values, "version"),
            classes=_texts(values, "classes"),
            background=_text(values, "background"),
            tile=_tile(values),
            architecture=_mapping(values, "architecture"),
            temperature=_number(values, "temperature"),
            familiarity_threshold=_number(values, "familiarity_threshold"),
            false_alarm_rate=_number(values, "false_alarm_rate"),
            training=_mapping(values, "training"),
            metrics=_mapping(values, "metrics"),
            intended_use=_text(values, "intended_use"),
            limits=_texts(values, "limits"),
            never_shown=_texts(values, "never_shown"),
            synthetic=_flag(values, "synthetic"),
            files={str(name): str(sha256) for name, sha256 in _mapping(values, "files").items()},
            digest=digest,
            tissues=_texts(values, "tissues") if "tissues" in values else (),
            sure_from=_number(values, "sure_from") if "sure_from" in values else 0.0,
            white=_number(values, "white") if "white" in values else 0.0,
        )


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise ModelError(f"card.json: {what}", hint="get the model again from its maker")


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    _check(isinstance(value, str) and 0 < len(value) <= _MAX_TEXT, f"{key} is missing, empty or too long")
    return str(value)


def _texts(values: Mapping[str, Any], key: str) -> tuple[str, ...]:
    lines = values.get(key)
    _check(isinstance(lines, list) and len(lines) <= _MAX_LINES, f"{key} is not a list of at most {_MAX_LINES}")
    for line in lines or ():
        _check(isinstance(line, str) and len(line) <= _MAX_TEXT, f"{key} holds something other than short text")
    return tuple(lines or ())


def _mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = values.get(key)
    _check(isinstance(value, Mapping), f"{key} is missing")
    return dict(value or {})


def _number(values: Mapping[str, Any], key: str) -> float:
    value = values.get(key)
    _check(isinstance(value, int | float) and not isinstance(value, bool), f"{key} is not a number")
    _check(math.isfinite(value or 0.0), f"{key} is not finite")
    return float(value or 0.0)


def _flag(values: Mapping[str, Any], key: str) -> bool:
    value = values.get(key)
    _check(isinstance(value, bool), f"{key} is neither true nor false")
    return bool(value)


def _tile(values: Mapping[str, Any]) -> TileSpec:
    tile = _mapping(values, "tile")
    size_px = _number(tile, "size_px")
    _check(size_px == int(size_px), "the tile's size is not a whole number")
    try:
        return TileSpec(int(size_px), _number(tile, "mpp"), _number(tile, "overlap"), _number(tile, "min_tissue"))
    except UsageError as error:
        raise ModelError(f"card.json: {error.message}") from error
