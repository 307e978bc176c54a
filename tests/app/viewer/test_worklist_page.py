"""The list of slides in headless Chromium: found, sorted, opened by id whatever a batch adds, by mouse or keyboard."""

import dataclasses
import random

import pytest

from app.ledger.records import SlideRow, read_rows, write_rows
from tests.app.viewer.browser import CHROMIUM, forgive_refusals, let_in, rows_of, shown_ids
from tests.results import CLASSES

pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]


@pytest.fixture
def growing(results):
    """Puts further slides into the table, above all others, and changes what is told of those that are there; all is as
    before when the test ends."""
    table, added = results / "slides.csv", []
    before = table.read_bytes()
    rows = read_rows(table)

    def add(count, **change):
        names = [f"a-{number:03d}" for number in range(len(added), len(added) + count)]
        added.extend(SlideRow(name, "/gone/a.svs", "review", "normal") for name in names)
        write_rows(table, [*(dataclasses.replace(row, **change) for row in rows), *added], CLASSES)

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
        page.wait_for_url(f"**/?slide={slide_id}*")
        page.get_by_role("button", name="Slides").click()
        page.wait_for_url(lambda address: "slide=" not in address)
        page.get_by_test_id("worklist-row").and_(page.locator("[data-slide-id=a-000]")).wait_for()


def test_random_clicks_open_the_slide_that_was_clicked_while_a_batch_adds_rows(page, growing):
    chance = random.Random(12)
    page.goto("/")
    for turn in range(12):
        rows = rows_of(page)
        place = chance.randrange(rows.count())
        slide_id = rows.nth(place).get_attribute("data-slide-id")
        growing(1 + turn % 3)
        page.wait_for_timeout(chance.choice((0, 300, 2300)))
        rows.nth(place).click()
        page.wait_for_url(f"**/?slide={slide_id}*")
        page.get_by_role("button", name="Slides").click()
        page.wait_for_url(lambda address: "slide=" not in address)


# The list's answers are kept back on this side of the network until they are let go.
KEPT_BACK = """
const ask = window.fetch, kept = [];
let open = true;
window.keepBack = () => { open = false; };
window.letGo = () => { open = true; const all = kept.splice(0); all.forEach((go) => go()); return all.length; };
window.keeping = () => kept.length;
window.fetch = async (...words) => {
  const answer = await ask(...words);
  const rows = answer.status === 200 && String(words[0]).includes("/viewer/list/");
  if (rows && !open) await new Promise((go) => kept.push(go));
  return answer;
};
"""


@pytest.fixture
def touching(chromium, server):
    context = chromium.new_context(has_touch=True, viewport={"width": 1400, "height": 900}, base_url=server)
    let_in(context, server)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def redrawn(page):
    """All that was kept back is drawn, if it is drawn at all."""
    assert page.evaluate("letGo()") == 1
    page.evaluate(
        "() => new Promise((go) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(go)), 30))"
    )


def row_to_press(page, growing, **change):
    """(a row's id, the middle of it) with an answer kept back that changes this row and adds others."""
    page.add_init_script(KEPT_BACK)
    page.goto("/")
    row = rows_of(page).nth(2)
    page.evaluate("keepBack()")
    growing(3, **change)
    page.wait_for_function("() => keeping()")
    box = row.bounding_box()
    return row.get_attribute("data-slide-id"), box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("change", [{}, {"tissue_mm2": 12.5}], ids=["added", "changed"])
def test_a_redraw_between_press_and_release_loses_no_click(page, growing, change):
    slide_id, x, y = row_to_press(page, growing, **change)
    page.mouse.move(x, y)
    page.mouse.down()
    redrawn(page)
    page.mouse.up()
    page.wait_for_url(f"**/?slide={slide_id}*")


def test_a_redraw_between_press_and_release_loses_no_middle_click(page, growing):
    slide_id, x, y = row_to_press(page, growing, tissue_mm2=12.5)
    page.mouse.move(x, y)
    page.mouse.down(button="middle")
    redrawn(page)
    with page.context.expect_page() as opened:
        page.mouse.up(button="middle")
    assert f"slide={slide_id}" in opened.value.url and "slide=" not in page.url
    opened.value.close()
    page.locator("[data-slide-id=a-002]").wait_for()


def test_a_redraw_between_press_and_release_loses_no_touch(touching, growing):
    page = touching
    slide_id, x, y = row_to_press(page, growing, tissue_mm2=12.5)
    hand = page.context.new_cdp_session(page)
    hand.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    redrawn(page)
    hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_url(f"**/?slide={slide_id}*")


def test_rows_that_waited_for_a_release_come_in_after_it(page, growing):
    _, x, y = row_to_press(page, growing)
    page.mouse.move(x, y)
    page.mouse.down()
    redrawn(page)
    page.wait_for_timeout(300)
    assert page.locator("[data-slide-id=a-000]").count() == 0
    # Let go beside the list: no click, and nothing to wait for.
    page.mouse.move(5, 5)
    page.mouse.up()
    page.locator("[data-slide-id=a-002]").wait_for()
    assert "slide=" not in page.url


# Where buttons and rows stand, to the pixel, and which they are.
PLACES = """() => [...document.querySelectorAll(".wl-filters button, .wl-row")].map((one) => {
  const { x, y } = one.getBoundingClientRect();
  return [one.dataset.slideId ?? one.textContent.replace(/ \\d+$/, ""), Math.round(x), Math.round(y)];
})"""


def test_what_is_new_moves_neither_rows_nor_buttons(page, growing):
    page.goto("/")
    rows_of(page)
    places = (
        "() => [...document.querySelectorAll('.wl-row, .wl-filters button')].slice(0, 12).map((one) => one.offsetTop)"
    )
    sides = "() => [...document.querySelectorAll('.wl-filters button')].map((one) => one.textContent.split(' ')[0])"
    top = "() => Math.round(document.querySelector('.wl').getBoundingClientRect().top)"
    before = [page.evaluate(what) for what in (places, sides, top)]
    growing(2, status="failed", error_code="corrupt-slide")
    page.get_by_role("button", name="Put in order").wait_for()
    assert [page.evaluate(what) for what in (places, sides, top)] == before


def test_who_comes_back_before_the_slide_is_drawn_finds_the_rows(page):
    """As the list meets it: the address becomes the slide's, then its own again; of the slide's page nothing comes."""
    silent = []

    def between(ws):
        server = ws.connect_to_server()
        ws.on_message(server.send)
        server.on_message(lambda message: None if silent else ws.send(message))

    page.route_web_socket("**/_stcore/stream", between)
    page.goto("/")
    wanted = shown_ids(page)
    silent.append(True)
    rows_of(page).nth(1).click()
    page.get_by_text(f"Opening {wanted[1]}").wait_for()
    for address in (f"/?slide={wanted[1]}", "/"):
        page.evaluate("address => history.replaceState(null, '', address)", address)
        page.wait_for_timeout(400)
    page.get_by_test_id("worklist-row").first.wait_for(timeout=5000)
    assert shown_ids(page) == wanted
    assert page.get_by_role("alert").filter(has_text="does not answer").is_hidden()


def test_new_slides_come_by_themselves_and_move_nothing_until_asked(page, growing):
    page.goto("/")
    before = shown_ids(page)
    growing(2)
    page.locator("[data-slide-id=a-001]").wait_for()
    assert shown_ids(page) == [*before, "a-000", "a-001"]
    page.get_by_role("button", name="Put in order").click()
    assert shown_ids(page)[:2] == ["a-000", "a-001"]
    assert page.get_by_role("button", name="Put in order").is_hidden()


def test_search_filter_and_order_live_in_the_address(page):
    page.goto("/")
    rows_of(page)
    page.get_by_label("Search").fill("nOrMal")
    page.get_by_role("button", name="Done", exact=False).click()
    page.get_by_role("columnheader").get_by_role("button", name="Slide").click()
    wanted = shown_ids(page)
    assert wanted == ["alone"]
    assert page.url.endswith("/?find=nOrMal&status=done&sort=id")
    page.reload()
    assert shown_ids(page) == wanted and page.get_by_label("Search").input_value() == "nOrMal"
    rows_of(page).first.click()
    page.wait_for_url("**/?slide=alone*")
    page.get_by_role("button", name="Slides").click()
    page.wait_for_url("**/?find=nOrMal&status=done&sort=id")
    assert shown_ids(page) == wanted
    rows_of(page).first.click()
    page.wait_for_url("**/?slide=alone*")
    page.get_by_test_id("call").wait_for()
    page.go_back()
    page.wait_for_url("**/?find=nOrMal&status=done&sort=id")
    assert shown_ids(page) == wanted


@pytest.mark.parametrize("how", ["middle", "ctrl", "ctrl-enter"])
def test_a_slide_opens_in_a_tab_of_its_own(page, how):
    page.goto("/")
    row = rows_of(page).nth(1)
    slide_id = row.get_attribute("data-slide-id")
    with page.context.expect_page() as opened:
        if how == "ctrl-enter":
            row.focus()
            page.keyboard.press("Control+Enter")
        else:
            row.click(button="middle" if how == "middle" else "left", modifiers=[] if how == "middle" else ["Control"])
    assert opened.value.url.split("&")[0].endswith(f"/?slide={slide_id}") and "slide=" not in page.url
    opened.value.close()


def test_a_list_of_thousands_draws_what_is_seen_and_finds_the_rest(page, growing):
    growing(2000)
    page.goto("/")
    drawn = rows_of(page).count()
    assert drawn < 100 and page.get_by_role("grid").get_attribute("aria-rowcount") == str(1 + 2000 + 5)
    rows_of(page).first.focus()
    page.keyboard.press("End")
    page.wait_for_function("document.activeElement.dataset.slideId === 'hatched'")
    page.get_by_role("grid").evaluate("list => { list.scrollTop = 58 * 1000; }")
    page.locator("[data-slide-id=a-1003]").wait_for()
    page.get_by_label("Search").fill("a-1234")
    page.locator("[data-slide-id='a-1234']").click()
    page.wait_for_url("**/?slide=a-1234*")


def test_a_server_that_went_away_is_told(page):
    page.goto("/")
    rows_of(page)
    page.route("**/viewer/list/**", lambda route: route.abort())
    page.get_by_role("alert").filter(has_text="pulmoscope does not answer").wait_for()
    page.unroute("**/viewer/list/**")
    page.get_by_role("alert").filter(has_text="pulmoscope does not answer").wait_for(state="hidden")
    page.complaints.clear()


def test_a_list_whose_leave_ran_out_renews_it(page, growing):
    page.goto("/")
    rows_of(page)
    page.route("**/viewer/list/**", lambda route: route.fulfill(status=403), times=1)
    growing(1)
    page.locator("[data-slide-id=a-000]").wait_for()
    forgive_refusals(page)


def test_each_row_has_its_pictures(page):
    page.goto("/")
    row = rows_of(page).and_(page.locator("[data-slide-id=marked]"))
    pictures = row.locator("img")
    page.wait_for_timeout(1500)
    assert [one.evaluate("image => image.naturalWidth") for one in pictures.all()] == [96, 96]
    alone = page.locator("[data-slide-id=alone] img")
    assert alone.count() == 1


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
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == shown_ids(page)[1]
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.evaluate(focused) == shown_ids(page)[-3] and "slide=" not in page.url
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/?slide={wanted}*")


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
    page.wait_for_url(f"**/?slide={first[1]}*")
    touching.close()
