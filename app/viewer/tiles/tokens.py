"""Signed, expiring leave to fetch the pixels of one slide. Knows nothing of files or of the web.

Routes beside Streamlit's own see no session, so each address carries its leave with it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

LIFETIME_S = 12 * 3600
# Expiry falls on whole steps, so that a page that is drawn again asks for the same addresses and the browser's cache
# serves them.
_STEP_S = 3600


@dataclass(frozen=True)
class Grant:
    """Leave to see one slide. `version` names the state of its file; a changed file needs a new grant."""

    slide_id: str
    version: str


@dataclass(frozen=True)
class Signer:
    """Signs and checks grants with HMAC-SHA-256. `secret` lives as long as the server."""

    secret: bytes

    def sign(self, grant: Grant, now_s: float) -> str:
        """A token, safe in a URL path, that holds for LIFETIME_S to LIFETIME_S + 1 h from `now_s` (Unix time)."""
        expires_s = (int(now_s) // _STEP_S + 1) * _STEP_S + LIFETIME_S
        body = _encode("\n".join((str(expires_s), grant.version, grant.slide_id)).encode())
        return f"{body}.{self._seal(body)}"

    def verify(self, token: str, now_s: float) -> Grant | None:
        """The grant of a token of ours that has not expired, else None."""
        body, _, seal = token.partition(".")
        if not hmac.compare_digest(seal.encode(), self._seal(body).encode()):
            return None
        try:
            expires_s, version, slide_id = _decode(body).decode().split("\n", 2)
            return Grant(slide_id, version) if now_s < int(expires_s) else None
        except (ValueError, binascii.Error):
            return None

    def _seal(self, body: str) -> str:
        return _encode(hmac.new(self.secret, body.encode(), hashlib.sha256).digest())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
