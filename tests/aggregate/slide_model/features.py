"""Bags and feature files of known truth, for tests of slide models: a positive slide has a few instances that are
shifted, a negative one has none."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from aggregate.slide_model.bags import Bag, FeatureSource, Shelf

DIMENSION = 6


def instances(positive: bool, rng: np.random.Generator, *, shift: float = 3.0) -> NDArray[np.float32]:
    """(n, DIMENSION), n from 6 to 20; of a positive bag the first two are shifted."""
    values = rng.normal(size=(rng.integers(6, 20), DIMENSION)).astype(np.float32)
    if positive:
        values[:2] += shift
    return values


def made_bags(count: int, seed: int = 0) -> tuple[Shelf, NDArray[np.int64]]:
    """A shelf of `count` bags, every second one positive, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    bags = [Bag(f"slide-{i}", instances(bool(label), rng), FeatureSource(DIMENSION)) for i, label in enumerate(labels)]
    return Shelf([lambda bag=bag: bag for bag in bags]), labels.astype(np.int64)


def write_clam(path: Path, features: NDArray[np.floating]) -> None:
    """As CLAM's extract_features_fp.py does."""
    with h5py.File(path, "w") as file:
        _growing(file, "features", features.astype(np.float32))
        _growing(file, "coords", _grid(len(features)).astype(np.int32))


def write_trident(path: Path, features: NDArray[np.floating], side: int = 512) -> None:
    """As TRIDENT's save_h5 does, with the attributes of coords_to_h5."""
    with h5py.File(path, "w") as file:
        held = _growing(file, "features", features.astype(np.float32))
        held.attrs.update({"name": path.stem, "savetodir": "out"})
        coords = _growing(file, "coords", _grid(len(features)).astype(np.int64))
        coords.attrs.update(
            {
                **{"patch_size": 256, "patch_size_level0": side, "level0_magnification": 40},
                **{"target_magnification": 20, "overlap": 0, "name": path.stem, "savetodir": "out"},
                **{"level0_width": 40000, "level0_height": 30000},
            }
        )


def write_stamp(path: Path, features: NDArray[np.floating]) -> None:
    """As STAMP's preprocessing does."""
    with h5py.File(path, "w") as file:
        file["coords"] = _grid(len(features)).astype(np.float32) / 2
        file["feats"] = features.astype(np.float16)
        told = {"stamp_version": "2.3.0", "extractor": "uni2", "unit": "um", "tile_size_um": 256.0}
        file.attrs.update({**told, "tile_size_px": 224, "code_hash": "abcd1234", "feat_type": "tile"})


def _grid(n: int) -> NDArray[np.int64]:
    return np.stack([np.arange(n) % 7, np.arange(n) // 7], axis=1) * 512


def _growing(file: h5py.File, name: str, values: NDArray[np.generic]) -> h5py.Dataset:
    return file.create_dataset(name, data=values, maxshape=(None, *values.shape[1:]), chunks=(1, *values.shape[1:]))
