"""Regions that people drew as QuPath's GeoJSON, there and back. Coordinates of a file are level-0 px, counted from the
corner that who writes or reads it names: QuPath shows a slide's scanned part alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.presentation.colours import rgb
from app.presentation.words import class_title
from app.review.drawing import Points, area_px, is_rectangle
from app.review.records import Case, ReadingName, Region, Rings, Shape, SlideRecord
from app.review.words import person_in_words
from wsi.errors import UsageError
from wsi.files.reading import parse_json, read_regular
from wsi.spacing import area_mm2
from wsi.text import plain, visible

if TYPE_CHECKING:
    from app.review.people import Person
    from app.review.reviews import Reviews

MAX_BYTES = 64 << 20
_UNNAMED, _COLOUR = "Region", "#1F5F8B"
_AREAS = ("Polygon", "MultiPolygon")


@dataclass(frozen=True)
class Drawn:
    """A region as a file holds it, moved to the slide's canvas. `region_id` is empty where the file has none."""

    region_id: str
    shape: Shape
    rings: tuple[Points, ...]
    class_name: str
    comment: str


def drawn_features(
    record: SlideRecord | None, corner_px: tuple[int, int], mpp: float, palette: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """A feature for each region as it stands, of every reading; a signed one is locked. `palette`: class -> #RRGGBB."""
    for reading in record.readings if record else ():
        for number, region in enumerate(reading.regions, start=1):
            facts = {
                "reading": str(reading.name),
                "by": person_in_words(region.by),
                "at": region.at,
                "comment": region.comment,
                "drawn by": "a person",
            }
            yield {
                "type": "Feature",
                "id": region.region_id,
                "geometry": {"type": "Polygon", "coordinates": [_closed(ring, corner_px) for ring in region.rings]},
                "properties": {
                    **_look(region, number, palette),
                    "isLocked": reading.signature is not None,
                    "measurements": {"Area mm^2": area_mm2(area_px(region.rings), mpp)},
                    "metadata": facts,
                },
            }


def read_drawn(
    path: Path, corner_px: tuple[int, int], skip: Sequence[str] = (), classes: Sequence[str] = ()
) -> tuple[list[Drawn], int]:
    """As `parse_drawn`, of a file. Raises UsageError where it cannot be read or is no GeoJSON."""
    try:
        content = read_regular(path, MAX_BYTES)
    except OSError as error:
        raise UsageError(f"{visible(path.name)} cannot be read: {error.strerror}") from error
    return parse_drawn(content, visible(path.name), corner_px, skip, classes)


def parse_drawn(
    content: bytes, name: str, corner_px: tuple[int, int], skip: Sequence[str] = (), classes: Sequence[str] = ()
) -> tuple[list[Drawn], int]:
    """(the regions of a GeoJSON text, how many features are no area). Features whose id is in `skip` are passed over.
    A class that it names by the title of one of `classes`, as ours do, is that class again.

    `name` is what to call it to a person. Raises UsageError where it is no GeoJSON.
    """
    try:
        told = parse_json(content)
    except ValueError as error:
        raise UsageError(f"{name} is no JSON", hint="export it from QuPath as GeoJSON") from error
    features = told.get("features") if isinstance(told, dict) else told
    if not isinstance(features, list) or not all(isinstance(one, dict) for one in features):
        raise UsageError(f"{name} is no GeoJSON", hint="export it from QuPath as GeoJSON")
    wanted = [one for one in features if one.get("id") not in skip]
    names = {class_title(one): one for one in classes}
    found = [drawn for one in wanted for drawn in _read(one, corner_px, names)]
    return found, sum(1 for one in wanted if _kind(one) not in _AREAS)


def take_in(reviews: Reviews, case: Case, who: Person, drawn: Sequence[Drawn]) -> list[Region]:
    """Keeps what is not there already in the reading that is `who`'s to write. Raises as `Reviews.add_region` does."""
    record = reviews.record(case.slide_id, case.result_sha256)
    turn = reviews.turn(record, who) or ReadingName.FIRST
    known = {one.region_id for one in record.reading(turn).drawn}
    new = [one for one in drawn if one.region_id not in known or not one.region_id]
    return [
        reviews.add_region(
            case,
            who,
            one.shape,
            one.rings,
            class_name=one.class_name,
            comment_text=one.comment,
            region_id=one.region_id[:36] or None,
        )
        for one in new
    ]


def _look(region: Region, number: int, palette: Mapping[str, str]) -> dict[str, Any]:
    title = class_title(region.class_name) if region.class_name else _UNNAMED
    colour = list(rgb(palette.get(region.class_name, _COLOUR)))
    return {
        "objectType": "annotation",
        "name": f"{title} {number}, drawn",
        "classification": {"name": title, "color": colour},
    }


def _closed(ring: Sequence[tuple[float, float]], corner_px: tuple[int, int]) -> list[list[float]]:
    moved = [[round(x - corner_px[0], 2), round(y - corner_px[1], 2)] for x, y in ring]
    return [*moved, moved[0]]


def _kind(feature: dict[str, Any]) -> str:
    geometry = feature.get("geometry")
    return str(geometry.get("type")) if isinstance(geometry, dict) else ""


def _read(feature: dict[str, Any], corner_px: tuple[int, int], names: Mapping[str, str]) -> Iterator[Drawn]:
    kind = _kind(feature)
    if kind not in _AREAS:
        return
    coordinates = feature["geometry"].get("coordinates")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    told = feature.get("properties")
    properties = told if isinstance(told, dict) else {}
    name = str(feature.get("id") or "") if kind == "Polygon" else ""
    for polygon in polygons if isinstance(polygons, list) else ():
        rings = _moved(polygon, corner_px)
        one = len(rings) == 1 and is_rectangle(rings[0])
        shape = Shape.RECTANGLE if one else Shape.POLYGON
        yield Drawn(name, shape, rings, _class(properties, names), _comment(properties))


def _moved(polygon: object, corner_px: tuple[int, int]) -> Rings:
    try:
        return tuple(
            tuple((float(point[0]) + corner_px[0], float(point[1]) + corner_px[1]) for point in ring)
            for ring in polygon  # type: ignore[attr-defined]
        )
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise UsageError("a region of the file has no coordinates") from error


def _class(properties: dict[str, Any], names: Mapping[str, str]) -> str:
    told = properties.get("classification")
    name = told.get("name") if isinstance(told, dict) else ""
    return "" if name == _UNNAMED or not isinstance(name, str) else names.get(name, plain(name, 100))


def _comment(properties: dict[str, Any]) -> str:
    told = properties.get("metadata")
    words = told.get("comment") if isinstance(told, dict) else properties.get("description")
    return words if isinstance(words, str) else ""
