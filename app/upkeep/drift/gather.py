"""The streams of a laboratory, read from its results folders and from what people signed there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from aggregate.result_folder import committed_digest, load_summary, stored_results
from app.review.records import ReviewStatus, Verdict
from app.review.reviews import open_reviews
from app.upkeep.drift.report import DriftPlan, DriftReport, watch_laboratory
from app.upkeep.drift.signals import AGREEMENT, WatchedSlide, watched_slide
from wsi.errors import StoreError, UsageError

_AGREED = {Verdict.AGREE: 1.0, Verdict.CHANGED: 0.0}  # who cannot tell neither agrees nor not


@dataclass(frozen=True)
class Gathered:
    """`unread` are the names of results that could not be read; `verify` tells more of them."""

    slides: tuple[WatchedSlide, ...]
    signed: tuple[WatchedSlide, ...]
    unread: tuple[str, ...]


def watch_folders(
    folders: Sequence[Path], baseline: Path | None, plan: DriftPlan, database: str | None = None
) -> tuple[DriftReport, tuple[str, ...]]:
    """What has changed in the results of `folders`, and which results could not be read. With `baseline`, its results
    are what the others are compared with. Raises UsageError where a folder holds no results, ReviewError."""
    first = gather((baseline,), database) if baseline else Gathered((), (), ())
    later = gather(folders, database)
    known = frozenset(slide.sha256 for slide in first.slides)
    new = [slide for slide in later.slides if slide.sha256 not in known]
    signed = [slide for slide in later.signed if slide.sha256 not in known]
    report = watch_laboratory((*first.slides, *new), (*first.signed, *signed), replace(plan, baseline=known))
    return report, (*first.unread, *later.unread)


def gather(folders: Sequence[Path], database: str | None = None) -> Gathered:
    """Every stored result of `folders`, once, in any order. Raises UsageError, ReviewError."""
    slides: dict[str, WatchedSlide] = {}
    signed: list[WatchedSlide] = []
    unread: list[str] = []
    for folder in folders:
        told, read, missed = _gather_one(folder, database)
        slides |= {slide.sha256: slide for slide in told}
        signed += read
        unread += missed
    return Gathered(tuple(slides.values()), tuple(signed), tuple(unread))


def _gather_one(folder: Path, database: str | None) -> tuple[list[WatchedSlide], list[WatchedSlide], list[str]]:
    paths = stored_results(folder)
    if not paths:
        raise UsageError(f"{folder} holds no results", hint="give a folder that `pulmoscope run` wrote to")
    told, digests, unread = [], {}, []
    for path in paths:
        try:
            slide = watched_slide(load_summary(path))
            digest = committed_digest(path)
        except StoreError:
            slide, digest = None, ""
        if slide is None:
            unread.append(path.name)
        else:
            told.append(slide)
            digests[slide.slide_id] = digest
    return told, list(_signed(folder, database, told, digests)), unread


def _signed(
    folder: Path, database: str | None, told: Sequence[WatchedSlide], digests: dict[str, str]
) -> Iterator[WatchedSlide]:
    """The slides whose present result was signed, at the time when it was."""
    by_id = {slide.slide_id: slide for slide in told}
    for state in open_reviews(folder, database).states().values():
        slide = by_id.get(state.slide_id)
        if slide is None or state.status is not ReviewStatus.SIGNED or state.result_sha256 != digests[slide.slide_id]:
            continue
        if state.verdict in _AGREED:
            agreed = _AGREED[Verdict(state.verdict)]
            yield replace(slide, when=datetime.fromisoformat(state.at), values={AGREEMENT.name: agreed})
