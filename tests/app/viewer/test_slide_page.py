"""The page of a slide in headless Chromium: layout, registration measured on the screen, clicks, tiles that fail."""

import contextlib

import cv2
import numpy as np
import pytest

from app.presentation import colours
from tests.app.viewer.browser import (
    CHROMIUM,
    MARK_PX,
    choose,
    edges,
    forgive_refusals,
    open_slide_page,
    prefer,
    seen,
    settle,
)
from tests.results import CLASSES

pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]


def test_slide_heatmap_and_pie_stand_side_by_side(page):
    open_slide_page(page, "marked")
    slide = page.locator(".frame").bounding_box()
    pie = page.locator("[data-testid=stVegaLiteChart]").bounding_box()
    call = page.locator("[data-testid=call]")
    assert slide["x"] + slide["width"] < pie["x"] and pie["x"] + pie["width"] <= 1400
    assert pie["y"] + pie["height"] < 900 and slide["y"] + slide["height"] <= 900
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
    prefer(page, outlines="never", opacity=100, overview="hidden")
    page.goto("/?slide=hatched")
    page.locator(".frame[data-loaded]").wait_for()

    def shot():
        settle(page)
        return cv2.imdecode(np.frombuffer(page.locator(".frame").screenshot(), np.uint8), cv2.IMREAD_COLOR).astype(int)

    choose(page, "Call map")
    hatched = shot()
    choose(page, "Slide only")
    tissue = seen(page, (200, 120, 160))
    left, top, right, bottom = edges(tissue)
    changed = np.abs(hatched - shot()).max(axis=2) > 25
    # The legend and the panes of tools lie over the slide, and go with the layer.
    changed[:50], changed[-60:], changed[:, :60] = False, False, False
    inside = changed[top:bottom, left:right]
    assert inside.mean() > 0.9
    outside = changed.copy()
    outside[top - 5 : bottom + 5, left - 5 : right + 5] = False
    assert outside.sum() == 0


@pytest.mark.parametrize("zooms", [0, 4])
def test_the_heatmap_lies_on_the_slide_at_every_zoom_and_the_view_survives(page, zooms):
    prefer(page, outlines="never", opacity=100)
    open_slide_page(page, "marked")
    for _ in range(zooms):
        page.get_by_role("button", name="Zoom in", exact=True).click()
    choose(page, "Slide only")
    page.get_by_text("Adenocarcinoma, probability").wait_for(state="hidden")
    painted = seen(page, (40, 60, 200))
    choose(page, "Call map")
    page.locator(".legend").get_by_text("Adenocarcinoma").wait_for()
    cell = seen(page, colours.rgb(colours.class_colours(CLASSES, "normal")["adenocarcinoma"]))
    screen_px = painted[2] / MARK_PX[2]
    # The cell begins half a slide px right of the mark and half a px above it; edges on the screen are 1 px soft, and
    # the glass beside it is told 3 px at a time.
    assert np.abs(edges(cell) - edges(painted)).max() <= 2 + screen_px
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
    page.get_by_role("slider", name="Opacity").focus()
    page.keyboard.press("End")
    page.wait_for_timeout(500)
    assert seen(page, colours.rgb(colours.BACKGROUND_CLASS))[2] > 100


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
    # In a small window the whole slide needs none of the finest tiles.
    page.set_viewport_size({"width": 1000, "height": 640})
    page.goto("/?slide=tissue")
    page.locator(".frame[data-loaded]").wait_for()
    # 403 throughout: as after another launch on the same port, where nothing of the old one is let in.
    page.route("**/viewer/tiles/**", lambda route: route.fulfill(status=status, body="<b>why</b> (crashed)"))
    page.route("**/_stcore/health", lambda route: route.fulfill(status=403))
    for _ in range(12):
        page.get_by_role("button", name="Zoom in", exact=True).click()
    page.get_by_test_id("slide-view").get_by_role("alert").filter(has_text=told).wait_for()
    forgive_refusals(page)


def test_a_report_is_downloaded_in_the_language_that_was_chosen(page):
    page.set_default_timeout(60_000)
    open_slide_page(page, "marked")
    from playwright.sync_api import TimeoutError as TooLate

    for _ in range(12):  # the page may be drawn anew just then, and the list of choices goes with it
        page.locator(".st-key-report-language").get_by_role("combobox").click()
        with contextlib.suppress(TooLate):
            page.get_by_role("option", name="Deutsch").click(timeout=5_000)
            break
    page.locator('.st-key-report-language input[value="Deutsch"]').wait_for()
    page.wait_for_timeout(1000)  # the page is drawn anew, and its buttons are of that language then
    page.locator("[data-stale=true]").first.wait_for(state="detached")
    with page.expect_download() as download:
        page.locator(".st-key-download-html button").click()
    assert '<html lang="de"' in download.value.path().read_text(encoding="utf-8")


def test_a_report_is_downloaded(page):
    open_slide_page(page, "marked")
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON", exact=True).click()
    assert download.value.suggested_filename == "marked.json"
    assert b"adenocarcinoma" in download.value.path().read_bytes()
