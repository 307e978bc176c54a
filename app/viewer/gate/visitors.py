"""Who asks: what every route and every page goes by. Knows nothing of keys, cookies and providers."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from app.review.people import Person, Role

_SCOPE = "pulmoscope.visitor"


@dataclass(frozen=True)
class Visitor:
    """`owner` is what their uploads and jobs are known by, "" for the one person of a viewer without login. `person` is
    None until a name is known."""

    role: Role
    owner: str = ""
    person: Person | None = None

    @property
    def may_work(self) -> bool:
        """Whether they decide, upload, and start analyses; who may not only looks."""
        return self.role is not Role.READER

    @property
    def name(self) -> str:
        return self.person.name if self.person else ""

    def handles(self, owner: str) -> bool:
        """Whether uploads and jobs of this owner are theirs to start, cancel, share and delete."""
        return self.role is Role.ADMIN or (self.may_work and owner == self.owner)

    def sees(self, owner: str, *, shared: bool = False) -> bool:
        """Whether they may know of an upload of this owner, and of what was made of it."""
        return shared or self.role is Role.ADMIN or owner == self.owner


THE_ONE = Visitor(Role.ADMIN)
"""Whoever holds the key of a viewer without login: all is theirs."""


def note_visitor(scope: MutableMapping[str, Any], visitor: Visitor) -> None:
    """Tells the routes behind the door who asks."""
    scope[_SCOPE] = visitor


def visitor_of(scope: MutableMapping[str, Any]) -> Visitor | None:
    """Who asks; None where the request did not come through the door, which is refused."""
    found = scope.get(_SCOPE)
    return found if isinstance(found, Visitor) else None
