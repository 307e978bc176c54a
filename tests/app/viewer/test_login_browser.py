"""A login in headless Chromium, by a provider on another site: reviewers, a reader, an admin, strangers."""

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from aggregate import store
from app.ledger.records import SlideRow, write_rows
from app.review.people import Identity
from app.review.reviews import open_reviews
from tests.app.viewer.browser import CHROMIUM, shown_ids
from tests.app.viewer.conftest import PREDICT
from tests.app.viewer.provider import CLIENT, SECRET, Provider
from tests.conftest import REPOSITORY
from tests.results import CLASSES, make_result

pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]

SERVE = """
import sys
from pathlib import Path
from app.viewer.gate.login_file import read_login
from app.viewer.server import make_server
from app.viewer.site import Site
results, port, program, login = sys.argv[1:]
make_server(Site(Path(results), program=(sys.executable, program), login=read_login(Path(login))), int(port)).run()
"""
LOGIN = """
issuer = "{issuer}"
client_id = "{client}"
address = "{address}"
client_secret_file = "client-secret"
[roles]
claim = "groups"
admin = ["it"]
reviewer = ["pathologists"]
reader = ["residents"]
"""
STRANGER = """<!doctype html><title>stranger</title><script>
const told = [];
const done = (what) => { told.push(what); document.title = told.length === 4 ? told.join(" ") : "asking"; };
const tell = (name, way) => fetch("%(app)s" + way, { method: name, mode: "no-cors", credentials: "include",
  headers: { "Content-Type": "text/plain" }, body: name === "POST" ? "{}" : undefined })
  .then((answer) => answer.text())
  .then((text) => done(name + (text ? "-read" : "-opaque")), () => done(name + "-stopped"));
tell("POST", "/logout"); tell("POST", "/viewer/incoming/x"); tell("GET", "/viewer/list/x");
const socket = new WebSocket("%(app)s".replace("http", "ws") + "/_stcore/stream");
socket.onopen = () => done("socket-open"); socket.onerror = () => done("socket-refused");
</script>"""


@pytest.fixture(scope="module")
def provider():
    made = Provider()
    yield made
    made.close()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    rows = []
    for name in ("one", "two"):
        store.save(make_result(name, call="normal", probabilities=(0.1, 0.8, 0.1)), folder)
        rows.append(SlideRow(name, f"/gone/{name}.svs", "done", "normal", confidence=0.7))
    write_rows(folder / "slides.csv", rows, CLASSES)
    return folder


@pytest.fixture(scope="module")
def app(results, provider, tmp_path_factory):
    """The address of a viewer with a login."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    (folder / "predict.py").write_text(PREDICT)
    (folder / "client-secret").write_text(SECRET)
    (folder / "login.toml").write_text(LOGIN.format(issuer=provider.issuer, client=CLIENT, address=address))
    words = [str(results), str(port), str(folder / "predict.py"), str(folder / "login.toml")]
    with (folder / "printed").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, *words], cwd=REPOSITORY, stdout=output, stderr=output,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip
    try:
        wait_for(address)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)
    assert (folder / "printed").read_text() == ""


def wait_for(address):
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=5)
        except urllib.error.HTTPError as error:
            assert error.code == 403  # nothing is given without a login, not even that
            return
        except OSError:
            threading.Event().wait(0.25)
    raise AssertionError("the viewer did not start")


@pytest.fixture
def browse(chromium, app):
    """Makes a browser of its own, logged in as somebody."""
    contexts = []

    def log_in(who, path="/"):
        context = chromium.new_context(base_url=app, viewport={"width": 1400, "height": 900})
        context.set_default_timeout(90_000)
        contexts.append(context)
        page = context.new_page()
        page.goto(path)
        if who:
            page.locator(f"#{who}").click()
            page.get_by_test_id("who").wait_for()
        return page

    yield log_in
    for context in contexts:
        context.close()


def status_of(page, path, method="GET"):
    """What the page's own script would get for an address."""
    return page.evaluate("async ([path, method]) => (await fetch(path, { method })).status", [path, method])


def addresses(page):
    """What a page asked below /viewer, in order."""
    return page.evaluate(
        "performance.getEntriesByType('resource').map(one => new URL(one.name).pathname + new URL(one.name).search)"
        ".filter(path => path.startsWith('/viewer/'))"
    )


def upload(page, tmp_path):
    """Uploads and runs a drawn picture; gives the slide's id."""
    path = tmp_path / "Jane Doe.png"
    Image.fromarray(np.random.default_rng(1).integers(90, 255, (224, 224, 3), dtype=np.uint8)).save(path)
    page.goto("/?page=analyse")
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_label("µm per pixel of Uploaded image", exact=False).fill("0.5")
    page.get_by_test_id("analyse").click()
    page.get_by_role("button", name="Open slide").click()
    page.wait_for_url("**/?slide=upload-*")
    page.locator(".frame[data-loaded]").wait_for()
    return page.url.rpartition("=")[2] if "&" not in page.url else page.url.partition("slide=")[2].partition("&")[0]


def test_a_login_leads_back_to_the_slide_and_its_name_signs(browse, results, provider):
    page = browse("anna", "/?slide=one")
    assert "slide=one" in page.url and "code=" not in page.url and "token" not in page.url
    assert page.get_by_test_id("who").inner_text() == "Anna Reviewer, reviewer"
    page.locator(".st-key-person").get_by_text("known by the login").wait_for()
    assert page.get_by_label("Your name").count() == 0  # nothing to type
    page.locator(".st-key-decide-agree button").click()
    page.get_by_test_id("signature").filter(has_text="has not signed").wait_for()
    page.locator(".st-key-sign button").click()
    page.get_by_test_id("signature").filter(has_text="signed by Anna Reviewer (reviewer; known by a login)").wait_for()
    page.reload()  # what is drawn anew after the signature has other downloads
    page.get_by_test_id("signature").filter(has_text="signed by Anna Reviewer").wait_for()
    page.locator("[data-stale=true]").first.wait_for(state="detached")
    with page.expect_download() as saved:
        page.locator(".st-key-download-html button").click()
    assert "Anna Reviewer" in saved.value.path().read_text()
    address = "/media/" + saved.value.url.partition("/media/")[2]
    assert status_of(page, address) == 200 and status_of(browse("ben"), address) == 404  # a report is hers who asked
    [reading] = open_reviews(results).record("one").readings
    by = reading.signature.by
    assert (by.identity, by.subject) == (Identity.OIDC, f"number-of-anna@{provider.issuer.partition('://')[2]}")


def test_a_reader_looks_and_finds_nothing_to_press(browse):
    page = browse("rita", "/?slide=two")
    page.get_by_test_id("signature").wait_for()
    assert page.locator(".st-key-decide-agree").count() == page.locator(".st-key-sign").count() == 0
    page.goto("/?page=analyse")
    page.get_by_text("Your role is reader").wait_for()
    assert page.locator("input[type=file]").count() == page.get_by_test_id("analyse").count() == 0


def test_who_has_no_role_and_who_says_no_is_told(browse):
    page = browse(None)
    page.locator("#nora").click()
    page.get_by_text("Nora <b>Nobody</b> is known to the login service, and has no role").wait_for()
    page = browse(None)
    page.locator("#no").click()
    page.get_by_text("said no (access_denied)").wait_for()
    page.get_by_role("link", name="Log in again").click()
    page.locator("#anna").wait_for()


def test_an_upload_is_anothers_to_see_only_when_it_is_shared_and_an_admin_deletes_it(browse, results, tmp_path):
    anna = browse("anna")
    slide = upload(anna, tmp_path)
    tiles = [path for path in addresses(anna) if path.startswith("/viewer/tiles/")]
    anna.goto("/")
    rows = shown_ids(anna)
    lists = [path for path in addresses(anna) if path.startswith("/viewer/list/")]
    assert slide in rows and tiles and lists
    hers = [tiles[0], lists[0].replace("/list/", "/pictures/").partition("?")[0] + f"/map/{slide}"]
    assert [status_of(anna, path) for path in hers] == [200, 200]
    ben, rita = browse("ben"), browse("rita")
    for other in (ben, rita):
        assert slide not in shown_ids(other)
        assert [status_of(other, path) for path in hers] == [404, 404]
        other.goto(f"/?slide={slide}")
        other.get_by_text("There is no slide of this name").wait_for()
        other.goto("/?page=analyse")
        other.get_by_text("Analyse slides").wait_for()
        assert other.get_by_text("Uploaded slide").count() == 0
    anna.goto(f"/?slide={slide}")
    anna.get_by_text("Show it to everybody who may log in").click()
    anna.get_by_text("everybody who may log in sees it").wait_for()
    ben.goto(f"/?slide={slide}")
    ben.locator(".frame[data-loaded]").wait_for()
    ben.get_by_text("Uploaded by Anna Reviewer").wait_for()
    assert ben.locator(".st-key-delete-upload").count() == 0  # seen, and no more
    adam = browse("adam", f"/?slide={slide}")
    adam.get_by_text("Delete the image and all").click()
    adam.get_by_role("button", name="Delete this upload").click()
    adam.wait_for_url(lambda address: "slide=" not in address)
    assert list((results / "uploads").glob("upload-*")) == []


def test_pages_of_strangers_write_nothing_and_open_no_socket(browse, app):
    """One on another site, and one on another port of this very host, to which the browser sends the cookie."""
    anna = browse("anna")

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            content = (STRANGER % {"app": app}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *told):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for host in ("localhost", "127.0.0.1"):
            stranger = anna.context.new_page()
            stranger.goto(f"http://{host}:{server.server_address[1]}/")
            stranger.wait_for_function("document.title !== 'asking' && document.title !== 'stranger'")
            told = stranger.title().split()
            assert "socket-refused" in told and not [word for word in told if word.endswith(("-read", "-open"))], told
    finally:
        server.shutdown()
        server.server_close()
    assert status_of(anna, "/_stcore/health") == 200  # nobody logged her out


def test_logging_out_ends_every_tab(browse):
    page = browse("anna", "/?slide=one")
    kept = page.context.cookies()
    other = page.context.new_page()
    other.goto("/?slide=two")
    other.locator(".frame").wait_for()
    assert status_of(other, "/_stcore/health") == 200
    page.get_by_role("link", name="Log out").click()
    page.get_by_role("button", name="Log out").click()
    page.get_by_text("You are logged out of pulmoscope").wait_for()
    assert page.get_by_role("link", name="Log out of the login service").count() == 1
    assert status_of(other, "/_stcore/health") == 403
    other.get_by_text("Your login has ended: what is shown here is no longer complete").wait_for()
    page.context.add_cookies(kept)  # a copy of what the browser held
    assert status_of(other, "/_stcore/health") == 403
    other.goto("/?slide=one")
    other.locator("#ben").click()  # sent to the provider again; another person may log in now
    assert other.get_by_test_id("who").inner_text() == "Ben Reviewer, reviewer"


def test_the_pages_of_the_gate_hold_for_those_who_do_not_see(browse):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = browse("anna")
    page.goto("/logout")
    page.get_by_role("button", name="Log out").wait_for()
    assert axe.run(page).violations_count == 0
    page.get_by_role("button", name="Log out").click()
    page.get_by_text("You are logged out").wait_for()
    assert axe.run(page).violations_count == 0, json.dumps(axe.run(page).response["violations"])[:2000]
