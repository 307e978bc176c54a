"""`OUT/.ids.jsonl`: which slide of this output has which id, for ever. A path is kept as its SHA-256, so that the file
tells no name; the last line of an id counts, since a slide may move."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.ledger.lines import append_line
from wsi.files.reading import parse_json, read_regular
from wsi.files.writing import unwritable

SLIDE_IDS = ".ids.jsonl"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_KEY = re.compile(r"[0-9a-f]{64}")
_MAX_BYTES = 1 << 30


def read_slide_ids(out: Path) -> dict[str, str]:
    """Slide id -> SHA-256 of the slide's path. Lines that say nothing sensible are passed over. Raises OSError."""
    return {slide_id: key for line in _lines(out / SLIDE_IDS) for slide_id, key in _entry(line)}


def add_slide_ids(out: Path, entries: Iterable[tuple[str, str]]) -> None:
    """Appends (slide id, SHA-256 of its path) pairs. The caller holds the file's lock. Raises OutputUnwritableError."""
    lines = [json.dumps({"slide_id": slide_id, "path_sha256": key}) for slide_id, key in entries]
    if not lines:
        return
    try:
        append_line(out / SLIDE_IDS, "\n".join(lines), durable=True)
    except OSError as error:
        raise unwritable(str(out / SLIDE_IDS), error) from error


def _lines(path: Path) -> list[bytes]:
    try:
        return read_regular(path, _MAX_BYTES).splitlines()
    except FileNotFoundError:
        return []


def _entry(line: bytes) -> Iterator[tuple[str, str]]:
    try:
        entry = parse_json(line)
    except ValueError:
        return
    if isinstance(entry, dict):
        slide_id, key = entry.get("slide_id"), entry.get("path_sha256")
        if isinstance(slide_id, str) and isinstance(key, str) and _ID.fullmatch(slide_id) and _KEY.fullmatch(key):
            yield slide_id, key
