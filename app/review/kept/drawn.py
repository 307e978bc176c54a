"""How many regions people drew on each slide, for a list: one query over the whole database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, text

from app.review.kept.checks import check_cell, odd_rows_told
from app.review.people import Person
from app.review.records import ReviewState

_STANDING = """
SELECT r.slide_id, r.result_sha256, r.reviewer, r.identity, r.subject
FROM regions r
LEFT JOIN regions later ON later.slide_id = r.slide_id AND later.result_sha256 = r.result_sha256
     AND later.region_id = r.region_id AND later.version = r.version + 1
WHERE later.id IS NULL AND NOT r.removed
ORDER BY r.slide_id, r.id
"""


@dataclass(frozen=True)
class _Region:
    slide_id: str
    result_sha256: str
    reviewer: str
    identity: str
    subject: str

    def check(self) -> None:
        """Raises OddRowError where a cell holds what is never written there."""
        for name in ("slide_id", "result_sha256", "reviewer", "identity", "subject"):
            check_cell(name, getattr(self, name))

    @property
    def key(self) -> tuple[str, str]:
        """As that of the person who drew it last."""
        return self.identity, Person(self.reviewer, subject=self.subject).key[1]


def with_regions(
    states: Mapping[str, ReviewState], connection: Connection, who: Person | None, *, double: bool
) -> dict[str, ReviewState]:
    """The states, with how many regions stand on each slide and who drew them; also of slides that nobody decided on.

    Regions of another result than was decided on are left out, and those of others under a second reading: a reader who
    is blind to what another said is blind to where they drew. Raises OddRowError.
    """
    by_slide: dict[str, list[_Region]] = {}
    with odd_rows_told():
        for row in connection.execute(text(_STANDING)):
            region = _Region(*row)
            region.check()
            if not double or (who is not None and region.key == who.key):
                by_slide.setdefault(region.slide_id, []).append(region)
    found = dict(states)
    for slide_id, regions in by_slide.items():
        state = found.get(slide_id) or ReviewState(slide_id)
        of = state.result_sha256 or regions[-1].result_sha256
        told = [region for region in regions if region.result_sha256 == of]
        names = tuple(dict.fromkeys(region.reviewer for region in told))
        found[slide_id] = replace(state, regions=len(told), drawn_by=names)
    return found
