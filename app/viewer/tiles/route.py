"""The web route that serves slide pixels: `/viewer/tiles/<token>/<level>/<column>_<row>.jpg`.

Only tiles of a slide in the catalog, only with a token of ours. No path, label or macro image can be reached.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.slides.files import SlideFile
from app.slides.guarded import GuardedSlides, shared_slides
from app.slides.question import SlideAddress
from app.viewer.gate.visitors import Visitor, visitor_of
from app.viewer.tiles.encoded import encoded_tile
from app.viewer.tiles.tokens import Grant, Signer
from app.viewer.uploads.stored import is_upload_id
from wsi.errors import PulmoscopeError

TILE_ROUTE = "/tiles"
MAX_CACHE_BYTES = 192 << 20
# Fewer than Streamlit's own threads, which tiles would starve otherwise.
TILE_THREADS = 4
_ADDRESS_LIFETIME_S = 10.0
_MAX_ADDRESSES = 64
# What a page tells of a tile that cannot be read, by the error's code. Never the error's own words: they hold names.
_UNREADABLE = 422
_TOLD = {
    "crashed": "reading it ended the process that did",
    "timed-out": "it took too long to read",
    "slide-too-large": "it needs more memory than a look at a slide may take",
    "slide-changed": "its file was changed meanwhile",
    "not-a-file": "its file is gone",
    "unreadable-file": "its file cannot be read",
}
_BROWSER_CACHE = "private, max-age=3600, immutable"


class TileCache:
    """Encoded tiles, the least recently used dropped past `max_bytes`. Safe to share among threads."""

    def __init__(self, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._tiles: OrderedDict[tuple[Grant, int, int, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[Grant, int, int, int]) -> bytes | None:
        with self._lock:
            if key in self._tiles:
                self._tiles.move_to_end(key)
            return self._tiles.get(key)

    def put(self, key: tuple[Grant, int, int, int], tile: bytes) -> None:
        with self._lock:
            self._bytes += len(tile) - len(self._tiles.pop(key, b""))
            self._tiles[key] = tile
            while self._bytes > self._max_bytes:
                self._bytes -= len(self._tiles.popitem(last=False)[1])

    @property
    def size_bytes(self) -> int:
        return self._bytes


@dataclass(frozen=True)
class TileServer:
    """Answers tile requests. `locate` finds the file of a grant, None where it is gone or changed; `may_see` tells
    whether a slide is for who asks, whoever's the token was."""

    signer: Signer
    locate: Callable[[Grant], SlideFile | None]
    may_see: Callable[[str, Visitor], bool]
    slides: GuardedSlides = field(default_factory=shared_slides)
    addresses: dict[Grant, tuple[SlideAddress, float]] = field(default_factory=dict)
    cache: TileCache = field(default_factory=TileCache)
    limiter: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(TILE_THREADS))
    asked: list[float] = field(default_factory=lambda: [0.0])

    @property
    def idle_s(self) -> float:
        """How long ago a browser last asked for a tile."""
        return time.monotonic() - self.asked[0]

    def route(self) -> Route:
        return Route(TILE_ROUTE + "/{token}/{level:int}/{column:int}_{row:int}.jpg", self._answer, methods=["GET"])

    def tile(self, grant: Grant, level: int, column: int, row: int) -> bytes | None:
        """One tile as JPEG; None where there is no such slide or tile. Raises SlideError."""
        key = (grant, level, column, row)
        if (known := self.cache.get(key)) is not None:
            return known
        address = self._address(grant)
        if address is None:
            return None
        there, encoded = self.slides.ask(encoded_tile, address, level, column, row)
        if not there:
            return None
        self.cache.put(key, encoded)
        return encoded

    def _tile_for(self, visitor: Visitor, grant: Grant, level: int, column: int, row: int) -> bytes | None:
        return self.tile(grant, level, column, row) if self.may_see(grant.slide_id, visitor) else None

    def _kept(self, visitor: Visitor, grant: Grant, level: int, column: int, row: int) -> bytes | None:
        """A tile that is kept, without a wait behind those that are read; not of an upload, whose owner is on disk."""
        if is_upload_id(grant.slide_id) or not self.may_see(grant.slide_id, visitor):
            return None
        return self.cache.get((grant, level, column, row))

    def _address(self, grant: Grant) -> SlideAddress | None:
        """Where the slide of a grant lies. Looked for anew now and then: a page asks for many tiles at a time."""
        now_s = time.monotonic()
        address, until_s = self.addresses.get(grant, (None, 0.0))
        if address is None or now_s >= until_s:
            file = self.locate(grant)
            if file is None:
                return None
            address = file.address
            if len(self.addresses) >= _MAX_ADDRESSES:
                self.addresses.clear()
            self.addresses[grant] = (address, now_s + _ADDRESS_LIFETIME_S)
        return address

    async def _answer(self, request: Request) -> Response:
        grant = self.signer.verify(request.path_params["token"], time.time())
        visitor = visitor_of(request.scope)
        if grant is None or visitor is None:
            return Response(status_code=403)
        self.asked[0] = time.monotonic()
        place = (request.path_params["level"], request.path_params["column"], request.path_params["row"])
        try:
            tile = self._kept(visitor, grant, *place)
            if tile is None:
                ask = partial(self._tile_for, visitor, grant, *place)
                tile = await anyio.to_thread.run_sync(ask, limiter=self.limiter)
        except PulmoscopeError as error:
            return PlainTextResponse(_told(error), status_code=_UNREADABLE)
        if tile is None:
            return Response(status_code=404)
        return Response(tile, media_type="image/jpeg", headers={"Cache-Control": _BROWSER_CACHE})


def _told(error: PulmoscopeError) -> str:
    """In words that follow "this slide cannot be shown:"."""
    return f"{_TOLD.get(error.code, 'its file is damaged there')} ({error.code})"
