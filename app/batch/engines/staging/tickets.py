"""What the process that copies tells the one that reads: one small file a slide, there when its copy is."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

_LOOK_EVERY_S = 0.02


@dataclass(frozen=True)
class Ticket:
    """`path` is the copy, "" where the slide is to be read where it lies; `digests` are of its files as they were read.
    `problem` says why it cannot be had at all."""

    path: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def place_of(folder: Path, slide_id: str) -> Path:
    """Where a slide's copy lies in a run's folder."""
    return folder / hashlib.sha256(slide_id.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def write_ticket(folder: Path, slide_id: str, ticket: Ticket) -> None:
    """Raises OSError."""
    place = place_of(folder, slide_id).with_suffix(".json")
    partial = place.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(ticket)), encoding="ascii")
    partial.replace(place)


def wait_for_ticket(folder: Path, slide_id: str) -> Ticket:
    """Waits until there is one. Should the run's folder be gone, the slide is read where it lies."""
    place = place_of(folder, slide_id).with_suffix(".json")
    while True:
        try:
            return Ticket(**json.loads(place.read_text(encoding="ascii")))
        except FileNotFoundError:
            if not folder.exists():
                return Ticket()
            time.sleep(_LOOK_EVERY_S)
