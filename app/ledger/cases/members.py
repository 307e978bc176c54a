"""`OUT/slide-cases.csv`: which slide is of which case and block, as a manifest told it; learned from nothing else.

A case may tell who a patient is: this file and `cases.csv` hold it, no log, no result and no address does. There a case
goes by its token, which is drawn by chance when it is first told.
"""

from __future__ import annotations

import csv
import io
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.ledger.cases.told import SLIDE_CASES
from app.ledger.locks import lock
from wsi.files.csv_cells import as_written, csv_line, inert
from wsi.files.reading import read_regular
from wsi.files.writing import unwritable, write_file

TOKEN = re.compile(r"~case-[0-9a-f]{12}")
_HEADER = ("slide_id", "case", "block", "case_token")
_MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class Member:
    """Of one slide. `token` is what logs and addresses call the case."""

    case: str
    block: str
    token: str


def read_members(out: Path) -> dict[str, Member]:
    """By slide id; empty where no case was told. Lines that say nothing sensible are passed over."""
    try:
        rows = csv.DictReader(io.StringIO(read_regular(out / SLIDE_CASES, _MAX_BYTES).decode("utf-8"), newline=""))
        listed = [{name: as_written(row.get(name) or "") for name in _HEADER} for row in rows]
    except (OSError, ValueError, csv.Error):
        return {}
    return {
        row["slide_id"]: Member(row["case"], row["block"], row["case_token"])
        for row in listed
        if row["slide_id"] and row["case"] and TOKEN.fullmatch(row["case_token"])
    }


def note_members(out: Path, told: Mapping[str, tuple[str, str]]) -> None:
    """Writes down case and block of these slides; a slide with neither leaves its case. Others stay as they were.

    Raises OutputUnwritableError.
    """
    if not told:
        return
    try:
        with lock(out, SLIDE_CASES):
            known = read_members(out)
            tokens = {one.case: one.token for one in known.values()}
            for slide_id, (case, block) in told.items():
                known.pop(slide_id, None)
                if case:
                    token = tokens.setdefault(case, f"~case-{secrets.token_hex(6)}")
                    known[slide_id] = Member(case, block, token)
            write_file(out / SLIDE_CASES, _bytes(known))
    except OSError as error:
        raise unwritable(str(out / SLIDE_CASES), error) from error


def _bytes(members: Mapping[str, Member]) -> bytes:
    rows = [(slide_id, one.case, one.block, one.token) for slide_id, one in sorted(members.items())]
    lines = (csv_line(map(inert, row)) for row in (_HEADER, *rows))
    return "".join(lines).encode("utf-8", "backslashreplace")
