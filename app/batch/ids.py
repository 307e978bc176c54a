"""Which slide has which id: no two the same, and in one output the same for ever.

An id is the file's name; slides of one name get a tail made of their paths. What an output gave out is written down, so
that a slide that comes later changes no id and takes none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from aggregate.result_folder import load_summary, result_path
from app.batch.job import SlideJob, absolute
from app.ledger.locks import lock, prepare_locks
from app.ledger.slide_ids import SLIDE_IDS, add_slide_ids, read_slide_ids
from app.ledger.table import read_table
from wsi.errors import OutputUnwritableError, PulmoscopeError
from wsi.files.fingerprint import fingerprint
from wsi.text import unescape

_MAX_ID = 100
# A tail is as long as it must be: two slides of one name and one short tail are made apart by a longer one.
_TAIL_DIGITS = (8, 16, 32, 64)

MayHave = Callable[[SlideJob, str], bool]
"""Whether a job may have an id, for all that the output holds of it."""


def first_ids(jobs: Sequence[SlideJob]) -> list[SlideJob]:
    """The jobs with ids as an output without a past gives them, in their order."""
    return _with_ids(jobs, {}, lambda job, slide_id: True, cache(path_key))


def settle_ids(jobs: Sequence[SlideJob], out: Path) -> list[SlideJob]:
    """The jobs with the ids that `out` gave their slides before, new ones with ids that no other slide has there.

    Two runs at once wait for one another. Raises OutputUnwritableError.
    """
    prepare_locks(out)
    with lock(out, SLIDE_IDS):
        key_of = cache(path_key)
        past = _Past.of(out, {key_of(job.path) for job in jobs})
        settled = _with_ids(jobs, past.ids, past.may_have, key_of)
        entries = [(job.slide_id, key_of(job.path)) for job in settled]
        add_slide_ids(out, [(slide_id, key) for slide_id, key in entries if past.written.get(slide_id) != key])
    return settled


def path_key(path: Path) -> str:
    """Hex SHA-256 of the path, without links in its folders."""
    return hashlib.sha256(os.fsencode(absolute(path))).hexdigest()


def holds_another_slide(out: Path, slide_id: str, job: SlideJob) -> bool:
    """Whether the result stored under an id is that of a slide with other bytes than the job's. Reads them all."""
    from wsi.registry import check_file

    try:
        stored = load_summary(result_path(out, slide_id))["slide"]["sha256"]
        check_file(job.path)
        return bool(stored != fingerprint(job.path))
    except (PulmoscopeError, KeyError, TypeError):
        return result_path(out, slide_id).exists()


@dataclass(frozen=True)
class _Past:
    """What an output knows: `written`, id -> path key, of which `ids` are this run's the other way round; `owners`, the
    same by ids without case; `files` of the table, likewise, -> path as told; `results`, the stored ones, and the same
    without case. Files and results may be older than the written list."""

    out: Path
    written: Mapping[str, str]
    ids: Mapping[str, str]
    owners: Mapping[str, str]
    files: Mapping[str, Path]
    results: frozenset[str]
    folded_results: frozenset[str]

    @classmethod
    def of(cls, out: Path, wanted: Set[str]) -> _Past:
        try:
            written = read_slide_ids(out)
        except OSError as error:
            raise OutputUnwritableError(
                f"{out / SLIDE_IDS} cannot be read: {error.strerror}", hint="take it away or choose another --out"
            ) from error
        files: dict[str, Path] = {}
        with contextlib.suppress(OSError, ValueError, KeyError):
            files = {row.slide_id.casefold(): Path(unescape(row.file)) for row in read_table(out).rows.values()}
        results = frozenset(path.stem for path in out.glob("*.zarr"))
        owners = {slide_id.casefold(): key for slide_id, key in written.items()}
        ids = {key: slide_id for slide_id, key in written.items() if key in wanted}
        return cls(out, written, ids, owners, files, results, frozenset(name.casefold() for name in results))

    def may_have(self, job: SlideJob, slide_id: str) -> bool:
        folded, key = slide_id.casefold(), path_key(job.path)
        if (owner := self.owners.get(folded)) is not None:
            # A slide that is in this run keeps its id; one that is not may have moved here.
            return owner not in self.ids and not self._is_still_there(folded) and self._is_stored(job, slide_id)
        told = self.files.get(folded)
        if told is None and folded not in self.folded_results:
            return True
        if told is not None and absolute(told) == absolute(job.path):
            return True
        if slide_id.endswith(f"-{key[: _TAIL_DIGITS[0]]}"):
            return True
        return not self._is_still_there(folded) and self._is_stored(job, slide_id)

    def _is_still_there(self, folded: str) -> bool:
        """Whether the file that the table names under an id lies there still, as far as can be seen from here."""
        return folded in self.files and os.path.lexists(self.files[folded])

    def _is_stored(self, job: SlideJob, slide_id: str) -> bool:
        return slide_id in self.results and not holds_another_slide(self.out, slide_id, job)


def _with_ids(
    jobs: Sequence[SlideJob], known: Mapping[str, str], may_have: MayHave, key_of: Callable[[Path], str]
) -> list[SlideJob]:
    """`key_of` is `path_key`, each path's kept: it asks the file system for every folder of the path."""
    ids = {key: known[key] for job in jobs if (key := key_of(job.path)) in known}
    # File systems that ignore case would put A.zarr and a.zarr into one folder.
    used = {slide_id.casefold() for slide_id in known.values()}
    new = [job for job in jobs if key_of(job.path) not in ids]
    uses = Counter(_plain_id(job.path).casefold() for job in new)

    def take(job: SlideJob, slide_id: str) -> bool:
        if slide_id.casefold() in used or not may_have(job, slide_id):
            return False
        used.add(slide_id.casefold())
        ids[key_of(job.path)] = slide_id
        return True

    later = []
    for job in new:
        plain = _plain_id(job.path)
        if uses[plain.casefold()] > 1 or not take(job, plain):
            later.append(job)
    for job in later:
        tails = (f"{_plain_id(job.path)}-{key_of(job.path)[:digits]}" for digits in _TAIL_DIGITS)
        if not any(take(job, slide_id) for slide_id in tails):
            raise AssertionError("two paths of one SHA-256")
    return [replace(job, slide_id=ids[key_of(job.path)]) for job in jobs]


def _plain_id(path: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", path.stem).lstrip("._-")[:_MAX_ID]
    if name == path.stem:
        return name
    # What was changed could now equal another slide's name.
    return f"{name or 'slide'}-{hashlib.sha256(os.fsencode(path.stem)).hexdigest()[:8]}"
