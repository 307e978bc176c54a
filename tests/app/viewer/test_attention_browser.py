"""What a slide model looked at and said, on the page in headless Chromium: layer, legend, gallery, sets, a click."""

import pytest

from app.presentation import colours
from app.viewer.pages.slide.deep_zoom import _Same, drawn
from tests.app.presentation.test_attention import attended
from tests.app.viewer.browser import CHROMIUM, added, choose, open_slide_page, prefer, seen, settle

MAP = """
0000000u
00000000
00000000
0000000b
"""
HOT = {(1, 2): 60.0, (3, 7): float("nan")}


def test_the_browser_is_told_of_attention_only_where_there_is_some():
    told = drawn(_Same(attended(HOT, cells=MAP)))
    assert told["attention"]["top"] == "21" and told["regions"][-1]["title"] == "Attention"
    without = drawn(_Same(attended({}, cells="uu\nuu")))
    assert [one for one in without["regions"] if one["title"] == "Attention"] == []


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium")
def test_attention_is_a_layer_a_legend_a_place_to_look_and_a_word_at_a_click(page, results):
    page.set_default_timeout(60_000)
    prefer(page, outlines="never", opacity=100, overview="hidden")
    with added(results, attended(HOT, cells=MAP, slide_id="attended")):
        open_slide_page(page, "attended")
        choose(page, "Attention")
        assert "layer=attention" in _address(page)
        legend = page.get_by_role("group", name="Legend")
        assert "Attention, an even share to 21 times as much" in legend.inner_text()
        # One cell has most of it, and is as high as it is wide.
        x, y, width, height = seen(page, colours.rgb(colours.ATTENTION))
        assert 0.8 < width / height < 1.25
        place = page.get_by_test_id("region").filter(has_text="Attention")
        assert place.count() == 1 and "Attention 67%" in place.inner_text()
        told = page.get_by_test_id("slide-model").inner_text()
        assert "Cannot be left out, 95.0% promised" in told and "Normal, Adenocarcinoma" in told
        frame = page.locator(".frame").bounding_box()
        page.mouse.click(frame["x"] + x + width / 2, frame["y"] + y + height / 2)
        page.get_by_text("times an even share").wait_for()
        settle(page)


def _address(page):
    page.wait_for_url("**layer=attention**")
    return page.url
