"""Which results a promoted model makes stale: those of earlier versions of it that it may change. No slide is opened.

A model that was retrained on kept features differs from its base in the last layer alone. What it will say of a slide
then follows from the features that the result holds: where that is the same call within MOVED, the result stays,
with the model that made it. Of any other model nothing can be said beforehand, and the slide is done anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from aggregate.pool import pool
from aggregate.provenance import Provenance
from aggregate.result import SlideResult
from aggregate.result_folder import load_summary, result_path, stored_results
from aggregate.store import load
from app.presentation.cells import tile_cells
from app.upkeep.candidate.registry import Registry, registered_name
from classifier.calibrate import softmax
from classifier.familiarity import Familiarity, not_turned_away
from classifier.model import fold_tissues
from classifier.model_folder.arrays import unpack_arrays
from classifier.model_folder.card import FAMILIARITY_FILE, WEIGHTS_FILE
from classifier.model_folder.files import ModelFolder, read_folder
from classifier.networks.shape import features_of
from classifier.training.packaged.replay.stored import body_digest
from tiler.spec import TileQuality
from wsi.errors import StoreError, UsageError

# Of a slide's probabilities, and of the share of tiles that vote: less is no other finding.
MOVED = 0.02
_KERNEL, _BIAS = "logits/kernel", "logits/bias"


@dataclass(frozen=True)
class Stale:
    """Ids of slides: to be done anew, and those of earlier versions that stay; of `further` slides there is no result
    of any version. `beside` are the models, as tables tell them, whose results may lie beside the new ones."""

    anew: frozenset[str]
    stay: frozenset[str]
    further: frozenset[str]
    beside: frozenset[str]

    def in_words(self) -> str:
        told = f"{len(self.anew)} results of earlier versions are done anew"
        told += f", {len(self.stay)} stay: this version says the same of them" if self.stay else ""
        return told + (f"; {len(self.further)} slides have no result of any version" if self.further else "")


def find_stale(out: Path, slide_ids: Iterable[str], model: Path) -> Stale:
    """What of these slides' results in `out` the promoted `model`, a registry's folder, makes stale. Raises UsageError
    where it is no registry's, StoreError, ModelError."""
    registry, name = Registry(model.parent), registered_name(model)
    versions = {entry.model_sha256: model.parent / f"{name}@{entry.version}" for entry in registry.entries_of(name)}
    new = _Version(model)
    if new.digest not in versions:
        raise UsageError(f"{model.name} was never promoted", hint="--stale goes with --model NAME@current")
    found: dict[str, set[str]] = {"anew": set(), "stay": set(), "further": set()}
    older = {sha256: _Version(folder) for sha256, folder in versions.items() if sha256 != new.digest}
    beside: set[str] = set()
    for slide_id in slide_ids:
        made_by = _made_by(result_path(out, slide_id))
        if made_by is None or made_by.model.sha256 not in versions:
            found["further"].add(slide_id)
        elif made_by.model.sha256 != new.digest:
            stays = new.says_the_same(result_path(out, slide_id), older[made_by.model.sha256])
            found["stay" if stays else "anew"].add(slide_id)
    for path in stored_results(out):
        made_by = _made_by(path)
        if made_by is not None and made_by.model.sha256 in older:
            beside.add(made_by.model_words)
    return Stale(**{kind: frozenset(ids) for kind, ids in found.items()}, beside=frozenset(beside))


def _made_by(path: Path) -> Provenance | None:
    try:
        return Provenance.from_dict(load_summary(path)["provenance"])
    except StoreError:
        return None


class _Version:
    """One version of a model, read when it is asked for more than its digest."""

    def __init__(self, folder: Path) -> None:
        self._path = folder

    @cached_property
    def folder(self) -> ModelFolder:
        return read_folder(self._path)

    @property
    def digest(self) -> str:
        return self.folder.card.digest

    @cached_property
    def weights(self) -> Mapping[str, Any]:
        content = self.folder.contents.get(WEIGHTS_FILE)
        return unpack_arrays(content, WEIGHTS_FILE) if content else {}

    @cached_property
    def body(self) -> str:
        return body_digest(self.weights)

    @cached_property
    def known(self) -> Familiarity:
        card = self.folder.card
        arrays = unpack_arrays(self.folder.contents[FAMILIARITY_FILE], FAMILIARITY_FILE)
        return Familiarity.from_arrays(arrays, len(card.outputs), features_of(card.network))

    def says_the_same(self, path: Path, older: _Version) -> bool:
        """Whether this version, on the features of a result of `older`, would say the same of the slide."""
        if not self.weights or self.body != older.body or self.folder.card.outputs != older.folder.card.outputs:
            return False
        try:
            result = load(path)
        except StoreError:
            return False
        if result.provenance.config.get("site"):
            return False  # what is known there hangs on the profile, too
        return self._same_pool(result)

    def _same_pool(self, result: SlideResult) -> bool:
        card, tiles = self.folder.card, result.tiles
        features = tiles.features.astype(np.float32)
        logits = features @ self.weights[_KERNEL] + self.weights[_BIAS]
        told = fold_tissues(softmax(logits, card.temperature), card)
        recognised = not_turned_away(self.known.of(features), card.familiarity_threshold)
        votes = recognised & (tiles.quality == TileQuality.GOOD)
        pooled = pool(
            told[votes],
            tile_cells(result)[votes],
            tiles.tissue_fraction[votes],
            background=card.classes.index(card.background),
            cells_per_side=result.provenance.tile.cells_per_side,
        ).probabilities
        before = np.array(result.decision.probabilities)
        if np.isnan(before).any() or np.isnan(pooled).any():
            return bool(np.isnan(before).all() and np.isnan(pooled).all())
        moved = float(np.abs(pooled - before).max())
        voting = abs(float(votes.mean()) - float(tiles.votes.mean()))
        return moved <= MOVED and voting <= MOVED and int(pooled.argmax()) == int(before.argmax())
