"""Names of slides that tell nothing: a keyed HMAC in their place, and a map back that is kept apart from the results.

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
import secrets
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.batch.inputs import SlideJob
from wsi import SLIDE_SUFFIXES
from wsi.errors import UsageError

_KEY_BYTES = 32
# 80 bits: among a million slides, two of one pseudonym have a chance of about 4e-13.
_HEX_DIGITS = 20


def pseudonymize(jobs: Sequence[SlideJob], key_file: Path, out: Path) -> list[SlideJob]:
    """The same jobs under pseudonyms; what is new goes into the map beside `key_file` before any slide is read.

    The slide id decides the pseudonym, so one key gives one slide the same one in every run. The key is made where
    there is none. Raises UsageError where key or map are unsafe: readable by others, or inside `out`.
    """
    if key_file.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"--pseudonymize {key_file} lies in the output", hint="keep the key apart from the results")
    key = _read_or_make_key(key_file)
    hidden = [_hidden(job, key) for job in jobs]
    _extend_map(map_path(key_file), {new.slide_id: str(old.path) for new, old in zip(hidden, jobs, strict=True)})
    # In the order of the pseudonyms: that of the names would tell something of them.
    return sorted(hidden, key=lambda job: job.slide_id)


def map_path(key_file: Path) -> Path:
    return key_file.with_name(f"{key_file.name}.map.csv")


def _hidden(job: SlideJob, key: bytes) -> SlideJob:
    name = job.slide_id.encode("utf-8", "surrogateescape")
    slide_id = f"ps-{hmac.new(key, name, hashlib.sha256).hexdigest()[:_HEX_DIGITS]}"
    # A name's ending can be anything, a known one tells only the format.
    suffix = job.path.suffix.lower() if job.path.suffix.lower() in SLIDE_SUFFIXES else ""
    return replace(job, slide_id=slide_id, file=f"{slide_id}{suffix}", pseudonymous=True)


def _read_or_make_key(path: Path) -> bytes:
    try:
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(_KEY_BYTES) + "\n")
        _refuse_if_open_to_others(path)
        text = path.read_text(encoding="ascii").strip()
        key = bytes.fromhex(text)
    except OSError as error:
        raise UsageError(f"--pseudonymize {path}: {error.strerror}") from error
    except ValueError:
        key = b""
    if len(key) < _KEY_BYTES:
        raise UsageError(f"--pseudonymize {path} is no key", hint="name a new file: a key is made there")
    return key


def _refuse_if_open_to_others(path: Path) -> None:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UsageError(f"--pseudonymize {path} can be read by others", hint=f"chmod 600 {path}")


def _extend_map(path: Path, originals: dict[str, str]) -> None:
    """Adds what is not yet in the map; two runs at once wait for one another."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "r+", newline="", encoding="utf-8", errors="surrogateescape") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _refuse_if_open_to_others(path)
            known = {tuple(row) for row in csv.reader(file)}
            writer = csv.writer(file, lineterminator="\n")
            if not known:
                writer.writerow(("pseudonym", "original"))
            writer.writerows(pair for pair in originals.items() if pair not in known)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(f"cannot write the map {path}: {error.strerror}") from error
