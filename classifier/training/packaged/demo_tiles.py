"""Labelled tiles of painted tissue, to teach the demonstration model. Drawings: they say nothing of real lungs."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from classifier.progress import Progress, ProgressCallback, quiet
from tiler.spec import TileSpec
from wsi.synthetic.slide import CLASSES, paint_tissue
from wsi.synthetic.tissue import GLASS_RGB

# Slides are drawn at several resolutions and averaged down to the model's, where they then look a little different.
PAINTED_MPP = (0.5, 1.0, 0.5, 0.25)
SHEET_UM = 768
GLASS_SHARE = 0.3
BORDER_SHARE = 0.25
TISSUE_AT_GLASS = (0.12, 0.95)
MAIN_AT_BORDER = (0.65, 0.97)

# A drawn slide's stain drifts: what it absorbs beyond glass varies by about this much from place to place.
STAIN_DEPTH = (0.75, 1.25)

Pixels = NDArray[np.uint8]


def write_demo_tiles(
    folder: Path, spec: TileSpec, *, sheets: int, tiles_a_sheet: int, seed: int, progress: ProgressCallback = quiet
) -> Path:
    """Paints `sheets` sheets a class, cuts tiles from them, writes JPEGs and their CSV below `folder`; returns the CSV.

    A fifth of the sheets is split ``val``. Some tiles lie on the tissue's edge (the rest is glass) and some on the
    border to another class; such a tile is of the class that covers most of it.
    """
    rows = []
    for sheet in range(sheets):
        rng = np.random.default_rng([seed, sheet])
        painted = {kind: _paint_sheet(kind, sheet, spec.mpp, seed) for kind in CLASSES}
        split = "val" if sheet % 5 == 4 else "train"
        for kind in CLASSES:
            for index in range(tiles_a_sheet):
                file = f"{kind}/{sheet:03d}-{index:03d}.jpg"
                pixels = _stained(compose_tile(painted, kind, spec.size_px, rng), rng.uniform(*STAIN_DEPTH))
                _write_jpeg(folder / file, pixels, quality=int(rng.integers(75, 95)))
                rows.append((file, kind, f"{kind}-{sheet:03d}", split, f"{spec.mpp:g}"))
        progress(Progress(f"painted {sheet + 1} of {sheets} sheets", (sheet + 1) / sheets))
    path = folder / "tiles.csv"
    with path.open("w", newline="", encoding="utf-8") as listed:
        csv.writer(listed).writerows([("file", "class", "source_group", "split", "mpp"), *rows])
    return path


def compose_tile(painted: dict[str, Pixels], kind: str, size_px: int, rng: np.random.Generator) -> Pixels:
    """One tile (size_px, size_px, 3) that is mostly `kind`, from sheets of each class; at times part glass or part
    another class."""
    tile = _cut(painted[kind], size_px, rng)
    chance = rng.random()
    if chance < BORDER_SHARE:
        other = str(rng.choice([name for name in painted if name != kind]))
        beyond = ~_side_mask(size_px, rng.uniform(*MAIN_AT_BORDER), rng)
        tile[beyond] = _cut(painted[other], size_px, rng)[beyond]
    elif chance < BORDER_SHARE + GLASS_SHARE:
        tile[~_side_mask(size_px, rng.uniform(*TISSUE_AT_GLASS), rng)] = GLASS_RGB
    return tile


def _stained(tile: Pixels, depth: float) -> Pixels:
    """The tile with what it absorbs beyond glass times `depth`, as `wsi.synthetic.slide` varies it; glass stays."""
    glass = np.array(GLASS_RGB, np.float32)
    return np.clip(np.rint(glass - (glass - tile) * depth), 0, 255).astype(np.uint8)


def _paint_sheet(kind: str, sheet: int, mpp: float, seed: int) -> Pixels:
    painted_mpp = PAINTED_MPP[sheet % len(PAINTED_MPP)]
    side = round(SHEET_UM / painted_mpp)
    pixels = paint_tissue(kind, (side, side), painted_mpp, seed * 10_000 + sheet)
    wanted = round(SHEET_UM / mpp)
    return np.asarray(cv2.resize(pixels, (wanted, wanted), interpolation=cv2.INTER_AREA), np.uint8)


def _cut(sheet: Pixels, size_px: int, rng: np.random.Generator) -> Pixels:
    y, x = rng.integers(0, sheet.shape[0] - size_px, size=2, endpoint=True)
    return sheet[y : y + size_px, x : x + size_px].copy()


def _side_mask(size_px: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(size_px, size_px): `share` of the tile, on one side of a wavy line in a random direction."""
    y, x = np.mgrid[:size_px, :size_px] / size_px
    angle, phase, waves = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi), rng.uniform(1, 6)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    distance = across + rng.uniform(0, 0.08) * np.sin(waves * np.pi * along + phase)
    return np.asarray(distance <= np.quantile(distance, share))


def _write_jpeg(path: Path, pixels: Pixels, quality: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    path.write_bytes(encoded.tobytes())
