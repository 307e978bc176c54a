"""The viewer in headless Chromium: list, slide, registration measured on the screen, upload, and no word to outside."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from aggregate import store
from app.config import RunConfig
from app.ledger.records import SlideRow, read_rows, write_rows
from app.pipeline import run_slide
from app.presentation import colours
from app.viewer.gate.access import LaunchKey
from classifier.model import DEMO_MODEL, load_model
from tests.conftest import REPOSITORY
from tests.results import CLASSES, make_result

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SIZE_PX, MARK_PX = (1607, 1203), (700, 500, 131, 130)  # (x, y, width, height) of the painted mark
KEY = LaunchKey("the-key-of-this-launch")
# Whatever the viewer asks of another machine, if only its name, is printed.
SERVE = """
import sys
def watch(event, words):
    asked = {"socket.connect": lambda: words[1], "socket.getaddrinfo": lambda: words[0]}.get(event)
    told = str(asked()) if asked else "127."
    if not any(here in told for here in ("127.", "localhost", "::1")):
        print("outside:", event, told, flush=True)
sys.addaudithook(watch)
from pathlib import Path
from app.viewer.gate.access import LaunchKey
from app.viewer.server import make_server
from app.viewer.site import Site
results, port, program, key = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), LaunchKey(sys.argv[4])
make_server(Site(results, program=(sys.executable, str(program)), key=key), port).run()
"""
# Stands in for `pulmoscope run`: whatever is uploaded gets a stored result and a row.
PREDICT = """
import json, sys, time
from pathlib import Path
from aggregate import store
from app.ledger.records import SlideRow, write_rows
from tests.results import CLASSES, make_result
file, out = Path(sys.argv[2]), Path(sys.argv[6])
for done in range(1, 4):
    print(json.dumps({"event": "progress", "slide_id": file.stem, "tiles_done": done, "tiles": 3}), flush=True)
    time.sleep(0.3)
store.save(make_result(file.stem, cells="2", cell_px=224, probabilities=(0.02, 0.03, 0.95),
                       call="squamous_cell_carcinoma", file=file.name, mpp=float(sys.argv[4])), out)
row = SlideRow(file.stem, str(file), "done", "squamous_cell_carcinoma")
write_rows(out / "slides.csv", [row], CLASSES)
print(json.dumps({"event": "slide", "fate": "ran", "changed": [], **row.to_json()}), flush=True)
print(json.dumps({"event": "end", "exit_code": 0}), flush=True)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory, ready_slide):
    """`marked`, whose one tumour cell is painted on its slide; `alone`, whose slide is gone; `tissue`, truly run."""
    folder = tmp_path_factory.mktemp("results")
    pixels = np.full((SIZE_PX[1], SIZE_PX[0], 3), 245, np.uint8)
    x, y, width, height = MARK_PX
    pixels[y : y + height, x : x + width] = (40, 60, 200)
    slide = folder / "marked.png"
    Image.fromarray(pixels).save(slide)
    # Cell (3, 5) of this grid is the mark; the grid begins outside the slide and overhangs it.
    cells = "\n".join("".join("0" if (row, column) == (3, 5) else "." for column in range(14)) for row in range(10))
    marked = make_result(
        "marked", cells=cells, cell_px=130.5, origin_px=(700 - 5 * 130 - 2, 500 - 3 * 130 - 2), size_px=SIZE_PX,
        file="marked.png", reasons=("little-tissue",), mpp=0.5,
    )  # fmt: skip
    store.save(marked, folder)
    run = run_slide(ready_slide.path, "tissue", load_model(DEMO_MODEL), RunConfig(out=folder, model=DEMO_MODEL))
    store.save(run, folder)
    # Tissue without a call on a third of the slide, under cells that cover it all and reach beyond.
    pixels = np.full((300, 400, 3), 245, np.uint8)
    pixels[80:200, 100:250] = (200, 120, 160)
    Image.fromarray(pixels).save(folder / "hatched.png")
    store.save(
        make_result("hatched", cells="uuu\nuuu", cell_px=150.0, origin_px=(-25, -25), size_px=(400, 300),
                    file="hatched.png", mpp=0.5, call="undetermined"), folder
    )  # fmt: skip
    store.save(make_result("alone", call="normal", probabilities=(0.1, 0.8, 0.1)), folder)
    rows = [
        SlideRow("marked", str(slide), "review", "adenocarcinoma", review_reasons=("little-tissue",)),
        SlideRow("alone", "/gone/alone.svs", "done", "normal"),
        SlideRow("broken", "/gone/broken.svs", "failed", error_code="corrupt-slide", message="broken.svs broke off"),
        SlideRow("hatched", str(folder / "hatched.png"), "done", "undetermined"),
        SlideRow("tissue", str(ready_slide.path), "done", "adenocarcinoma", confidence=0.62),
    ]
    write_rows(folder / "slides.csv", rows, CLASSES)
    return folder


@pytest.fixture(scope="module")
def server(results, tmp_path_factory):
    """The address of a running viewer. What it printed is checked when it has stopped."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "predict.py").write_text(PREDICT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address, printed = f"http://127.0.0.1:{port}", folder / "printed"
    arguments = [sys.executable, "-c", SERVE, str(results), str(port), str(folder / "predict.py"), KEY.secret]
    with printed.open("wb") as output:
        process = subprocess.Popen(
            arguments, cwd=REPOSITORY, stdout=output, stderr=output, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
        )
    try:
        wait_for(address)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert printed.read_text() == ""


def asked(address, **headers):
    """The answer to a reader who holds the key."""
    return urllib.request.urlopen(
        urllib.request.Request(address, headers={"Cookie": f"{KEY.cookie}={KEY.secret}", **headers}), timeout=5
    )


def wait_for(address):
    for _ in range(240):
        try:
            return asked(f"{address}/_stcore/health")
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the viewer did not start")


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=[*ARGUMENTS])
        yield browser
        browser.close()


def let_in(context, server):
    context.add_cookies([{"name": KEY.cookie, "value": KEY.secret, "url": server}])


@pytest.fixture
def page(chromium, server):
    """A page of 1400 by 900 px. In the end: no request left the machine, no script or policy complained."""
    page = chromium.new_page(viewport={"width": 1400, "height": 900}, base_url=server)
    outside, complaints = [], []
    let_in(page.context, server)
    page.on("request", lambda r: r.url.startswith((server, "data:", "blob:")) or outside.append(r.url))
    page.on("websocket", lambda s: s.url.startswith(server.replace("http", "ws")) or outside.append(s.url))
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.complaints = complaints
    page.set_default_timeout(15_000)
    yield page
    page.close()
    assert (outside, complaints) == ([], [])


def open_slide_page(page, slide_id):
    page.goto(f"/?slide={slide_id}")
    page.locator(".frame[data-loaded]").wait_for()
    page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg").first.wait_for()
    settle(page)


def settle(page):
    """Until two pictures of the slide are alike: nothing moves or loads any more."""
    last = None
    for _ in range(40):
        page.wait_for_timeout(250)
        shot = page.locator(".frame").screenshot()
        if shot == last:
            return
        last = shot
    raise AssertionError("the slide keeps changing")


def seen(page, rgb):
    """(x, y, width, height) on the screen of what has the colour `rgb` within the slide's frame."""
    settle(page)
    shot = cv2.imdecode(np.frombuffer(page.locator(".frame").screenshot(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    like = np.abs(shot.astype(int) - rgb).max(axis=2) < 40
    # The overview in the corner and the lines of the frame are no part of it.
    _, _, areas, _ = cv2.connectedComponentsWithStats(like.astype(np.uint8))
    x, y, width, height, _ = areas[1 + int(np.argmax(areas[1:, cv2.CC_STAT_AREA]))]
    return np.array([x, y, width, height])


def edges(box):
    """(left, top, right, bottom) of (x, y, width, height)."""
    return np.concatenate([box[:2], box[:2] + box[2:]])


def choose(page, layer):
    page.get_by_role("radiogroup").get_by_text(layer, exact=True).click()


def rows_of(page):
    rows = page.get_by_test_id("worklist-row")
    rows.first.wait_for()
    return rows


def shown_ids(page):
    return [row.get_attribute("data-slide-id") for row in rows_of(page).all()]


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


def test_slide_heatmap_and_pie_stand_side_by_side(page):
    open_slide_page(page, "marked")
    slide = page.locator(".frame").bounding_box()
    pie = page.locator("[data-testid=stVegaLiteChart]").bounding_box()
    call = page.locator("[data-testid=call]")
    assert slide["x"] + slide["width"] < pie["x"] and pie["x"] + pie["width"] <= 1400
    assert pie["y"] + pie["height"] < 900 and slide["y"] + slide["height"] < 900
    assert call.inner_text() == "Adenocarcinoma"
    assert page.get_by_text("For research use only").is_visible()
    assert page.get_by_text("Little tissue", exact=True).is_visible()


@pytest.mark.parametrize("width", [1024, 1280, 1920])
def test_the_pie_is_whole_and_beside_its_legend_at_every_width(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    open_slide_page(page, "marked")
    pie = page.locator("[data-testid=stVegaLiteChart]")
    drawn = pie.locator("canvas, svg").first.bounding_box()
    box, legend = pie.bounding_box(), page.get_by_role("list", name="Legend of the pie chart").bounding_box()
    assert drawn["width"] >= 220 and drawn["height"] >= 220
    assert drawn["x"] >= box["x"] - 1 and drawn["x"] + drawn["width"] <= box["x"] + box["width"] + 1 <= width
    beside = legend["x"] >= drawn["x"] + drawn["width"]
    assert beside or legend["y"] >= drawn["y"] + drawn["height"]
    assert legend["x"] + legend["width"] <= width
    assert page.get_by_role("listitem").all_inner_texts()[0].split() == ["91.2%", "Adenocarcinoma"]


def test_neither_glass_nor_what_lies_beyond_the_slide_is_hatched(page):
    page.goto("/?slide=hatched")
    page.locator(".frame[data-loaded]").wait_for()
    page.get_by_role("slider").focus()
    page.keyboard.press("End")

    def shot():
        settle(page)
        return cv2.imdecode(np.frombuffer(page.locator(".frame").screenshot(), np.uint8), cv2.IMREAD_COLOR).astype(int)

    choose(page, "Call map")
    hatched = shot()
    choose(page, "Slide only")
    tissue = seen(page, (200, 120, 160))
    left, top, right, bottom = edges(tissue)
    changed = np.abs(hatched - shot()).max(axis=2) > 25
    changed[:, -160:] = False  # the overview in the corner
    inside = changed[top:bottom, left:right]
    assert inside.mean() > 0.9
    outside = changed.copy()
    outside[top - 5 : bottom + 5, left - 5 : right + 5] = False
    assert outside.sum() == 0


@pytest.mark.parametrize("zooms", [0, 4])
def test_the_heatmap_lies_on_the_slide_at_every_zoom_and_the_view_survives(page, zooms):
    open_slide_page(page, "marked")
    for _ in range(zooms):
        page.get_by_role("button", name="Zoom in", exact=True).click()
    choose(page, "Slide only")
    page.get_by_text("Adenocarcinoma, probability").wait_for(state="hidden")
    painted = seen(page, (40, 60, 200))
    choose(page, "Call map")
    page.get_by_role("slider").focus()
    page.keyboard.press("End")
    page.locator(".legend").get_by_text("Adenocarcinoma").wait_for()
    page.wait_for_timeout(500)
    cell = seen(page, colours.rgb(colours.class_colours(CLASSES, "normal")["adenocarcinoma"]))
    screen_px = painted[2] / MARK_PX[2]
    # The cell begins half a slide px right of the mark and half a px above it; edges on the screen are 1 px soft.
    assert np.abs(edges(cell) - edges(painted)).max() <= 1 + screen_px
    assert painted[2] > 50 * (1 + zooms)


def test_the_scale_bar_is_true(page):
    open_slide_page(page, "marked")
    choose(page, "Slide only")
    painted = seen(page, (40, 60, 200))
    bar = page.locator(".scale-bar")
    um_per_screen_px = MARK_PX[2] * 0.5 / painted[2]
    assert float(bar.get_attribute("data-um")) == pytest.approx(
        bar.bounding_box()["width"] * um_per_screen_px, rel=2 / painted[2]
    )


def test_a_click_reads_the_cell(page):
    open_slide_page(page, "marked")
    choose(page, "Slide only")
    x, y, width, height = map(int, seen(page, (40, 60, 200)))
    page.locator(".frame").click(position={"x": x + width // 2, "y": y + height // 2})
    page.get_by_text("Cell 6 across, 4 down").wait_for()
    assert "90%" in page.locator(".ps-spot").inner_text()
    page.locator(".frame").click(position={"x": x + 2 * width, "y": y + height // 2})
    page.get_by_text("No tissue here.").wait_for()


def test_a_click_shows_where_the_evidence_of_the_tile_lies(page, results):
    open_slide_page(page, "tissue")
    assert page.get_by_test_id("evidence").count() == 0
    frame = page.locator(".frame").bounding_box()
    page.locator(".frame").click(position={"x": frame["width"] / 2, "y": frame["height"] / 2})
    evidence, pie = page.get_by_test_id("evidence"), page.locator("[data-testid=stVegaLiteChart]").bounding_box()
    evidence.wait_for()
    tile, over = (evidence.locator("img").nth(index) for index in range(2))
    # Decoded and drawn: the page's policy lets the pictures in.
    assert [one.evaluate("image => image.naturalWidth") for one in (tile, over)] == [128, 128]
    left, right = tile.bounding_box(), over.bounding_box()
    assert left["y"] == right["y"] > pie["y"] and left["x"] + left["width"] < right["x"]
    assert abs(left["width"] - left["height"]) < 1 and right["x"] + right["width"] <= 1400
    assert "It shows where the network looked, not why it is right." in evidence.inner_text()


def test_without_its_slide_the_heatmap_stands_alone(page):
    open_slide_page(page, "alone")
    assert page.get_by_text("The slide file is not at hand").is_visible()
    choose(page, "Call map")
    page.get_by_role("slider").focus()
    page.keyboard.press("End")
    page.wait_for_timeout(500)
    assert seen(page, colours.rgb(colours.BACKGROUND_CLASS))[2] > 100


def forgive_refusals(page):
    """The browser logs each refused request; here they were asked for."""
    asked_for = ("Tile %s failed to load", "responded with a status of 4")
    page.complaints[:] = [text for text in page.complaints if not any(part in text for part in asked_for)]


def test_tiles_whose_leave_ran_out_are_renewed(page):
    """Refused until the page asked for new leave, as after twelve hours; then the sharp tiles come by themselves."""
    refused, renewed, grants = [], [], []
    page.on("websocket", lambda s: s.on("framesent", lambda _: refused and renewed.append(1)))

    def answer(route):
        address = route.request.url
        grants.append(address.split("/tiles/")[1].split("/")[0])
        deep = int(address.split("/")[-2]) >= 11
        if deep and not renewed:
            refused.append(1)
            route.fulfill(status=403)
        else:
            route.continue_()

    page.route("**/viewer/tiles/**", answer)
    page.goto("/?slide=tissue")
    view = page.get_by_test_id("slide-view")
    page.locator(".frame[data-loaded]").wait_for()
    for _ in range(40):
        if refused:
            break
        page.get_by_role("button", name="Zoom in", exact=True).click()
        page.wait_for_timeout(300)
    page.locator(".frame[data-loaded]").wait_for()
    for _ in range(100):
        if renewed and view.get_by_role("alert").is_hidden():
            break
        page.wait_for_timeout(100)
    assert refused and renewed and view.get_by_role("alert").is_hidden()
    forgive_refusals(page)


@pytest.mark.parametrize(
    ("status", "told"),
    [(404, "its file is gone, was"), (403, "was started again"), (422, "shown: <b>why</b> (crashed)")],
)
def test_a_picture_that_stays_incomplete_is_told(page, status, told):
    page.goto("/?slide=tissue")
    page.locator(".frame[data-loaded]").wait_for()
    # 403 throughout: as after another launch on the same port, where nothing of the old one is let in.
    page.route("**/viewer/tiles/**", lambda route: route.fulfill(status=status, body="<b>why</b> (crashed)"))
    page.route("**/_stcore/health", lambda route: route.fulfill(status=403))
    for _ in range(12):
        page.get_by_role("button", name="Zoom in", exact=True).click()
    page.get_by_test_id("slide-view").get_by_role("alert").filter(has_text=told).wait_for()
    forgive_refusals(page)


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


def test_a_report_is_downloaded(page):
    open_slide_page(page, "marked")
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON", exact=True).click()
    assert download.value.suggested_filename == "marked.json"
    assert b"adenocarcinoma" in download.value.path().read_bytes()


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
