"""Where in a tile the model's answer comes from: evidence a pixel, in logits. Draws no picture and judges no map.

A class activation map (Zhou et al. 2016, arXiv:1512.04150) of one class tells what the class adds up from, not what
decided: texture that all classes like lights up too. So the map is the called class's minus that of its next rival.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.model import TileModel
from classifier.networks.shape import NetworkShape

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Explanation:
    """`evidence` (size, size) float32: logits per px for class `called` and, below zero, for the next one, `rival`.

    Its mean over the tile is about how far `called` is ahead of `rival` in logits, before temperature.
    `probabilities` are the tile's calibrated ones, in the order of the card's outputs.
    """

    called: str
    rival: str
    probabilities: tuple[float, ...]
    evidence: Floats


def explain(model: TileModel, tile: Pixels) -> Explanation:
    """The evidence for the class that a tile (size, size, 3) uint8 RGB is called. Raises ModelError."""
    probabilities = model.predict(tile[None]).probabilities[0]
    rival, called = (int(index) for index in np.argsort(probabilities, kind="stable")[-2:])
    classes = model.card.outputs
    return Explanation(
        classes[called], classes[rival], tuple(map(float, probabilities)), evidence_map(model, tile, called, rival)
    )


def evidence_map(model: TileModel, tile: Pixels, called: int, rival: int) -> Floats:
    """(size, size): evidence for class `called` against class `rival`, each px in the place of the tile it is from.

    The mean of the maps of the tile's eight orientations. A strided convolution looks a little to one side of its
    cell; turned, it looks to the other, so nothing is shifted, and the borders of the cells fall between each other.
    """
    maps = model.activation_map(np.stack(list(_orientations(tile))))
    cells = maps[..., called] - maps[..., rival]
    enlarge = _enlargement(cells.shape[1], len(tile), model.card.network)
    turned_back = [_turn_back(enlarge @ one @ enlarge.T, index) for index, one in enumerate(cells)]
    return np.mean(turned_back, axis=0, dtype=np.float32)


def _orientations(tile: Pixels) -> Iterator[Pixels]:
    for mirrored in (tile, tile[:, ::-1]):
        for quarter_turns in range(4):
            yield np.rot90(mirrored, quarter_turns)


def _turn_back(turned: Floats, index: int) -> Floats:
    """Undoes orientation number `index` of `_orientations`."""
    upright = np.rot90(turned, -(index % 4))
    return upright[:, ::-1] if index >= 4 else upright


def _enlargement(cells: int, size_px: int, network: NetworkShape) -> Floats:
    """(size_px, cells): weights that turn a column of cells into px, linear between the cells' centres, level beyond.

    With "same" padding a kernel of odd size and stride 2 is centred half a px after the middle of the two px that it
    stands for; over all strides that is (stride - 1) / 2 px of the field.
    """
    factor = max(network.fields)
    cell_px, offset_px = network.trunk_stride * factor, (network.trunk_stride - 1) / 2 * factor
    first = (size_px - cells * cell_px) / 2 + cell_px / 2 + offset_px
    centres = first + cell_px * np.arange(cells)
    middles = np.arange(size_px) + 0.5
    return np.stack([np.interp(middles, centres, one) for one in np.eye(cells)], axis=1).astype(np.float32)
