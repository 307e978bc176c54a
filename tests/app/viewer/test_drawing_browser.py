"""A person draws regions in headless Chromium: they lie where they were drawn, however the slide is turned, are in the
database and the next GeoJSON, can be changed and taken away until they are signed, and never after."""

import json

import numpy as np
import pytest

from app.review.records import Shape
from app.review.reviews import open_reviews
from tests.app.viewer.browser import CHROMIUM, added, settle
from tests.results import CLASSES, make_result

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]
SIDE_PX = 1200


@pytest.fixture
def slide(results, request):
    """A slide of its own for each test, 1200 px wide and without a file."""
    name = f"drawn-{abs(hash(request.node.name)) % 10**8}"
    cells = "\n".join("0" * 6 for _ in range(6))
    result = make_result(name, cells=cells, cell_px=200.0, size_px=(SIDE_PX, SIDE_PX), file=f"{name}.svs", mpp=0.5)
    with added(results, result):
        yield name


def opened(page, slide, **place):
    words = "".join(f"&{name}={value}" for name, value in {"x": 600, "y": 600, "mag": 10, **place}.items())
    page.goto(f"/?slide={slide}{words}&layer=none")
    page.locator(".frame[data-loaded]").wait_for()
    page.locator(".st-key-decision").wait_for()


def named(page):
    page.get_by_label("Your name").fill("Anna Reader")
    page.locator(".st-key-name-said button").click()
    page.locator(".st-key-person").get_by_text("Anna Reader").wait_for()


def at(page, x, y):
    """Where level-0 px (x, y) is on the screen."""
    frame = page.locator(".frame")
    place = frame.evaluate("(f, [x, y]) => { const p = f.view.onScreen(x, y); return [p.x, p.y]; }", [x, y])
    box = frame.bounding_box()
    return box["x"] + place[0], box["y"] + place[1]


def drag(page, *places):
    page.mouse.move(*at(page, *places[0]))
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*at(page, *place), steps=4)
    page.mouse.up()


def kept(page):
    """Until the server has answered all that was drawn."""
    page.locator(".frame").evaluate(
        """frame => new Promise((resolve) => {
          const look = () => frame.view.drawn.waiting.length ? setTimeout(look, 50) : resolve();
          look();
        })"""
    )
    page.locator("[data-stale=true]").first.wait_for(state="detached")


def regions(results, slide):
    return [one for reading in open_reviews(results).record(slide).readings for one in reading.regions]


def card(page):
    return page.get_by_test_id("region-card")


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_rectangle_lies_where_it_was_drawn_however_the_slide_is_turned(page, results, slide, turn):
    opened(page, slide, rot=turn)
    named(page)
    page.keyboard.press("b")
    drag(page, (400, 500), (650, 800))
    card(page).get_by_label("Class").select_option(label="Adenocarcinoma")
    card(page).get_by_label("Comment").fill("acinar <b>pattern</b>")
    page.keyboard.press("Enter")
    kept(page)
    [region] = regions(results, slide)
    assert (region.shape, region.class_name, region.comment) == (
        Shape.RECTANGLE, "adenocarcinoma", "acinar <b>pattern</b>"
    )  # fmt: skip
    corners = np.array(region.rings[0])
    # A px of the screen is two of the slide here.
    assert [*corners.min(axis=0), *corners.max(axis=0)] == pytest.approx([400, 500, 650, 800], abs=2.5)
    assert region.by.name == "Anna Reader"
    page.keyboard.press("Escape")
    page.reload()
    page.get_by_test_id("drawn-region").filter(has_text="1 Adenocarcinoma, 0.02 mm²").wait_for()


def test_on_a_slide_that_is_turned_askew_a_rectangle_is_the_polygon_that_was_seen(page, results, slide):
    opened(page, slide, rot=30)
    named(page)
    page.keyboard.press("b")
    drag(page, (400, 500), (650, 800))
    page.keyboard.press("Enter")
    kept(page)
    [region] = regions(results, slide)
    ring = np.array(region.rings[0])
    assert region.shape is Shape.POLYGON and len(ring) == 4
    for corner in ((400, 500), (650, 800)):
        assert np.hypot(*(ring - corner).T).min() < 3
    one, two = ring[1] - ring[0], ring[2] - ring[1]
    assert abs(one @ two) < 0.02 * np.hypot(*one) * np.hypot(*two)


def test_a_polygon_is_drawn_point_by_point_and_a_point_is_taken_back(page, results, slide):
    opened(page, slide, rot=90)
    named(page)
    page.get_by_test_id("draw-polygon").click()
    corners = [(300, 300), (700, 350), (500, 800)]
    for place in (*corners[:2], (640, 640), corners[2]):
        page.mouse.click(*at(page, *place))
        page.wait_for_timeout(350)
        if place == (640, 640):
            page.keyboard.press("Backspace")
    page.mouse.click(*at(page, *corners[0]))
    card(page).wait_for()
    page.keyboard.press("Enter")
    kept(page)
    [region] = regions(results, slide)
    assert region.shape is Shape.POLYGON and np.array(region.rings[0]) == pytest.approx(np.array(corners), abs=2.5)


def test_lines_that_cross_are_no_polygon(page, results, slide):
    opened(page, slide)
    named(page)
    page.keyboard.press("d")
    for place in ((300, 300), (700, 700), (700, 300), (300, 800)):
        page.mouse.click(*at(page, *place))
        page.wait_for_timeout(350)
    page.keyboard.press("Enter")
    page.locator(".hint").filter(has_text="Its lines cross").wait_for()
    assert card(page).is_hidden() and regions(results, slide) == []


def test_by_keyboard_alone_what_is_in_sight_becomes_a_region(page, results, slide):
    opened(page, slide, x=500, y=700, mag=20)
    named(page)
    seen = page.locator(".frame").evaluate("f => f.view.corners().map(({ x, y }) => [x, y])")
    page.keyboard.press("v")
    # The class by its first letter, the comment by Tab.
    page.keyboard.press("S")
    page.keyboard.press("Tab")
    page.keyboard.type("keratin")
    page.keyboard.press("Enter")
    kept(page)
    [region] = regions(results, slide)
    assert (region.class_name, region.comment) == ("squamous_cell_carcinoma", "keratin")
    ring, view = np.array(region.rings[0]), np.clip(np.array(seen), 0, SIDE_PX)
    room = 0.13 * (view.max(axis=0) - view.min(axis=0)) + 1
    assert (np.abs(ring.min(axis=0) - view.min(axis=0)) < room).all()
    assert (np.abs(ring.max(axis=0) - view.max(axis=0)) < room).all()
    assert page.locator(".frame").evaluate("f => f.view.place.power") == pytest.approx(20, rel=0.01)


def test_escape_cancels_what_was_begun(page, results, slide):
    opened(page, slide)
    named(page)
    page.keyboard.press("b")
    drag(page, (400, 500), (650, 800))
    card(page).wait_for()
    page.keyboard.press("Escape")
    assert card(page).is_hidden()
    page.keyboard.press("Escape")
    assert page.get_by_test_id("draw-rectangle").get_attribute("aria-pressed") == "false"
    page.keyboard.press("d")
    page.mouse.click(*at(page, 300, 300))
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    settle(page)
    assert regions(results, slide) == [] and page.get_by_test_id("drawn-region").count() == 0


def test_a_region_is_changed_and_taken_away_before_signing_and_never_after(page, results, slide):
    opened(page, slide)
    named(page)
    page.keyboard.press("b")
    drag(page, (400, 500), (600, 700))
    page.keyboard.press("Enter")
    kept(page)
    page.keyboard.press("Escape")
    page.get_by_test_id("drawn-region").click()
    card(page).wait_for()
    settle(page)
    drag(page, (600, 700), (700, 900))
    card(page).get_by_label("Class").select_option(label="Normal")
    card(page).get_by_role("button", name="Keep").click()
    kept(page)
    [region] = regions(results, slide)
    corners = np.array(region.rings[0])
    assert (region.version, region.class_name) == (2, "normal")
    assert [*corners.min(axis=0), *corners.max(axis=0)] == pytest.approx([400, 500, 700, 900], abs=3)
    page.keyboard.press("v")
    page.keyboard.press("Enter")
    kept(page)
    assert len(regions(results, slide)) == 2
    page.get_by_test_id("drawn-region").nth(1).click()
    card(page).get_by_role("button", name="Delete").click()
    kept(page)
    assert [one.region_id for one in regions(results, slide)] == [region.region_id]
    page.keyboard.press("a")
    page.get_by_test_id("signature").filter(has_text="has not signed").wait_for()
    page.keyboard.press("s")
    page.get_by_test_id("signature").filter(has_text="signed by Anna Reader").wait_for()
    page.get_by_test_id("drawn-region").filter(has_text="Normal").wait_for()
    page.locator("[data-stale=true]").first.wait_for(state="detached")
    page.locator(".frame").evaluate(
        """frame => new Promise((resolve) => {
          const look = () => frame.view.drawn.may ? setTimeout(look, 50) : resolve();
          look();
        })"""
    )
    page.get_by_test_id("drawn-region").click()
    card(page).filter(has_text="its regions are locked").wait_for()
    assert card(page).get_by_role("button", name="Keep").count() == 0
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.locator(".hint").filter(has_text="its regions are locked").wait_for()
    assert [(one.region_id, one.version) for one in regions(results, slide)] == [(region.region_id, 2)]


def test_what_is_open_when_a_person_signs_is_signed_with_it(page, results, slide):
    opened(page, slide)
    named(page)
    page.keyboard.press("a")
    page.get_by_test_id("signature").filter(has_text="has not signed").wait_for()
    page.locator("[data-stale=true]").first.wait_for(state="detached")
    page.keyboard.press("b")
    drag(page, (400, 500), (600, 700))
    page.locator(".st-key-sign button").click()
    page.get_by_test_id("signature").filter(has_text="signed by Anna Reader").wait_for()
    record = open_reviews(results).record(slide)
    assert len(record.final.regions) == 1 and record.final.content_sha256 == record.final.signature.content_sha256


def test_what_was_drawn_before_a_name_was_told_is_kept_with_it(page, results, slide):
    opened(page, slide)
    page.keyboard.press("b")
    drag(page, (400, 500), (600, 700))
    page.keyboard.press("Enter")
    page.locator(".hint").filter(has_text="Tell your name").wait_for()
    assert regions(results, slide) == []
    named(page)
    kept(page)
    assert [one.by.name for one in regions(results, slide)] == ["Anna Reader"]


def test_a_drawn_region_is_seen_in_its_colour_and_hidden_by_space(page, results, slide):
    from app.presentation import colours

    opened(page, slide)
    named(page)
    page.keyboard.press("b")
    drag(page, (400, 500), (700, 800))
    card(page).get_by_label("Class").select_option(label="Adenocarcinoma")
    page.keyboard.press("Enter")
    kept(page)
    page.keyboard.press("Escape")
    settle(page)
    # Halfway along its left side.
    x, y = at(page, 400, 650)
    colour = colours.rgb(colours.class_colours(CLASSES, "normal")["adenocarcinoma"])

    def seen():
        import cv2

        shot = page.screenshot(clip={"x": x - 4, "y": y - 4, "width": 9, "height": 9})
        pixels = cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
        return bool((np.abs(pixels - colour).max(axis=2) < 40).any())

    assert seen()
    page.keyboard.down(" ")
    assert not seen()
    page.keyboard.up(" ")
    assert seen()


def test_a_finger_draws_and_the_slide_stays(chromium, server, results, slide):
    from tests.app.viewer.browser import let_in

    context = chromium.new_context(viewport={"width": 1280, "height": 800}, base_url=server, has_touch=True)
    let_in(context, server)
    page = context.new_page()
    page.set_default_timeout(30_000)
    opened(page, slide)
    named(page)
    page.get_by_test_id("draw-rectangle").tap()
    # The page has grown a line since the name was said, and a tap that follows a stroke within a tenth of a second (no
    # hand does that) is now and then swallowed by Chromium.
    page.wait_for_timeout(500)
    before = page.locator(".frame").evaluate("f => { const { x, y } = f.view.place.centre(); return [x, y]; }")
    touch = context.new_cdp_session(page)

    def finger(kind, *place):
        points = [dict(zip("xy", at(page, *place), strict=True))] if place else []
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    finger("touchStart", 400, 500)
    for step in range(1, 6):
        finger("touchMove", 400 + 50 * step, 500 + 60 * step)
    finger("touchEnd")
    page.wait_for_timeout(400)
    card(page).get_by_label("Comment").fill("by touch")
    card(page).get_by_role("button", name="Keep").tap()
    # A tap's click comes after the tap.
    card(page).wait_for(state="hidden")
    kept(page)
    [region] = regions(results, slide)
    corners = np.array(region.rings[0])
    assert [*corners.min(axis=0), *corners.max(axis=0)] == pytest.approx([400, 500, 650, 800], abs=3)
    page.wait_for_timeout(800)
    after = page.locator(".frame").evaluate("f => { const { x, y } = f.view.place.centre(); return [x, y]; }")
    assert after == pytest.approx(before, abs=0.01)
    context.close()


def test_the_geojson_of_the_page_has_it_for_qupath(page, results, slide):
    opened(page, slide)
    named(page)
    page.keyboard.press("b")
    drag(page, (400, 500), (650, 800))
    card(page).get_by_label("Class").select_option(label="Adenocarcinoma")
    page.keyboard.press("Enter")
    kept(page)
    with page.expect_download() as told:
        page.locator(".st-key-download-geojson button").click()
    features = json.loads(told.value.path().read_text())["features"]
    [region] = regions(results, slide)
    [feature] = [one for one in features if one["id"] == region.region_id]
    assert feature["properties"]["classification"]["name"] == "Adenocarcinoma"
    ring = np.array(feature["geometry"]["coordinates"][0])
    assert [*ring.min(axis=0), *ring.max(axis=0)] == pytest.approx([400, 500, 650, 800], abs=2.5)


@pytest.mark.parametrize("shade", ["light", "dark"])
def test_axe_has_nothing_to_object_to_while_a_person_draws(page, results, slide, shade):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=shade)
    opened(page, slide)
    named(page)
    page.keyboard.press("v")
    page.keyboard.press("Enter")
    kept(page)
    page.keyboard.press("b")
    drag(page, (400, 500), (600, 700))
    card(page).wait_for()
    found = axe.run(page).response["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []


def test_the_card_is_reached_and_left_by_tab_in_the_order_that_is_read(page, results, slide):
    opened(page, slide)
    named(page)
    page.keyboard.press("v")
    focused = """f => { const one = f.getRootNode().activeElement; return one.name || one.textContent; }"""
    order = [page.locator(".frame").evaluate(focused)]
    for _ in range(3):
        page.keyboard.press("Tab")
        order.append(page.locator(".frame").evaluate(focused))
    assert order == ["name", "comment", "Keep", "Cancel"]
