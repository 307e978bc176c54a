"""Reading tiles by format: CPU per tile beside a plain OpenSlide + Pillow loop, in one run, and how far pixels differ.

`python -m benchmarks.formats [--rounds N] [--slide FILE]...`; with PULMOSCOPE_DATA, on the real slide in JPEG 2000 too,
and on the slides that are named. What OpenSlide does not read stands beside its loop over the same picture as an SVS in
JPEG. Opening is not counted.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image

from benchmarks.rounds import arguments, interleaved, median_ratio, show_ratio
from benchmarks.slides import drawn_slide
from tests.coded import BY_EXTRA, HAS_EXTRA, write_coded
from tests.dicoms import write_instance
from tests.ndpis import cut_level, write_ndpi
from tests.tiffs import APERIO, SHORT, level_tags, write_tiff
from tests.vendors import write_philips, write_scn
from tests.vsis import Ets, write_vsi
from tests.zarrs import write_ome_zarr
from wsi import Slide, open_slide
from wsi.process.tuning import tune_process
from wsi.region import on_white

SIZE_PX, WIDE_PX, NDPI_PX, TILE_PX = (6_144, 4_096), 102_400, 49_152, 256
# Read side and level, as 224 px at 0.5 um/px from 0.25 read level 0, and at 1.0 from a level of 1.0.
READS = ((448, 0), (224, 1))
Pair = tuple[int, int]


@dataclass(frozen=True)
class Case:
    """`beside` is what the OpenSlide loop reads, where it is not the file itself."""

    name: str
    path: Path
    beside: Path | None = None
    mpp: float | None = None


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--slide", type=Path, action="append", default=[])
    options = parser.parse_args()
    tune_process()
    with tempfile.TemporaryDirectory() as folder:
        for case in chain(_cases(Path(folder)), (Case(path.name, path) for path in options.slide)):
            for read_px, level in READS:
                _compare(case, read_px, level, options.rounds)


def _cases(folder: Path) -> Iterator[Case]:
    drawn = drawn_slide(folder / "drawn.svs", SIZE_PX)
    with open_slide(drawn) as slide:
        pictures = [slide.read_region((0, 0), level, slide.levels[level].size_px) for level in (0, 1)]
    yield Case("SVS, JPEG", drawn)
    yield Case("SVS, JPEG 2000", _jpeg_2000(folder / "j2k.svs", pictures))
    yield Case(f"SVS, JPEG 2000, {WIDE_PX:,} px wide", _jpeg_2000(folder / "wide.svs", pictures, WIDE_PX))
    if "PULMOSCOPE_DATA" in os.environ:
        yield Case(
            "SVS, JPEG 2000, real",
            Path(os.environ["PULMOSCOPE_DATA"], "wsi", "tcga-cr-7395-01a-01-ts1.svs"),
            mpp=0.5,
        )
    scan = {"pictures": pictures, "tile_px": TILE_PX}
    canvas = [(side + TILE_PX) * 250 for side in SIZE_PX]  # what fills it all is its overview
    scn = write_scn(folder / "x.scn", SIZE_PX, places_nm=((0, 0),), canvas_nm=canvas, nm=250, **scan)
    yield Case("SCN, JPEG", scn)
    yield Case("Philips TIFF, JPEG", write_philips(folder / "philips.tiff", **scan))
    (folder / "dicom").mkdir()
    for number, picture in enumerate(pictures, start=1):
        path = folder / "dicom" / f"{number}.dcm"
        write_instance(path, picture, instance=number, tile=TILE_PX, mpp=0.25 * 4 ** (number - 1))
    yield Case("DICOM, JPEG", folder / "dicom" / "1.dcm")
    yield Case(f"NDPI, {NDPI_PX:,} px wide", _ndpi(folder / "wide.ndpi", pictures))
    for codec in ("jpeg2000", "webp", "png", "jpeg-xl", "lerc"):
        if HAS_EXTRA or codec not in BY_EXTRA:
            path = write_coded(folder / f"{codec}.tif", pictures[0], codec, pictures=pictures)
            yield Case(f"TIFF, {codec}, lossless", path, drawn, mpp=0.25)
    path = write_ome_zarr(folder / "x.zarr", pictures[0], pictures=pictures, chunk_px=TILE_PX, um_px=0.25)
    yield Case("OME-Zarr, Zstandard", path, drawn)
    for codec in ("jpeg", "jpeg2000"):
        path = write_vsi(
            folder / f"{codec}.vsi", pictures[0], codec, tile_px=(512, 512), ets=_without_halves, um_px=0.25
        )
        yield Case(f"VSI, {codec}", path, drawn)


def _without_halves(ets: Ets) -> None:
    """Its second level is reduced by four, as that of the others is."""
    ets.tiles = [(at, tile) for at, tile in ets.tiles if at[-1] != 1]


def _jpeg_2000(path: Path, pictures: Sequence[NDArray[np.uint8]], width: int | None = None) -> Path:
    """An SVS as Aperio writes them with JPEG 2000; as wide as is asked by tiles that come again and again."""
    levels = []
    for number, picture in enumerate(pictures):
        size, tiles = picture.shape[1::-1], _tiles(picture)
        if width:
            wide, rows = width >> (2 * number), size[1] // TILE_PX
            columns = -(-wide // TILE_PX)
            tiles = [
                tiles[row * (size[0] // TILE_PX) + at % (size[0] // TILE_PX)]
                for row in range(rows)
                for at in range(columns)
            ]
            size = (wide, rows * TILE_PX)
        text = APERIO.format(*size, TILE_PX, TILE_PX).replace("JPEG/RGB", "J2K/KDU") if not number else ""
        tags = level_tags(size, TILE_PX, tiles, photometric="rgb", description=text)
        levels.append((tags | {259: (SHORT, [33005])}, tiles))
    return write_tiff(path, levels)


def _ndpi(path: Path, pictures: Sequence[NDArray[np.uint8]]) -> Path:
    """Each picture several times side by side, in strips of 8 px height, at level 0 half as wide as it is."""
    beside = NDPI_PX // SIZE_PX[0]
    widths = (SIZE_PX[0] // 2, None)
    levels = [cut_level(one, width, beside=beside) for one, width in zip(pictures, widths, strict=True)]
    return write_ndpi(path, levels, mpp=0.25)


def _tiles(picture: NDArray[np.uint8]) -> list[bytes]:
    found = []
    for y in range(0, picture.shape[0], TILE_PX):
        for x in range(0, picture.shape[1], TILE_PX):
            part = picture[y : y + TILE_PX, x : x + TILE_PX]
            part = np.pad(part, ((0, TILE_PX - part.shape[0]), (0, TILE_PX - part.shape[1]), (0, 0)), mode="edge")
            file = io.BytesIO()
            how = {"no_jp2": True, "mct": 1, "irreversible": True, "quality_layers": [12]}
            Image.fromarray(part).save(file, "JPEG2000", **how)
            found.append(file.getvalue())
    return found


def _compare(case: Case, read_px: int, level: int, rounds: int) -> None:
    with open_slide(case.path, mpp=case.mpp) as slide, openslide.OpenSlide(str(case.beside or case.path)) as other:
        theirs_level = _same_level(slide, other, level)
        downsample = other.level_downsamples[theirs_level]
        corners = _corners(slide.levels[level].size_px, read_px)
        backend = slide.backend
        differ = 0 if case.beside else _difference(slide, other, corners, read_px, (level, theirs_level))
        told = "" if case.beside else f"; greatest difference {differ}"
    contenders = {
        "ours": lambda: partial(_ours, open_slide(case.path, mpp=case.mpp), corners, read_px, level),
        "theirs": lambda: partial(
            _plain_loop, openslide.OpenSlide(str(case.beside or case.path)), corners, read_px, theirs_level, downsample
        ),
    }
    costs = interleaved(contenders, rounds)
    ours, theirs = ([cost.cpu_s for cost in costs[name]] for name in ("ours", "theirs"))
    a_tile = sorted(ours)[len(ours) // 2] / len(corners) * 1e3
    print(f"{case.name}, {read_px} px of level {level} by {backend}: {len(corners)} tiles, {a_tile:.1f} ms each{told}")
    beside = "OpenSlide loop on its JPEG twin" if case.beside else "OpenSlide loop"
    show_ratio(f"  CPU of the {beside} / ours", median_ratio(theirs, ours))


def _same_level(slide: Slide, other: openslide.OpenSlide, level: int) -> int:
    """OpenSlide's number of a level: of an NDPI it has others between those that are stored."""
    width = slide.levels[level].size_px[0]
    return min(range(other.level_count), key=lambda at: abs(other.level_dimensions[at][0] - width))


def _corners(size_px: Pair, read_px: int) -> list[Pair]:
    """Whole rows, about 150 tiles."""
    across, down = size_px[0] // read_px, size_px[1] // read_px
    rows = min(down, max(2, 150 // across))
    return [(column * read_px, row * read_px) for row in range(rows) for column in range(across)]


def _ours(slide: Slide, corners: Sequence[Pair], read_px: int, level: int) -> None:
    with slide:
        for corner in corners:
            tile = slide.read_region(corner, level, (read_px, read_px))
            if read_px != 224:
                cv2.resize(tile, (224, 224), interpolation=cv2.INTER_AREA)


def _plain_loop(
    slide: openslide.OpenSlide, corners: Sequence[Pair], read_px: int, level: int, downsample: float
) -> None:
    with slide:
        for x, y in corners:
            corner = (round(x * downsample), round(y * downsample))
            tile = slide.read_region(corner, level, (read_px, read_px)).convert("RGB")
            if read_px != 224:
                tile = tile.resize((224, 224), Image.Resampling.BOX)
            np.asarray(tile)


def _difference(slide: Slide, other: openslide.OpenSlide, corners: Sequence[Pair], read_px: int, levels: Pair) -> int:
    """Grey levels between a px of ours and OpenSlide's, where its downsample lets it give px as they are stored."""
    level, theirs_level = levels
    most, downsample = 0, other.level_downsamples[theirs_level]
    for x, y in corners[:20]:
        corner = (round(x * downsample), round(y * downsample))
        theirs = on_white(np.asarray(other.read_region(corner, theirs_level, (read_px, read_px)))).astype(int)
        most = max(most, int(np.abs(slide.read_region((x, y), level, (read_px, read_px)) - theirs).max()))
    return most


if __name__ == "__main__":
    main()
