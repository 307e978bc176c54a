"""The features that a model learned from, as a file: found by the network that gave them, whatever last layer it has.

One npz for each such network, named by its digest: `features` (n, d) float16, `label` (n,), `site` (n,), `group` (n,),
`held` (n,) of n views of tiles, and `classes` and `sites`, the names that the numbers stand for. Held-out tiles were
never learned from: they set temperature and thresholds again. No picture can be made of a feature vector here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.model_folder.arrays import pack_arrays, unpack_arrays
from classifier.model_folder.files import MIB
from classifier.training.base import HEAD
from wsi.errors import ModelError
from wsi.files.reading import read_regular

FOLDER = Path(__file__).parent / "kept"
_MAX_BYTES = 32 * MIB
_DIGITS = 16


@dataclass(frozen=True)
class Replay:
    """n views of tiles: features (n, d), index of the class (n,), names of laboratory and source group (n,), and
    whether the tile was held out (n,)."""

    classes: tuple[str, ...]
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    sites: NDArray[np.str_]
    groups: NDArray[np.str_]
    held: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.features)

    def part(self, *, held: bool) -> Replay:
        """Of the held-out tiles, or of those learned from."""
        chosen = self.held == held
        arrays = {name: getattr(self, name)[chosen] for name in ("features", "labels", "sites", "groups", "held")}
        return Replay(self.classes, **arrays)

    def names(self) -> Sequence[tuple[str, str, str]]:
        """(n,) class, laboratory and source group, as `classifier.training.balance` weighs them."""
        labels = [self.classes[label] for label in self.labels.tolist()]
        return list(zip(labels, self.sites.tolist(), self.groups.tolist(), strict=True))


def body_digest(weights: Mapping[str, NDArray[Any]]) -> str:
    """Hex SHA-256 of a network without its last layer: whoever shares it gives the same features."""
    total = hashlib.sha256()
    for path in sorted(weights):
        if not path.startswith(HEAD):
            array = np.ascontiguousarray(weights[path], np.float32)
            total.update(f"{path} {array.shape}\n".encode())
            total.update(array.tobytes())
    return total.hexdigest()


def find_replay(weights: Mapping[str, NDArray[Any]], folder: Path = FOLDER) -> Replay | None:
    """What a network of these weights learned from; None where that is not kept. Raises ModelError."""
    path = folder / f"{body_digest(weights)[:_DIGITS]}.npz"
    if not path.exists():
        return None
    try:
        return read_replay(read_regular(path, _MAX_BYTES))
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read", hint="install the program again") from error


def write_replay(replay: Replay, weights: Mapping[str, NDArray[Any]], folder: Path = FOLDER) -> Path:
    """Keeps the features where `find_replay` looks. Raises OSError."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{body_digest(weights)[:_DIGITS]}.npz"
    path.write_bytes(replay_bytes(replay))
    return path


def replay_bytes(replay: Replay) -> bytes:
    """The same features always give the same bytes."""
    arrays: dict[str, NDArray[Any]] = {
        "features": replay.features.astype(np.float16),
        "label": replay.labels.astype(np.uint8),
        "held": replay.held,
        "classes": np.array(replay.classes),
    }
    for name, values in (("site", replay.sites), ("group", replay.groups)):
        known, index = np.unique(values, return_inverse=True)
        arrays[name] = index.reshape(-1).astype(np.uint16)
        if name == "site":
            arrays["sites"] = known
    return pack_arrays(arrays)


def read_replay(content: bytes) -> Replay:
    """Raises ModelError where it is not as `replay_bytes` makes it."""
    arrays = unpack_arrays(content, "replay.npz")
    try:
        classes, sites = tuple(map(str, arrays["classes"])), np.asarray(arrays["sites"], np.str_)
        features = np.asarray(arrays["features"], np.float32)
        found = Replay(
            classes,
            features,
            np.asarray(arrays["label"], np.int64),
            sites[arrays["site"]],
            np.char.add("replayed/", arrays["group"].astype(np.str_)),
            np.asarray(arrays["held"], np.bool_),
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ModelError("what the model learned from is not as it was written") from error
    sizes = {len(found), len(found.labels), len(found.sites), len(found.groups), len(found.held)}
    whole = features.ndim == 2 and len(sizes) == 1 and np.isfinite(features).all()
    if not whole or not len(found) or int(found.labels.max()) >= len(classes):
        raise ModelError("what the model learned from is not as it was written")
    return found
