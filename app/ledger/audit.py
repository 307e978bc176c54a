"""`OUT/audit.jsonl`: who did what to which slide, when, with which model and result. Lines are only ever appended;
each holds the SHA-256 of the line before it, so that a line changed, moved or taken out shows. Without a key that
proves order and wholeness, not identity: who may write the folder may write a whole new log. With a key
(`PULMOSCOPE_AUDIT_KEY`, a file) each line holds an HMAC as well; a head noted elsewhere shows a tail that was cut."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import pwd
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from app.ledger.lines import append_line, last_line, numbered_lines
from app.ledger.locks import lock
from wsi.errors import UsageError
from wsi.files.reading import open_regular, parse_json
from wsi.files.writing import unwritable

AUDIT = "audit.jsonl"
KEY_VARIABLE = "PULMOSCOPE_AUDIT_KEY"
USER_VARIABLE = "PULMOSCOPE_USER"
_FIRST = "0" * 64
_KEY_BYTES = (32, 4096)  # least, most

AuditEvent = Literal[
    "run",
    "kept",
    "failed",
    "repair",
    "sealing",
    "signed",
    "addendum",
    "commission",
    "dossier",
    "commissioned",
    "learned",
    "withdrawn",
    "trained",
    "promoted",
    "rolled-back",
]
"""`run` is written before the result is moved into place: a result that nobody recorded cannot come from a run. So is
`sealing` before a signature or addendum is kept, and `signed` or `addendum` after it was: a kill between them leaves
nothing that looks like a forgery. `commission` comes before the first slide of a laboratory's proof, `dossier` when it
is sealed, `commissioned` at the start of a run that is held to one: they are of no slide. `learned`, `withdrawn` and
`trained` stand in the chain of a learning set, `promoted` and `rolled-back` in that of a registry of models."""
_OF_PEOPLE = ("sealing", "signed", "addendum")
_OF_NO_RESULT = (
    *("commission", "dossier", "commissioned"),
    *("learned", "withdrawn", "trained", "promoted", "rolled-back"),
)


def current_user() -> str:
    """PULMOSCOPE_USER where it is set, else the name of the operating system's user."""
    told = os.environ.get(USER_VARIABLE, "").strip()[:100]
    if told:
        return told
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def audit_key() -> bytes | None:
    """The content of the file that PULMOSCOPE_AUDIT_KEY names, None where it names none.

    Raises UsageError where it cannot be read, is short, or can be read by others.
    """
    named = os.environ.get(KEY_VARIABLE, "")
    if not named:
        return None
    least, most = _KEY_BYTES
    try:
        with open_regular(Path(named), most) as file:
            open_to_others = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077
            key = file.read(most)
    except OSError as error:
        raise UsageError(f"the audit key {named}: {error.strerror}") from error
    if open_to_others:
        raise UsageError(f"the audit key {named} can be read by others", hint=f"chmod 600 {named}")
    if len(key) < least:
        raise UsageError(f"the audit key {named} is shorter than {least} bytes", hint="openssl rand -out FILE 32")
    return key


class AuditLog:
    """One run's hand on the log. Raises UsageError where the key that PULMOSCOPE_AUDIT_KEY names is none."""

    def __init__(self, out: Path, who: str, run_id: str) -> None:
        self._out = out
        self._who = who
        self._run_id = run_id
        self._key = audit_key()

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
                line = _sealed({**body, "previous": _link(last_line(path))}, self._key)
                append_line(path, line, durable=durable)
        except OSError as error:
            raise unwritable(str(path), error) from error


@dataclass(frozen=True)
class Vouched:
    """A result that the log knows. `commit_sha256` stands for all its files; older lines do not have it."""

    result_sha256: str
    commit_sha256: str = ""


@dataclass
class Chain:
    """What a check of the log found.

    `runs` and `kept` are the results that were stored and found again, `last` those that count: of each slide the one
    stored last, and what later runs found in its place if it was stored before with the same findings (a result that
    was announced may not have found its place: the disk was full). `ended` the last event of each slide with its
    error code, by slide id; `head` is the SHA-256 of the last line, `links` those of all. `sealing` and `sealed` are
    the records of people, begun and kept: digest -> slide id.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    runs: dict[str, set[Vouched]] = field(default_factory=dict)
    kept: dict[str, set[Vouched]] = field(default_factory=dict)
    last: dict[str, set[Vouched]] = field(default_factory=dict)
    ended: dict[str, tuple[str, str]] = field(default_factory=dict)
    links: set[str] = field(default_factory=set)
    sealing: dict[str, str] = field(default_factory=dict)
    sealed: dict[str, str] = field(default_factory=dict)
    head: str = _FIRST
    lines: int = 0

    @property
    def results(self) -> dict[str, set[str]]:
        """The result digests that the log knows, by slide id."""
        return {slide_id: {one.result_sha256 for one in self.known(slide_id)} for slide_id in {*self.runs, *self.kept}}

    def known(self, slide_id: str) -> set[Vouched]:
        """The results that the log vouches for. What was merely found again counts only where no run is recorded: else
        a forgery would be vouched for by the next run that keeps it."""
        return self.last.get(slide_id) or self.kept.get(slide_id) or set()

    def is_older(self, slide_id: str, found: Vouched) -> bool:
        """Whether a result was stored once, and another one of its slide later."""
        return found in self.runs.get(slide_id, ()) and found not in self.known(slide_id)


def check_chain(path: Path, key: bytes | None = None) -> Chain:
    """Reads the whole log. A line torn by a kill is a note, every other flaw a problem. Raises OSError.

    With a `key` each line must be sealed with it.
    """
    chain = Chain()
    before: bytes | None = None
    unread = 0  # the line before, where it is no entry: if the next one vouches for it, it was torn by a kill
    ends_open = False
    for number, raw in numbered_lines(path):
        line, ends_open = raw.removesuffix(b"\n"), not raw.endswith(b"\n")
        entry = _entry(line)
        follows = entry is not None and entry["previous"] == _link(before)
        if unread:
            _tell_unread(chain, unread, torn=follows)
        elif entry is not None and not follows:
            chain.problems.append(f"line {number} does not follow the line before it")
        if entry is not None:
            if key is not None and not hmac.compare_digest(str(entry.get("hmac", "")), _mac(_body(entry), key)):
                chain.problems.append(f"line {number} is not sealed with the key")
            _take(chain, entry)
        before, unread = line, 0 if entry else number
        chain.head, chain.lines = _link(line), number
        chain.links.add(chain.head)
    if unread:
        _tell_unread(chain, unread, torn=ends_open)
    return chain


def _take(chain: Chain, entry: Mapping[str, str]) -> None:
    slide_id, event = entry["slide_id"], entry["event"]
    if event in _OF_NO_RESULT:
        return
    if event in _OF_PEOPLE:
        known_of_people = chain.sealing if event == "sealing" else chain.sealed
        known_of_people[entry.get("record_sha256", "")] = slide_id
        return
    chain.ended[slide_id] = (event, entry.get("error_code", ""))
    if "result_sha256" in entry:
        vouched = Vouched(entry["result_sha256"], entry.get("commit_sha256", ""))
        if event != "kept":
            chain.last[slide_id] = {vouched}
        elif vouched in chain.runs.get(slide_id, ()) and _same_findings(chain.last[slide_id], vouched):
            chain.last[slide_id].add(vouched)
        known = chain.kept if event == "kept" else chain.runs
        known.setdefault(slide_id, set()).add(vouched)


def _same_findings(last: set[Vouched], vouched: Vouched) -> bool:
    return any(one.result_sha256 == vouched.result_sha256 for one in last)


def _tell_unread(chain: Chain, number: int, *, torn: bool) -> None:
    if torn:
        chain.notes.append(f"line {number} is torn: a process was killed as it was written")
    else:
        chain.problems.append(f"line {number} is not as it was written")


def _entry(line: bytes) -> dict[str, str] | None:
    """The line's content, if it is exactly as it was written."""
    try:
        entry = parse_json(line)
        if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
            return None
        body = _body(entry)
        sealed = {**body, "sha256": _digest(body), **({"hmac": entry["hmac"]} if "hmac" in entry else {})}
        whole = json.dumps(sealed, sort_keys=True).encode() == line and {"event", "slide_id", "previous"} <= body.keys()
    except ValueError:
        return None
    return entry if whole else None


def _body(entry: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in entry.items() if name not in ("sha256", "hmac")}


def _sealed(body: dict[str, str], key: bytes | None) -> str:
    """The line of `body`, with a digest of itself: without it, the last line of all would have no witness."""
    seals = {"sha256": _digest(body), **({} if key is None else {"hmac": _mac(body, key)})}
    return json.dumps({**body, **seals}, sort_keys=True)


def _digest(body: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _mac(body: dict[str, str], key: bytes) -> str:
    return hmac.new(key, json.dumps(body, sort_keys=True).encode(), hashlib.sha256).hexdigest()


def _link(line: bytes | None) -> str:
    return _FIRST if line is None else hashlib.sha256(line).hexdigest()
