"""The OME-Zarr 0.5 words for a heatmap: axes, scale, translation, channels, labels, pyramid. Arrays and dicts only.

Source: OME-NGFF 0.5, "multiscales", "omero" and "labels" metadata.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregate.result import Heatmap

_VERSION = "0.5"
_SMALLEST_LEVEL = 256
# Okabe and Ito's colours, which stay apart for colour-blind readers; viewers other than ours start from them.
_CHANNEL_COLOURS = ("D55E00", "009E73", "0072B2", "E69F00", "CC79A7", "56B4E9", "F0E442")


def pyramid(probabilities: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """(c, y, x) and its halves, by the mean of the cells that have a value, until no side exceeds 256."""
    levels = [probabilities]
    while max(levels[-1].shape[1:]) > _SMALLEST_LEVEL:
        levels.append(_halve(levels[-1]))
    return levels


def label_pyramid(labels: NDArray[np.uint8], n_levels: int) -> list[NDArray[np.uint8]]:
    """(y, x) and its halves, by the most frequent label of each 2 x 2 block (of equals, the smallest)."""
    levels = [labels]
    while len(levels) < n_levels:
        rows, columns = levels[-1].shape
        padded = np.pad(levels[-1], ((0, rows % 2), (0, columns % 2)), mode="edge")
        blocks = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2)
        counts = [(blocks == value).sum(axis=(1, 3)) for value in range(int(padded.max(initial=0)) + 1)]
        levels.append(np.argmax(counts, axis=0).astype(np.uint8))
    return levels


def image_attributes(heatmap: Heatmap, classes: tuple[str, ...], n_levels: int) -> Callable[..., dict[str, Any]]:
    """A function of the datasets' path prefix that gives the `ome` attributes of the heatmap image."""

    def attributes(prefix: str) -> dict[str, Any]:
        return {
            "version": _VERSION,
            "multiscales": [
                {
                    "name": "probability",
                    "axes": [{"name": "c", "type": "channel"}, *_SPACE],
                    "datasets": [_dataset(f"{prefix}{i}", heatmap, i, channels=True) for i in range(n_levels)],
                    "metadata": {"meaning": "probability of each class a tile; NaN where no tile voted"},
                }
            ],
            "omero": {"channels": [_channel(name, i) for i, name in enumerate(classes)]},
        }

    return attributes


def label_attributes(heatmap: Heatmap, classes: tuple[str, ...], name: str, n_levels: int) -> dict[str, Any]:
    """The `ome` attributes of the label image `call` or `tissue`. It has as many levels as its image."""
    meanings = list(classes) if name == "call" else ["tissue"]
    return {
        "version": _VERSION,
        "multiscales": [
            {
                "name": name,
                "axes": list(_SPACE),
                "datasets": [_dataset(str(i), heatmap, i, channels=False) for i in range(n_levels)],
            }
        ],
        "image-label": {
            "colors": [{"label-value": i + 1, "rgba": _rgba(i)} for i in range(len(meanings))],
            "properties": [{"label-value": i + 1, "name": meaning} for i, meaning in enumerate(meanings)],
            "source": {"image": "../../"},
        },
    }


_SPACE = (
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
)


def _dataset(path: str, heatmap: Heatmap, level: int, *, channels: bool) -> dict[str, Any]:
    factor = 2**level
    scale = [heatmap.cell_um * factor] * 2
    # The centre of the first cell of a level, which is `factor` cells wide.
    translation = [at + heatmap.cell_um * (factor - 1) / 2 for at in heatmap.translation_um]
    if channels:
        scale, translation = [1.0, *scale], [0.0, *translation]
    return {
        "path": path,
        "coordinateTransformations": [
            {"type": "scale", "scale": scale},
            {"type": "translation", "translation": translation},
        ],
    }


def _channel(name: str, index: int) -> dict[str, Any]:
    return {
        "label": name,
        "color": _CHANNEL_COLOURS[index % len(_CHANNEL_COLOURS)],
        "active": True,
        "window": {"min": 0.0, "max": 1.0, "start": 0.0, "end": 1.0},
    }


def _rgba(index: int) -> list[int]:
    colour = _CHANNEL_COLOURS[index % len(_CHANNEL_COLOURS)]
    return [int(colour[i : i + 2], 16) for i in (0, 2, 4)] + [255]


def _halve(level: NDArray[np.float32]) -> NDArray[np.float32]:
    c, rows, columns = level.shape
    padded = np.full((c, rows + rows % 2, columns + columns % 2), np.nan, np.float32)
    padded[:, :rows, :columns] = level
    blocks = padded.reshape(c, padded.shape[1] // 2, 2, padded.shape[2] // 2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a block without any value stays NaN
        return np.nanmean(blocks, axis=(2, 4), dtype=np.float32)
