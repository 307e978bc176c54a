"""What there is to analyse: slides of the folders and uploads that wait, by keys that tell the browser no path."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.batch.search import PassedOver, slides_of_input
from app.viewer.catalog import Entry, look
from app.viewer.gate.visitors import Visitor
from app.viewer.jobs.job import Chosen, Job, new_job
from app.viewer.pages.worklist.rows import STATUS_WORDS
from app.viewer.site import Site
from app.viewer.uploads.arrived import Arrived
from app.viewer.uploads.stored import check_mpp, store_upload
from wsi.errors import UsageError
from wsi.files.parts import slides_of
from wsi.text import escape, plain

# Archives are large: a folder is searched once a period.
_LOOKED_EVERY_S = 30.0
_UPLOAD = "upload:"


@dataclass(frozen=True)
class Found:
    """A slide that can be chosen; `path` never leaves the server."""

    key: str
    name: str
    path: Path


def offered(site: Site, who: Visitor, fresh: str = "") -> list[dict[str, Any]]:
    """What the element shows, uploads first. `fresh` is an upload that came just now: it is chosen already."""
    states = {entry.row.file: _state(entry) for entry in look(site.results).entries.values()}
    uploads = [
        {
            "key": f"{_UPLOAD}{one.upload_id}",
            "name": f"Uploaded {one.kind}, {_size(one.got)} ({one.upload_id[:6]}){_whose(one.owner, one.by, who)}",
            "state": f"{one.size_px[0]:,} by {one.size_px[1]:,} px",
            "mpp": _told(one.mpp),
            "needs": one.mpp is None,
            "fresh": True,
            "removable": True,
            "choose": one.upload_id == fresh,
        }
        for one in site.incoming.arrived(who)
    ]
    slides = [
        {"key": one.key, "name": one.name, "state": state, "mpp": None, "needs": state == _NEEDS, "fresh": not state}
        for one in found_slides(site.slides, site.results)
        for state in [states.get(escape(str(one.path)), "")]
    ]
    return [*uploads, *slides]


def jobs_of(site: Site, who: Visitor, told: object, model: str, profile: str) -> list[Job]:
    """The jobs of a choice that came from a browser: one for slides of the folders, one for each upload.

    Raises UsageError for what was not offered, MppMissingError, MppImplausibleError, OutputUnwritableError.
    """
    stated = dict(_stated(told))
    by_key = {one.key: one.path for one in found_slides(site.slides, site.results)}
    chosen = [Chosen(str(by_key[key]), mpp) for key, mpp in stated.items() if key in by_key]
    arrived = {f"{_UPLOAD}{one.upload_id}": one for one in site.incoming.arrived(who)}
    if unknown := stated.keys() - by_key.keys() - arrived.keys():
        raise UsageError(f"{len(unknown)} of the chosen slides are not there any more", hint="choose again")
    jobs = [new_job(tuple(chosen), model, site=profile, owner=who.owner, by=who.name)] if chosen else []
    for key, one in arrived.items():
        if key in stated:
            jobs.append(_job_of_upload(site, one, stated[key], model, profile))
    return jobs


def found_slides(folders: Sequence[Path], results: Path) -> tuple[Found, ...]:
    """Every slide below the folders, in order of name; a slide of several files once."""
    return _found(tuple(folders), results, int(time.monotonic() // _LOOKED_EVERY_S))


@lru_cache(maxsize=2)
def _found(folders: tuple[Path, ...], results: Path, period: int) -> tuple[Found, ...]:
    found: dict[Path, Found] = {}
    for folder in folders:
        jobs = [job for job in slides_of_input(folder, results, PassedOver()) if not job.problem]
        for path in sorted(set(slides_of(job.path for job in jobs).values())):
            key = hashlib.sha256(os.fsencode(path)).hexdigest()[:24]
            inside = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
            found.setdefault(path, Found(key, plain(str(inside), 200), path))
    return tuple(found.values())


def _job_of_upload(site: Site, one: Arrived, mpp: float | None, model: str, profile: str) -> Job:
    if one.mpp is None:
        check_mpp(mpp)
    folder = site.incoming.folder(one.upload_id)
    upload = store_upload(folder, one.file, one.sha256, mpp, site.uploads, owner=one.owner)
    chosen = (Chosen(str(upload.path), upload.mpp),)
    return new_job(chosen, model, site=profile, upload=upload.slide_id, owner=one.owner, by=one.by)


def _stated(told: object) -> list[tuple[str, float | None]]:
    """(key, mpp) of what a browser sent. Raises UsageError for anything else, MppImplausibleError."""
    stated: list[tuple[str, float | None]] = []
    for one in told if isinstance(told, list) else []:
        match dict(one) if hasattr(one, "keys") else None:
            case {"key": str(key), "mpp": None}:
                stated.append((key, None))
            case {"key": str(key), "mpp": int(mpp) | float(mpp)}:
                stated.append((key, check_mpp(mpp)))
            case _:
                raise UsageError("the choice makes no sense", hint="reload the page")
    if not stated:
        raise UsageError("no slide is chosen", hint="choose one")
    return stated


_NEEDS = "Failed: no pixel size"


def _state(entry: Entry) -> str:
    if entry.row.error_code == "mpp-missing":
        return _NEEDS
    return STATUS_WORDS.get(entry.row.status, "")


def _whose(owner: str, by: str, who: Visitor) -> str:
    return f", of {plain(by or 'somebody', 100)}" if owner != who.owner else ""


def _told(mpp: float | None) -> str | None:
    return None if mpp is None else f"{mpp:.4g}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 10**9 else f"{size_bytes / 1e6:.1f} MB"
