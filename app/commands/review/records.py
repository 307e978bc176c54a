"""`pulmoscope review`: what people decided, as a list, as files for programs, and regions brought in from QuPath."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aggregate.layout.attributes import is_slide_id
from aggregate.result_folder import committed_digests, is_complete, result_path
from aggregate.store import load
from app.presentation.figures import moment
from app.reports.content.reviewed import review_facts
from app.reports.geojson_report import render_geojson, scanned_part
from app.review.geojson import read_drawn, take_in
from app.review.people import Person
from app.review.records import Case, ReviewState
from app.review.reviews import Reviews, open_reviews
from app.review.words import call_of_a_person
from wsi.errors import UsageError
from wsi.files.csv_cells import csv_line, inert
from wsi.files.writing import unwritable, write_file
from wsi.text import plain

COLUMNS = ("slide_id", "status", "verdict", "call", "reviewer", "at", "addenda", "awaits", "result_sha256")
_CORNER: tuple[int, int] = (0, 0)


def list_reviews(results: Path, database: str | None) -> list[ReviewState]:
    """How far people are with each slide that anybody began, by id. Raises UsageError, ReviewError."""
    return [state for _, state in sorted(_reviews(results, database).states().items())]


def state_facts(state: ReviewState) -> dict[str, Any]:
    told = (state.slide_id, str(state.status), state.verdict, state.call, state.by, state.at, state.addenda)
    return dict(zip(COLUMNS, (*told, state.awaits, state.result_sha256), strict=True))


def state_line(state: ReviewState) -> str:
    """A slide as a line for a person."""
    decided = f"{call_of_a_person(state.call)}, {state.status} by {plain(state.by)}, {moment(state.at)}"
    return f"{plain(state.slide_id)}: {decided if state.call else state.status}"


def export_reviews(results: Path, out: Path, database: str | None) -> Path:
    """Writes everything that is remembered to `out`: a table where it ends in .csv, else JSON with every version.

    Raises UsageError, ReviewError, OutputUnwritableError.
    """
    reviews = _reviews(results, database)
    states = [state for _, state in sorted(reviews.states().items())]
    content = _table(states) if out.suffix.lower() == ".csv" else _document(reviews, states)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_file(out, content)
    except OSError as error:
        raise unwritable(out.name, error) from error
    return out


def import_regions(
    file: Path, results: Path, slide_id: str, who: Person, database: str | None, *, whole_canvas: bool = False
) -> dict[str, int]:
    """Takes the regions of a GeoJSON file into the reading that is `who`'s to write; a region that is there already is
    passed over. `{"added": n, "known": n, "no_area": n}`.

    Raises UsageError (no such result, no GeoJSON), SignedError, and what `Reviews.add_region` raises.
    """
    path = result_path(results, slide_id) if is_slide_id(slide_id) else results
    if not is_complete(path):
        raise UsageError(f"{plain(slide_id)} has no result in {results}", hint="see `slides.csv` for the ids")
    result = load(path)
    case = Case.of(result, committed_digests(path)["result_sha256"])
    corner = _CORNER if whole_canvas else scanned_part(result)[:2]
    ours = [feature["id"] for feature in json.loads(render_geojson(result))["features"]]
    drawn, no_area = read_drawn(file, corner, ours, result.outputs)
    added = len(take_in(_reviews(results, database), case, who, drawn))
    return {"added": added, "known": len(drawn) - added, "no_area": no_area}


def _reviews(results: Path, database: str | None) -> Reviews:
    if not results.is_dir():
        raise UsageError(f"{results} is not a folder", hint="give the --out of `pulmoscope run`")
    return open_reviews(results, database)


def _table(states: Sequence[ReviewState]) -> bytes:
    rows = [[inert(str(value)) for value in state_facts(state).values()] for state in states]
    return "".join(map(csv_line, (COLUMNS, *rows))).encode("utf-8", "backslashreplace")


def _document(reviews: Reviews, states: Sequence[ReviewState]) -> bytes:
    slides = [
        {**state_facts(state), **review_facts(reviews.record(state.slide_id, state.result_sha256))} for state in states
    ]
    document = {"schema": "pulmoscope-reviews", "schema_version": 1, "slides": slides}
    return (json.dumps(document, indent=2, allow_nan=False) + "\n").encode("ascii")
