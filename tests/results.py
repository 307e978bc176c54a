"""Slide results of known truth, drawn by hand as a small map of cells. For tests; no slide and no model is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregate.provenance import Provenance
from aggregate.result import Decision, Heatmap, SlideRecord, SlideResult, TileTable
from tiler.spec import TileQuality

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")

# "." is glass, a digit the class that the tile is called, "u" tissue that the model does not recognise; "b" blurred,
# "p" under pen, "d" dark artefact, "e" edge of the scanned area. One cell a letter, no overlap.
CELLS = """
..000011....
.0000011111.
.00u0001111.
.00uu00211b.
..0000111b..
....0111p...
"""
_QUALITY = {"b": TileQuality.BLUR, "p": TileQuality.PEN, "d": TileQuality.DARK, "e": TileQuality.EDGE}
_WINNER = 0.9
_UNFAMILIAR, _FAMILIAR = 0.004, 0.8


def make_result(
    slide_id: str = "slide-1",
    *,
    classes: Sequence[str] = CLASSES,
    background: str = "normal",
    call: str = "adenocarcinoma",
    probabilities: Sequence[float] = (0.9123, 0.0702, 0.0175),
    reasons: Sequence[str] = (),
    cells: str = CELLS,
    file: str = "slide-1.svs",
    mpp: float = 0.499,
    mpp_source: str = "slide",
    synthetic: bool = False,
    metadata: Mapping[str, str | float | int | bool] | None = None,
    origin_px: tuple[int, int] = (0, 0),
    cell_px: float = 449.0,
    size_px: tuple[int, int] | None = None,
    bounds_px: tuple[int, int, int, int] | None = None,
    qc: Mapping[str, float] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> SlideResult:
    """A result whose cells are as drawn; `size_px` defaults to what the cells cover."""
    letters = np.array([list(line) for line in cells.split()])
    rows, columns = letters.shape
    covered = (origin_px[0] + int(columns * cell_px), origin_px[1] + int(rows * cell_px))
    tiles = _tiles(letters, len(classes), origin_px, cell_px)
    return SlideResult(
        slide_id=slide_id,
        classes=tuple(classes),
        background=background,
        slide=SlideRecord(
            file=file,
            size_px=size_px or covered,
            mpp=mpp,
            mpp_source=mpp_source,
            sha256="5e" * 32,
            backend="openslide",
            synthetic=synthetic,
            bounds_px=bounds_px,
            metadata=dict(metadata if metadata is not None else {"vendor": "aperio"}),
        ),
        decision=replace(
            _decision(call, probabilities, reasons),
            negative=call == background,
            judged_share=(qc or {}).get("share_voting"),
        ),
        qc=dict(qc if qc is not None else _qc(letters, tiles, cell_px * mpp)),
        tiles=tiles,
        heatmap=_heatmap(letters, len(classes), origin_px, cell_px, mpp),
        provenance=Provenance.from_dict(provenance if provenance is not None else _provenance(synthetic, mpp)),
    )


def _tile_probabilities(letter: str, class_count: int) -> NDArray[np.float32]:
    winner = int(letter) if letter.isdigit() else 0
    rest = (1.0 - _WINNER) / max(1, class_count - 1)
    return np.array([_WINNER if k == winner else rest for k in range(class_count)], np.float32)


def _tiles(letters: NDArray[np.str_], class_count: int, origin_px: tuple[int, int], cell_px: float) -> TileTable:
    rows, columns = np.nonzero(letters != ".")
    kinds = letters[rows, columns]
    corners = np.stack([origin_px[0] + columns * cell_px, origin_px[1] + rows * cell_px], axis=1)
    return TileTable(
        xy=np.round(corners).astype(np.int32).reshape(-1, 2),
        probabilities=np.array([_tile_probabilities(kind, class_count) for kind in kinds], np.float32).reshape(
            -1, class_count
        ),
        familiarity=np.where(kinds == "u", _UNFAMILIAR, _FAMILIAR).astype(np.float32),
        quality=np.array([_QUALITY.get(kind, TileQuality.GOOD) for kind in kinds], np.uint8),
        features=np.zeros((len(kinds), 4), np.float16),
        tissue_fraction=np.ones(len(kinds), np.float32),
        votes=np.char.isdigit(kinds) if len(kinds) else np.zeros(0, bool),
    )


def _heatmap(
    letters: NDArray[np.str_], class_count: int, origin_px: tuple[int, int], cell_px: float, mpp: float
) -> Heatmap:
    probabilities = np.full((class_count, *letters.shape), np.nan, np.float32)
    call = np.zeros(letters.shape, np.uint8)
    for row, column in np.argwhere(np.char.isdigit(letters)):
        probabilities[:, row, column] = _tile_probabilities(letters[row, column], class_count)
        call[row, column] = int(letters[row, column]) + 1
    tissue = (letters != ".").astype(np.uint8)
    return Heatmap(probabilities, call, tissue, origin_px, cell_px, cell_px * mpp)


def _decision(call: str, probabilities: Sequence[float], reasons: Sequence[str]) -> Decision:
    p = np.asarray(probabilities, float)
    confidence = 1.0 + float(np.sum(p * np.log(np.maximum(p, 1e-12)))) / float(np.log(len(p)))
    largest = np.sort(p)[::-1]
    return Decision(call, tuple(map(float, p)), confidence, float(largest[0] - largest[1]), tuple(reasons))


def _qc(letters: NDArray[np.str_], tiles: TileTable, cell_um: float) -> dict[str, float]:
    tissue = max(1, int((letters != ".").sum()))
    cell_mm2 = cell_um * cell_um / 1e6
    return {
        "tissue_mm2": tissue * cell_mm2,
        "tiles": float(len(tiles.xy)),
        "tiles_voting": float(tiles.votes.sum()),
        **{
            f"share_{name}": float((letters == letter).sum()) / tissue
            for name, letter in (("unfamiliar", "u"), ("blur", "b"), ("pen", "p"), ("dark", "d"), ("edge", "e"))
        },
        "tumour_mm2": float(np.isin(letters, ("0", "2")).sum()) * cell_mm2,
        "hotspot": 0.9,
        "scatter": 0.12,
        "second_type_share": 0.04,
        "pen_mm2_on_slide": 0.31,
        "entropy": 0.33,
    }


def _provenance(synthetic: bool, mpp: float) -> dict[str, Any]:
    return {
        "pulmoscope": "0.1.0",
        "model": {
            "name": "demo-synthetic" if synthetic else "lung-v1",
            "version": "1.0.0",
            "sha256": "c0" * 32,
            "runtime": "litert-int8",
            "synthetic": synthetic,
            "limits": [
                "One source of tiles, chosen as typical.",
                "'Normal' means aerated alveoli and nothing else.",
                "Never validated on whole slides of another laboratory.",
            ],
            "never_shown": ["stroma and pleura without tumour", "bronchus and cartilage", "lymph nodes", "necrosis"],
            "intended_use": "Research on H&E lung tissue. It assists, a person decides.",
            "training": {"data_sha256": "da" * 32, "tiles": dict.fromkeys(CLASSES, 1280), "groups": 466},
        },
        "config": {"overlap": 0.0, "mpp": None},
        "config_sha256": "ab" * 32,
        "libraries": {"numpy": "2.4.6", "zarr": "3.1.6"},
        "started": "2026-11-22T20:31:05Z",
        "seconds": 12.4,
        "tile": {"size_px": 224, "mpp": 1.0, "effective_mpp": round(449 * mpp / 224, 4), "level": 0, "overlap": 0.0},
    }
