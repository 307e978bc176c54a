"""A case in headless Chromium: found in the list, its slides side by side, signed, and locked."""

import pytest

from app.ledger.cases.members import note_members, read_members
from app.ledger.cases.rows import case_rows
from app.ledger.cases.told import SLIDE_CASES
from app.ledger.locks import prepare_locks
from app.review.cases import case_to_decide
from app.review.reviews import open_reviews
from tests.app.viewer.browser import CHROMIUM, added, forgive_refusals
from tests.app.viewer.test_deciding_browser import press, settled
from tests.cases import AD, SCC, made_result

pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]


@pytest.fixture
def case(results):
    """Three slides of one case, two of which agree."""
    made = (made_result("c-1", AD), made_result("c-2", AD), made_result("c-3", SCC, 3.0))
    prepare_locks(results)
    with added(results, *made):
        note_members(results, {f"c-{at}": ("S26-77", f"A{at}") for at in (1, 2, 3)})
        yield read_members(results)["c-1"].token
        (results / SLIDE_CASES).unlink()


def test_the_list_of_slides_has_the_case_and_finds_it_and_no_address_tells_it(page, results, case):
    page.set_default_timeout(60_000)
    page.goto("/")
    rows = page.get_by_test_id("worklist-row")
    rows.first.wait_for()
    assert page.get_by_role("columnheader", name="Case").count() == 1
    page.get_by_role("columnheader", name="Case").get_by_role("button").click()
    assert [one.get_attribute("data-slide-id") for one in rows.all()[:3]] == ["c-1", "c-2", "c-3"]
    search = page.get_by_label("Search")
    search.fill("s26-77")
    page.wait_for_function("() => document.querySelectorAll('[data-testid=worklist-row]').length === 3")
    assert "77" not in page.url and "find" not in page.url
    # Who comes back from a slide finds what was searched for.
    rows.first.click()
    page.get_by_test_id("case-link").wait_for()
    assert "77" not in page.url
    page.go_back()
    rows.first.wait_for()
    assert search.input_value() == "s26-77" and rows.count() == 3
    rows.first.get_by_role("link", name="S26-77").click()
    page.get_by_test_id("case-call").wait_for()
    assert f"case={case}" in page.url and "77" not in page.url.replace(case, "")
    page.goto("about:blank")
    forgive_refusals(page)  # no slide lies there


def test_a_case_is_found_read_and_signed(page, results, case):
    page.set_default_timeout(60_000)
    page.goto("/")
    page.get_by_test_id("cases").click()
    page.get_by_test_id("case-row").get_by_text("S26-77").click()
    page.get_by_test_id("case-call").wait_for()
    assert page.get_by_test_id("case-call").inner_text() == "Adenocarcinoma"
    assert f"case={case}" in page.url and "S26-77" not in page.url and "S26-77" not in page.title()
    slides = page.get_by_test_id("case-slide")
    assert slides.count() == 3
    boxes = [one.bounding_box() for one in slides.all()]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] and boxes[0]["y"] == boxes[1]["y"]  # side by side
    maps = "() => [...document.querySelectorAll('.ps-case img[alt=\"Its heatmap\"]')].map(i => i.naturalWidth)"
    page.wait_for_function(f"() => ({maps})().filter(width => width > 0).length === 3")
    assert "Slides of one case are called different tumours" in page.inner_text("body")
    page.get_by_label("Your name").fill("Anna Reader")
    press(page, "name-said")
    page.locator(".st-key-person").get_by_text("name not checked").wait_for()
    press(page, "decide-agree")
    settled(page, "a person has decided, and has not signed")
    press(page, "sign")
    settled(page, "signed by Anna Reader")
    [row] = case_rows(results)
    of = case_to_decide(row)
    assert open_reviews(results).record(of.slide_id, of.result_sha256).final.signature.by.name == "Anna Reader"
    page.reload()
    settled(page, "signed by Anna Reader")
    assert page.locator(".st-key-sign").count() == 0
    page.get_by_test_id("case-slide").first.click()
    page.get_by_test_id("case-link").wait_for()
    assert page.get_by_test_id("case-link").inner_text() == "Case S26-77"
