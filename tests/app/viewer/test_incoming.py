"""Slides from a browser: chunk by chunk, resumable, bounded, nameless; sessions are counted, other ways in closed."""

import hashlib
import io
import json
import time

import anyio
import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette

from app.review.people import Role, person
from app.viewer.gate.bounds import Bounds
from app.viewer.gate.visitors import THE_ONE, Visitor, note_visitor
from app.viewer.site import Site, upload_grant
from app.viewer.tiles.tokens import Grant
from app.viewer.uploads import incoming
from app.viewer.uploads.incoming import INCOMING, MAX_COMING
from tests.app.viewer.apart import run_apart


def picture(side=300, kind="PNG"):
    file = io.BytesIO()
    pixels = np.random.default_rng(side).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def digest(content):
    return hashlib.sha256(content).hexdigest()


class Browser:
    """What a browser does with the route, as one owner."""

    def __init__(self, folder, owner="", role=Role.REVIEWER, **more):
        self.who = Visitor(role, owner, person(owner, role)) if owner else THE_ONE
        self.site = Site(folder, **more)
        self.app = Starlette(routes=self.site.incoming.routes())
        self.token = self.site.signer.sign(upload_grant(owner), time.time())

    def ask(self, method, path, body=b"", query="", **headers):
        sent, parts = [], [body[at : at + 70_000] for at in range(0, len(body), 70_000)] or [b""]

        async def run():
            told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
            scope = {"type": "http", "method": method, "path": f"/incoming/{self.token}{path}", "root_path": "",
                     "query_string": query.encode(), "headers": told}  # fmt: skip
            note_visitor(scope, self.who)

            async def receive():
                return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

            async def send(message):
                sent.append(message)

            await self.app(scope, receive, send)

        run_apart(run)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

    def begin(self, content, size=None):
        status, body = self.ask(
            "POST", "", json.dumps({"bytes": size or len(content), "mark": digest(content)}).encode()
        )
        return json.loads(body) if status == 200 else (status, body.decode())

    def put(self, upload_id, at, chunk, said=None):
        return self.ask("PUT", f"/{upload_id}", chunk, f"at={at}", x_sha256=said or digest(chunk))

    def whole(self, content):
        upload_id = self.begin(content)["upload"]
        return upload_id, self.put(upload_id, 0, content)


def left(folder):
    return [path for path in (folder / "uploads").rglob("*") if path.is_file()]


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(incoming, "CHUNK_BYTES", 100_000)


def test_a_picture_comes_in_chunks_and_waits_to_be_started(tmp_path, small_chunks):
    browser, content = Browser(tmp_path), picture()
    begun = browser.begin(content)
    assert (begun["got"], begun["chunk"]) == (0, 100_000)
    for at in range(0, len(content), 100_000):
        status, body = browser.put(begun["upload"], at, content[at : at + 100_000])
        assert status == 200
    assert json.loads(body)["whole"]
    [arrived] = browser.site.incoming.arrived(THE_ONE)
    assert (arrived.kind, arrived.mpp, arrived.size_px, arrived.sha256) == ("image", None, (300, 300), digest(content))
    assert (browser.site.incoming.folder(arrived.upload_id) / arrived.file).read_bytes() == content


def test_what_was_broken_off_goes_on_also_after_a_restart(tmp_path, small_chunks):
    content = picture()
    begun = Browser(tmp_path).begin(content)
    restarted = Browser(tmp_path)
    assert restarted.put(begun["upload"], 0, content[:100_000])[0] == 200
    # Bytes of a chunk that never came whole lie behind what is proved, as after a loss of power.
    with (tmp_path / "uploads" / INCOMING / begun["upload"] / "part").open("ab") as part:
        part.write(b"half a chunk")
    restarted = Browser(tmp_path)
    assert restarted.begin(content) == {"upload": begun["upload"], "got": 100_000, "chunk": 100_000}
    for at in range(100_000, len(content), 100_000):
        restarted.put(begun["upload"], at, content[at : at + 100_000])
    assert restarted.site.incoming.arrived(THE_ONE)[0].sha256 == digest(content)


@pytest.mark.parametrize(
    ("at", "chunk", "said", "status"),
    [
        (0, b"x" * 50, "0" * 64, 409),  # altered on its way
        (7, b"x" * 50, None, 409),  # a hole
        (0, b"", None, 409),
        (0, b"x" * 200_000, None, 409),  # more than a chunk
        (0, b"x" * 50, "no digest", 400),
        (-1, b"x", None, 400),
        ("9" * 30, b"x", None, 400),
    ],
)
def test_a_chunk_that_is_not_as_it_says_leaves_nothing(tmp_path, small_chunks, at, chunk, said, status):
    browser, content = Browser(tmp_path), picture()
    upload_id = browser.begin(content)["upload"]
    assert browser.put(upload_id, at, chunk, said)[0] == status
    assert browser.begin(content)["got"] == 0
    assert browser.put(upload_id, 0, content[:100_000])[0] == 200


def test_an_upload_is_cancelled_and_nothing_stays(tmp_path, small_chunks):
    browser, content = Browser(tmp_path), picture()
    upload_id = browser.begin(content)["upload"]
    browser.put(upload_id, 0, content[:100_000])
    assert browser.ask("DELETE", f"/{upload_id}")[0] == 204 and left(tmp_path) == []
    assert browser.ask("DELETE", f"/{upload_id}")[0] == 404


def test_nobody_goes_on_with_anothers_upload(tmp_path):
    mine, content = Browser(tmp_path, "anna"), picture(64)
    upload_id = mine.begin(content)["upload"]
    other = Browser(tmp_path, "ben")
    assert other.put(upload_id, 0, content)[0] == 409 and other.ask("DELETE", f"/{upload_id}")[0] == 404
    assert other.begin(content)["upload"] != upload_id
    assert mine.put(upload_id, 0, content)[0] == 200
    assert other.site.incoming.arrived(other.who) == [] and not other.site.incoming.drop(upload_id, other.who)


@pytest.mark.parametrize("upload_id", ["..", "../..", "%2e%2e", "x" * 16, "0" * 16, "0" * 17])
def test_no_path_is_an_upload(tmp_path, upload_id):
    browser = Browser(tmp_path)
    (tmp_path / "keep").write_text("precious")
    assert browser.ask("DELETE", f"/{upload_id}")[0] in (404, 405)
    assert browser.put(upload_id, 0, b"x")[0] in (404, 405, 409)
    assert (tmp_path / "keep").exists()


def test_leave_is_needed_and_runs_out(tmp_path):
    browser, content = Browser(tmp_path), picture(64)
    signer = browser.site.signer
    forged = ["guessed", signer.sign(Grant("~list", ""), time.time()), signer.sign(upload_grant(""), time.time() - 1e6)]
    upload_id = browser.begin(content)["upload"]
    for browser.token in forged:
        assert browser.begin(content)[0] == 403
        assert browser.put(upload_id, 0, content)[0] == browser.ask("DELETE", f"/{upload_id}")[0] == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"bytes": "x", "mark": 1}', b"x" * 5000,
                                  b'{"bytes": 5, "mark": "../../x"}', b'{"bytes": -5, "mark": "' + b"0" * 64 + b'"}',
                                  b'{"bytes": 1e400, "mark": "x"}'])  # fmt: skip
def test_a_beginning_that_makes_no_sense_is_refused(tmp_path, body):
    status, told = Browser(tmp_path).ask("POST", "", body)
    assert status in (400, 507) and b"does not say" in told and left(tmp_path) == []


def test_sizes_numbers_and_the_disk_are_bounds(tmp_path, monkeypatch):
    browser = Browser(tmp_path, max_upload_bytes=1 << 20)
    assert browser.begin(b"x", size=(1 << 20) + 1) == (
        413,
        "slide-too-large: the file is larger than 1 MB, the most that is taken here",
    )
    for number in range(MAX_COMING):
        assert "upload" in browser.begin(b"%d" % number)
    status, told = browser.begin(b"one more")
    assert status == 507 and "delete one" in told
    monkeypatch.setattr(incoming, "MAX_COMING", 99)
    monkeypatch.setattr(incoming, "SPARE_BYTES", 1 << 60)
    assert browser.begin(b"yet one more") == (507, "output-unwritable: the disk has no room for this file; free space")
    monkeypatch.setattr(incoming, "ALL_STORED", 0)
    assert "the room they have" in browser.begin(b"yet one more")[1]


@pytest.mark.parametrize(
    "content",
    [
        b"<svg onload=alert(1)>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"MZ\x90\0" + b"\0" * 200,
        b"#!/bin/sh\nrm -rf /\n",
        picture(64, "GIF"),
        picture(64, "BMP"),
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        b"\xff\xd8\xff\xe0" + b"\0" * 100,
        b"II*\0\x08\0\0\0" + b"\0" * 64,
        b"=cmd|' /C calc'!A0",
    ],
)
def test_what_is_no_slide_is_refused_in_plain_words_and_removed(tmp_path, content):
    status, told = Browser(tmp_path).whole(content)[1]
    assert status == 422 and left(tmp_path) == []
    assert told.decode().partition(":")[0] in ("unsupported-format", "corrupt-slide", "incomplete-slide")
    assert str(tmp_path) not in told.decode() and "Traceback" not in told.decode()


def test_a_slide_tells_its_own_pixel_size(tmp_path, ready_slide):
    content = ready_slide.path.read_bytes()
    browser = Browser(tmp_path)
    upload_id = browser.begin(content)["upload"]
    for at in range(0, len(content), 8 << 20):
        assert browser.put(upload_id, at, content[at : at + (8 << 20)])[0] == 200
    [arrived] = browser.site.incoming.arrived(THE_ONE)
    assert arrived.kind == "slide" and arrived.mpp == pytest.approx(0.5, rel=0.1)


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

    run_apart(run)
