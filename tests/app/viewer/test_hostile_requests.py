"""Hostile uploads and forged requests, each by name, through the door as a browser sends them: refused in plain words,
and nothing of them stays. Slides of several files, as zips, are taken the same way."""

import io
import json
import time
import zipfile

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from aggregate import store
from app.ledger.records import SlideRow, write_rows
from app.review.people import Identity, Person, Role
from app.viewer.gate.bounds import Bounds
from app.viewer.gate.login_file import LoginSettings
from app.viewer.gate.visitors import Visitor
from app.viewer.pages.theme import allowed_hosts
from app.viewer.pages.worklist.feed import LIST_GRANT
from app.viewer.server import own_routes
from app.viewer.site import MOUNT, Site, upload_grant
from app.viewer.tiles.tokens import Grant, Signer
from tests.app.viewer.login import HOST, OWN, ROLES, Browser
from tests.app.viewer.test_incoming import digest, picture
from tests.app.viewer.test_upload import HOSTILE, MIRAX, zipped
from tests.dicoms import write_series
from tests.mirax import write_mirax
from tests.results import CLASSES, make_result

SESSION = "pulmoscope8501-login"
PNG = b"\x89PNG\r\n\x1a\n"


def someone(name, role=Role.REVIEWER):
    return Visitor(role, f"key-of-{name}", Person(name, role, Identity.OIDC, f"number-of-{name}"))


class Station:
    """A viewer with a login, and browsers of the people who are logged in; the provider is never asked."""

    def __init__(self, folder):
        login = LoginSettings("http://localhost:1", "pulmoscope", f"http://{HOST}", role_claim="groups", roles=ROLES)
        self.site = Site(folder, login=login, max_upload_bytes=64 << 20)
        page = Route("/", lambda request: PlainTextResponse("the page"))
        app = Starlette(
            routes=[page, Mount(MOUNT, routes=own_routes(self.site))],
            middleware=[Middleware(Bounds)],
        )
        self.app = app
        self.anna, self.ben = self.browser(someone("anna")), self.browser(someone("ben"))
        self.rita = self.browser(someone("rita", Role.READER))
        self.nobody = self.browser(None)

    def browser(self, who):
        browser = Browser(self.site.gate, self.app)
        browser.door = TrustedHostMiddleware(browser.door, allowed_hosts(HOST.partition(":")[0]))
        if who is not None:
            browser.cookies[SESSION] = self.site.gate.sessions.begin(who, 1)
        return browser

    def leave(self, grant, signer=None, age_s=0.0):
        return (signer or self.site.signer).sign(grant, time.time() - age_s)

    def place(self, owner="key-of-anna"):
        return f"{MOUNT}/incoming/{self.leave(upload_grant(owner))}"

    def upload(self, content, browser=None, place=None):
        """(status, words) at the end of an upload, or of where it was refused."""
        browser, place = browser or self.anna, place or self.place()
        told = json.dumps({"bytes": len(content), "mark": digest(content)}).encode()
        status, _, text = browser.ask(place, "POST", body=told, sec_fetch_mode="cors", **OWN)
        if status != 200:
            return status, text
        upload_id = json.loads(text)["upload"]
        for at in range(0, len(content), 8 << 20):
            status, text = self.chunk(upload_id, at, content[at : at + (8 << 20)], browser=browser, place=place)
        return status, text

    def chunk(self, upload_id, at, chunk, said=None, browser=None, place=None):
        asked = f"{place or self.place()}/{upload_id}?at={at}"
        words = {"x_sha256": said or digest(chunk), "sec_fetch_mode": "cors", **OWN}
        status, _, text = (browser or self.anna).ask(asked, "PUT", body=chunk, **words)
        return status, text

    def begun(self, content=b"x" * 100):
        told = json.dumps({"bytes": len(content), "mark": digest(content)}).encode()
        return json.loads(self.anna.ask(self.place(), "POST", body=told, **OWN)[2])["upload"]


@pytest.fixture
def station(tmp_path):
    store.save(make_result("open"), tmp_path)
    write_rows(tmp_path / "slides.csv", [SlideRow("open", "/gone/open.svs", "done", "normal")], CLASSES)
    (tmp_path / "secret").write_text("precious")
    return Station(tmp_path)


def encrypted():
    content = bytearray(zipped(*MIRAX))
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1  # says that its first file is encrypted
    return bytes(content)


def wide_png():
    import zlib

    size = (60_000).to_bytes(4, "big")
    chunk = b"IHDR" + size + size + b"\x08\x02\0\0\0"
    return PNG + b"\0\0\0\r" + chunk + zlib.crc32(chunk).to_bytes(4, "big") + picture(64)[33:]


UPLOADS = {
    "a path that leads out": HOSTILE["traversal"][0],
    "an absolute path": HOSTILE["absolute"][0],
    "a path of another system": HOSTILE["backslash"][0],
    "a symbolic link": HOSTILE["link"][0],
    "a device": HOSTILE["device"][0],
    "a file twice": HOSTILE["twice"][0],
    "an archive within": HOSTILE["nested"][0],
    "an encrypted archive": encrypted(),
    "a formula for a name": HOSTILE["odd-name"][0],
    "HTML for a name": HOSTILE["html-name"][0],
    "a bomb": HOSTILE["bomb"][0],
    "a bomb by its own words": HOSTILE["declares-much"][0],
    "two slides": HOSTILE["two-slides"][0],
    "an index without its slide": HOSTILE["no-folder"][0],
    "an archive cut off": HOSTILE["cut-off"][0],
    "a page": b"<!doctype html><script>alert(1)</script>",
    "a drawing with a script": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "a table with a formula": b"=cmd|' /C calc'!A0,2\n",
    "a program": b"\x7fELF" + b"\0" * 200,
    "a picture of another kind": picture(64, "GIF"),
    "a picture too wide": wide_png(),
    "a picture cut off": PNG + b"\0" * 100,
    "a TIFF that leads nowhere": b"II*\0\xff\xff\xff\x7f" + b"\0" * 64,
    "a PDF under no name": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", UPLOADS)
def test_a_hostile_upload_is_refused_in_plain_words_and_nothing_stays(station, name):
    status, text = station.upload(UPLOADS[name])
    assert status in (413, 422), text
    check_plain(station, text)
    assert not [path for path in station.site.uploads.rglob("*") if path.is_file()]


def check_plain(station, text):
    """One line for a person, without path, markup, trace or anything of the upload."""
    assert text.strip() and text.strip().count("\n") == 0 and len(text) < 300
    for word in ("Traceback", str(station.site.results), "<script", "cmd|", "evil", "/etc/", "Error("):
        assert word not in text


FORGED = {
    "nobody is logged in": lambda s: s.nobody.ask(s.place(), "POST", sec_fetch_mode="cors", **OWN),
    "a guessed login": lambda s: s.nobody.ask(
        s.place(), "POST", cookie=f"{SESSION}=guessed", sec_fetch_mode="cors", **OWN),
    "a reader uploads": lambda s: s.rita.ask(s.place("key-of-rita"), "POST", **OWN),
    "a token that ran out": lambda s: s.anna.ask(
        f"{MOUNT}/incoming/{s.leave(upload_grant('key-of-anna'), age_s=1e6)}", "POST", **OWN),
    "a token of another launch": lambda s: s.anna.ask(
        f"{MOUNT}/incoming/{s.leave(upload_grant('key-of-anna'), Signer(b'x' * 32))}", "POST", **OWN),
    "a token for something else": lambda s: s.anna.ask(f"{MOUNT}/incoming/{s.leave(LIST_GRANT)}", "POST", **OWN),
    "another's token": lambda s: s.ben.ask(s.place(), "POST", **OWN),
    "another's upload gone on with": lambda s: s.ben.ask(
        f"{s.place('key-of-ben')}/{s.begun()}?at=0", "PUT", body=b"x", x_sha256=digest(b"x"), **OWN),
    "another's upload ended": lambda s: s.ben.ask(f"{s.place('key-of-ben')}/{s.begun()}", "DELETE", **OWN),
    "a page elsewhere writes": lambda s: s.anna.ask(s.place(), "POST", origin="https://evil.example"),
    "a page of another port writes": lambda s: s.anna.ask(s.place(), "POST", origin="http://127.0.0.1:9"),
    "a sandboxed page writes": lambda s: s.anna.ask(s.place(), "POST", origin="null"),
    "who writes says not whence": lambda s: s.anna.ask(s.place(), "POST"),
    "a form of elsewhere": lambda s: s.anna.ask(
        s.place(), "POST", origin="https://evil.example", content_type="text/plain", body=b'{"bytes": 1}'),
    "another name of this machine": lambda s: s.anna.ask("/", host="evil.example"),
    "a chunk that is not as it says": lambda s: (s.chunk(s.begun(), 0, b"y", said=digest(b"x"))[0], {},
                                                  s.chunk(s.begun(), 0, b"y", said=digest(b"x"))[1]),
    "a chunk of nowhere": lambda s: (*s.chunk(s.begun(), 77, b"y")[:1], {}, s.chunk(s.begun(), 77, b"y")[1]),
    "more than was said": lambda s: (*s.chunk(s.begun(), 0, b"y" * 500)[:1], {}, s.chunk(s.begun(), 0, b"y" * 500)[1]),
    "a path for an upload": lambda s: s.anna.ask(f"{s.place()}/..%2f..%2fsecret", "DELETE", **OWN),
    "dots for an upload": lambda s: s.anna.ask(f"{s.place()}/..", "DELETE", **OWN),
    "Streamlit's own way in": lambda s: s.anna.ask("/_stcore/upload_file/a/b", "PUT", body=b"x", **OWN),
    "more than is taken": lambda s: s.anna.ask(
        s.place(), "POST", body=json.dumps({"bytes": 1 << 40, "mark": "0" * 64}).encode(), **OWN),
    "a beginning without sense": lambda s: s.anna.ask(s.place(), "POST", body=b'{"bytes": "all"}', **OWN),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_request_is_refused_in_plain_words(station, name):
    status, _, text = FORGED[name](station)
    assert status in (400, 403, 404, 405, 409, 413), (status, text)
    check_plain(station, text)
    assert (station.site.results / "secret").read_text() == "precious"
    assert station.anna.ask("/")[2] == "the page"  # the viewer goes on


SILENT = {
    "a tile without leave": lambda s: f"{MOUNT}/tiles/guessed/8/0_0.jpg",
    "a tile whose leave ran out": lambda s: f"{MOUNT}/tiles/{s.leave(Grant('open', 'v'), age_s=1e6)}/8/0_0.jpg",
    "a tile of no slide": lambda s: f"{MOUNT}/tiles/{s.leave(Grant('../secret', 'v'))}/8/0_0.jpg",
    "a picture of a path": lambda s: f"{MOUNT}/pictures/{s.leave(LIST_GRANT)}/map/..%2fsecret",
    "a picture of another kind": lambda s: f"{MOUNT}/pictures/{s.leave(LIST_GRANT)}/label/open",
    "the list by a tile's leave": lambda s: f"{MOUNT}/list/{s.leave(Grant('open', 'v'))}",
    "a module that is a path": lambda s: f"{MOUNT}/assets/x/..%2f..%2fserver.py",
}


@pytest.mark.parametrize("name", SILENT)
def test_what_no_page_of_ours_asks_gives_nothing(station, name):
    status, _, text = station.anna.ask(SILENT[name](station), sec_fetch_mode="no-cors")
    assert status in (403, 404) and "precious" not in text and len(text) < 100


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost:8501", "http://127.0.0.1:9", "null", None]
)
def test_a_websocket_of_another_page_is_not_opened(station, origin):
    told = {} if origin is None else {"origin": origin}
    assert station.anna.ask("/_stcore/stream", kind="websocket", **told)[0] == ["close"]


def packed(folder):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return file.getvalue()


def arrived(station):
    [one] = station.site.incoming.arrived(someone("anna"))
    return one


def test_a_mirax_slide_as_a_zip_is_taken_as_its_owners(station, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirax")
    write_mirax(folder, "Jane Doe")
    assert station.upload(packed(folder))[0] == 200
    one = arrived(station)
    assert (one.kind, one.owner, one.by) == ("MIRAX", "key-of-anna", "anna") and min(one.size_px) > 0
    assert not [path for path in station.site.uploads.rglob("*") if "Jane" in str(path)]
    assert station.site.incoming.arrived(someone("ben")) == []


def test_a_dicom_series_as_a_zip_is_taken(station, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dicom")
    write_series(folder)
    assert station.upload(packed(folder))[0] == 200
    assert arrived(station).kind == "DICOM" and min(arrived(station).size_px) > 0


def test_a_real_dicom_slide_as_a_zip_is_taken(station, tmp_path_factory, data_dir):
    folder = tmp_path_factory.mktemp("dicom")
    for file in sorted((data_dir / "wsi").glob("boxes_*.dcm")):
        (folder / f"Jane {file.name}").write_bytes(file.read_bytes())
    assert station.upload(packed(folder))[0] == 200
    assert arrived(station).kind == "DICOM"
