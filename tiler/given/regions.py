"""Tissue as QuPath's GeoJSON: which regions are tissue, which are left out, and which are neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tiler.given.fill import Ring
from wsi.errors import BadMaskError
from wsi.files.reading import parse_json

# By the name of their class, in any case. QuPath's own classes Region* and Ignore* are among them.
TISSUE = frozenset({"tissue", "include", "region*", ""})
LEFT_OUT = frozenset({"exclude", "ignore*", "artefact", "artifact"})
MOST_POINTS = 2_000_000
_AREAS = ("Polygon", "MultiPolygon")
_EXPORT = "export annotations from QuPath as GeoJSON"


@dataclass(frozen=True)
class Regions:
    """`tissue` and `left_out` hold polygons: rings of level-0 px, outline and holes. `passed_over` counts regions of
    other classes and what is no area. `whole_canvas`: counted from the canvas's corner, not the scanned part's."""

    tissue: tuple[tuple[Ring, ...], ...]
    left_out: tuple[tuple[Ring, ...], ...]
    passed_over: int
    whole_canvas: bool


def read_regions(content: bytes, name: str) -> Regions:
    """The regions of a GeoJSON text, called `name` in words. Raises BadMaskError."""
    told = _parsed(content, name)
    features = told.get("features", [told]) if isinstance(told, Mapping) else told
    if not isinstance(features, list) or not all(isinstance(one, Mapping) for one in features):
        raise BadMaskError(f"{name} is no GeoJSON", hint=_EXPORT)
    tissue: list[tuple[Ring, ...]] = []
    left_out: list[tuple[Ring, ...]] = []
    points = passed = 0
    for feature in features:
        kind = _class_of(feature)
        into = tissue if kind in TISSUE else left_out if kind in LEFT_OUT else None
        found = list(_polygons(feature, name))
        points += sum(len(ring) for rings in found for ring in rings)
        if points > MOST_POINTS:
            raise BadMaskError(f"{name} has more than {MOST_POINTS:,} points", hint="simplify its regions in QuPath")
        if into is None or not found:
            passed += 1
        else:
            into += found
    if not tissue and not left_out:
        names = "Tissue, Region* or no class; Exclude or Ignore*"
        raise BadMaskError(f"{name} has no region of tissue or to leave out", hint=f"classes that count: {names}")
    return Regions(tuple(tissue), tuple(left_out), passed, _whole_canvas(told))


def _parsed(content: bytes, name: str) -> Any:
    try:
        return parse_json(content)
    except ValueError as error:
        raise BadMaskError(f"{name} is no JSON", hint=_EXPORT) from error


def _whole_canvas(told: Any) -> bool:
    """Our own exports say from which corner they count."""
    ours = told.get("pulmoscope") if isinstance(told, Mapping) else None
    return isinstance(ours, Mapping) and "whole canvas" in str(ours.get("coordinates"))


def _class_of(feature: Mapping[str, Any]) -> str:
    properties = feature.get("properties")
    classification = properties.get("classification") if isinstance(properties, Mapping) else None
    name = classification.get("name") if isinstance(classification, Mapping) else classification
    return str(name).strip().casefold() if name else ""


def _polygons(feature: Mapping[str, Any], name: str) -> Iterator[tuple[Ring, ...]]:
    geometry = feature.get("geometry")
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    if kind not in _AREAS:
        return
    assert isinstance(geometry, Mapping)
    coordinates = geometry.get("coordinates")
    for polygon in [coordinates] if kind == "Polygon" else coordinates if isinstance(coordinates, list) else [None]:
        if not isinstance(polygon, list) or not polygon:
            raise BadMaskError(f"{name} has a polygon that is none", hint=_EXPORT)
        yield tuple(_ring(ring, name) for ring in polygon)


def _ring(points: Sequence[Any], name: str) -> Ring:
    try:
        ring = np.array(points, np.float64)
    except (TypeError, ValueError):
        ring = np.empty(0)
    if ring.ndim != 2 or ring.shape[1] < 2 or len(ring) < 3 or not np.isfinite(ring).all():
        raise BadMaskError(f"{name} has an outline that is none: it takes three points of x and y", hint=_EXPORT)
    return np.ascontiguousarray(ring[:, :2])
