"""Who gets in: nobody without the key of the launch, nobody from another page, whatever part of the viewer is asked."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from starlette.responses import PlainTextResponse

from app.review.people import Person
from app.viewer.gate.access import Door
from app.viewer.gate.launch import LaunchGate, LaunchKey
from app.viewer.server import listen
from tests.app.viewer.apart import run_apart
from tests.conftest import REPOSITORY
from wsi.errors import OutputBusyError

KEY = LaunchKey("s" * 43)
HOST = "127.0.0.1:8501"
COOKIE = {"cookie": f"other=1; {KEY.cookie}={KEY.secret}"}
OWN = {"origin": f"http://{HOST}"}


def ask(path="/", *, method="GET", kind="http", gate=None, **headers):
    """(status, headers, body) of a request through the door; (101, {}, b"") for a WebSocket that is let in."""
    sent, words = [], {"host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
    place, _, query = path.partition("?")

    async def inside(scope, receive, send):
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
        else:
            await PlainTextResponse("inside")(scope, receive, send)

    async def run():
        scope = {
            "type": kind, "method": method, "path": place, "query_string": query.encode(), "scheme": "http",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in words.items()],
        }  # fmt: skip

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        await Door(inside, gate or LaunchGate(KEY))(scope, receive, send)

    run_apart(run)
    if kind == "websocket":
        return {"websocket.accept": 101, "websocket.close": 403}[sent[0]["type"]], {}, b""
    found = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:])


PARTS = (
    "/",
    "/?slide=a",
    "/_stcore/health",
    "/static/js/index.js",
    "/viewer/tiles/x/1/0_0.jpg",
    "/_stcore/host-config",
)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_without_the_key_nothing_is_given(part, method):
    status, headers, body = ask(part, method=method)
    assert status == 403 and b"inside" not in body and KEY.secret not in str(headers)
    assert ask(part, method=method, **COOKIE)[0] == 200


@pytest.mark.parametrize("cookie", ["", KEY.secret, f"{KEY.cookie}=", f"{KEY.cookie}={KEY.secret[:-1]}", "\xff=\xfe",
                                    f"{KEY.cookie}={KEY.secret}x", f"pulmoscope={KEY.secret}"])  # fmt: skip
def test_a_wrong_cookie_is_none(cookie):
    assert ask(cookie=cookie)[0] == 403
    assert ask("/_stcore/stream", kind="websocket", cookie=cookie, **OWN)[0] == 403


@pytest.mark.parametrize("token", ["", "x", KEY.secret[:-1], KEY.secret + "x", "%ff", KEY.secret.upper()])
def test_a_wrong_token_is_none(token):
    assert ask(f"/?token={token}")[0] == 403


def test_the_key_becomes_a_cookie_and_leaves_the_address():
    status, headers, _ = ask(f"/?slide=a+b%26&token={KEY.secret}")
    assert (status, headers["location"]) == (303, "/?slide=a+b%26")
    name, _, rest = headers["set-cookie"].partition("=")
    value, *flags = rest.split("; ")
    assert (name, value) == (KEY.cookie, KEY.secret)
    assert {flag.lower() for flag in flags} == {"httponly", "path=/", "samesite=strict"}
    assert ask(cookie=f"{name}={value}")[0] == 200


def test_a_link_on_another_site_gets_a_page_that_moves_on():
    status, headers, body = ask(f"/?slide=%22%3E&token={KEY.secret}", sec_fetch_site="cross-site")
    assert status == 200 and KEY.cookie in headers["set-cookie"]
    assert body == b'<meta http-equiv="refresh" content="0;url=/?slide=%22%3E">'


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/", "///evil.example"])
def test_the_way_on_is_never_another_host(path):
    location = ask(f"{path}?token={KEY.secret}")[1]["location"]
    assert location.startswith("/evil.example")


FOREIGN = ["http://evil.example", "null", "http://127.0.0.1:8502", "http://localhost:8501", "https://127.0.0.1:8501",
           "http://127.0.0.1", "http://127.0.0.1:8501.evil.example", "http://x@127.0.0.1:8501", ""]  # fmt: skip


@pytest.mark.parametrize("origin", FOREIGN)
def test_another_page_gets_nothing_even_with_the_key(origin):
    assert ask("/_stcore/stream", kind="websocket", origin=origin, **COOKIE)[0] == 403
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(method=method, origin=origin, **COOKIE)[0] == 403


def test_what_writes_must_say_where_it_comes_from():
    assert ask("/_stcore/stream", kind="websocket", **COOKIE)[0] == 403
    assert ask(method="POST", **COOKIE)[0] == 403
    assert ask("/_stcore/stream", kind="websocket", **COOKIE, **OWN)[0] == 101
    assert ask(method="POST", **COOKIE, **OWN)[0] == 200


def test_a_tunnel_to_another_port_is_our_own_page():
    through = {"host": "localhost:9000", "origin": "http://localhost:9000"}
    assert ask("/_stcore/stream", kind="websocket", **{**COOKIE, **through})[0] == 101


def test_each_launch_has_a_key_of_its_own():
    one, two = LaunchKey(), LaunchKey()
    assert one.secret != two.secret and one.cookie != two.cookie and len(one.secret) >= 43
    assert one.secret not in repr(one)
    assert one.address("127.0.0.1", 8501) == f"http://127.0.0.1:8501/?token={one.secret}"
    assert one.address("::1", 1).startswith("http://[::1]:1/?token=")


def test_the_address_answers_from_the_moment_it_is_printed():
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        # Packets are not held back until they are full: asyncio looks at the protocol.
        assert listening.proto == socket.IPPROTO_TCP
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        with pytest.raises(OutputBusyError, match=f"port {port}"):
            listen("127.0.0.1", port)


def test_the_command_prints_one_address_that_lets_in(tmp_path):
    (tmp_path / "home" / ".streamlit").mkdir(parents=True)
    (tmp_path / "home" / ".streamlit" / "config.toml").write_text('[server]\nbaseUrlPath = "other/app"\n')
    command = [sys.executable, "-m", "app.cli", "app", "--results", str(tmp_path), "--port", "0"]
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(REPOSITORY)}
    running = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        line = running.stdout.readline()
        (address,) = re.findall(r"http://\S+", line)
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address)
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        page = browser.open(address, timeout=60)
        assert page.status == 200 and "token" not in page.url
        assert browser.open(f"{page.url}?slide=any", timeout=60).status == 200
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(page.url, timeout=60)
    finally:
        running.send_signal(signal.SIGINT)
        time.sleep(0.05)
        running.send_signal(signal.SIGINT)  # somebody in a hurry
        rest = running.communicate(timeout=60)[0]
    assert address not in rest and "Traceback" not in rest


def test_a_browser_is_told_from_others_by_a_cookie_that_lets_nobody_in():
    gate = LaunchGate(KEY)
    line = ask(gate=gate, **COOKIE)[1]["set-cookie"]
    name, _, rest = line.partition("=")
    value, *flags = rest.split("; ")
    assert name == f"{KEY.cookie}-browser" and set(flags) == {"HttpOnly", "Path=/", "SameSite=strict"}
    assert ask(gate=gate, cookie=f"{name}={value}")[0] == 403
    known = {"cookie": f"{COOKIE['cookie']}; {name}={value}"}
    assert "set-cookie" not in ask(gate=gate, **known)[1]
    assert "set-cookie" not in ask("/static/x.js", gate=gate, **COOKIE)[1]
    gate.remember(value, Person("Anna"))
    assert gate.visitor(value).person == Person("Anna") and gate.visitor("x" * 22).person is None
    gate.remember(value, None)
    assert gate.visitor(value).person is None


def test_names_are_kept_for_so_many_browsers():
    gate = LaunchGate(KEY)
    for number in range(300):
        gate.remember(str(number), Person("Anna"))
    assert [number for number in range(300) if gate.visitor(str(number)).person] == list(range(44, 300))
