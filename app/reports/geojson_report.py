"""The GeoJSON report: the heatmap's regions as annotations that QuPath imports. Coordinates are level-0 px.

One feature a connected region of cells with the same call, or of tissue without a call; with the region's area and
mean probabilities as measurements. Cells that overhang the picture are cut at its edge.

Of a slide whose scanned part is smaller than its canvas (MRXS, SCN, BIF) QuPath's OpenSlide server shows that part
alone, with its corner as (0, 0): so coordinates begin there, unless the whole canvas is asked for. The file says which.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregate.result import SlideResult
from app.presentation.colours import NOT_RECOGNISED, class_colours, rgb
from app.presentation.words import class_title
from app.reports.regions import Region, connected_regions
from app.review.geojson import drawn_features
from app.review.records import SlideRecord
from wsi.spacing import area_mm2

WITHOUT_CALL = "Tissue without a call"
_NAMESPACE = uuid.UUID("6d3c61f5-5be2-4a53-9f4b-9d5f0cf1c7a4")


def render_geojson(result: SlideResult, record: SlideRecord | None = None, *, whole_canvas: bool = False) -> bytes:
    """The regions of one slide as an ASCII GeoJSON feature collection, those that people drew last; counted from the
    corner of the scanned part, or with `whole_canvas` from that of the slide's canvas, as OpenSlide counts."""
    x, y, width, height = scanned_part(result)
    corner_px = (0, 0) if whole_canvas else (x, y)
    palette = class_colours(result.classes, result.background, result.tissues)
    collection = {
        "type": "FeatureCollection",
        "pulmoscope": {
            "coordinates": f"level-0 px from the corner of the {'whole canvas' if whole_canvas else 'scanned part'}",
            "scanned_part_px": {"x": x, "y": y, "width": width, "height": height},
            "canvas_px": result.slide.size_px,
        },
        "features": [*_features(result, corner_px), *drawn_features(record, corner_px, result.slide.mpp, palette)],
    }
    return (json.dumps(collection, allow_nan=False) + "\n").encode("ascii")


def scanned_part(result: SlideResult) -> tuple[int, int, int, int]:
    """(x, y, width, height), level-0 px: what QuPath shows. Older results tell only where it begins: their heatmap."""
    if result.slide.bounds_px is not None:
        return result.slide.bounds_px
    (x, y), (width, height) = result.heatmap.origin_px, result.slide.size_px
    return (x, y, width - x, height - y)


def _features(result: SlideResult, corner_px: tuple[int, int]) -> Iterator[dict[str, Any]]:
    call = result.heatmap.call
    palette = class_colours(result.classes, result.background, result.tissues)
    layers = [(class_title(name), palette[name], call == index + 1) for index, name in enumerate(result.outputs)]
    layers.append((WITHOUT_CALL, NOT_RECOGNISED, (call == 0) & (result.heatmap.tissue > 0)))
    for title, colour, mask in layers:
        for number, region in enumerate(connected_regions(mask), start=1):
            yield _feature(result, corner_px, f"{title} {number}", title, colour, region)


def _feature(
    result: SlideResult, corner_px: tuple[int, int], name: str, title: str, colour: str, region: Region
) -> dict[str, Any]:
    on_canvas = [_on_canvas_px(result, ring) for ring in region.rings]
    rings = [(ring - corner_px).round(3).tolist() for ring in on_canvas]
    return {
        "type": "Feature",
        # The same region of the same result keeps its id, so that importing twice does not double it.
        "id": str(uuid.uuid5(_NAMESPACE, f"{result.slide_id}/{result.slide.sha256}/{name}/{on_canvas[0][0].tolist()}")),
        "geometry": {"type": "Polygon", "coordinates": rings},
        "properties": {
            "objectType": "annotation",
            "name": name,
            "classification": {"name": title, "color": list(rgb(colour))},
            "measurements": _measurements(result, region, rings),
        },
    }


def _on_canvas_px(result: SlideResult, ring: list[tuple[int, int]]) -> NDArray[np.float64]:
    """Cell corners to level-0 px of the canvas, (n, 2), cut at the edge of the scanned part."""
    heatmap, (x, y, width, height) = result.heatmap, scanned_part(result)
    px = np.array(heatmap.origin_px, float) + np.array(ring, float) * heatmap.cell_px
    cut: NDArray[np.float64] = np.clip(px, [x, y], [x + width, y + height]).round(3)
    return cut


def _measurements(result: SlideResult, region: Region, rings: list[list[list[float]]]) -> dict[str, float]:
    rows, columns = region.cells.T
    means = result.heatmap.probabilities[:, rows, columns].mean(axis=1)
    figures = {
        "Area mm^2": area_mm2(abs(sum(_area_px(ring) for ring in rings)), result.slide.mpp),
        "Cells": float(len(region.cells)),
        **{f"Mean probability: {class_title(name)}": float(p) for name, p in zip(result.outputs, means, strict=True)},
    }
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def _area_px(ring: list[list[float]]) -> float:
    x, y = np.array(ring).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)
