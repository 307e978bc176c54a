"""The OpenID provider as we ask it: where it answers, its keys, and an identity for a code. Trusts TLS and signatures.

Authorization code flow with PKCE (RFC 7636); discovery as OpenID Connect Discovery 1.0 has it. Blocks: to be called on
a thread.
"""

from __future__ import annotations

import base64
import hashlib
import math
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from app.viewer.gate.identity import read_identity
from app.viewer.gate.login_file import LOOPBACK, LoginSettings, check_web_address
from wsi.errors import LoginError, UsageError
from wsi.files.reading import parse_json

_TIMEOUT_S = 10.0
_MAX_BYTES = 1 << 20
_KEPT_S = 3600.0
# One that is away is not asked for everybody who knocks meanwhile.
_AWAY_S = 5.0
# Unknown keys are looked for, but nobody makes us ask all the time.
_KEYS_AGAIN_S = 30.0
_SILENT = "the login service does not answer as it should"


@dataclass
class Provider:
    """One provider. Safe to share among threads."""

    settings: LoginSettings
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _metadata: tuple[float, Mapping[str, Any]] = (-math.inf, MappingProxyType({}))
    _keys: tuple[float, Mapping[str, Any]] = (-math.inf, MappingProxyType({}))

    def metadata(self) -> Mapping[str, Any]:
        """What the provider says of itself, asked for once an hour. Raises LoginError."""
        with self._lock:
            asked_s, known = self._metadata
            if time.monotonic() - asked_s >= (_KEPT_S if known else _AWAY_S):
                self._metadata = (time.monotonic(), MappingProxyType({}))
                known = self._discover()
                self._metadata = (time.monotonic(), known)
            if not known:
                raise LoginError(_SILENT, hint="try again later")
            return known

    def begin(self, state: str, nonce: str, verifier: str) -> str:
        """The address that a browser is sent to. Raises LoginError."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        words = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.redirect_uri,
            "scope": self.settings.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"prompt": self.settings.prompt} if self.settings.prompt else {}),
        }
        place = self.metadata()["authorization_endpoint"]
        return f"{place}{'&' if '?' in place else '?'}{urlencode(words)}"

    def identity(self, code: str, nonce: str, verifier: str) -> Mapping[str, Any]:
        """The proved claims of whoever brought `code`. Raises LoginError."""
        words = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.settings.redirect_uri,
            "client_id": self.settings.client_id,
            "code_verifier": verifier,
        }
        metadata = self.metadata()
        headers = self._client(metadata, words)
        answer = _ask(metadata["token_endpoint"], urlencode(words).encode(), headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise LoginError(f"{_SILENT}: it gave no identity token")
        return read_identity(token, self.keys, self.settings.issuer, self.settings.client_id, nonce)

    def keys(self, *, anew: bool = False) -> Mapping[str, Any]:
        """The provider's public keys (a JWK set); `anew` asks for them again, though not all the time."""
        metadata = self.metadata()
        with self._lock:
            asked_s, known = self._keys
            if time.monotonic() - asked_s >= (_KEYS_AGAIN_S if anew else _KEPT_S):
                known = _ask(metadata["jwks_uri"])
                self._keys = (time.monotonic(), known)
            return known

    def end_address(self) -> str:
        """Where one logs out of the provider itself, "" where it does not say."""
        place = self.metadata().get("end_session_endpoint")
        if not isinstance(place, str):
            return ""
        words = {"client_id": self.settings.client_id, "post_logout_redirect_uri": self.settings.address + "/"}
        return f"{place}{'&' if '?' in place else '?'}{urlencode(words)}"

    def _discover(self) -> Mapping[str, Any]:
        found = _ask(self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != self.settings.issuer:
            raise LoginError(f"{_SILENT}: it calls itself otherwise", hint="write `issuer` as its discovery does")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"):
            if name == "end_session_endpoint" and name not in found:
                continue
            try:
                check_web_address(str(found.get(name, "")).partition("?")[0], name)
            except UsageError:
                raise LoginError(f"{_SILENT}: its {name} is no https:// address") from None
        return found

    def _client(self, metadata: Mapping[str, Any], words: dict[str, str]) -> dict[str, str]:
        """Headers that prove who we are; or the secret among the words, where the provider takes nothing else."""
        secret = self.settings.client_secret
        if not secret:
            return {}
        ways = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if "client_secret_basic" not in ways:
            words["client_secret"] = secret
            return {}
        pair = f"{quote(self.settings.client_id, safe='')}:{quote(secret, safe='')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


class _Straight(urllib.request.HTTPRedirectHandler):
    """A code and a secret go where they were meant to, and nowhere else."""

    def redirect_request(self, *told: Any) -> None:
        return None


def _ask(address: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    """A JSON object from the provider. Raises LoginError, whose words hold nothing of the answer."""
    request = urllib.request.Request(address, body, {"Accept": "application/json", **(headers or {})})
    here = urlsplit(address).hostname in LOOPBACK
    opener = urllib.request.build_opener(_Straight, *([urllib.request.ProxyHandler({})] if here else []))
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as answer:
            content = answer.read(_MAX_BYTES + 1)
        found = parse_json(content) if len(content) <= _MAX_BYTES else None
    except urllib.error.HTTPError as error:
        error.close()
        raise LoginError(f"{_SILENT}: it answered {error.code}") from None
    except (OSError, ValueError):
        raise LoginError(_SILENT, hint="try again later") from None
    if not isinstance(found, dict):
        raise LoginError(_SILENT)
    return found
