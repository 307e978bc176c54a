"""The door: nothing of the viewer is reached but through it, and only from our own pages.

Everything is behind it: pages, static files, the WebSocket, tiles. Who gets in is a gate's to say: that of a key
(`launch.py`) or that of a login (`login.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from app.review.people import Person
from app.viewer.gate.handed import MEDIA, Handed
from app.viewer.gate.visitors import Visitor, note_visitor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.datastructures import Headers
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Told to Streamlit, which gives it to pages as `st.user`, and resumes a session only for the visit that began it. What
# a browser sends under this name never gets in.
VISIT_HEADER, VISIT = "x-pulmoscope-visit", "visit"
_NO_FILE = "There is no such file for this page.\n"
_FOREIGN = "Asked from a page that is not ours.\n"
_READING = ("GET", "HEAD")
_OVER = 4401


@dataclass(frozen=True)
class Admission:
    """Leave to enter. `visit` names browser or login, and is no secret. It is over when `ended` is set or `ends_s`
    (monotonic) passes; `cookie` goes with the answer."""

    visit: str
    visitor: Visitor
    ended: asyncio.Event | None = None
    ends_s: float | None = None
    cookie: str = ""

    async def over(self) -> None:
        """Returns once it is over."""
        if self.ended is None or self.ends_s is None:
            await asyncio.Event().wait()
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), max(0.0, self.ends_s - time.monotonic()))


class Gate(Protocol):
    """Says who gets in."""

    @property
    def address(self) -> str | None:
        """``https://host`` by which browsers know us where that is not what they seem to ask, None for nothing else."""
        ...

    @property
    def is_login(self) -> bool:
        """Whether names come from a login, and none is typed."""
        ...

    async def admit(self, scope: Scope, headers: Headers) -> Admission | Response:
        """Leave to enter, or what is answered instead."""
        ...

    def visitor(self, visit: str) -> Visitor | None:
        """Who a visit belongs to now; None where it is over."""
        ...

    def remember(self, visit: str, person: Person | None) -> None:
        """A name that was typed, or taken back; nothing where names come from a login."""
        ...


class Door:
    """ASGI middleware that lets in whom the gate admits, and answers all others before any other part of us."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate
        self._handed = Handed()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.datastructures import Headers
        from starlette.responses import PlainTextResponse

        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        found: Admission | Response = PlainTextResponse(_FOREIGN, 403)
        if is_own_origin(scope, headers, self._gate.address):
            found = await self._gate.admit(scope, headers)
        if isinstance(found, Admission):
            await self._enter(found, {**scope}, receive, send)
        elif scope["type"] == "http":
            await found(scope, receive, send)
        else:
            # Closed before it was accepted: the server answers the handshake with 403.
            await send({"type": "websocket.close", "code": 1008})

    async def _enter(self, leave: Admission, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.responses import PlainTextResponse

        note_visitor(scope, leave.visitor)
        name = VISIT_HEADER.encode()
        told = [(key, value) for key, value in scope["headers"] if key.lower() != name]
        scope["headers"] = [*told, (name, leave.visit.encode())]
        if scope["type"] == "http":
            if scope["path"].startswith(MEDIA) and not self._handed.allows(leave.visitor.owner, scope["path"]):
                await PlainTextResponse(_NO_FILE, 404)(scope, receive, send)
                return
            await self._app(scope, receive, _with_cookie(send, leave.cookie) if leave.cookie else send)
            return
        until = _UntilOver(leave, receive)

        async def noted(message: Message) -> None:
            self._handed.note(leave.visitor.owner, message.get("bytes") or b"")
            await send(message)

        try:
            await self._app(scope, until.receive, noted)
        finally:
            until.end()
        if until.is_over:
            with contextlib.suppress(Exception):  # gone by itself
                await send({"type": "websocket.close", "code": _OVER, "reason": "The login has ended."})


class _UntilOver:
    """What a WebSocket receives; it hears of a disconnection as soon as the leave to enter is over."""

    def __init__(self, leave: Admission, receive: Receive) -> None:
        self._receive = receive
        self._over = asyncio.ensure_future(leave.over())
        self.is_over = False

    async def receive(self) -> Message:
        heard = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait({heard, self._over}, return_when=asyncio.FIRST_COMPLETED)
            self.is_over = self._over.done()
            if self.is_over:
                return {"type": "websocket.disconnect", "code": _OVER}
            return heard.result()
        finally:
            heard.cancel()

    def end(self) -> None:
        self._over.cancel()


def _with_cookie(send: Send, cookie: str) -> Callable[[Message], Awaitable[None]]:
    async def send_with_cookie(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode("latin-1"))]
        await send(message)

    return send_with_cookie


def is_own_origin(scope: Scope, headers: Headers, address: str | None = None) -> bool:
    """Whether a request comes from our own pages: scheme, host and port alike. Reading may come without an origin, a
    WebSocket and all that writes may not. `address` is our own where a proxy passes on what it was asked."""
    origins = headers.getlist("origin")
    if not origins:
        return scope["type"] == "http" and scope["method"] in _READING
    host = headers.get("host", "")
    behind = address is not None and host == urlsplit(address).netloc
    return origins == [address if behind else f"http://{host}"]
