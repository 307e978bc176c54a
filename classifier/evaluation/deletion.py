"""Is a map of evidence true to the model? The deletion test (Petsiuk et al. 2018, arXiv:1806.07421): what the map calls
important is taken out of the tile first, and the called class must lose its probability faster than in random order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from classifier.explain import Explanation, explain
from classifier.model import TileModel

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Explainer = Callable[[TileModel, Pixels], Explanation]

CELLS_PER_SIDE = 7
STEPS = 12
RANDOM_ORDERS = 5
# Width of the soft border of what is deleted, in sides of a cell: a hard border is an edge that no tissue has.
_FEATHER = 0.25


@dataclass(frozen=True)
class DeletionResult:
    """n tiles. Areas under the curve of the called class's probability over the share deleted, 0 to 1."""

    by_map: Floats  # (n,) deleted in the order of the map
    by_chance: Floats  # (n,) mean over random orders of the same cells

    def __len__(self) -> int:
        return len(self.by_map)

    @property
    def beaten(self) -> int:
        """Tiles whose curve by the map lies lower than by chance."""
        return int((self.by_map < self.by_chance).sum())

    @property
    def share(self) -> float:
        """`beaten` of all; NaN without tiles."""
        return self.beaten / len(self) if len(self) else float("nan")


def deletion_test(
    model: TileModel,
    tiles: Pixels,
    *,
    explainer: Explainer = explain,
    random_orders: int = RANDOM_ORDERS,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> DeletionResult:
    """The test on tiles (n, size, size, 3) uint8, each for the class that `explainer` says it is called.

    A tile is cut into CELLS_PER_SIDE x CELLS_PER_SIDE cells, deleted in STEPS equal steps. Raises ModelError.
    """
    rng = np.random.default_rng(seed)
    areas = np.empty((len(tiles), 2), np.float32)
    for index, tile in enumerate(tiles):
        explanation = explainer(model, tile)
        by_map = np.argsort(-cell_means(explanation.evidence), kind="stable")
        by_chance = [rng.permutation(CELLS_PER_SIDE**2) for _ in range(random_orders)]
        called = model.card.outputs.index(explanation.called)
        curves = probability_curves(model, tile, called, [by_map, *by_chance])
        found = np.asarray(np.trapezoid(curves, axis=1)) / STEPS
        areas[index] = found[0], found[1:].mean()
        progress(index + 1)
    return DeletionResult(areas[:, 0], areas[:, 1])


def probability_curves(model: TileModel, tile: Pixels, called: int, orders: list[NDArray[np.intp]]) -> Floats:
    """(orders, STEPS + 1): the calibrated probability of class `called` with 0, 1, ... STEPS steps of cells deleted."""
    cuts = np.linspace(0, CELLS_PER_SIDE**2, STEPS + 1).round().astype(int)
    spoiled = [delete_cells(tile, order[:cut]) for order in orders for cut in cuts[1:]]
    whole = model.predict(tile[None]).probabilities[0, called]
    rest = model.predict(np.stack(spoiled)).probabilities[:, called].reshape(len(orders), STEPS)
    return np.concatenate([np.full((len(orders), 1), whole), rest], axis=1).astype(np.float32)


def delete_cells(tile: Pixels, cells: NDArray[np.integer]) -> Pixels:
    """The tile with `cells` (numbered in reading order) in its mean colour, their borders softened."""
    size_px = len(tile)
    deleted = np.zeros(CELLS_PER_SIDE**2, np.float32)
    deleted[cells] = 1.0
    owner = np.arange(size_px) * CELLS_PER_SIDE // size_px
    mask = deleted.reshape(CELLS_PER_SIDE, CELLS_PER_SIDE)[np.ix_(owner, owner)]
    sigma_px = _FEATHER * size_px / CELLS_PER_SIDE
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE))[..., None]
    return np.rint(tile * (1 - soft) + tile.mean(axis=(0, 1)) * soft).astype(np.uint8)


def cell_means(evidence: Floats) -> Floats:
    """(cells,) mean of a map (size, size) over each cell, in reading order."""
    edges = np.ceil(np.arange(CELLS_PER_SIDE) * len(evidence) / CELLS_PER_SIDE).astype(int)
    sums = np.add.reduceat(np.add.reduceat(evidence, edges, axis=0), edges, axis=1)
    sides = np.diff([*edges, len(evidence)])
    return np.asarray(sums / np.outer(sides, sides), np.float32).ravel()
