"""The rows of the list as a browser fetches them: `/viewer/list/<token>?have=<version>`, 204 while nothing changed.

A route of ours and no run of the page: ten thousand rows through Streamlit would be sent again at every click.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from app.ledger.records import SlideRow
from app.review.records import ReviewState
from app.viewer.catalog import Catalog, Entry, look
from app.viewer.jobs.batches import Batch, Batches
from app.viewer.pages.worklist.rows import backgrounds, listed, under_way
from app.viewer.tiles.tokens import Grant
from wsi.errors import ReviewError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from app.viewer.site import Site

LIST_ROUTE = "/list"
# No slide's id begins with "~".
LIST_GRANT = Grant("~list", "")
# Told as ended: the page that is open remembers which of them it saw under way.
_ENDED_TOLD = 8
_ASKED_EVERY_S = 2.0


@dataclass
class _Shown:
    """One row as it was last told, and of what."""

    row: SlideRow
    review: ReviewState
    text: str


@dataclass
class Feed:
    """What the list shows now. `queued` gives the ids of slides that wait."""

    site: Site
    batches: Batches
    queued: Callable[[], tuple[str, ...]] = tuple
    _shown: dict[str, _Shown] = field(default_factory=dict)
    _backgrounds: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: tuple[str, bytes] = ("", b"")
    _asked: tuple[float, Mapping[str, ReviewState]] = (-1.0, MappingProxyType({}))

    def route(self) -> Route:
        from starlette.routing import Route

        return Route(LIST_ROUTE + "/{token}", self._answer, methods=["GET"])

    def answer(self, have: str) -> bytes | None:
        """The list as gzipped JSON; None where `have` is its version."""
        catalog = look(self.site.results)
        live, ended = self.batches.look()
        waiting = self.queued()
        reviews = self._reviews()
        now = (catalog.stamp, [_told(one) for one in live], len(ended), waiting, sorted(map(repr, reviews.values())))
        version = hashlib.sha256(repr(now).encode()).hexdigest()[:16]
        if version == have:
            return None
        with self._lock:
            if self._last[0] != version:
                rows = self._rows(catalog, reviews, live, waiting)
                told = [_told(one) for one in ended[-_ENDED_TOLD:]]
                head = json.dumps({"version": version, "live": [_told(one) for one in live], "ended": told})
                self._last = (version, gzip.compress(f'{head[:-1]}, "rows": [{", ".join(rows)}]}}'.encode(), 1))
            return self._last[1]

    def _reviews(self) -> Mapping[str, ReviewState]:
        """What people decided, asked for once a moment. A second reader who is blind to the first sees none of it."""
        with suppress(ReviewError):
            moment = time.monotonic() // _ASKED_EVERY_S
            if self._asked[0] != moment:
                self._asked = (moment, self.site.reviews.states())
        return self._asked[1]

    def _rows(
        self, catalog: Catalog, reviews: Mapping[str, ReviewState], live: list[Batch], waiting: tuple[str, ...]
    ) -> list[str]:
        known = backgrounds(catalog.entries, self._backgrounds)
        busy = {**dict.fromkeys(waiting, "queued"), **{one: "running" for run in live for one in run.running}}
        rows = []
        for slide_id, entry in catalog.entries.items():
            if slide_id in busy and not entry.has_result:
                continue
            busy.pop(slide_id, None)
            rows.append(
                self._row(entry, known.get(entry.row.model, "normal"), reviews.get(slide_id, ReviewState(slide_id)))
            )
        for gone in self._shown.keys() - catalog.entries.keys():
            del self._shown[gone]
        return rows + [json.dumps(under_way(slide_id, status)) for slide_id, status in busy.items()]

    def _row(self, entry: Entry, background: str, review: ReviewState) -> str:
        """Told anew only where it changed: most of ten thousand did not."""
        shown = self._shown.get(entry.row.slide_id)
        if shown is None or shown.row != entry.row or shown.review != review:
            shown = _Shown(entry.row, review, json.dumps(listed(entry, background, review)))
            self._shown[entry.row.slide_id] = shown
        return shown.text

    async def _answer(self, request: Request) -> Response:
        from starlette.responses import Response

        if self.site.signer.verify(request.path_params["token"], time.time()) != LIST_GRANT:
            return Response(status_code=403)
        content = await anyio.to_thread.run_sync(self.answer, request.query_params.get("have", ""))
        if content is None:
            return Response(status_code=204)
        headers = {"Content-Encoding": "gzip", "Cache-Control": "no-store"}
        return Response(content, media_type="application/json", headers=headers)


def _told(run: Batch) -> dict[str, Any]:
    return {**run.to_json(), "running": sorted(run.running)}
