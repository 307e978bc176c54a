"""The viewer in headless Chromium: who gets in, and no word to outside."""

import socket
import urllib.error
import urllib.request

import pytest

from tests.app.viewer.browser import CHROMIUM, KEY, asked

pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]


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
    assert page.url.split("&")[0] == f"{server}/?slide=alone"
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
