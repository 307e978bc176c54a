"""Reading tiles: CPU per tile against a plain OpenSlide + Pillow loop, and tiffslide where it is installed.

`python -m benchmarks.reading` prints medians of interleaved rounds; opening the slide is not counted. Pixels are
checked against OpenSlide + area average.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openslide
from PIL import Image

from benchmarks.rounds import Call, arguments, interleaved, median_ratio, show_ratio
from benchmarks.slides import drawn_slide
from tiler import Grid, TileSpec, find_tissue, lay_grid
from tiler.stream import BATCH_SIZE, read_tiles
from wsi import Slide, open_slide
from wsi.process.tuning import tune_process

SIZE_PX = (14_336, 12_288)
# Whole rows of the grid, as many as make about this many tiles.
TILES = 300
TILE_PX = 224
CASES = ((0.5, 0.0), (1.0, 0.0), (0.5, 0.5))


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    tune_process()
    with tempfile.TemporaryDirectory() as folder:
        path = drawn_slide(Path(folder) / "drawn.svs", SIZE_PX)
        for mpp, overlap in CASES:
            _compare(path, TileSpec(TILE_PX, mpp, overlap), options.rounds)


def _compare(path: Path, spec: TileSpec, rounds: int) -> None:
    with open_slide(path) as slide:
        grid = lay_grid(find_tissue(slide), spec, slide)
    grid = _first_rows(grid)
    contenders: dict[str, Callable[[], Call]] = {
        "pulmoscope": lambda: partial(_ours, open_slide(path), grid),
        "OpenSlide + Pillow loop": lambda: partial(_plain_loop, openslide.OpenSlide(str(path)), grid),
        "pulmoscope --reader openslide": lambda: partial(_ours, open_slide(path, reader="openslide"), grid),
    }
    tiffslide = _tiffslide()
    if tiffslide is not None:
        contenders["tiffslide + Pillow loop"] = lambda: partial(_plain_loop, tiffslide.TiffSlide(path), grid)
    costs = interleaved(contenders, rounds)
    ours = [cost.cpu_s for cost in costs["pulmoscope"]]
    title = f"{spec.mpp:g} um/px from 0.25, overlap {spec.overlap:g}"
    print(f"{title}: {len(grid)} tiles; unlike OpenSlide + area average: {_unlike(path, grid)} tiles")
    for name in contenders:
        if name != "pulmoscope":
            show_ratio(f"  CPU of {name} / ours", median_ratio([cost.cpu_s for cost in costs[name]], ours))


def _first_rows(grid: Grid) -> Grid:
    last_row = grid.cell[min(TILES, len(grid) - 1), 0]
    count = int((grid.cell[:, 0] <= last_row).sum())
    names = ("xy", "level_xy", "cell", "tissue_fraction", "quality")
    return replace(grid, **{name: getattr(grid, name)[:count] for name in names})


def _ours(slide: Slide, grid: Grid) -> None:
    with slide:
        for start in range(0, len(grid), BATCH_SIZE):
            read_tiles(slide, grid, start, min(start + BATCH_SIZE, len(grid)))


def _plain_loop(slide: Any, grid: Grid) -> None:
    plan = grid.plan
    for x, y in grid.xy.tolist():
        tile = slide.read_region((x, y), plan.level, (plan.read_px, plan.read_px))
        # Over the slide's edge tiffslide 3.0 gives an array.
        tile = (tile if isinstance(tile, Image.Image) else Image.fromarray(tile)).convert("RGB")
        if plan.read_px != plan.tile_px:
            tile = tile.resize((plan.tile_px, plan.tile_px), Image.Resampling.BILINEAR)
        np.asarray(tile)
    slide.close()


def _unlike(path: Path, grid: Grid) -> int:
    """Tiles with any pixel other than OpenSlide's, area-averaged; on white beyond the slide's edge."""
    plan, unlike = grid.plan, 0
    with open_slide(path) as slide, openslide.OpenSlide(str(path)) as raw:
        for index, (x, y) in enumerate(grid.xy.tolist()):
            rgba = raw.read_region((x, y), plan.level, (plan.read_px, plan.read_px))
            white = Image.new("RGBA", rgba.size, "white")
            pixels = np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))
            expected = cv2.resize(pixels, (plan.tile_px, plan.tile_px), interpolation=cv2.INTER_AREA)
            unlike += not np.array_equal(read_tiles(slide, grid, index, index + 1)[0], expected)
    return unlike


def _tiffslide() -> Any:
    try:
        import tiffslide
    except ImportError:
        return None
    return tiffslide


if __name__ == "__main__":
    main()
