"""axe-core finds nothing to object to on the pages around the slides."""

import pytest

from tests.app.viewer.browser import CHROMIUM

axe = pytest.importorskip("axe_playwright_python.sync_playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]
READY = {
    "/": "[data-testid=worklist-row]",
    "/?page=analyse": "[data-testid=analyse]",
    "/?page=model": ".ps-facts",
    "/?page=about": ".ps-facts",
    "/?slide=broken": ".bare button",
}


@pytest.mark.parametrize("shade", ["light", "dark"])
@pytest.mark.parametrize("address", READY)
def test_axe_has_nothing_to_object_to(page, address, shade):
    page.emulate_media(color_scheme=shade)
    page.goto(address)
    page.locator(READY[address]).first.wait_for(timeout=60_000)
    page.wait_for_timeout(1500)
    found = axe.Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []


def test_axe_finds_what_is_wrong(page):
    page.goto("/")
    page.locator(READY["/"]).first.wait_for()
    page.evaluate("document.querySelector('.wl-search span').remove()")
    page.evaluate("document.querySelector('.wl-search input').removeAttribute('placeholder')")
    assert "label" in [one["id"] for one in axe.Axe().run(page).response["violations"]]
