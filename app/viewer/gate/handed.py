"""Files that Streamlit keeps for a page, a report above all: each is given to those alone whose page was told of it.

Streamlit's own route gives them to anybody who got in and knows the address, a digest of the content. Addresses go to a
browser by its WebSocket, and are seen there.
"""

from __future__ import annotations

import re
from collections import OrderedDict

MEDIA = "/media/"
_ADDRESS = re.compile(rb"/media/([0-9a-f]{32,64})")
_MOST = 8192


class Handed:
    """Which files whom was told of. Used by the server's event loop alone."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()

    def note(self, owner: str, message: bytes) -> None:
        """Looks through what goes to a page of this owner."""
        for found in _ADDRESS.finditer(message):
            self._told[(owner, found[1].decode())] = None
        while len(self._told) > _MOST:
            self._told.popitem(last=False)

    def allows(self, owner: str, path: str) -> bool:
        """Whether a path below MEDIA was told to this owner."""
        return (owner, path.removeprefix(MEDIA).partition(".")[0]) in self._told
