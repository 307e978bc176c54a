"""The regions of a learning set as GeoJSON: what was learned where, and who signed it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.presentation.words import class_title
from app.upkeep.learning.record import LearnedRegion


def as_geojson(regions: Mapping[str, LearnedRegion]) -> bytes:
    """ASCII GeoJSON of `regions` (by digest). Coordinates are level-0 px of the whole canvas of the slide that a
    feature names: one file holds regions of many slides."""
    features = [_feature(digest, region) for digest, region in regions.items()]
    collection = {
        "type": "FeatureCollection",
        "pulmoscope": {"coordinates": "level-0 px from the corner of the whole canvas of `slide_id`"},
        "features": features,
    }
    return (json.dumps(collection, allow_nan=False) + "\n").encode("ascii")


def _feature(digest: str, region: LearnedRegion) -> dict[str, Any]:
    facts = ("slide_id", "slide_sha256", "label", "reviewer", "signed_at", "signature_sha256", "site")
    return {
        "type": "Feature",
        "id": region.region_id,
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]] for ring in region.rings]},
        "properties": {
            "objectType": "annotation",
            "classification": {"name": class_title(region.label)},
            "isLocked": True,
            "metadata": {"region": digest, **{name: str(getattr(region, name)) for name in facts}},
            "measurements": {"Tiles": len(region.tiles)},
        },
    }
