"""`OUT/audit.jsonl`: who did what to which slide, when, with which model and result. Lines are only ever appended;
each holds the SHA-256 of the line before it, so that a line changed, moved or taken out shows. It proves order and
wholeness, not identity: who may write the folder may write a whole new log."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from app.ledger.lines import append_line, last_line
from app.ledger.locks import lock
from wsi.files.writing import unwritable

AUDIT = "audit.jsonl"
_FIRST = "0" * 64

AuditEvent = Literal["run", "kept", "failed", "repair"]
"""`run` is written before the result is moved into place: a result that nobody recorded cannot come from a run."""


def current_user() -> str:
    """PULMOSCOPE_USER where it is set, else the name of the operating system's user."""
    told = os.environ.get("PULMOSCOPE_USER", "").strip()[:100]
    if told:
        return told
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


class AuditLog:
    def __init__(self, out: Path, who: str, run_id: str) -> None:
        self._out = out
        self._who = who
        self._run_id = run_id

    def record(self, event: AuditEvent, slide_id: str, facts: Mapping[str, str], *, durable: bool = False) -> None:
        """Appends one line; `facts` are digests and codes. Raises OutputUnwritableError."""
        body = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "who": self._who,
            "run": self._run_id,
            "event": event,
            "slide_id": slide_id,
            **facts,
        }
        path = self._out / AUDIT
        try:
            with lock(self._out, AUDIT):
                append_line(path, _sealed({**body, "previous": _link(last_line(path))}), durable=durable)
        except OSError as error:
            raise unwritable(str(path), error) from error


@dataclass(frozen=True)
class Chain:
    """What a check of the log found. `results` are the result digests it knows, by slide id."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    results: dict[str, set[str]] = field(default_factory=dict)


def check_chain(path: Path) -> Chain:
    """Reads the whole log. A line torn by a kill is a note, every other flaw a problem. Raises OSError."""
    chain = Chain()
    before: bytes | None = None
    unread = 0  # the line before, where it is no entry: if the next one vouches for it, it was torn by a kill
    ends_open = False
    for number, raw in _numbered_lines(path):
        line, ends_open = raw.removesuffix(b"\n"), not raw.endswith(b"\n")
        entry = _entry(line)
        follows = entry is not None and entry["previous"] == _link(before)
        if unread:
            _tell_unread(chain, unread, torn=follows)
        elif entry is not None and not follows:
            chain.problems.append(f"line {number} does not follow the line before it")
        if entry is not None and "result_sha256" in entry:
            chain.results.setdefault(entry["slide_id"], set()).add(entry["result_sha256"])
        before, unread = line, 0 if entry else number
    if unread:
        _tell_unread(chain, unread, torn=ends_open)
    return chain


def _tell_unread(chain: Chain, number: int, *, torn: bool) -> None:
    if torn:
        chain.notes.append(f"line {number} is torn: a process was killed as it was written")
    else:
        chain.problems.append(f"line {number} is not as it was written")


def _numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        yield from enumerate(file, start=1)


def _entry(line: bytes) -> dict[str, Any] | None:
    """The line's content, if it is exactly as it was written."""
    try:
        entry = json.loads(line)
        body = {name: value for name, value in entry.items() if name != "sha256"}
        whole = _sealed(body).encode() == line and {"event", "slide_id", "previous"} <= body.keys()
    except (ValueError, AttributeError):
        return None
    return entry if whole else None


def _sealed(body: dict[str, str]) -> str:
    """The line of `body`, with a digest of itself: without it, the last line of all would have no witness."""
    own = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return json.dumps({**body, "sha256": own}, sort_keys=True)


def _link(line: bytes | None) -> str:
    return _FIRST if line is None else hashlib.sha256(line).hexdigest()
