"""The web route of the list's small pictures: `/viewer/pictures/<token>/<kind>/<slide_id>`, made once and kept.

Kept beside the results, each a few kB, so that a list of ten thousand slides decodes none of them twice. Where the
folder takes nothing, or the slide is not at hand, the list does without.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from aggregate import store
from app.slides.files import find_map_file
from app.slides.guarded import GuardedSlides, shared_slides
from app.viewer.catalog import Entry, find_entry
from app.viewer.gate.visitors import Visitor, visitor_of
from app.viewer.tiles.small import call_picture, encode_small_png, overview
from app.viewer.tiles.tokens import Grant, Signer
from wsi.errors import PulmoscopeError
from wsi.files.reading import is_folder, read_regular
from wsi.files.writing import write_file

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

PICTURES_ROUTE = "/pictures"
PICTURES = ".pictures"
KINDS = {"slide": "image/jpeg", "map": "image/png"}
# Of one folder; the oldest make room. A picture has 2 to 6 kB.
MAX_PICTURES = 40_000
MAX_PICTURE_BYTES = 64 << 10
_LOOKED_FOR_EVERY = 256
# One at a time: the list may be scrolled through, and slides are decoded for the one that is looked at first.
_THREADS = 1
_NOTHING = b""


@dataclass
class Pictures:
    """Answers for small pictures. `slides` are the folders where slides may lie; `may_see` tells whether one is for who
    asks."""

    signer: Signer
    grant: Grant
    results: Path
    slides: tuple[Path, ...]
    may_see: Callable[[str, Visitor], bool]
    guarded: GuardedSlides = field(default_factory=shared_slides)
    limiter: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(_THREADS))
    _made: int = 0

    def route(self) -> Route:
        from starlette.routing import Route

        return Route(PICTURES_ROUTE + "/{token}/{kind}/{slide_id}", self._answer, methods=["GET"])

    def _picture_for(self, visitor: Visitor, slide_id: str, kind: str) -> bytes | None:
        return self.picture(slide_id, kind) if self.may_see(slide_id, visitor) else None

    def picture(self, slide_id: str, kind: str) -> bytes | None:
        """The picture; empty where there is none to show, None where there is no such slide."""
        entry = find_entry(self.results, slide_id)
        if entry is None or not entry.has_result:
            return None
        make: Callable[[], bytes] = partial({"slide": self._slide, "map": self._map}[kind], entry)
        stamp = store.stamp(entry.result_path)
        name = hashlib.sha256(f"{kind}\n{slide_id}\n{stamp}".encode()).hexdigest()[:32]
        folder = entry.folder / PICTURES
        with suppress(OSError):
            return read_regular(folder / name, MAX_PICTURE_BYTES)
        try:
            made = make()
        except PulmoscopeError:
            return _NOTHING
        # A slide that is not at hand now may be later.
        if made:
            self._keep(folder, name, made)
        return made

    def _map(self, entry: Entry) -> bytes:
        return encode_small_png(call_picture(store.load_map(entry.result_path)))

    def _slide(self, entry: Entry) -> bytes:
        found = find_map_file(entry, self.slides)
        if found is None:
            return _NOTHING
        there, jpeg = self.guarded.ask(overview, found.address)
        return jpeg if there else _NOTHING

    def _keep(self, folder: Path, name: str, made: bytes) -> None:
        with suppress(OSError):
            folder.mkdir(exist_ok=True)
            if not is_folder(folder):
                return
            write_file(folder / name, made)
            self._made += 1
            if self._made % _LOOKED_FOR_EVERY == 0:
                _make_room(folder)

    async def _answer(self, request: Request) -> Response:
        from starlette.responses import Response

        kind = request.path_params["kind"]
        if self.signer.verify(request.path_params["token"], time.time()) != self.grant:
            return Response(status_code=403)
        if kind not in KINDS:
            return Response(status_code=404)
        visitor, slide_id = visitor_of(request.scope), request.path_params["slide_id"]
        if visitor is None:
            return Response(status_code=403)
        look = partial(self._picture_for, visitor, slide_id, kind)
        made = await anyio.to_thread.run_sync(look, limiter=self.limiter)
        if made is None:
            return Response(status_code=404)
        if not made:
            return Response(status_code=204, headers={"Cache-Control": "private, max-age=60"})
        headers = {"Cache-Control": "private, max-age=86400, immutable"}
        return Response(made, media_type=KINDS[kind], headers=headers)


def _make_room(folder: Path) -> None:
    """The oldest third goes where there are too many."""
    with os.scandir(folder) as found:
        ages = sorted((one.stat(follow_symlinks=False).st_mtime_ns, one.path) for one in found)
    if len(ages) > MAX_PICTURES:
        for _, path in ages[: len(ages) // 3]:
            with suppress(OSError):
                Path(path).unlink()
