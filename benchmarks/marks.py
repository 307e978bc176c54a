"""What the checks of quality find on real tissue: pen marks, false colours, blur made of it, and false alarms.

`python -m benchmarks.marks TILES.csv... [--slides SLIDE...]` lays the tiles of each case (of each class, where no case
is told) side by side on white, at the magnification of the tissue mask. Figures: docs/quality.md.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from tests.slides import ArraySlide
from tests.tiler.test_colours_of_slides import PENS
from tests.tiler.test_false_colours import MISTAKES
from tiler.false_colours.righted_slide import in_right_colours
from tiler.quality import blur_flags, details, out_of_focus
from tiler.spec import TileSpec
from tiler.survey import survey_slide
from tiler.tissue import MASK_MPP, TissueMask, find_tissue
from wsi.errors import NoTissueError
from wsi.registry import open_slide
from wsi.spacing import px_to_um

# How much of what lies under the stroke shines through.
WAYS = ("opaque", "80%", "film", "thin film")
_TILES = 144


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tiles", type=Path, nargs="+")
    parser.add_argument("--slides", type=Path, nargs="*", default=[])
    parser.add_argument("--pictures", type=int, default=20, help="Pens are drawn on so many of them.")
    options = parser.parse_args()
    pictures = {name: picture for path in options.tiles for name, picture in mosaics(path).items()}
    pictures |= {path.name: thumbnail(path) for path in options.slides}
    masks = {name: look(picture) for name, picture in pictures.items()}
    alarms(masks)
    large = [name for name, picture in pictures.items() if min(picture.shape[:2]) > 150]
    chosen = np.random.default_rng(0).permutation(large)[: options.pictures]
    pens({name: pictures[name] for name in chosen}, masks)
    false_colours(pictures)
    for path in options.tiles:
        out_of_focus_tiles(path)


def mosaics(path: Path) -> dict[str, np.ndarray]:
    """Up to 144 tiles of each case on white, at 8 um per px."""
    groups = defaultdict(list)
    for row in csv.DictReader(path.open(encoding="utf-8")):
        groups[row.get("case") or row["class"]].append(row)
    return {f"{path.parent.name}/{name}": mosaic(path.parent, rows) for name, rows in groups.items()}


def mosaic(folder: Path, rows: list[dict[str, str]]) -> np.ndarray:
    rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:_TILES]]
    tiles = [shrunk(cv2.imread(str(folder / row["file"]))[..., ::-1], float(row["mpp"])) for row in rows]
    side, pitch = int(np.ceil(len(tiles) ** 0.5)), max(max(tile.shape[:2]) for tile in tiles)
    picture = np.full((side * pitch, side * pitch, 3), 245, np.uint8)
    for index, tile in enumerate(tiles):
        y, x = (pitch * place for place in divmod(index, side))
        picture[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    border = max(20, side * pitch // 4)
    return np.pad(picture, ((border, border), (border, border), (0, 0)), constant_values=245)


def shrunk(pixels: np.ndarray, mpp: float) -> np.ndarray:
    return cv2.resize(pixels, None, fx=mpp / MASK_MPP, fy=mpp / MASK_MPP, interpolation=cv2.INTER_AREA)


def thumbnail(path: Path) -> np.ndarray:
    with open_slide(path, mpp=0.5) as slide:
        return slide.thumbnail(round(px_to_um(max(slide.size_px), slide.spacing.mpp) / MASK_MPP))


def look(picture: np.ndarray) -> TissueMask:
    return find_tissue(ArraySlide(picture, mpp=MASK_MPP))


def alarms(masks: dict[str, TissueMask]) -> None:
    print(f"{len(masks)} pictures with no mark on them")
    for name, mask in masks.items():
        told = [kind for kind in ("other_stain", "tinted_glass", "false_colours") if getattr(mask.areas, kind)]
        if mask.pen.any() or told:
            print(f"  {name}: pen {mask.pen_mm2:.3f} mm2 {' '.join(told)}")


def pens(pictures: dict[str, np.ndarray], masks: dict[str, TissueMask]) -> None:
    print(f"\npens on {len(pictures)} pictures: found on glass, taken for tissue there, found on tissue, told at all")
    for how in WAYS:
        for name, ink in PENS.items():
            shares = [of_stroke(picture, masks[key].tissue, ink, how) for key, picture in pictures.items()]
            on_glass, as_tissue, on_tissue = np.nanmean(shares, axis=0)
            told = np.mean([share[2] > 0.1 for share in shares if np.isfinite(share[2])])
            print(f"  {how:<10} {name:<10} {on_glass:6.0%} {as_tissue:6.0%} {on_tissue:6.0%} {told:6.0%}")


def of_stroke(picture: np.ndarray, tissue: np.ndarray, ink: tuple[int, int, int], how: str) -> tuple[float, ...]:
    """Of a stroke from corner to corner: the share found on glass, taken for tissue there, found on tissue."""
    drawn, stroke = with_stroke(picture, ink, how)
    mask = look(drawn)
    glass, over = stroke & ~tissue, stroke & tissue
    return tuple(
        float(found[where].mean()) if where.sum() > 50 else float("nan")
        for found, where in ((mask.pen, glass), (mask.tissue, glass), (mask.pen, over))
    )


def with_stroke(picture: np.ndarray, ink: tuple[int, int, int], how: str) -> tuple[np.ndarray, np.ndarray]:
    height, width = picture.shape[:2]
    cover = np.zeros((height, width), np.float32)
    ends = (width // 20, height // 10), (width * 9 // 10, height * 3 // 4)
    cv2.line(cover, *ends, 1.0, max(12, min(60, height // 8)), cv2.LINE_AA)
    cover = cv2.GaussianBlur(cover, (0, 0), 1)[..., None]
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 0.36, (height, width)).astype(np.float32), (0, 0), 6)
    under, colour = picture.astype(float), np.array(ink, float)
    weight = {"opaque": 0.97, "80%": 0.8}.get(how)
    density = (1.0 if how == "film" else 0.6) * (1 + noise[..., None])
    inked = under * (colour / 255) ** density if weight is None else weight * colour + (1 - weight) * under
    return np.clip(under * (1 - cover) + inked * cover, 0, 255).astype(np.uint8), cover[..., 0] > 0.9


def false_colours(pictures: dict[str, np.ndarray]) -> None:
    """Told; put right; and of those the largest difference to the right pixels, and the median of the tissue's area to
    the right one's."""
    print(f"\nfalse colours, of {len(pictures)} pictures: told, put right, px differ by at most, tissue against right")
    for name, mistake in MISTAKES.items():
        found = [put_right(picture, mistake(picture)) for picture in pictures.values()]
        off, areas = [error for _, error, _ in found if error >= 0], [area for *_, area in found if area >= 0]
        figures = f"{max(off)} {np.median(areas):.3f} ({min(areas):.3f} to {max(areas):.3f})" if off else ""
        print(f"  {name:<24} {sum(told for told, *_ in found):3} {len(off):3} {figures}")


def put_right(right: np.ndarray, false: np.ndarray) -> tuple[bool, int, float]:
    slide = ArraySlide(false, mpp=MASK_MPP)
    told = find_tissue(slide).areas.false_colours
    try:
        areas = survey_slide(slide, TileSpec(16, MASK_MPP)).areas
    except NoTissueError:
        return told, -1, -1.0
    if not areas.righted:
        return told, -1, -1.0
    with in_right_colours(slide, areas.righted) as seen:
        pixels = seen.read_region((0, 0), 0, slide.size_px)
    known = max(look(right).tissue_mm2, 1e-6)
    return told, int(np.abs(pixels.astype(int) - right).max()), areas.tissue_mm2 / known


def out_of_focus_tiles(path: Path) -> None:
    """Tiles of 1 um per px, up to 40 a case: how many are set aside as they are, blurred with all of their slide, in
    part alone, with the rest of the slide sharp."""
    groups = defaultdict(list)
    for row in csv.DictReader(path.open(encoding="utf-8")):
        groups[row.get("case") or row["class"]].append(row)
    counts: dict[str, list[float]] = defaultdict(list)
    for rows in groups.values():
        chosen = np.random.default_rng(0).permutation(len(rows))[:40]
        tiles = [cv2.resize(cv2.imread(str(path.parent / rows[i]["file"])), (224, 224)) for i in chosen]
        if len(tiles) >= 8:
            for name, shares in focus_of(tiles).items():
                counts[name] += shares
    print(f"\nout of focus, {path.parent.name}, {len(counts['as they are'])} tiles")
    for name, flags in counts.items():
        print(f"  {name:<34} {np.mean(flags):6.1%}")


def focus_of(tiles: list[np.ndarray]) -> dict[str, list[float]]:
    sharp = details(np.stack(tiles))
    found = {"as they are": flagged(sharp)}
    for sigma in (1.0, 1.5, 2.0, 3.0):
        soft = [cv2.GaussianBlur(tile, (0, 0), sigma) for tile in tiles]
        found[f"all of the slide, sigma {sigma:g} px"] = flagged(details(np.stack(soft)))
        for share in (0.1, 0.3, 0.6, 1.0):
            rows = round(224 * share)
            parts = details(np.stack([np.vstack([b[:rows], a[rows:]]) for a, b in zip(tiles, soft, strict=True)]))
            alone = [flagged(np.vstack([sharp[:i], parts[i : i + 1], sharp[i + 1 :]]))[i] for i in range(len(tiles))]
            found[f"{share:.0%} of one tile, sigma {sigma:g} px"] = alone
    return found


def flagged(found: np.ndarray) -> list[float]:
    return ((blur_flags(found) | out_of_focus(found)) > 0).astype(float).tolist()


if __name__ == "__main__":
    main()
