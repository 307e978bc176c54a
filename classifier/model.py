"""A tile model ready to predict: load one by name or folder, show it tiles. Knows nothing of slides or results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier.calibrate import softmax
from classifier.colour.white import White, white_table
from classifier.familiarity import Alignment, Familiarity, UnknownFamiliarity
from classifier.model_folder.arrays import unpack_arrays
from classifier.model_folder.card import (
    FAMILIARITY_FILE,
    LITERT_FILE,
    LITERT_FLOAT_FILE,
    NETWORK_FILE,
    WEIGHTS_FILE,
    ModelCard,
)
from classifier.model_folder.files import ModelFolder, read_folder
from classifier.model_folder.find import DEFAULT_MODEL, find_model
from classifier.networks.fields import stack_fields
from classifier.networks.shape import features_of
from classifier.runtimes.runtime import Runtime
from wsi.errors import ModelError

RUNTIMES = ("auto", "litert-int8", "litert-float32", "tensorflow", "onnx")
BATCH_TILES = 32


@dataclass(frozen=True)
class TilePredictions:
    """n tiles, c outputs of the card (its classes, then its tissues), d features."""

    probabilities: NDArray[np.float32]  # (n, c) calibrated, each row sums to 1
    features: NDArray[np.float16]  # (n, d)
    familiarity: NDArray[np.float32]  # (n,) 0 to 1; NaN where the model cannot know
    by_site: NDArray[np.bool_] | None = None  # (n,) recognised thanks to a site profile alone; None: there is none

    def __len__(self) -> int:
        return len(self.probabilities)


class TileModel:
    """A card and what runs its network. `predict` may be called from several threads.

    `correction` (1, 256, 3), where given, is the new by the old value of each channel of the tiles; `site_sha256` names
    the site profile that it is of.
    """

    def __init__(
        self,
        card: ModelCard,
        network: Runtime,
        familiarity: Familiarity | UnknownFamiliarity,
        *,
        correction: NDArray[np.uint8] | None = None,
        site_sha256: str = "",
    ) -> None:
        self.card = card
        self.runtime = network.name
        self.site_sha256 = site_sha256
        self.familiarity = familiarity
        self._network = network
        self._correction = correction

    def of_site(self, correction: NDArray[np.uint8] | None, alignment: Alignment | None, sha256: str) -> TileModel:
        """The same network for a laboratory: tiles are corrected first, and what counts as known is aligned. Where each
        slide's own white is set, that takes the correction's place."""
        known = self.familiarity.aligned(alignment)
        return TileModel(self.card, self._network, known, correction=correction, site_sha256=sha256)

    @property
    def sets_white(self) -> bool:
        """Whether a slide's own white is set before it sees the tiles, under a site profile too."""
        return bool(self.card.white)

    def under_white(self, white: White) -> TileModel:
        """The same network for a slide of that white; itself where it leaves colours as they are."""
        if not self.sets_white:
            return self
        table = white_table(white, self.card.white)
        return TileModel(self.card, self._network, self.familiarity, correction=table, site_sha256=self.site_sha256)

    def with_card(self, card: ModelCard, familiarity: Familiarity) -> TileModel:
        """The same network under another card (temperature) and familiarity."""
        return TileModel(card, self._network, familiarity)

    def predict(self, tiles: NDArray[np.uint8]) -> TilePredictions:
        """Predictions for tiles (n, size, size, 3) uint8 RGB at the card's mpp; n may be 0. Raises ModelError."""
        return self.predictions_of(*self.forward(tiles))

    def predictions_of(self, logits: NDArray[np.float32], features: NDArray[np.float32]) -> TilePredictions:
        """Calibrated predictions of what `forward` gave: logits (n, c) and features (n, d)."""
        return TilePredictions(
            softmax(logits, self.card.temperature),
            features.astype(np.float16),
            self.familiarity.of(features),
            self.familiarity.only_aligned(features) if self.site_sha256 else None,
        )

    def unlike_slide(self, features: NDArray[np.floating]) -> float:
        """How unlike those learned from a slide of tiles with features (n, d) is, see `Familiarity.unlike`."""
        return self.familiarity.unlike(features)

    def forward(self, tiles: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits (n, c), before temperature, and features (n, d) as float32."""
        self._check_tiles(tiles)
        logits = np.empty((len(tiles), len(self.card.outputs)), np.float32)
        features = np.empty((len(tiles), features_of(self.card.network)), np.float32)
        for part, stacked in self._batches(tiles):
            logits[part], features[part] = self._network.forward(stacked)
        return logits, features

    def activation_map(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Where in a tile each class's logit comes from: (n, rows, columns, c) over the whole tile, before temperature.

        Its mean over rows and columns is the logits (class activation map: Zhou et al. 2016, arXiv:1512.04150).
        """
        self._check_tiles(tiles)
        maps = [self._network.activation_map(stacked) for _, stacked in self._batches(tiles)]
        return np.concatenate(maps) if maps else np.empty((0, 1, 1, len(self.card.outputs)), np.float32)

    def _batches(self, tiles: NDArray[np.uint8]) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
        for start in range(0, len(tiles), BATCH_TILES):
            part = slice(start, start + BATCH_TILES)
            yield part, stack_fields(self._corrected(tiles[part]), self.card.network.fields)

    def _corrected(self, tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._correction is None:
            return tiles
        import cv2  # the process that hands slides out imports this module, and no imaging library

        rows = np.ascontiguousarray(tiles).reshape(-1, *tiles.shape[2:])
        return np.asarray(cv2.LUT(rows, self._correction), np.uint8).reshape(tiles.shape)

    def _check_tiles(self, tiles: NDArray[np.uint8]) -> None:
        size_px = self.card.tile.size_px
        if tiles.dtype != np.uint8 or tiles.shape[1:] != (size_px, size_px, 3):
            raise ModelError(
                f"{self.card.name} needs uint8 tiles (n, {size_px}, {size_px}, 3), not {tiles.dtype} {tiles.shape}"
            )


def fold_tissues(probabilities: NDArray[np.floating], card: ModelCard) -> NDArray[np.float32]:
    """Probabilities of a card's outputs (n, c) as those of its classes (n, k): its tissues count as background."""
    folded = np.array(probabilities[:, : len(card.classes)], np.float32)
    folded[:, card.classes.index(card.background)] += probabilities[:, len(card.classes) :].sum(axis=1)
    return folded


def load_model(
    name_or_path: str | Path = DEFAULT_MODEL, *, runtime: str = "auto", threads: int | None = None
) -> TileModel:
    """A packaged model by name, or any model folder. `runtime` auto: ONNX Runtime for an imported network, LiteRT where
    the folder has it, else TensorFlow.

    `threads` limits TensorFlow's; LiteRT uses one core for each thread that calls `predict`, and so does ONNX Runtime
    where `threads` is given.

    Raises ModelNotFoundError, ModelDigestError, ModelError.
    """
    if runtime not in RUNTIMES:
        raise ModelError(f"there is no runtime {runtime!r}", hint=f"use one of {', '.join(RUNTIMES)}")
    folder = read_folder(find_model(name_or_path))
    card = folder.card
    return TileModel(card, _start(folder, runtime, threads), _familiarity(folder))


def _familiarity(folder: ModelFolder) -> Familiarity | UnknownFamiliarity:
    card = folder.card
    if not card.knows_familiarity:
        return UnknownFamiliarity()
    arrays = unpack_arrays(folder.contents[FAMILIARITY_FILE], FAMILIARITY_FILE)
    return Familiarity.from_arrays(arrays, len(card.outputs), features_of(card.network))


def _start(folder: ModelFolder, runtime: str, threads: int | None) -> Runtime:
    from classifier.runtimes.litert import LITERT_FLOAT32, LITERT_INT8, LiteRtRuntime
    from classifier.runtimes.tensorflow import TensorFlowRuntime

    if NETWORK_FILE in folder.contents:
        return _start_onnx(folder, runtime, threads)
    if runtime == "onnx":
        raise ModelError(f"{folder.card.name} has no {NETWORK_FILE}", hint="leave the runtime to the program")
    for name, file in ((LITERT_INT8, LITERT_FILE), (LITERT_FLOAT32, LITERT_FLOAT_FILE)):
        if file in folder.contents and runtime in ("auto", name):
            return LiteRtRuntime(folder.card, folder.contents[file], name)
        if runtime == name:
            raise ModelError(f"{folder.card.name} has no {file}", hint="use the runtime tensorflow")
    return TensorFlowRuntime(folder.card, unpack_arrays(folder.contents[WEIGHTS_FILE], WEIGHTS_FILE), threads)


def _start_onnx(folder: ModelFolder, runtime: str, threads: int | None) -> Runtime:
    from classifier.runtimes.onnx import ONNX, OnnxRuntime

    if runtime not in ("auto", ONNX):
        raise ModelError(f"{folder.card.name} runs with ONNX Runtime only", hint="use the runtime onnx")
    head = unpack_arrays(folder.contents[WEIGHTS_FILE], WEIGHTS_FILE) if WEIGHTS_FILE in folder.contents else None
    return OnnxRuntime(folder.card, folder.contents[NETWORK_FILE], head, threads)
