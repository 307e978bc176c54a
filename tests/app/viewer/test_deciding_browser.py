"""A person decides and signs in headless Chromium; it is in the database, on the page, in the next PDF and GeoJSON."""

import json
import shutil
import subprocess

import pytest

from app.review.records import Shape, Verdict
from app.review.reviews import open_reviews
from tests.app.viewer.browser import CHROMIUM, let_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]


@pytest.fixture
def page(page):
    page.set_default_timeout(60_000)
    return page


def press(page, key):
    page.locator(f".st-key-{key} button").click()


def signature(page):
    return page.get_by_test_id("signature")


def settled(page, text):
    """Once the page says `text`, and nothing on it is drawn anew any more."""
    signature(page).filter(has_text=text).wait_for()
    page.locator("[data-stale=true]").first.wait_for(state="detached")


def downloaded(page, report_format):
    with page.expect_download() as told:
        press(page, f"download-{report_format}")
    return told.value.path()


def test_deciding_signing_and_adding_is_remembered_everywhere(page, results):
    reviews = open_reviews(results)
    page.goto("/?slide=alone&layer=tissue&mag=5")
    page.locator(".st-key-decision").wait_for()
    assert "unsigned: no person has decided" in signature(page).inner_text()
    page.get_by_label("Your name").fill("Anna Reader")
    press(page, "name-said")
    page.locator(".st-key-person").get_by_text("name not checked").wait_for()
    press(page, "decide-change")
    press(page, "call-adenocarcinoma")
    settled(page, "a person has decided, and has not signed")
    page.get_by_label("Comment").fill("lepidic growth, <b>not</b> normal")
    page.get_by_label("Comment").press("Control+Enter")
    page.wait_for_function("() => true")
    settled(page, "has not signed")
    press(page, "sign")
    settled(page, "signed by Anna Reader (reviewer; name stated, not checked by a login)")
    kept = reviews.record("alone").final
    assert (kept.decision.verdict, kept.call) == (Verdict.CHANGED, "adenocarcinoma")
    assert kept.decision.comment == "lepidic growth, <b>not</b> normal"
    assert kept.signature.by.name == "Anna Reader" and '"layer":"tissue"' in kept.signature.screen
    # The page: what was signed cannot be pressed any more, and is there after a reload.
    page.reload()
    settled(page, "signed by Anna Reader")
    page.get_by_text("lepidic growth, <b>not</b> normal").first.wait_for()
    assert page.locator(".st-key-sign").count() == 0
    if shutil.which("pdftotext"):
        text = subprocess.run(["pdftotext", downloaded(page, "pdf"), "-"], capture_output=True, check=True).stdout
        assert b"Signed by Anna Reader" in text and b"Changed to Adenocarcinoma" in text
    assert json.loads(downloaded(page, "json").read_text())["review"]["readings"][0]["signature"]["sha256"] == (
        kept.signature.digest
    )


def test_a_region_is_in_the_next_geojson(page, results):
    from tests.app.reports.test_reviewed import ANNA, case

    reviews, of = open_reviews(results), case(results, "marked")
    square = [[(10, 10), (60, 10), (60, 60), (10, 60)]]
    drawn = reviews.add_region(of, ANNA, Shape.RECTANGLE, square, class_name="adenocarcinoma", comment_text="acinar")
    page.goto("/?slide=marked")
    page.locator(".st-key-decision").wait_for()
    features = json.loads(downloaded(page, "geojson").read_text())["features"]
    [feature] = [one for one in features if one["id"] == drawn.region_id]
    assert feature["properties"]["metadata"]["comment"] == "acinar"


def test_a_name_is_typed_once_for_all_tabs_and_taken_back_in_all(chromium, server, results):
    context = chromium.new_context(base_url=server)
    context.set_default_timeout(60_000)
    let_in(context, server)
    page, other = context.new_page(), context.new_page()
    page.goto("/?slide=hatched")
    page.get_by_label("Your name").fill("Carla Once")
    press(page, "name-said")
    page.locator(".st-key-person").get_by_text("Carla Once").wait_for()
    other.goto("/?slide=hatched")
    other.locator(".st-key-person").get_by_text("Carla Once").wait_for()
    assert other.get_by_label("Your name").count() == 0
    press(page, "not-you")
    page.get_by_label("Your name").wait_for()
    press(other, "decide-agree")
    other.get_by_text("this browser is not Carla Once's any more").wait_for()
    assert open_reviews(results).record("hatched").readings == ()
    context.close()
