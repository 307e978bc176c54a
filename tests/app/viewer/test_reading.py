"""Reading a slide in headless Chromium: place and link, layers without the server, regions, reasons, keys, and what a
screen reader and axe-core make of it."""

import re

import cv2
import numpy as np
import pytest

from app.presentation import colours
from tests.app.viewer.browser import CHROMIUM, choose, let_in, open_slide_page, prefer, settle
from tests.results import CLASSES

pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]
PAINTED = (40, 60, 200)
CALLED = colours.rgb(colours.class_colours(CLASSES, "normal")["adenocarcinoma"])
BOUNDS = """frame => {
  const { viewport } = frame.view.viewer;
  const { x, y, width, height } = viewport.getBounds(true);
  return [x, y, width, height, viewport.getRotation(), viewport.getZoom(true)];
}"""


def bounds(page):
    return page.locator(".frame").evaluate(BOUNDS)


def largest(page, rgb):
    """(height, width) of the frame: the largest patch of about this colour."""
    settle(page)
    shot = cv2.imdecode(np.frombuffer(page.locator(".frame").screenshot(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    like = (np.abs(shot.astype(int) - rgb).max(axis=2) < 40).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(like)
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def place(page):
    return page.get_by_test_id("place").inner_text()


def wait_for_place(page, pattern):
    for _ in range(60):
        if re.search(pattern, place(page)):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{place(page)} is not {pattern}")


def test_the_viewport_stays_bit_for_bit_whatever_lies_over_the_slide(page):
    open_slide_page(page, "tissue")
    for _ in range(3):
        page.keyboard.press("+")
    settle(page)
    before, sent = bounds(page), []
    page.on("websocket", lambda s: s.on("framesent", lambda _: sent.append(1)))
    for layer in ("Adenocarcinoma", "Normal", "Tissue", "Slide only", "Call map"):
        choose(page, layer)
        assert bounds(page) == before
    for name in ("Opacity", "From"):
        page.get_by_role("slider", name=name).focus()
        for key in ("End", "Home", "ArrowRight"):
            page.keyboard.press(key)
        assert bounds(page) == before
    assert sent == []
    frame = page.locator(".frame").bounding_box()
    for turn in range(10):
        page.locator(".frame").click(position={"x": frame["width"] * (0.35 + 0.03 * turn), "y": frame["height"] / 2})
        page.wait_for_timeout(150)
    page.locator(".ps-spot").wait_for()
    settle(page)
    assert bounds(page) == before


@pytest.mark.parametrize(("power", "turn"), [(10, 0), (10, 90), (20, 30), (40, 270), (40, 77)])
def test_a_turned_heatmap_lies_on_its_tissue(page, power, turn):
    prefer(page, outlines="never", opacity=100, overview="hidden", regions=False)
    # The middle of the mark that is painted at (700, 500), 131 by 130 px.
    page.goto(f"/?slide=marked&x=765.5&y=565&mag={power}&rot={turn}&layer=none")
    page.locator(".frame[data-loaded]").wait_for()
    painted = largest(page, PAINTED)
    page.keyboard.press("1")
    cell = largest(page, CALLED)
    side_px = 131 * 0.5 * power / 10
    assert painted.sum() == pytest.approx(side_px**2, rel=0.15)
    # A cell begins half a slide px beside the mark, and edges on the screen are soft.
    assert (painted & cell).sum() / (painted | cell).sum() > 1 - 4 * (1.2 + power / 20) / side_px


def test_a_link_shows_the_same_in_another_browser(page, chromium, server):
    open_slide_page(page, "tissue")
    choose(page, "Adenocarcinoma")
    for key in ("+", "+", "ArrowRight", "ArrowDown", "r"):
        page.keyboard.press(key)
        page.wait_for_timeout(700)
    page.get_by_test_id("copy-link").click()
    link = page.url
    assert link.startswith(f"{server}/?slide=tissue&") and "layer=class-0" in link and "rot=90" in link
    other = chromium.new_context(viewport={"width": 1400, "height": 900})
    let_in(other, server)
    there = other.new_page()
    there.goto(link)
    there.locator(".frame[data-loaded]").wait_for()
    settle(there)
    assert place(there) == place(page)
    assert there.get_by_role("radio", name="Adenocarcinoma").is_checked()
    theirs, ours = bounds(there), bounds(page)
    assert theirs[4] == 90 and np.abs(np.subtract(theirs, ours)[:4]).max() < 1 / 1600
    shots = [p.locator(".frame").screenshot() for p in (there, page)]
    one, two = (cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR).astype(int) for shot in shots)
    assert (np.abs(one - two).max(axis=2) > 60).mean() < 0.02
    other.close()


def test_a_link_that_names_nonsense_shows_the_whole_slide(page):
    page.goto("/?slide=tissue&x=NaN&y=%3Cb%3E&mag=1e999&rot=abc&layer=__proto__")
    page.locator(".frame[data-loaded]").wait_for()
    settle(page)
    assert page.get_by_role("radio", name="Call map").is_checked()
    assert re.fullmatch(r"[\d.]+x, [\d.]+ um/px, [\d.]+ mm, [\d.]+ mm", place(page))


def test_the_place_and_the_buttons_of_magnification(page):
    open_slide_page(page, "tissue")
    for power, um in (("10x", "1.00"), ("20x", "0.50"), ("40x", "0.25")):
        page.locator(".powers").get_by_text(power, exact=True).click()
        wait_for_place(page, rf"^{float(power[:-1]):.1f}x, {um} um/px, 0\.4 mm, 0\.3 mm$")
    assert page.title() == "tissue - pulmoscope"


def test_keys_work_without_a_click(page):
    open_slide_page(page, "tissue")
    layers = page.get_by_role("radio")
    for number in (2, 3, 4, 1):
        page.keyboard.press(str(number))
        assert layers.nth(number - 1).is_checked()
    page.keyboard.press("n")
    wait_for_place(page, r"^20\.0x, 0\.50 um/px")
    assert page.get_by_test_id("region").first.get_attribute("aria-current") == "true"
    last = page.get_by_test_id("region").count() - 1
    page.keyboard.press("p")
    assert page.get_by_test_id("region").nth(last).get_attribute("aria-current") == "true"
    page.keyboard.press("n")
    assert page.get_by_test_id("region").first.get_attribute("aria-current") == "true"
    page.keyboard.press("r")
    assert bounds(page)[4] == 90
    page.keyboard.press("?")
    shortcuts = page.get_by_test_id("shortcuts")
    assert shortcuts.is_visible() and "Next slide to review" in shortcuts.inner_text()
    page.keyboard.press("Escape")
    assert shortcuts.is_hidden()


def test_a_key_can_be_given_another_key_and_the_list_says_so(page):
    open_slide_page(page, "tissue")
    page.keyboard.press("?")
    page.get_by_role("button", name="Turn by 90 degrees: R").click()
    page.keyboard.press("u")
    assert page.get_by_role("button", name="Turn by 90 degrees: U").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    assert bounds(page)[4] == 0
    page.keyboard.press("u")
    assert bounds(page)[4] == 90


def test_next_and_previous_walk_the_worklist(page):
    open_slide_page(page, "marked")
    ids = ["marked"]
    for key in ("j", "k"):
        page.keyboard.press(key)
        page.wait_for_url(lambda address: f"slide={ids[-1]}" not in address)
        ids.append(re.search(r"slide=([\w-]+)", page.url)[1])
        page.get_by_test_id("place").filter(has_text="x").wait_for()
        page.wait_for_timeout(500)
    assert ids[2] == "marked" != ids[1]


def test_a_held_space_hides_the_layer(page):
    prefer(page, outlines="never", opacity=100)
    open_slide_page(page, "marked")

    def seen(rgb):
        shot = cv2.imdecode(np.frombuffer(page.locator(".frame").screenshot(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        # Beside the regions' thumbnails and the overview.
        return (np.abs(shot[100:-200].astype(int) - rgb).max(axis=2) < 30).sum()

    assert seen(CALLED) > 100 and seen(PAINTED) < 100
    page.keyboard.down(" ")
    assert seen(CALLED) < 100 and seen(PAINTED) > 100
    page.keyboard.up(" ")
    assert seen(CALLED) > 100


def test_a_reason_shows_exactly_its_tiles(page):
    open_slide_page(page, "marked")
    choose(page, "Slide only")
    page.get_by_role("button", name="Show these tiles").click()
    page.locator(".tour").filter(has_text="Little tissue: area 1 of 1").wait_for()
    # The one called cell, (3, 5) of cells of 130.5 px from (48, 108) on.
    wait_for_place(page, r"^20\.0x, 0\.50 um/px, 0\.4 mm, 0\.3 mm$")
    centre = page.locator(".frame").evaluate("f => { const { x, y } = f.view.place.centre(); return [x, y]; }")
    assert centre == pytest.approx([48 + 130.5 * 5.5, 108 + 130.5 * 3.5], abs=3)
    page.keyboard.press("Escape")
    assert page.locator(".tour").is_hidden()


def test_regions_are_thumbnails_of_their_tissue(page):
    open_slide_page(page, "tissue")
    regions = page.get_by_test_id("region")
    assert 1 <= regions.count() <= 10
    assert re.search(r"Adenocarcinoma >?0\.\d\d, [\d.]+ mm", regions.first.inner_text().replace("\n", " "))
    page.wait_for_timeout(500)
    tones = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    assert regions.first.locator("canvas").evaluate(tones) > 60
    regions.first.click()
    wait_for_place(page, r"^20\.0x")


def test_the_ruler_measures_what_is_known(page):
    page.goto("/?slide=marked&x=765.5&y=565&mag=20&layer=none")
    page.locator(".frame[data-loaded]").wait_for()
    mark = np.argwhere(largest(page, PAINTED))
    (top, left), (bottom, right) = mark.min(axis=0).tolist(), (mark.max(axis=0) + 1).tolist()
    frame, before = page.locator(".frame").bounding_box(), bounds(page)
    page.keyboard.press("m")
    page.mouse.move(frame["x"] + left, frame["y"] + (top + bottom) / 2)
    page.mouse.down()
    page.mouse.move(frame["x"] + right, frame["y"] + (top + bottom) / 2, steps=5)
    page.mouse.up()
    # 131 px of 0.5 um; the screen's edges are soft.
    assert float(page.locator(".frame").get_attribute("data-um")) == pytest.approx(65.5, abs=1.5)
    assert bounds(page) == before
    page.keyboard.press("Escape")
    assert page.get_by_role("button", name="Ruler").get_attribute("aria-pressed") == "false"


def test_light_and_overview_change_what_is_seen_and_nothing_else(page):
    open_slide_page(page, "tissue")
    before, overview = bounds(page), page.locator(".navigator")
    corner = overview.bounding_box()
    page.get_by_role("button", name="Brightness and contrast").click()
    page.get_by_role("slider", name="Brightness").focus()
    page.keyboard.press("End")
    assert "brightness(180%)" in page.locator(".frame").evaluate("f => f.view.viewer.drawer.canvas.style.filter")
    for _ in range(3):
        page.get_by_role("button", name="Move or hide the overview").click()
    assert overview.is_hidden()
    page.get_by_role("button", name="Move or hide the overview").click()
    assert overview.bounding_box() == corner and bounds(page) == before


def test_a_server_that_went_away_is_told_and_its_return_too(page):
    open_slide_page(page, "tissue")
    page.route("**/_stcore/health", lambda route: route.abort())
    alert = page.get_by_test_id("slide-view").get_by_role("alert")
    alert.filter(has_text="pulmoscope does not answer").wait_for(timeout=30_000)
    page.unroute("**/_stcore/health")
    alert.wait_for(state="hidden", timeout=30_000)
    page.complaints[:] = [text for text in page.complaints if "ERR_FAILED" not in text]


def test_the_panel_folds_away_and_stays_so(page):
    open_slide_page(page, "tissue")
    wide, panel = page.locator(".frame").bounding_box()["width"], page.locator(".st-key-panel")
    page.keyboard.press("+")
    settle(page)
    before = place(page)
    page.keyboard.press("i")
    assert panel.is_hidden() and page.locator(".frame").bounding_box()["width"] > wide + 300
    assert place(page).split(",")[0] == before.split(",")[0]
    page.reload()
    page.locator(".frame[data-loaded]").wait_for()
    assert panel.is_hidden()
    page.get_by_role("button", name="Fold the panel").click()
    assert panel.is_visible()


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_the_slide_has_most_of_the_window_and_a_click_stays_above_the_fold(page, size):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_slide_page(page, "tissue")
    frame = page.locator(".frame").bounding_box()
    assert frame["width"] * frame["height"] > 0.48 * size[0] * size[1]
    assert page.locator("[data-testid=stVegaLiteChart]").is_visible()
    page.locator(".frame").click(position={"x": frame["width"] * 0.6, "y": frame["height"] / 2})
    page.get_by_test_id("evidence").wait_for()
    card = page.locator(".st-key-spot").bounding_box()
    assert card["y"] >= 0 and card["y"] + card["height"] <= size[1] and card["x"] + card["width"] <= size[0]
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    page.keyboard.press("Escape")
    page.locator(".st-key-spot").wait_for(state="hidden")


def test_a_screen_reader_hears_the_call_and_the_reasons(page):
    open_slide_page(page, "marked")
    spoken = page.locator(".spoken")
    assert spoken.get_attribute("aria-live") == "polite"
    assert "calls this slide adenocarcinoma" in spoken.inner_text() and "Little tissue" in spoken.inner_text()
    page.keyboard.press("0")
    assert spoken.inner_text() == "Layer: Slide only"


def test_axe_finds_nothing_wrong_with_the_page(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    open_slide_page(page, "marked")
    page.keyboard.press("?")
    found = axe.run(page).response["violations"]
    told = [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found]
    assert told == []
