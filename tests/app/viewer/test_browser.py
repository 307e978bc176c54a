"""The viewer in headless Chromium: who gets in, list, upload, and no word to outside."""

import socket
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from app.ledger.records import SlideRow, read_rows, write_rows
from tests.app.viewer.browser import CHROMIUM, KEY, asked, let_in, rows_of, shown_ids
from tests.results import CLASSES

pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]


@pytest.fixture
def growing(results):
    """Puts further slides into the table, above all others; they go when the test ends."""
    table, added = results / "slides.csv", []
    before = table.read_bytes()
    rows = read_rows(table)

    def add(count):
        added.extend(SlideRow(f"a-{len(added) + i:03d}", "/gone/a.svs", "review", "normal") for i in range(count))
        write_rows(table, [*rows, *added], CLASSES)

    yield add
    table.write_bytes(before)


@pytest.mark.parametrize("how", ["click", "enter"])
def test_the_list_opens_what_was_chosen_while_slides_are_added(page, growing, how):
    page.goto("/")
    for turn in range(3):
        row = rows_of(page).nth(turn + 1)
        slide_id = row.get_attribute("data-slide-id")
        growing(2 + turn)
        if how == "enter":
            row.focus()
            page.keyboard.press("Enter")
        else:
            row.click()
        page.wait_for_url(f"**/?slide={slide_id}")
        page.get_by_role("button", name="Slides").click()
        page.wait_for_url(lambda address: "slide=" not in address)
        page.get_by_test_id("worklist-row").and_(page.locator("[data-slide-id=a-000]")).wait_for()


def test_confidence_is_a_filled_bar_beside_its_figure(page):
    page.goto("/")
    cells = page.locator(".wl-line .wl-bar:has(.wl-track)")
    cells.first.wait_for()
    for cell in cells.all():
        track, filled, whole = cell.locator(".wl-track"), cell.locator(".wl-track i"), cell.bounding_box()
        share = filled.bounding_box()["width"] / track.bounding_box()["width"]
        figure = float(cell.inner_text().strip().lstrip(">"))
        assert share == pytest.approx(figure, abs=0.06)
        assert whole["height"] > 12 and whole["width"] > track.bounding_box()["width"] + 20


def test_the_list_is_used_by_keyboard_alone(page):
    page.goto("/")
    wanted = shown_ids(page)[-2]
    focused = "document.activeElement.dataset.slideId"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(focused):
            break
    assert page.evaluate(focused) == shown_ids(page)[0] and "slide=" not in page.url
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(focused) == shown_ids(page)[-3] and "slide=" not in page.url
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/?slide={wanted}")


def test_a_title_sorts_and_opens_nothing(chromium, server):
    touching = chromium.new_context(has_touch=True, viewport={"width": 1100, "height": 800}, base_url=server)
    let_in(touching, server)
    page = touching.new_page()
    page.goto("/")
    first = shown_ids(page)
    title = page.get_by_role("columnheader").get_by_role("button", name="Slide", exact=False).first
    title.tap()
    assert shown_ids(page) == sorted(first)
    title.tap()
    assert shown_ids(page) == sorted(first, reverse=True)
    assert page.get_by_role("columnheader", name="Slide").get_attribute("aria-sort") == "descending"
    page.wait_for_timeout(500)
    assert "slide=" not in page.url
    title.tap()
    assert shown_ids(page) == first
    rows_of(page).nth(1).tap()
    page.wait_for_url(f"**/?slide={first[1]}")
    touching.close()


def choose_image(page, path):
    page.goto("/?page=upload")
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
    for place in ("/", "/?slide=marked", "/?page=upload", "/?token=guessed"):
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
