"""An export in a process of its own: reads what is wanted as JSON from standard input, writes a ZIP to standard output,
and how far it is, a line of JSON a slide, to standard error. Whoever asked may kill it at any moment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from wsi.errors import PulmoscopeError, StoreError
from wsi.process.limits import no_core_files
from wsi.process.silence import silent

LEFT_OUT = "not-exported.txt"


def main() -> None:
    """Ends with 0 where the archive is whole, with 1 where it could not be made."""
    no_core_files()
    asked = json.load(sys.stdin.buffer)
    # Whatever a library prints must get into neither.
    with os.fdopen(os.dup(1), "wb") as archive, os.fdopen(os.dup(2), "w", buffering=1) as told, silent():
        try:
            export(asked, archive, lambda **facts: print(json.dumps(facts), file=told))
        except PulmoscopeError as error:
            print(json.dumps({"failed": error.code}), file=told)
            os._exit(1)
        except OSError:  # nobody reads any more
            os._exit(1)


def export(asked: Mapping[str, Any], file: BinaryIO, tell: Any) -> None:
    """Writes the archive of `asked`: results (folder), slides (pairs of a folder and an id), formats, fhir, language,
    folders (where slide files may lie), database, second_reading, reader (a person's facts, or null). Raises
    PulmoscopeError, OSError."""
    from app.exchange.archive import Archive
    from app.exchange.export import Export, Wanted
    from app.ledger.cases.members import read_members
    from app.reports import Asked
    from app.review.reviews import open_reviews

    slides = [(Path(folder), str(slide_id)) for folder, slide_id in asked["slides"]]
    reviews = open_reviews(Path(asked["results"]), asked["database"], second_reading=bool(asked["second_reading"]))
    cases = {slide_id: one.case for slide_id, one in read_members(Path(asked["results"])).items()}
    folders = tuple(map(Path, asked["folders"]))
    reports = Asked(asked["language"], cases=cases, slides=folders, written=datetime.now(UTC))
    wanted = Wanted(tuple(asked["formats"]), fhir=asked["fhir"], asked=reports)
    export = Export(wanted, reviews, _rows(slides), _person(asked["reader"]), hide=True)
    left: list[str] = []
    with Archive(file) as archive:
        for done, (folder, slide_id) in enumerate(slides):
            tell(done=done, total=len(slides), left_out=len(left))
            try:
                for name, content in _files(export, folder, slide_id):
                    archive.add(name, content)
            except StoreError as error:
                left.append(str(error))
        for name, content in (*export.failures(), *export.project(), *export.tables()):
            archive.add(name, content)
        if left:
            archive.add(LEFT_OUT, ("\n".join(left) + "\n").encode("utf-8", "backslashreplace"))
    tell(done=len(slides), total=len(slides), left_out=len(left))


def _files(export: Any, folder: Path, slide_id: str) -> Any:
    """Those of one slide; none of one that has failed, whose report comes with the tables."""
    from aggregate.result import SlideStatus
    from aggregate.result_folder import result_path

    row = export.rows.get(slide_id)
    if row is not None and row.status is SlideStatus.FAILED:
        return ()
    # Whole before anything of it is written: a slide is in the archive with all its forms, or not.
    return list(export.stored(result_path(folder, slide_id)))


def _rows(slides: list[tuple[Path, str]]) -> dict[str, Any]:
    """The rows of these slides, in their order."""
    from app.ledger.table import read_table

    tables = {folder: read_table(folder).rows for folder in dict.fromkeys(folder for folder, _ in slides)}
    return {slide_id: tables[folder][slide_id] for folder, slide_id in slides if slide_id in tables[folder]}


def _person(facts: Mapping[str, str] | None) -> Any:
    from app.review.people import Identity, Person, Role

    if facts is None:
        return None
    return Person(facts["name"], Role(facts["role"]), Identity(facts["identity"]), facts["subject"])
