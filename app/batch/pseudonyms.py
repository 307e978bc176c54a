"""Names of slides and cases that tell nothing: a keyed HMAC in their place. A map back is kept apart from the results.

Without the key nobody can test a guessed name against a pseudonym. What a slide shows, its label text burnt into the
pixels for one, is not touched; and its SHA-256 in the results still recognises a slide that one already holds.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from app.batch.ids import holds_another_slide
from app.batch.job import SlideJob, absolute
from wsi.errors import UsageError
from wsi.files.kinds import SLIDE_SUFFIXES

_KEY_BYTES = 32
# 80 bits: among a million slides, two of one pseudonym have a chance of about 4e-13.
_HEX_DIGITS = 20
_HEADER = ("pseudonym", "original")
_LOOKS = 20
_PLAIN_BLOCK = re.compile(r"[A-Za-z]?[0-9]{0,2}")


def pseudonymize(jobs: Sequence[SlideJob], key_file: Path, out: Path) -> list[SlideJob]:
    """The same jobs under pseudonyms; what is new goes into the map beside `key_file` before any slide is read.

    The slide id decides the pseudonym, and the map keeps it: one key gives one slide the same one in every run, and no
    other slide gets it. The key is made where there is none. Raises UsageError where key or map are unsafe: readable
    by others, or inside `out`.
    """
    if key_file.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"--pseudonymize {key_file} lies in the output", hint="keep the key apart from the results")
    key = read_key(key_file)
    path = map_path(key_file)
    try:
        with _open_map(path) as file:
            pseudonyms = _Pseudonyms(key, csv.reader(file), jobs, out)
            hidden = [_of_case(_hidden(job, pseudonyms.of(job)), key) for job in jobs]
            pseudonyms.write_new(file)
    except OSError as error:
        raise UsageError(f"cannot write the map {path}: {error.strerror}") from error
    except csv.Error as error:
        raise UsageError(f"the map {path} is no table of ours") from error
    # In the order of the pseudonyms: that of the names would tell something of them.
    return sorted(hidden, key=lambda job: job.slide_id)


def map_path(key_file: Path) -> Path:
    return key_file.with_name(f"{key_file.name}.map.csv")


class _Pseudonyms:
    """What the map knows, and what this run adds to it."""

    def __init__(self, key: bytes, rows: Iterable[list[str]], jobs: Sequence[SlideJob], out: Path) -> None:
        self._key = key
        self._out = out
        self._in_this_run = {str(absolute(job.path)) for job in jobs}
        self._by_path: dict[str, str] = {}
        self._owners: dict[str, set[str]] = {}
        self._new: list[tuple[str, str]] = []
        self._is_empty = True
        for row in rows:
            self._is_empty = False
            if len(row) == 2 and tuple(row) != _HEADER:
                self._learn(*row)

    def of(self, job: SlideJob) -> str:
        """The pseudonym of a job's slide, an old one or a new one."""
        path = str(absolute(job.path))
        if path in self._by_path:
            return self._by_path[path]
        pseudonym = self._make(job.slide_id)
        if not self._may_have(pseudonym, job):
            pseudonym = self._make(f"{job.slide_id}\0{path}")
        self._learn(pseudonym, path)
        self._new.append((pseudonym, path))
        return pseudonym

    def write_new(self, file: TextIO) -> None:
        """Appends to the map and makes it last."""
        writer = csv.writer(file, lineterminator="\n")
        if self._is_empty:
            writer.writerow(_HEADER)
        writer.writerows(self._new)
        file.flush()
        os.fsync(file.fileno())

    def _learn(self, pseudonym: str, path: str) -> None:
        self._by_path[path] = pseudonym
        self._owners.setdefault(pseudonym, set()).add(path)

    def _may_have(self, pseudonym: str, job: SlideJob) -> bool:
        """Whether the pseudonym is nobody's, or that of a slide that has moved: gone there, and the same here."""
        owners = self._owners.get(pseudonym, set())
        if any(owner in self._in_this_run or os.path.lexists(owner) for owner in owners):
            # A map of before told paths as they were named, seen from wherever that was.
            return owners == {str(job.path)}
        return not owners or not holds_another_slide(self._out, pseudonym, job)

    def _make(self, name: str) -> str:
        digest = hmac.new(self._key, os.fsencode(name), hashlib.sha256).hexdigest()
        return f"ps-{digest[:_HEX_DIGITS]}"


def _hidden(job: SlideJob, slide_id: str) -> SlideJob:
    # A name's ending can be anything, a known one tells only the format.
    suffix = job.path.suffix.lower() if job.path.suffix.lower() in SLIDE_SUFFIXES else ""
    return replace(job, slide_id=slide_id, file=f"{slide_id}{suffix}", pseudonymous=True)


def _of_case(job: SlideJob, key: bytes) -> SlideJob:
    """With a pseudonym of its case; a block that is no more than a letter and a number stays."""
    if not job.case:
        return job
    block = job.block if _PLAIN_BLOCK.fullmatch(job.block) else f"block-{_digest(key, job.case, job.block)}"
    return replace(job, case=f"case-{_digest(key, job.case)}", block=block)


def _digest(key: bytes, *told: str) -> str:
    # A slide may be called like a case: both must not have one digest.
    text = "\0".join(("case", *told))
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:_HEX_DIGITS]


def read_key(path: Path) -> bytes:
    """The key at `path`, made where there is none. Raises UsageError."""
    try:
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(_KEY_BYTES) + "\n")
                file.flush()
                # Pseudonyms whose key was lost could never be given again.
                os.fsync(file.fileno())
        _refuse_if_open_to_others(path)
        key = bytes.fromhex(_text_of(path))
    except OSError as error:
        raise UsageError(f"--pseudonymize {path}: {error.strerror}") from error
    except ValueError:
        key = b""
    if len(key) < _KEY_BYTES:
        raise UsageError(f"--pseudonymize {path} is no key", hint="name a new file: a key is made there")
    return key


def _text_of(path: Path) -> str:
    """The key as text. One that another run has just begun is waited for a moment."""
    for _ in range(_LOOKS):
        if text := path.read_text(encoding="ascii").strip():
            return text
        time.sleep(0.1)
    return ""


def _refuse_if_open_to_others(path: Path) -> None:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UsageError(f"--pseudonymize {path} can be read by others", hint=f"chmod 600 {path}")


@contextlib.contextmanager
def _open_map(path: Path) -> Iterator[TextIO]:
    """The map, made where there is none; two runs at once wait for one another."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "r+", newline="", encoding="utf-8", errors="surrogateescape") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _refuse_if_open_to_others(path)
        yield file
