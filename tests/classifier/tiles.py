"""Tiles with a plain pattern a class, and a small model trained on them once a test session."""

from __future__ import annotations

import atexit
import csv
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from classifier.networks.residual_cnn import Block, ResidualCnn
from classifier.training.recipe import TrainConfig
from tiler.spec import TileSpec

CLASSES = ("checks", "dots", "stripes")
SIZE_PX = 64
TINY = TrainConfig(
    epochs=6,
    seed=3,
    background="checks",
    tile=TileSpec(SIZE_PX, 1.0),
    crop_px=48,
    network=ResidualCnn(8, (Block(8, 1), Block(16, 2)), dropout=0.0),
    batch_size=8,
    learning_rate=5e-3,
    warmup_epochs=0.2,
    hold_out_share=0.2,
    false_alarm_rate=0.05,
)


def pattern(label, rng, size_px=SIZE_PX):
    y, x = np.mgrid[:size_px, :size_px] + rng.integers(0, 16, 2)[:, None, None]
    ink = {
        "checks": (x // 8 + y // 8) % 2,
        "dots": ((x % 8 - 4) ** 2 + (y % 8 - 4) ** 2 < 5).astype(int),
        "stripes": x // 4 % 2,
    }[label]
    colour = {"checks": (120, 60, 150), "dots": (210, 90, 150), "stripes": (90, 130, 190)}[label]
    pixels = np.where(ink[..., None] == 1, np.array(colour), 235) + rng.normal(0, 6, (size_px, size_px, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def write_tiles(folder, *, groups=6, tiles_a_group=5, val_groups=2, seed=0):
    """A CSV of PNG tiles, `groups` training and `val_groups` validation groups a class."""
    rng = np.random.default_rng(seed)
    rows = []
    for label in CLASSES:
        for group in range(groups + val_groups):
            for index in range(tiles_a_group):
                file = f"{label}-{group}-{index}.png"
                Image.fromarray(pattern(label, rng)).save(folder / file)
                rows.append((file, label, f"{label}{group}", "train" if group < groups else "val", "1.0"))
    return write_csv(folder / "tiles.csv", ("file", "class", "source_group", "split", "mpp"), rows)


def write_csv(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@cache
def _session_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="pulmoscope-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def tiny_tiles() -> Path:
    """The CSV that the tiny model is made of."""
    folder = _session_folder() / "tiles"
    folder.mkdir()
    return write_tiles(folder)


@cache
def tiny_model() -> Path:
    """Folder of a finished model; copy it before changing anything."""
    from classifier.training.request import TrainRequest
    from classifier.training.train import train

    folder = _session_folder() / "tiny-model"
    train(TrainRequest(tiny_tiles(), folder, TINY))
    return folder
