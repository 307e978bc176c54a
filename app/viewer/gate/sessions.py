"""Who is logged in: kept in memory, so that a logout ends it at once, in every tab. A cookie holds a random secret."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import threading
import time
from dataclasses import dataclass, field

from app.viewer.gate.visitors import Visitor

_MOST = 2000


@dataclass(frozen=True)
class Session:
    """One login. `visit` names it, and is no secret; it ends when `ended` is set, or `ends_s` (monotonic) passes."""

    visit: str
    visitor: Visitor
    ends_s: float
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def holds(self) -> bool:
        return not self.ended.is_set() and time.monotonic() < self.ends_s


class Sessions:
    """The logins of a server. `begin` and `end` are called by its event loop, `of_visit` by any thread."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def begin(self, visitor: Visitor, hours: float) -> str:
        """A new login; gives the secret that its cookie holds."""
        secret = secrets.token_urlsafe(32)
        session = Session(secrets.token_hex(16), visitor, time.monotonic() + hours * 3600)
        with self._lock:
            for key in [key for key, one in self._sessions.items() if not one.holds]:
                del self._sessions[key]
            while len(self._sessions) >= _MOST:
                self._sessions.pop(next(iter(self._sessions))).ended.set()
            self._sessions[_digest(secret)] = session
        return secret

    def find(self, secret: str) -> Session | None:
        """The login of a cookie; None where there is none, or it is over."""
        found = self._sessions.get(_digest(secret))
        return found if found is not None and found.holds else None

    def of_visit(self, visit: str) -> Session | None:
        with self._lock:
            return next((one for one in self._sessions.values() if one.visit == visit and one.holds), None)

    def end(self, secret: str) -> None:
        """Ends a login: no page and no route answers it any more, and its WebSockets are closed."""
        with self._lock:
            found = self._sessions.pop(_digest(secret), None)
        if found is not None:
            found.ended.set()


def _digest(secret: str) -> str:
    """Looked up by a digest: how long that takes tells nothing of the secrets that are held."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
