"""An encoder on disk: a network that turns a tile into features and knows no class, with its card. Runs nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from classifier.model_folder.card import NETWORK_FILE, is_model_name
from classifier.model_folder.files import ENCODER_FILE, read_contents, read_values, refuse_finished
from classifier.networks.imported import ImportedNetwork
from classifier.networks.shape import FEATURES, MAX_TILE_PX
from tiler.spec import TileSpec
from wsi.errors import ModelError, ModelNotFoundError, UsageError
from wsi.files.writing import write_file
from wsi.spacing import PLAUSIBLE_MPP

ENCODER_FORMAT = 1
LICENCE_UNSTATED = "not stated"
_MAX_TEXT = 500
_MIN_TILE_PX = 32


@dataclass(frozen=True)
class EncoderCard:
    """Everything that is told of an encoder. `source` is where it was imported from, `notes` what to know of it,
    `figures` what was measured at import. `digest` is the SHA-256 of encoder.json. Raises ModelError."""

    name: str
    tile: TileSpec
    network: ImportedNetwork
    licence: str
    source: str
    notes: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    digest: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        check_tile(self.tile)
        texts = (self.licence, self.source, *self.notes)
        if not is_model_name(self.name) or not all(isinstance(text, str) and len(text) <= _MAX_TEXT for text in texts):
            raise ModelError(f"{ENCODER_FILE}: a name or text is empty, odd or too long")
        if self.network.gives != FEATURES:
            raise ModelError(f"{ENCODER_FILE}: it is of a classifier")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; without `digest`."""
        return {
            "format": ENCODER_FORMAT,
            "name": self.name,
            "tile": {"size_px": self.tile.size_px, "mpp": self.tile.mpp},
            "network": self.network.to_dict(),
            "licence": self.licence,
            "source": self.source,
            "notes": list(self.notes),
            "figures": dict(self.figures),
            "files": dict(self.files),
        }

    @classmethod
    def from_dict(cls, values: Any, *, digest: str = "") -> EncoderCard:
        """Reads what `to_dict` gives. Raises ModelError."""
        try:
            if values["format"] != ENCODER_FORMAT:
                raise ModelError(f"{ENCODER_FILE} is not of format {ENCODER_FORMAT}", hint="update pulmoscope")
            return cls(
                name=str(values["name"]),
                tile=TileSpec(int(values["tile"]["size_px"]), float(values["tile"]["mpp"])),
                network=ImportedNetwork.from_dict(values["network"]),
                licence=str(values["licence"]),
                source=str(values["source"]),
                notes=tuple(map(str, values["notes"])),
                figures=dict(values["figures"]),
                files={str(name): str(sha256) for name, sha256 in values["files"].items()},
                digest=digest,
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelError(f"{ENCODER_FILE} cannot be read ({type(error).__name__})") from error
        except UsageError as error:
            raise ModelError(f"{ENCODER_FILE}: {error.message}") from error


def check_tile(tile: TileSpec) -> None:
    """Raises ModelError where an imported network cannot be shown such tiles."""
    if not _MIN_TILE_PX <= tile.size_px <= MAX_TILE_PX:
        raise ModelError(f"tiles of {tile.size_px} px are outside {_MIN_TILE_PX} to {MAX_TILE_PX} px")
    if not PLAUSIBLE_MPP[0] <= tile.mpp <= PLAUSIBLE_MPP[1]:
        raise ModelError(f"{tile.mpp:g} um/px is implausible")


def read_encoder(folder: Path) -> tuple[EncoderCard, bytes]:
    """An encoder's card and its network's file, verified. Raises ModelNotFoundError, ModelError, ModelDigestError."""
    if not (folder / ENCODER_FILE).exists():
        raise ModelNotFoundError(
            f"{folder} is no encoder", hint="make one with `pulmoscope import-model ENCODER.onnx --out FOLDER`"
        )
    values, digest = read_values(folder, ENCODER_FILE)
    card = EncoderCard.from_dict(values, digest=digest)
    if set(card.files) != {NETWORK_FILE}:
        raise ModelError(f"{ENCODER_FILE} does not name {NETWORK_FILE} alone")
    return card, read_contents(folder, ENCODER_FILE, card.name, card.files)[NETWORK_FILE]


def write_encoder(folder: Path, card: EncoderCard, network: bytes) -> EncoderCard:
    """Writes the network, then the card that names its SHA-256. Raises UsageError where `folder` holds a model."""
    refuse_finished(folder)
    folder.mkdir(parents=True, exist_ok=True)
    card = replace(card, files={NETWORK_FILE: hashlib.sha256(network).hexdigest()})
    write_file(folder / NETWORK_FILE, network)
    text = (json.dumps(card.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    write_file(folder / ENCODER_FILE, text)
    return replace(card, digest=hashlib.sha256(text).hexdigest())
