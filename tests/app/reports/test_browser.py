"""The HTML report in a real browser: it opens without a network, pie beside heatmap, and prints."""

import shutil
from pathlib import Path

import pytest

from app import reports
from tests.results import make_result

CHROMIUM = shutil.which("chromium")

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    result = make_result("S26-0012", reasons=("pen", "mixed-types"), synthetic=True)
    return reports.write_report(result, tmp_path_factory.mktemp("reports"), ("html",))[0]


@pytest.fixture
def page(chromium, report):
    """The open report; its `asked` holds every address and `complaints` every line of the console."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.asked, page.complaints = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: page.complaints.append(message.text))
    page.goto(report.as_uri())
    yield page
    page.close()


def test_nothing_is_asked_of_a_network_and_nothing_is_refused(page, report):
    assert [url for url in page.asked if not url.startswith("data:")] == [report.as_uri()]
    assert page.complaints == []


def test_the_pie_stands_beside_the_heatmap(page):
    heatmap, pie = page.locator(".picture img").bounding_box(), page.locator(".pie svg").bounding_box()
    assert page.locator(".picture img").evaluate("image => image.naturalWidth") == 1400
    assert heatmap["x"] + heatmap["width"] <= pie["x"]
    assert heatmap["y"] < pie["y"] + pie["height"] and pie["y"] < heatmap["y"] + heatmap["height"]


def test_the_scale_bar_is_as_long_as_it_says(page):
    heatmap, bar = page.locator(".picture img").bounding_box(), page.locator(".scale span").bounding_box()
    assert page.locator(".scale").inner_text().strip() == "0.5 mm"
    assert bar["width"] / heatmap["width"] == pytest.approx(500 / (12 * 449 * 0.499), abs=0.005)


@pytest.mark.parametrize("width", [1920, 1280, 800, 390])
def test_the_page_fits_its_window(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_plain_report_prints_on_three_pages(chromium, tmp_path):
    page = chromium.new_page()
    page.goto(reports.write_report(make_result(), tmp_path, ("html",))[0].as_uri())
    pdf = page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF-") and pdf.count(b"/Type /Page\n") == 3
