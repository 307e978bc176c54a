"""The slides before and after one: those with a result that nobody has signed yet, in the order of the worklist."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from aggregate.result import SlideStatus
from app.review.records import ReviewState
from app.viewer.catalog import Entry
from app.viewer.gate.visitors import Visitor
from app.viewer.pages.worklist.rows import backgrounds, is_signed, rank
from app.viewer.site import Site
from wsi.errors import ReviewError

_backgrounds: dict[str, str] = {}


@dataclass(frozen=True)
class Around:
    """None at the ends of the list."""

    previous: str | None = None
    next: str | None = None


def neighbours(site: Site, slide_id: str, who: Visitor) -> Around:
    """The slides that `who` has to review before and after this one, which is counted where it stood before anybody
    signed it."""
    ids = _to_review(site, who, slide_id)
    if slide_id not in ids:
        return Around()
    at = ids.index(slide_id)
    return Around(ids[at - 1] if at else None, ids[at + 1] if at + 1 < len(ids) else None)


def first_to_review(site: Site, who: Visitor) -> str | None:
    """The slide that stands on top of the worklist of `who` and can be read."""
    return next(iter(_to_review(site, who)), None)


def _to_review(site: Site, who: Visitor, also: str = "") -> list[str]:
    """Slides with a result that nobody signed, and `also`, in the order of the worklist."""
    entries = site.entries(who)
    reviews: dict[str, ReviewState] = {}
    with suppress(ReviewError):
        reviews = site.reviews.states(seen_by=who.person)
    known = backgrounds(entries, _backgrounds)
    ranked = []
    for name, entry in entries.items():
        signed = name in reviews and is_signed(entry, reviews[name])
        # Of a failed slide there is nothing to read.
        if name == also or not (signed or entry.row.status is SlideStatus.FAILED):
            ranked.append((_rank(entry, known), _as_people_count(name), name))
    return [name for _, _, name in sorted(ranked)]


def _rank(entry: Entry, known: dict[str, str]) -> float:
    return rank(entry.row, known.get(entry.row.model, "normal"), signed=False)


def _as_people_count(name: str) -> list[tuple[int, str]]:
    """Slide 10 after slide 9, as the list has it."""
    return [(int(digits or 0), text.casefold()) for text, digits in re.findall(r"(\D*)(\d*)", name)]
