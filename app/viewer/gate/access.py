"""Who gets in: only a browser that holds the secret of this launch, and only from our own pages.

Everything is behind it: pages, static files, the WebSocket, tiles. The secret comes once in the address that
`pulmoscope app` prints, as with Jupyter; from then on a cookie carries it.
"""

from __future__ import annotations

import hashlib
import html
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN = "token"
_NO_WAY_IN = (
    "This address needs the key of this launch. Open the address that `pulmoscope app` printed when it was started "
    "last; it ends in ?token=...\n"
)
_FOREIGN = "Asked from a page that is not ours.\n"
_READING = ("GET", "HEAD")


@dataclass(frozen=True)
class LaunchKey:
    """The secret of one launch. 32 random bytes: it is not guessed."""

    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers share cookies among the ports of a machine, so each launch has its own."""
        return f"pulmoscope-{hashlib.sha256(self.secret.encode()).hexdigest()[:12]}"

    def fits(self, given: str) -> bool:
        """Whether `given` is the secret; takes as long for a near miss as for a far one."""
        return secrets.compare_digest(given.encode("utf-8", "replace"), self.secret.encode())

    def address(self, host: str, port: int) -> str:
        """The one address that lets a person in."""
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/?{urlencode({TOKEN: self.secret})}"


class Door:
    """ASGI middleware that lets in who holds the key and answers 403 to all others, before any other part of us."""

    def __init__(self, app: ASGIApp, key: LaunchKey) -> None:
        self._app = app
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.datastructures import Headers

        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        answer = self._answer(scope, Headers(scope=scope))
        if answer is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await answer(scope, receive, send)
        else:
            # Closed before it was accepted: the server answers the handshake with 403.
            await send({"type": "websocket.close", "code": 1008})

    def _answer(self, scope: Scope, headers: Headers) -> Response | None:
        """None where the request may pass."""
        from starlette.responses import PlainTextResponse

        if not is_own_origin(scope, headers):
            return PlainTextResponse(_FOREIGN, 403)
        words = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in words if name == TOKEN]
        reading = scope["type"] == "http" and scope["method"] in _READING
        known = self._has_cookie(headers)
        if reading and given and (known or self._key.fits(given[0])):
            return self._without_token(scope, headers, [word for word in words if word[0] != TOKEN])
        return None if known else PlainTextResponse(_NO_WAY_IN, 403, headers={"Cache-Control": "no-store"})

    def _has_cookie(self, headers: Headers) -> bool:
        from starlette.requests import cookie_parser

        held = (cookie_parser(line).get(self._key.cookie, "") for line in headers.getlist("cookie"))
        return any(self._key.fits(value) for value in held)

    def _without_token(self, scope: Scope, headers: Headers, words: Sequence[tuple[str, str]]) -> Response:
        """The same address again, the secret moved from it into a cookie: out of history and of copied links."""
        from starlette.responses import HTMLResponse, RedirectResponse

        # One slash in front, whatever was asked: two would name another host.
        address = "/" + quote(scope["path"].lstrip("/\\")) + (f"?{urlencode(words)}" if words else "")
        response: Response
        if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            response = RedirectResponse(address, 303)
        else:
            # A browser withholds a strict cookie from what another site's link leads to, redirections included;
            # a page of our own that moves on is our site.
            response = HTMLResponse(f'<meta http-equiv="refresh" content="0;url={html.escape(address)}">')
        response.headers["Cache-Control"] = "no-store"
        response.set_cookie(self._key.cookie, self._key.secret, path="/", httponly=True, samesite="strict")
        return response


def is_own_origin(scope: Scope, headers: Headers) -> bool:
    """Whether a request comes from our own pages: scheme, host and port alike. Reading may come without an origin, a
    WebSocket and all that writes may not."""
    origins = headers.getlist("origin")
    if not origins:
        return scope["type"] == "http" and scope["method"] in _READING
    return origins == [f"http://{headers.get('host', '')}"]
