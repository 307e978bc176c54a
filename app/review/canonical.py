"""One way to write a record down, so that it has one digest wherever it is read: sorted JSON in ASCII, SHA-256."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from wsi.errors import UsageError

MAX_COMMENT = 2000


def canonical(values: Mapping[str, Any]) -> str:
    """Raises ValueError for what JSON cannot say (NaN)."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(values: Mapping[str, Any]) -> str:
    return text_digest(canonical(values))


def text_digest(text: str) -> str:
    """Of text that `canonical` made, or that should be."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def now() -> str:
    """UTC, to the millisecond: ``2026-11-29T07:30:00.123+00:00``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def comment(text: str) -> str:
    """A person's own words as they are kept: in one form of Unicode, lines kept, no hidden marks. Raises UsageError
    where they are too long; nothing is cut in silence."""
    lines = (_visible(line) for line in unicodedata.normalize("NFC", _encodable(text)).splitlines())
    kept = "\n".join(lines).strip()
    if len(kept) > MAX_COMMENT:
        raise UsageError(f"the comment has {len(kept)} characters", hint=f"{MAX_COMMENT} are kept; shorten it")
    return kept


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _visible(line: str) -> str:
    return "".join(mark for mark in line.replace("\t", " ") if unicodedata.category(mark)[0] != "C").rstrip()
