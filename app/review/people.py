"""Who decides: a name, a role, and how we know. Says nothing of how a person proved it; the pages do that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from wsi.errors import NotAllowedError, UsageError
from wsi.text import plain

MAX_NAME = 100


class Role(StrEnum):
    """What one may do: a reader looks, a reviewer decides and signs, an admin does so too and sees who is blind."""

    READER = "reader"
    REVIEWER = "reviewer"
    ADMIN = "admin"


class Identity(StrEnum):
    """`stated`: a name that somebody typed. `oidc`: one that a login of the organisation vouches for."""

    STATED = "stated"
    OIDC = "oidc"


@dataclass(frozen=True)
class Person:
    """`subject` is what a login knows a person by (an e-mail address); empty where the name was only stated."""

    name: str
    role: Role = Role.REVIEWER
    identity: Identity = Identity.STATED
    subject: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """By which two records are known to be of one person."""
        return (str(self.identity), self.subject or self.name.casefold())


def person(name: str, role: Role = Role.REVIEWER, identity: Identity = Identity.STATED, subject: str = "") -> Person:
    """A person whose name fits one line. Raises UsageError where nothing of the name is left."""
    told = plain(name, MAX_NAME)
    if not told:
        raise UsageError("a decision needs a name", hint="state yours")
    return Person(told, role, identity, plain(subject, MAX_NAME))


def check_may_decide(who: Person) -> None:
    """Raises NotAllowedError for those who may only look."""
    if who.role is Role.READER:
        raise NotAllowedError(f"{who.name} has the role reader, which looks and does not decide", hint="ask an admin")
