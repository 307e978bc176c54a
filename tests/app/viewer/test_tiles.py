"""The tile route, asked as a browser would: pixels only with leave, only inside the slide, and caches that end."""

import io
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette

from app.slides.files import SlideFile
from app.viewer.gate.visitors import THE_ONE, note_visitor
from app.viewer.tiles.encoded import encode_jpeg
from app.viewer.tiles.route import TileCache, TileServer
from app.viewer.tiles.tokens import Grant, Signer
from tests.app.viewer.apart import run_apart
from wsi.errors import SlideCrashedError, SlideTimeoutError, SlideTooLargeError
from wsi.spacing import Level

GRANT = Grant("slide-1", "v1")
SIGNER = Signer(b"s" * 32)


@pytest.fixture
def slide_path(tmp_path):
    y, x = np.mgrid[0:400, 0:500]
    pixels = np.stack([x // 2, y // 2, (x + y) // 4], axis=-1).astype(np.uint8)
    path = tmp_path / "s.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def server(slide_path):
    file = SlideFile(slide_path, 0.5, "v1", (Level((500, 400), 1.0),))
    return TileServer(SIGNER, lambda grant: file if grant == GRANT else None, lambda slide_id, who: True)


def get(server, path):
    """(status, headers, body) of a GET, over ASGI."""
    app, sent = Starlette(routes=[server.route()]), []

    async def ask():
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "root_path": ""}
        note_visitor(scope, THE_ONE)

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        await app(scope, receive, send)

    run_apart(ask)
    headers = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


def address(level, column, row, grant=GRANT, now_s=None):
    return f"/tiles/{SIGNER.sign(grant, now_s or time.time())}/{level}/{column}_{row}.jpg"


def test_the_slide_comes_tile_by_tile(server, slide_path):
    rows = []
    for row in range(2):
        tiles = [get(server, address(9, column, row)) for column in range(2)]
        assert all(status == 200 and headers["content-type"] == "image/jpeg" for status, headers, _ in tiles)
        rows.append(np.hstack([np.asarray(Image.open(io.BytesIO(body)), int) for _, _, body in tiles]))
    difference = np.abs(np.vstack(rows) - np.asarray(Image.open(slide_path), int))
    assert difference.max() < 12


@pytest.mark.parametrize("place", [(9, 2, 0), (9, 0, 2), (10, 0, 0), (99999999999, 0, 0), (9, 99999999999, 0)])
def test_outside_the_slide_there_is_nothing(server, place):
    assert get(server, address(*place))[0] == 404


@pytest.mark.parametrize("path", ["/tiles/x/9/-1_0.jpg", "/tiles/../9/0_0.jpg", "/tiles/x/9/0_0.png", "/tiles/x/label"])
def test_no_other_address_exists(server, path):
    assert get(server, path)[0] in (403, 404)


def test_without_leave_there_is_nothing(server):
    forged = Signer(b"f" * 32).sign(GRANT, time.time())
    assert get(server, f"/tiles/{forged}/9/0_0.jpg")[0] == 403
    assert get(server, address(9, 0, 0, now_s=time.time() - 15 * 3600))[0] == 403
    assert get(server, address(9, 0, 0, grant=Grant("other", "v1")))[0] == 404
    assert get(server, address(9, 0, 0, grant=Grant("slide-1", "v0")))[0] == 404


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:200]), b"its file is damaged there (corrupt-slide)"),
        (lambda path: path.unlink(), b"its file is gone (not-a-file)"),
        (lambda path: path.write_bytes(b""), b"its file is damaged there (empty-file)"),
    ],
)
def test_a_slide_that_breaks_is_told_without_its_name(server, slide_path, spoil, told):
    spoil(slide_path)
    status, headers, body = get(server, address(9, 0, 0))
    assert (status, body) == (422, told) and headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SlideCrashedError, "reading it ended the process that did (crashed)"),
        (SlideTimeoutError, "it took too long to read (timed-out)"),
        (SlideTooLargeError, "it needs more memory than a look at a slide may take (slide-too-large)"),
    ],
)
def test_what_a_slide_does_to_its_reader_is_told(server, error, told):
    class Breaks:
        def ask(self, *_):
            raise error("Jane Doe.svs did it")

    status, _, body = get(replace(server, slides=Breaks()), address(9, 0, 0))
    assert (status, body.decode()) == (422, told)


def test_a_cached_tile_needs_no_slide(server, slide_path):
    first = get(server, address(9, 1, 1))[2]
    server.slides.close()
    slide_path.unlink()
    assert get(server, address(9, 1, 1))[2] == first


def test_tiles_tell_nothing_but_pixels():
    assert Image.open(io.BytesIO(encode_jpeg(np.zeros((8, 8, 3), np.uint8)))).getexif() == {}


def test_the_cache_is_bounded_and_keeps_what_was_used_last():
    cache = TileCache(max_bytes=100)
    keys = [(GRANT, 0, 0, i) for i in range(4)]
    for key in keys[:3]:
        cache.put(key, b"x" * 30)
    cache.get(keys[0])
    cache.put(keys[3], b"x" * 30)
    assert [cache.get(key) is not None for key in keys] == [True, False, True, True]
    cache.put(keys[3], b"x" * 40)
    assert cache.size_bytes == 100
    cache.put(keys[2], b"x" * 101)
    assert cache.size_bytes <= 100


def test_a_slide_is_looked_for_once_for_many_tiles(server, slide_path):
    looked = []
    counting = replace(server, locate=lambda grant: looked.append(grant) or server.locate(grant))
    assert [get(counting, address(9, column, row))[0] for row in range(2) for column in range(2)] == [200] * 4
    assert looked == [GRANT]


def test_the_server_opens_no_slide_itself(server, monkeypatch):
    """Tiles come although nothing in this process may open one."""
    monkeypatch.setattr("wsi.registry.open_slide", None)
    assert get(server, address(9, 0, 1))[0] == 200
