"""Images on their way from a browser: taken in by a route of ours, held until they are predicted, bounded throughout.

Not by Streamlit's uploader: it takes any number of files from any session, widget or not, and shows their names.
A page hands out a ticket; a ticket holds one image, and all tickets together hold no more than MAX_HELD_BYTES.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.viewer.uploads.stored import MAX_UPLOAD_MB

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

INCOMING_ROUTE = "/incoming"
MAX_IMAGE_BYTES = MAX_UPLOAD_MB << 20
MAX_HELD_BYTES = 4 * MAX_IMAGE_BYTES
MAX_TICKETS = 64


@dataclass
class _Place:
    """What a ticket holds: `room_bytes` are spoken for, by the image or by one that is just coming."""

    image: bytes = b""
    room_bytes: int = 0
    coming: bool = False


@dataclass
class Incoming:
    """Images by their tickets. The oldest ticket that nothing is coming for makes room. Safe to share among threads."""

    _places: OrderedDict[str, _Place] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ticket(self, known: str | None = None) -> str:
        """A ticket; `known` again where it still holds."""
        with self._lock:
            if known in self._places:
                return str(known)
            ticket = secrets.token_urlsafe(16)
            while len(self._places) >= MAX_TICKETS:
                self._places.popitem(last=False)
            self._places[ticket] = _Place()
            return ticket

    def image(self, ticket: str) -> bytes | None:
        """The image of a ticket, None where there is none."""
        with self._lock:
            place = self._places.get(ticket)
            return (place.image or None) if place else None

    def drop(self, ticket: str) -> None:
        """Forgets the image of a ticket; the ticket still holds."""
        with self._lock:
            place = self._places.get(ticket)
            if place is not None and not place.coming:
                self._places[ticket] = _Place()

    @property
    def held_bytes(self) -> int:
        """What is held, and what room is spoken for."""
        return sum(place.room_bytes for place in self._places.values())

    def reserve(self, ticket: str, size_bytes: int) -> bool:
        """Room for an image of `size_bytes`, in place of the ticket's last one. False: no such ticket, or no room."""
        with self._lock:
            place = self._places.get(ticket)
            if place is None or place.coming:
                return False
            self._places[ticket] = _Place(room_bytes=size_bytes, coming=True)
            self._places.move_to_end(ticket)
            for other in list(self._places.values()):
                if self.held_bytes <= MAX_HELD_BYTES:
                    return True
                if not other.coming:
                    other.image, other.room_bytes = b"", 0
            if self.held_bytes <= MAX_HELD_BYTES:
                return True
            self._places[ticket] = _Place()
            return False

    def put(self, ticket: str, image: bytes) -> None:
        """Ends a reservation: with the image, or with nothing where it did not come whole."""
        with self._lock:
            if ticket in self._places:
                self._places[ticket] = _Place(image, len(image))

    def route(self) -> Route:
        from starlette.routing import Route

        return Route(INCOMING_ROUTE + "/{ticket}", self._answer, methods=["PUT", "DELETE"])

    async def _answer(self, request: Request) -> Response:
        from starlette.responses import PlainTextResponse, Response

        ticket = str(request.path_params["ticket"])
        if request.method == "DELETE":
            self.drop(ticket)
            return Response(status_code=204)
        stated = request.headers.get("content-length", "")
        if not stated.isascii() or not stated.isdigit():
            return PlainTextResponse("The size of the image is not stated.", 411)
        size_bytes = int(stated[:20])
        if size_bytes > MAX_IMAGE_BYTES:
            return PlainTextResponse(f"The image is larger than {MAX_UPLOAD_MB} MB.", 413)
        if not self.reserve(ticket, size_bytes):
            return PlainTextResponse("Too many images are being uploaded; reload the page and try again.", 503)
        image = b""
        try:
            image = await _whole(request, size_bytes)
        finally:
            self.put(ticket, image)
        return PlainTextResponse(secrets.token_hex(8)) if image else PlainTextResponse("The image is empty.", 400)


async def _whole(request: Request, size_bytes: int) -> bytes:
    """The body, where it has the size that was stated; else nothing."""
    parts, got = [], 0
    async for part in request.stream():
        got += len(part)
        if got > size_bytes:
            return b""
        parts.append(part)
    return b"".join(parts) if got == size_bytes else b""
