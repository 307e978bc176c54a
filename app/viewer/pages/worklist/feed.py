"""The rows of the list as a browser fetches them: `/viewer/list/<token>?have=<version>`, 204 while nothing changed, and
of a version that is still known only what changed since.

A route of ours and no run of the page: ten thousand rows through Streamlit would be sent again at every click.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from app.ledger.cases.members import Member
from app.ledger.records import SlideRow
from app.review.records import ReviewState
from app.viewer.catalog import Entry, cases_of, look
from app.viewer.gate.visitors import Visitor, visitor_of
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
# Ten thousand rows are some 5 MB a view, which its lists share; of each a few, packed some 0.3 MB.
_VIEWS_KEPT, _LISTS_KEPT = 8, 4


@dataclass
class _Shown:
    """One row as it was last told, and of what."""

    row: SlideRow
    review: ReviewState
    member: Member | None
    text: str


@dataclass(frozen=True)
class _List:
    """A version of the list: the rows by slide id, and whose uploads are not among them, which no later list may let
    be known by what is gone from it."""

    rows: Mapping[str, str]
    hidden: Sequence[str]


@dataclass
class _View:
    """What people decided as one person may know it, and the rows of that: everybody's the same, but where a second
    reader must not know of the first."""

    shown: dict[str, _Shown] = field(default_factory=dict)
    asked: tuple[float, Mapping[str, ReviewState], str] = (-1.0, MappingProxyType({}), "")
    lists: OrderedDict[str, _List] = field(default_factory=OrderedDict)
    packed: OrderedDict[tuple[str, str], bytes] = field(default_factory=OrderedDict)


@dataclass
class Feed:
    """What the list shows now. `queued` gives the ids of slides that wait, as who asks may know."""

    site: Site
    batches: Batches
    queued: Callable[[Visitor], tuple[str, ...]] = lambda who: ()
    _views: OrderedDict[tuple[str, str] | None, _View] = field(default_factory=OrderedDict)
    _backgrounds: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def route(self) -> Route:
        from starlette.routing import Route

        return Route(LIST_ROUTE + "/{token}", self._answer, methods=["GET"])

    def answer(self, have: str, who: Visitor) -> bytes | None:
        """The list as gzipped JSON; None where `have` is its version. What changed alone, with `gone`, where `have` is
        known."""
        catalog = look(self.site.results)
        entries = self.site.entries(who)
        hidden = sorted(catalog.entries.keys() - entries.keys())
        live, ended = self.batches.look()
        waiting = self.queued(who)
        view = self._view(who)
        reviews, decided = self._reviews(view, who)
        told = [_told(one) for one in live]
        now = (catalog.stamp, hidden, told, len(ended), waiting, decided)
        version = hashlib.sha256(repr(now).encode()).hexdigest()[:16]
        if version == have:
            return None
        with self._lock:
            if version not in view.lists:
                view.lists[version] = _List(self._rows(view, entries, reviews, live, waiting), hidden)
                _bound(view.lists)
            now_told, before = view.lists[version], view.lists.get(have)
            base = have if before is not None and before.hidden == hidden else ""
            if (base, version) not in view.packed:
                past = [_told(one) for one in ended[-_ENDED_TOLD:]]
                head = {"version": version, "live": told, "ended": past}
                view.packed[base, version] = _packed(head, now_told, before if base else None)
                _bound(view.packed)
            return view.packed[base, version]

    def _view(self, who: Visitor) -> _View:
        key = who.person.key if self.site.second_reading and who.person else None
        with self._lock:
            view = self._views.setdefault(key, _View())
            self._views.move_to_end(key)
            if len(self._views) > _VIEWS_KEPT:
                self._views.popitem(last=False)
        return view

    def _reviews(self, view: _View, who: Visitor) -> tuple[Mapping[str, ReviewState], str]:
        """What people decided, asked for once a moment, and its digest. A second reader who is blind to the first sees
        none of it."""
        with suppress(ReviewError):
            moment = time.monotonic() // _ASKED_EVERY_S
            if view.asked[0] != moment:
                decided = self.site.reviews.listed(seen_by=who.person)
                digest = hashlib.sha256("\n".join(sorted(map(repr, decided.values()))).encode()).hexdigest()
                view.asked = (moment, decided, digest)
        return view.asked[1:]

    def _rows(
        self,
        view: _View,
        entries: Mapping[str, Entry],
        reviews: Mapping[str, ReviewState],
        live: list[Batch],
        waiting: tuple[str, ...],
    ) -> dict[str, str]:
        known = backgrounds(entries, self._backgrounds)
        busy = {**dict.fromkeys(waiting, "queued"), **{one: "running" for run in live for one in run.running}}
        cases, rows = cases_of(self.site.results), {}
        for slide_id, entry in entries.items():
            if slide_id in busy and not entry.has_result:
                continue
            busy.pop(slide_id, None)
            background = known.get(entry.row.model, "normal")
            review = reviews.get(slide_id, ReviewState(slide_id))
            rows[slide_id] = _row(view.shown, entry, background, review, cases.get(slide_id))
        for gone in view.shown.keys() - look(self.site.results).entries.keys():
            del view.shown[gone]
        coming = ((slide_id, status, cases.get(slide_id)) for slide_id, status in busy.items())
        return rows | {one[0]: json.dumps(under_way(*one)) for one in coming}

    async def _answer(self, request: Request) -> Response:
        from starlette.responses import Response

        visitor = visitor_of(request.scope)
        leave = self.site.signer.verify(request.path_params["token"], time.time())
        if visitor is None or leave != LIST_GRANT:
            return Response(status_code=403)
        content = await anyio.to_thread.run_sync(self.answer, request.query_params.get("have", ""), visitor)
        if content is None:
            return Response(status_code=204)
        headers = {"Content-Encoding": "gzip", "Cache-Control": "no-store"}
        return Response(content, media_type="application/json", headers=headers)


def _row(shown: dict[str, _Shown], entry: Entry, background: str, review: ReviewState, member: Member | None) -> str:
    """Told anew only where it changed: most of ten thousand did not."""
    told = shown.get(entry.row.slide_id)
    if told is None or (told.row, told.review, told.member) != (entry.row, review, member):
        told = _Shown(entry.row, review, member, json.dumps(listed(entry, background, review, member)))
        shown[entry.row.slide_id] = told
    return told.text


def _packed(head: dict[str, Any], now: _List, before: _List | None) -> bytes:
    """The list as gzipped JSON; of one that the browser has only the rows that are others by now, and those gone."""
    rows: Iterable[str] = now.rows.values()
    if before is not None:
        rows = [told for slide_id, told in now.rows.items() if before.rows.get(slide_id) != told]
        head = {**head, "gone": sorted(before.rows.keys() - now.rows.keys())}
    return gzip.compress(f'{json.dumps(head)[:-1]}, "rows": [{", ".join(rows)}]}}'.encode(), 1)


def _bound(kept: OrderedDict[Any, Any]) -> None:
    while len(kept) > _LISTS_KEPT:
        kept.popitem(last=False)


def _told(run: Batch) -> dict[str, Any]:
    return {**run.to_json(), "running": sorted(run.running)}
