"""The viewer in headless Chromium: who gets in, upload, and no word to outside."""

import socket
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from tests.app.viewer.browser import CHROMIUM, KEY, asked, shown_ids

pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]


def choose_image(page, path):
    page.goto("/?page=analyse")
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_text("is chosen").wait_for()
    page.get_by_role("radiogroup").get_by_text("10x", exact=False).click()


def test_an_upload_gets_its_pie_chart_and_can_be_deleted(page, results, tmp_path):
    picture = tmp_path / "Jane Doe 1961.jpg"
    Image.fromarray(np.random.default_rng(1).integers(90, 255, (224, 224, 3), dtype=np.uint8)).save(picture)
    told = []
    page.on("request", lambda request: told.append(f"{request.url} {request.headers} {request.post_data_buffer}"))
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: told.append(str(frame))))
    choose_image(page, picture)
    assert "Jane" not in page.content()
    page.get_by_role("button", name="Run prediction").click()
    page.wait_for_url("**/?slide=upload-*")
    page.locator(".frame[data-loaded]").wait_for()
    page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg").first.wait_for()
    assert page.locator("[data-testid=call]").inner_text() == "Squamous cell carcinoma"
    assert not [path for path in results.rglob("*") if "Jane" in path.name]
    assert "Jane" not in page.content() and not [text for text in told if "Jane" in text]
    assert len(list((results / "uploads").iterdir())) == 1
    page.get_by_text("Delete the image and all").click()
    page.get_by_role("button", name="Delete this upload").click()
    page.wait_for_url(lambda address: "slide=" not in address)
    assert not [slide_id for slide_id in shown_ids(page) if slide_id.startswith("upload-")]
    assert list((results / "uploads").iterdir()) == []


def test_a_damaged_upload_is_one_line_and_leaves_nothing(page, results, tmp_path):
    picture = tmp_path / "x.png"
    picture.write_bytes(b"no image")
    choose_image(page, picture)
    page.get_by_role("button", name="Run prediction").click()
    page.get_by_text("unsupported-format: the upload is no JPEG, PNG or TIFF image").wait_for()
    assert "Traceback" not in page.content()
    page.get_by_role("button", name="Remove the image").click()
    page.get_by_text("is chosen").wait_for(state="hidden")
    page.locator("button:disabled").filter(has_text="Run prediction").wait_for()
    assert not list((results / "uploads").glob("*"))


def test_the_uploads_of_streamlit_are_closed(server):
    for method in ("PUT", "POST", "DELETE", "OPTIONS"):
        request = urllib.request.Request(
            f"{server}/_stcore/upload_file/session/file", data=b"x" * 1000, method=method,
            headers={"Cookie": f"{KEY.cookie}={KEY.secret}", "Origin": server},
        )  # fmt: skip
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(request)


def test_every_answer_carries_the_policy_and_tiles_need_leave(server):
    answer = asked(f"{server}/")
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer" and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["server"] is None
    with pytest.raises(urllib.error.HTTPError, match="400"):
        asked(f"{server}/", Host="attacker.example")
    with pytest.raises(urllib.error.HTTPError) as refused:
        asked(f"{server}/viewer/tiles/nothing/8/0_0.jpg")
    assert refused.value.code == 403
    assert refused.value.headers["X-Content-Type-Options"] == "nosniff"


def test_the_printed_address_opens_the_list_and_stays_out_of_sight(chromium, server):
    page = chromium.new_page()
    page.goto(f"{server}/?slide=alone&token={KEY.secret}")
    page.get_by_test_id("call").wait_for()
    assert page.url == f"{server}/?slide=alone"
    assert page.evaluate("document.cookie").count(KEY.secret) == 0
    page.close()


def test_another_user_of_the_machine_sees_nothing(chromium, server):
    page = chromium.new_page()
    for place in ("/", "/?slide=marked", "/?page=analyse", "/?token=guessed"):
        assert page.goto(server + place).status == 403
        assert "marked" not in page.content() and "pulmoscope app" in page.inner_text("body")
    page.close()


@pytest.mark.parametrize("key", [True, False])
@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:1", "null", None, "own"])
def test_the_websocket_opens_for_our_own_page_with_the_key_only(server, origin, key):
    """The server's connections are watched: a foreign origin made Streamlit ask an outside host for its own address."""
    host = server.removeprefix("http://")
    lines = [
        "GET /_stcore/stream HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: streamlit",
    ]  # fmt: skip
    if origin:
        lines.append(f"Origin: {server if origin == 'own' else origin}")
    if key:
        lines.append(f"Cookie: {KEY.cookie}={KEY.secret}")
    with socket.create_connection(host.split(":"), timeout=20) as asking:
        asking.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = asking.recv(64).split()[1]
    assert status == (b"101" if key and origin == "own" else b"403")
