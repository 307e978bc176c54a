"""The gate of a viewer without login: only a browser that holds the secret of this launch gets in.

The secret comes once in the address that `pulmoscope app` prints, as with Jupyter; from then on a cookie carries it. A
second cookie, no secret, tells browsers apart, so that a name is typed once in each.
"""

from __future__ import annotations

import hashlib
import html
import re
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

from app.review.people import Person
from app.viewer.gate.access import Admission
from app.viewer.gate.cookies import cookie_line, cookie_values
from app.viewer.gate.visitors import THE_ONE, Visitor

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.responses import Response
    from starlette.types import Scope

TOKEN = "token"
_NO_WAY_IN = (
    "This address needs the key of this launch. Open the address that `pulmoscope app` printed when it was started "
    "last; it ends in ?token=...\n"
)
_READING = ("GET", "HEAD")
_BROWSER = re.compile(r"[A-Za-z0-9_-]{22}")
_MAX_NAMES = 256


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


class LaunchGate:
    """Lets in who holds the key. All is theirs; the name they decide by is what they typed in this browser."""

    address: str | None = None
    is_login = False

    def __init__(self, key: LaunchKey) -> None:
        self._key = key
        self._names: OrderedDict[str, Person] = OrderedDict()

    async def admit(self, scope: Scope, headers: Headers) -> Admission | Response:
        from starlette.responses import PlainTextResponse

        words = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in words if name == TOKEN]
        reading = scope["type"] == "http" and scope["method"] in _READING
        known = any(self._key.fits(value) for value in cookie_values(headers, self._key.cookie))
        if reading and given and (known or self._key.fits(given[0])):
            return self._without_token(scope, headers, [word for word in words if word[0] != TOKEN])
        if known:
            return self._admission(scope, headers)
        return PlainTextResponse(_NO_WAY_IN, 403, headers={"Cache-Control": "no-store"})

    def visitor(self, visit: str) -> Visitor | None:
        return replace(THE_ONE, person=self._names.get(visit))

    def remember(self, visit: str, person: Person | None) -> None:
        """Keeps a name for all tabs of a browser, as long as this launch lasts; None takes it back."""
        self._names.pop(visit, None)
        if person is not None:
            self._names[visit] = person
            if len(self._names) > _MAX_NAMES:
                self._names.popitem(last=False)

    def _admission(self, scope: Scope, headers: Headers) -> Admission:
        name = f"{self._key.cookie}-browser"
        visit = next((value for value in cookie_values(headers, name) if _BROWSER.fullmatch(value)), "")
        cookie = ""
        if not visit and scope["type"] == "http" and scope["path"] == "/":
            visit = secrets.token_urlsafe(16)
            cookie = cookie_line(name, visit, same_site="strict")
        # A page asks for its WebSocket after it got here.
        return Admission(visit, replace(THE_ONE, person=self._names.get(visit)), cookie=cookie)

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
        response.headers.append("set-cookie", cookie_line(self._key.cookie, self._key.secret, same_site="strict"))
        return response
