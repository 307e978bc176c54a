"""The gate of a viewer with a login: who is not logged in is sent to the provider, and comes back to the page asked.

Authorization code flow; `state`, `nonce` and the PKCE verifier are made of one random text, the browser's cookie and a
secret of this launch, so that nothing is kept of a login that nobody finishes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

import anyio
import anyio.to_thread

from app.viewer.gate.access import Admission
from app.viewer.gate.answers import page
from app.viewer.gate.cookies import cookie_line, cookie_values
from app.viewer.gate.login_file import CALLBACK, LoginSettings
from app.viewer.gate.provider import Provider
from app.viewer.gate.sessions import Session, Sessions
from app.viewer.gate.visitors import Visitor
from wsi.errors import LoginError, PulmoscopeError
from wsi.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.datastructures import Headers
    from starlette.responses import Response
    from starlette.types import Scope

    from app.review.people import Person

LOGIN, LOGOUT = "/login", "/logout"
_BEGUN_S = 900
_MAX_TARGETS = 1024
_MAX_TARGET = 2000
_THREADS = 8
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}")
_OUT = "Your login has ended, or has not begun: open the page anew.\n"
_AGAIN = (("Log in again", LOGIN),)

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Begun:
    """A login on its way: what the provider is told, and what its answer must fit."""

    state: str
    nonce: str
    verifier: str


@dataclass
class LoginGate:
    """Lets in who is logged in, as who they are."""

    settings: LoginSettings
    provider: Provider = field(init=False)
    sessions: Sessions = field(default_factory=Sessions)
    is_login: bool = field(default=True, init=False)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _targets: OrderedDict[str, str] = field(default_factory=OrderedDict)
    _limiter: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(_THREADS))

    def __post_init__(self) -> None:
        self.provider = Provider(self.settings)

    @property
    def address(self) -> str | None:
        return self.settings.address

    def visitor(self, visit: str) -> Visitor | None:
        session = self.sessions.of_visit(visit) if visit else None
        return session.visitor if session else None

    def remember(self, visit: str, person: Person | None) -> None:
        """Nobody types a name here."""

    async def admit(self, scope: Scope, headers: Headers) -> Admission | Response:
        from starlette.responses import PlainTextResponse

        session = self._session(headers)
        if scope["type"] == "http" and scope["path"] in (CALLBACK, LOGIN, LOGOUT):
            return await self._own(scope, headers, session)
        if session is not None:
            return Admission(session.visit, session.visitor, session.ended, session.ends_s)
        if scope["type"] == "http" and scope["method"] == "GET" and _is_a_page(headers):
            query = scope.get("query_string", b"").decode("latin-1")
            return await self._send_away(headers, f"{quote(scope['path'])}{f'?{query}' if query else ''}")
        return PlainTextResponse(_OUT, 403, headers={"Cache-Control": "no-store"})

    async def _own(self, scope: Scope, headers: Headers, session: Session | None) -> Response:
        if scope["path"] == LOGOUT:
            return await self._logout(scope, headers, session)
        if scope["method"] != "GET":
            return page("Not here", ["This address is asked by a link only."], status=405)
        if scope["path"] == LOGIN:
            return await self._send_away(headers, "/")
        words = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
        return await self._back(words, headers)

    # --- to the provider

    async def _send_away(self, headers: Headers, target: str) -> Response:
        from starlette.responses import RedirectResponse

        held = [value for value in cookie_values(headers, self._cookie("browser")) if _BROWSER.fullmatch(value)]
        browser = held[0] if held else secrets.token_urlsafe(32)
        begun = self._begin(browser)
        try:
            address = await self._ask(lambda: self.provider.begin(begun.state, begun.nonce, begun.verifier))
        except LoginError as error:
            return _told_failure(error, 502)
        self._targets[begun.state] = target
        if len(self._targets) > _MAX_TARGETS:
            self._targets.popitem(last=False)
        response = RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})
        self._set(response, "browser", browser, max_age_s=_BEGUN_S)
        return response

    def _begin(self, browser: str) -> Begun:
        body = f"{int(time.time()) + _BEGUN_S}.{secrets.token_urlsafe(16)}"
        return self._begun(f"{body}.{self._seal('state', body, browser)}", browser)

    def _begun(self, state: str, browser: str) -> Begun:
        return Begun(state, self._seal("nonce", state, browser), self._seal("verifier", state, browser))

    def _known(self, state: str, browser: str) -> Begun | None:
        """The login that a state is of; None where it is not ours, of another browser, or begun too long ago."""
        body, _, seal = state.rpartition(".")
        if not browser or not hmac.compare_digest(seal.encode(), self._seal("state", body, browser).encode()):
            return None
        return self._begun(state, browser) if time.time() < int(body.partition(".")[0]) else None

    def _seal(self, *words: str) -> str:
        sealed = hmac.new(self._secret, "\n".join(words).encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    # --- back from it

    async def _back(self, words: dict[str, str], headers: Headers) -> Response:
        browsers = cookie_values(headers, self._cookie("browser"))
        begun = next((one for browser in browsers if (one := self._known(words.get("state", ""), browser))), None)
        if begun is None:
            told = "This login was begun in another browser, too long ago, or not by pulmoscope."
            return page("Not logged in", [told], ways=_AGAIN, status=400)
        if "code" not in words or words.get("iss", self.settings.issuer) != self.settings.issuer:
            return page("Not logged in", [f"The login service said no ({_code(words)})."], ways=_AGAIN, status=403)
        code = words["code"]
        try:
            claims = await self._ask(lambda: self.provider.identity(code, begun.nonce, begun.verifier))
            visitor = self.settings.visitor(claims)
        except PulmoscopeError as error:
            return _told_failure(error, 403)
        if visitor is None:
            told = f"{self.settings.name(claims)} is known to the login service, and has no role in pulmoscope."
            return page("No way in", [told, "Ask who runs it for one."], ways=await self._ways_out(), status=403)
        return self._let_in(visitor, headers, self._targets.pop(begun.state, "/"))

    def _let_in(self, visitor: Visitor, headers: Headers, target: str) -> Response:
        from starlette.responses import RedirectResponse

        for held in cookie_values(headers, self._cookie()):
            self.sessions.end(held)  # nobody is two people in one browser
        response = RedirectResponse(_inside(target), 303, headers={"Cache-Control": "no-store"})
        self._set(response, "", self.sessions.begin(visitor, self.settings.hours))
        return response

    # --- out

    async def _logout(self, scope: Scope, headers: Headers, session: Session | None) -> Response:
        if scope["method"] == "GET" and session is not None:
            told = f"You are logged in as {session.visitor.name}."
            return page("Log out of pulmoscope", [told], ways=(("Back to the slides", "/"),), post=LOGOUT)
        if scope["method"] == "POST":
            for held in cookie_values(headers, self._cookie()):
                self.sessions.end(held)
        lines = ["You are logged out of pulmoscope, in every tab of this browser."]
        ways = await self._ways_out()
        if len(ways) > 1:
            lines.append("The login service may still know you: on a machine that others use, log out there as well.")
        response = page("Logged out", lines, ways=ways)
        self._set(response, "", "", max_age_s=0)
        response.headers["Clear-Site-Data"] = '"cache"'  # pictures of slides
        return response

    async def _ways_out(self) -> tuple[tuple[str, str], ...]:
        try:
            there = await self._ask(self.provider.end_address)
        except LoginError:
            there = ""
        return (*_AGAIN, *((("Log out of the login service", there),) if there else ()))

    # --- cookies

    def _session(self, headers: Headers) -> Session | None:
        found = (self.sessions.find(value) for value in cookie_values(headers, self._cookie()))
        return next((session for session in found if session is not None), None)

    def _cookie(self, kind: str = "") -> str:
        """The name of a cookie: `__Host-` where TLS stands before us, so that no neighbour of ours can set it."""
        port = urlsplit(self.settings.address).port or ""
        name = f"pulmoscope{port}-{kind or 'login'}"
        return f"__Host-{name}" if self.settings.is_secure else name

    def _set(self, response: Response, kind: str, value: str, *, max_age_s: int | None = None) -> None:
        # Lax: the way back from the provider, and a link in another program, begin on another site.
        secure = self.settings.is_secure
        line = cookie_line(self._cookie(kind), value, same_site="lax", secure=secure, max_age_s=max_age_s)
        response.headers.append("set-cookie", line)

    async def _ask(self, question: Callable[[], Answer]) -> Answer:
        """The provider is asked on a thread of its own: it may be slow."""
        return await anyio.to_thread.run_sync(question, limiter=self._limiter)


def _is_a_page(headers: Headers) -> bool:
    """Whether a person opens an address, and no script asks for data."""
    mode = headers.get("sec-fetch-mode")
    return mode == "navigate" if mode is not None else "text/html" in headers.get("accept", "")


def _inside(target: str) -> str:
    """A place of ours: one slash in front, since two would name another host."""
    return "/" + target[:_MAX_TARGET].lstrip("/\\")


def _code(words: dict[str, str]) -> str:
    return plain(words.get("error", "no code"), 60)


def _told_failure(error: PulmoscopeError, status: int) -> Response:
    logging.getLogger("pulmoscope.viewer").error("login failed: %s", error.message)
    return page("Not logged in", [f"{error.code}: {error.detail}."], ways=_AGAIN, status=status)
