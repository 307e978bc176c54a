"""The file that sets up the login: which provider, which client, which claims make which role. Talks to nobody."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.review.people import MAX_NAME, Identity, Role, person
from app.viewer.gate.visitors import Visitor
from wsi.errors import UsageError
from wsi.files.reading import read_regular
from wsi.text import plain

SECRET_VARIABLE = "PULMOSCOPE_LOGIN_SECRET"
CALLBACK = "/oauth2callback"
NOBODY = "none"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MAX_BYTES = 64 << 10
_WORDS = ("issuer", "client_id", "address", "client_secret_file", "scopes", "prompt", "name_claim", "hours", "roles")
_NEEDED = _WORDS[:3]
# The most that a role may do comes first: of several roles it counts.
_ROLES = (Role.ADMIN, Role.REVIEWER, Role.READER)
_MAIL, _PROVED = "email", "email_verified"


@dataclass(frozen=True)
class LoginSettings:
    """`address` is ours as browsers know it. `roles` are the values of the claim `role_claim` (a path, with dots) that
    make a role; who has none of them gets `default_role`, or does not get in."""

    issuer: str
    client_id: str
    address: str
    client_secret: str = field(default="", repr=False)
    scopes: str = "openid profile email"
    prompt: str = "select_account"
    name_claim: str = "name"
    hours: float = 12.0
    role_claim: str = ""
    roles: Mapping[Role, frozenset[str]] = field(default_factory=dict)
    default_role: Role | None = None

    @property
    def redirect_uri(self) -> str:
        return self.address + CALLBACK

    @property
    def is_secure(self) -> bool:
        return self.address.startswith("https:")

    def visitor(self, claims: Mapping[str, Any]) -> Visitor | None:
        """Who an identity token speaks of, by its proved claims; None for somebody without a role. Raises UsageError
        where it gives no name."""
        role = self._role(claims)
        if role is None:
            return None
        # A provider's number is its own: only with its name it is one person's.
        subject = f"{claims['sub']}@{self.issuer.partition('://')[2]}"
        digest = hashlib.sha256(subject.encode()).hexdigest()
        # The database keeps MAX_NAME letters; two people must not become one by that.
        short = subject if subject == plain(subject, MAX_NAME) else digest
        return Visitor(role, digest[:24], person(self.name(claims), role, Identity.OIDC, short))

    def name(self, claims: Mapping[str, Any]) -> str:
        """What the provider calls somebody; at worst the number it knows them by."""
        told = (claims.get(claim) for claim in (self.name_claim, "preferred_username", _MAIL, "sub"))
        return next((plain(value, MAX_NAME) for value in told if isinstance(value, str) and plain(value)), "")

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        # An address that nobody proved is what somebody typed at the provider.
        if self.role_claim == _MAIL and claims.get(_PROVED) is not True:
            return self.default_role
        told = _values(claims, self.role_claim)
        return next((role for role in _ROLES if self.roles.get(role, frozenset()) & told), self.default_role)


def read_login(file: Path) -> LoginSettings:
    """Raises UsageError for a file that cannot be read or understood; its line says what and where."""
    try:
        told = tomllib.loads(read_regular(file, _MAX_BYTES).decode())
    except (OSError, ValueError) as error:
        raise UsageError(f"--login {file} cannot be read ({type(error).__name__})", hint="see docs/login.md") from None
    _check_words(told, _WORDS, _NEEDED, "the login file")
    roles = told.pop("roles", {})
    secret = _secret(told.pop("client_secret_file", ""), file.parent)
    for name in ("issuer", "address"):
        told[name] = str(told[name]).rstrip("/") if name == "address" else str(told[name])
        check_web_address(told[name], name)
    if urlsplit(told["address"]).path:
        raise UsageError("the login file's address has a path", hint="write https://HOST or https://HOST:PORT")
    hours = told.pop("hours", 12.0)
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 < hours <= 24 * 7:
        raise UsageError("the login file's hours are not between 0 and 168")
    if not all(isinstance(value, str) for value in told.values()):
        raise UsageError("the login file has a value that is no text", hint="put it in quotation marks")
    return LoginSettings(**told, client_secret=secret, hours=float(hours), **_read_roles(roles))


def check_web_address(address: str, what: str) -> None:
    """Raises UsageError unless it is https, or http on this machine: tokens must not cross a network in the clear."""
    parts = urlsplit(address)
    here = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not parts.hostname or parts.query or parts.fragment or parts.username or not (parts.scheme == "https" or here):
        raise UsageError(f"the login's {what} is no https:// address")


def _read_roles(told: object) -> dict[str, Any]:
    """The table `roles`: a claim, and for each role the values of it."""
    if not isinstance(told, dict):
        raise UsageError("the login file's roles are no table", hint="write [roles]")
    _check_words(told, ("claim", "default", *map(str, _ROLES)), (), "the login file's [roles]")
    values = {role: told.get(str(role), []) for role in _ROLES}
    if not all(isinstance(one, list) and all(isinstance(value, str) for value in one) for one in values.values()):
        raise UsageError("the login file's roles are no lists of texts", hint='write admin = ["GROUP"]')
    default = told.get("default", NOBODY)
    if default not in (NOBODY, Role.READER, Role.REVIEWER):
        raise UsageError("the login file's default role is none of none, reader, reviewer")
    claim = told.get("claim", "")
    if not isinstance(claim, str) or (any(values.values()) and not claim):
        raise UsageError("the login file does not say which claim makes a role", hint='write claim = "groups"')
    if default == NOBODY and not any(values.values()):
        raise UsageError("nobody has a role by the login file, so nobody would get in", hint="see docs/login.md")
    return {
        "role_claim": claim,
        "roles": {role: frozenset(one) for role, one in values.items()},
        "default_role": None if default == NOBODY else Role(default),
    }


def _check_words(told: Mapping[str, object], known: tuple[str, ...], needed: tuple[str, ...], what: str) -> None:
    if unknown := [plain(name, 60) for name in told if name not in known]:
        raise UsageError(f"{what} says {unknown[0]}, which is not known", hint=f"known are {', '.join(known)}")
    if missing := [name for name in needed if not told.get(name)]:
        raise UsageError(f"{what} lacks {missing[0]}", hint="see docs/login.md")


def _secret(name: object, folder: Path) -> str:
    """The client's secret: of the variable, which leaves this process's environment, or of the file; "" for none."""
    told = os.environ.pop(SECRET_VARIABLE, "").strip()
    if told or not name:
        return told
    try:
        return read_regular(folder / os.path.expandvars(str(name)), _MAX_BYTES).decode().strip()
    except (OSError, ValueError):
        raise UsageError("the login's client_secret_file cannot be read", hint="check its path and rights") from None


def _values(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """The texts that a claim holds: ``groups``, or ``realm_access.roles`` for one within another."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return frozenset({found})
    return frozenset(one for one in found if isinstance(one, str)) if isinstance(found, list) else frozenset()
