"""A bag: the tiles of one slide as a slide model takes them, features and places, wherever they were made.

Bags of many slides may be larger than memory: a `Shelf` reads one when it is asked for and keeps those that fit.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregate import store
from aggregate.result import UNDETERMINED, SlideResult, TileTable
from aggregate.result_folder import committed_digest, load_summary
from aggregate.slide_model.figures import slide_figures
from aggregate.slide_model.hdf5 import read_features
from tiler.spec import TileQuality
from wsi.errors import DatasetError
from wsi.files.reading import open_regular

MIB = 2**20
SHELF_BYTES = 2048 * MIB


@dataclass(frozen=True)
class FeatureSource:
    """What made the features: `encoder` is the SHA-256 of a tile model's card, or the name that a file tells; "" where
    it tells none. Bags of two sources are never mixed."""

    dimension: int
    encoder: str = ""


@dataclass(frozen=True)
class Bag:
    """n instances of one slide. `chosen` (tiles,) says which tiles of a stored result they are; of a file, all.

    `refused`: nothing of the slide may be called, since its tissue could not be judged or there is no instance.
    """

    slide_id: str
    features: NDArray[np.floating]  # (n, d)
    source: FeatureSource
    places: NDArray[np.floating] | None = None  # (n, 2) level-0 px, or um where the file says so
    figures: NDArray[np.float32] | None = None  # (k,) of `slide_figures`; None where there are no probabilities
    chosen: NDArray[np.bool_] | None = None
    refused: bool = False

    def __len__(self) -> int:
        return len(self.features)


def bag_of_result(result: SlideResult) -> Bag:
    """The bag of a result in memory."""
    told = {
        "slide_id": result.slide_id,
        "classes": result.classes,
        "background": result.background,
        "call": result.decision.call,
        "qc": result.qc,
        "probabilities": dict(zip(result.classes, result.decision.probabilities, strict=True)),
    }
    return _bag(told, result.tiles, result.provenance.model.sha256)


def bag_of_stored(path: Path) -> Bag:
    """The bag of a stored result. Raises StoreError, ResultAlteredError."""
    told = load_summary(path)
    return _bag(told, store.load_tiles(path), str(told["provenance"]["model"]["sha256"]))


def bag_of_file(path: Path) -> Bag:
    """The bag of an .h5 file of TRIDENT, CLAM or STAMP. Raises DatasetError."""
    found = read_features(path)
    source = FeatureSource(found.features.shape[1], found.encoder)
    return Bag(path.stem, found.features, source, found.places)


def bag_of_path(path: Path) -> Bag:
    """Of an .h5 file, or of a stored result. Raises DatasetError, StoreError."""
    return bag_of_file(path) if path.is_file() else bag_of_stored(path)


def _bag(told: Mapping[str, Any], tiles: TileTable, model_sha256: str) -> Bag:
    """Tiles of good quality, whether or not the tile model recognises them: what is strange to it may tell a slide
    model much, and the labels are of the whole slide."""
    chosen = tiles.quality == TileQuality.GOOD
    return Bag(
        told["slide_id"],
        tiles.features[chosen],
        FeatureSource(tiles.features.shape[1], model_sha256),
        tiles.xy[chosen],
        slide_figures(told, tiles),
        chosen,
        refused=told["call"] == UNDETERMINED or not chosen.any(),
    )


@dataclass(frozen=True)
class LabelledBag:
    """Where a labelled slide's bag is read from. `label` is a class index; `patient` and `site` are never told."""

    slide_id: str
    path: Path
    label: int
    patient: str
    site: str = ""

    def read(self) -> Bag:
        """The bag. Raises StoreError, DatasetError."""
        return bag_of_path(self.path)

    def sha256(self) -> str:
        """Of the features, as they lie there."""
        if not self.path.is_file():
            return committed_digest(self.path)
        with open_regular(self.path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class Shelf:
    """The bags of labelled slides, by index. Those read last stay in memory, up to `max_bytes` of features."""

    def __init__(self, readers: Sequence[Callable[[], Bag]], max_bytes: int = SHELF_BYTES) -> None:
        self._readers = readers
        self._max_bytes = max_bytes
        self._held: OrderedDict[int, Bag] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._readers)

    def __getitem__(self, index: int) -> Bag:
        if index not in self._held:
            self._held[index] = self._readers[index]()
            self._bytes += self._held[index].features.nbytes
        self._held.move_to_end(index)
        while len(self._held) > 1 and self._bytes > self._max_bytes:
            self._bytes -= self._held.popitem(last=False)[1].features.nbytes
        return self._held[index]


def one_source(shelf: Shelf) -> FeatureSource:
    """The source that all bags share. Raises DatasetError where two differ."""
    first = shelf[0]
    for index in range(1, len(shelf)):
        bag = shelf[index]
        if bag.source != first.source:
            what = "length" if bag.source.dimension != first.source.dimension else "model or encoder"
            raise DatasetError(
                f"the features of {bag.slide_id} are of another {what} than those of {first.slide_id}",
                hint="train on features of one model",
            )
    return first.source
