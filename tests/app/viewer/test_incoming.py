"""Images from a browser: by ticket only, one a ticket, bounded in all; sessions are counted, other ways in closed."""

import anyio
import pytest
from starlette.applications import Starlette

from app.viewer.gate.bounds import Bounds
from app.viewer.uploads import incoming
from app.viewer.uploads.incoming import MAX_HELD_BYTES, MAX_IMAGE_BYTES, MAX_TICKETS, Incoming


@pytest.fixture
def place():
    return Incoming()


def put(place, ticket, body, *, stated=None, method="PUT"):
    """The status of an upload whose size is stated as `stated`, by default rightly, sent in three parts."""
    sent, step = [], len(body) // 3 + 1
    parts = [body[start : start + step] for start in range(0, len(body), step)] or [b""]
    size = str(len(body)) if stated is None else stated

    async def run():
        scope = {"type": "http", "method": method, "path": f"/incoming/{ticket}", "query_string": b"", "root_path": "",
                 "headers": [(b"content-length", size.encode())] if size else []}  # fmt: skip

        async def receive():
            return {"type": "http.request", "body": parts.pop(0) if parts else b"", "more_body": bool(parts)}

        async def send(message):
            sent.append(message)

        await Starlette(routes=[place.route()])(scope, receive, send)

    anyio.run(run)
    return sent[0]["status"]


def test_an_image_comes_in_is_replaced_and_goes(place):
    ticket = place.ticket()
    assert place.image(ticket) is None
    assert put(place, ticket, b"first") == 200 and place.image(ticket) == b"first"
    assert put(place, ticket, b"second one") == 200 and place.image(ticket) == b"second one"
    assert place.held_bytes == len(b"second one")
    assert put(place, ticket, b"", method="DELETE") == 204
    assert place.image(ticket) is None and place.held_bytes == 0 and place.ticket(ticket) == ticket


@pytest.mark.parametrize(
    ("body", "stated", "status"),
    [
        (b"x", "", 411),
        (b"x", "-1", 411),
        (b"x", "\u0661", 411),
        (b"x", str(MAX_IMAGE_BYTES + 1), 413),
        (b"x", "9" * 5000, 413),
        (b"xxxxx", "4", 400),
        (b"xxxxx", "6", 400),
        (b"", "0", 400),
    ],
)
def test_a_body_of_another_size_than_stated_leaves_nothing(place, body, stated, status):
    ticket = place.ticket()
    assert put(place, ticket, body, stated=stated) == status
    assert place.image(ticket) is None and place.held_bytes == 0


def test_without_a_ticket_nothing_is_taken(place):
    assert put(place, "guessed", b"image") == 503
    assert put(place, "guessed", b"", method="DELETE") == 204
    assert place.held_bytes == 0


def test_tickets_and_what_they_hold_are_bounded(place, monkeypatch):
    monkeypatch.setattr(incoming, "MAX_HELD_BYTES", 100)
    tickets = [place.ticket() for _ in range(28)]
    assert [put(place, ticket, b"x" * 30) for ticket in tickets] == [200] * 28
    assert place.held_bytes <= 100 and place.image(tickets[-1]) and not place.image(tickets[0])
    later = [place.ticket() for _ in range(MAX_TICKETS)]
    assert place.image(tickets[-1]) is None and place.held_bytes == 0
    assert place.ticket(tickets[-1]) not in tickets and place.ticket(later[-1]) == later[-1]
    assert MAX_HELD_BYTES <= 256 << 20


def test_images_that_are_just_coming_count_too(place, monkeypatch):
    monkeypatch.setattr(incoming, "MAX_HELD_BYTES", 100)
    one, two, three = (place.ticket() for _ in range(3))
    assert place.reserve(one, 60) and not place.reserve(one, 1)
    assert not place.reserve(two, 60) and place.reserve(three, 40)
    place.put(one, b"")
    assert place.reserve(two, 60)


async def nothing():
    return {"type": "websocket.connect"}


def test_sessions_are_counted():
    async def run():
        sent, held = [], anyio.Event()

        async def inside(scope, receive, send):
            await held.wait()

        bounds = Bounds(inside, max_sessions=2)

        async def send(message):
            sent.append(message)

        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(bounds, {"type": "websocket", "path": "/"}, nothing, send)
            await anyio.wait_all_tasks_blocked()
            await bounds({"type": "websocket", "path": "/"}, nothing, send)
            assert [message["type"] for message in sent] == ["websocket.close"]
            held.set()
        await bounds({"type": "websocket", "path": "/"}, nothing, send)
        assert len(sent) == 1

    anyio.run(run)
