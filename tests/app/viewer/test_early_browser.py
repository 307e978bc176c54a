"""What a person does with a control that is on the screen before the page's script has come, in headless Chromium."""

import pytest
from PIL import Image

from tests.app.viewer.browser import CHROMIUM, before_it_comes, open_slide_page, prefer, rows_of, shown_ids

pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]

# Streamlit runs an element's script from a blob; each waits here for a word before it runs.
HELD_BACK = """
window.scriptsMayRun = new Promise((go) => { window.letScriptsRun = go; });
const make = URL.createObjectURL;
URL.createObjectURL = (blob) => make.call(URL, blob.type.includes("javascript")
  ? new Blob(["await window.scriptsMayRun;\\n", blob], { type: blob.type }) : blob);
"""


def typed_early(page, address, words):
    """Types `words` into the search of `address` while no script of ours has run, then lets them run."""
    page.add_init_script(HELD_BACK)
    page.goto(address)
    search = page.get_by_label("Search")
    search.press_sequentially(words)
    assert search.evaluate("box => box.oninput === null") and search.input_value() == words
    page.evaluate("window.letScriptsRun()")
    return search


@pytest.mark.parametrize("before", ["", "?find=tissue"])
def test_what_was_typed_into_the_lists_search_before_it_listened_is_searched_for(page, before):
    search = typed_early(page, f"/{before}", "alon")
    rows_of(page)
    page.wait_for_url("**/?find=alon")
    search.press_sequentially("e")
    page.wait_for_url("**/?find=alone")
    assert shown_ids(page) == ["alone"] and search.input_value() == "alone"


def test_a_search_that_nobody_touched_is_the_addresss(page):
    search = typed_early(page, "/?find=alone", "")
    assert shown_ids(page) == ["alone"] and search.input_value() == "alone"


def test_what_was_typed_into_the_search_for_slides_to_analyse_before_it_listened_is_searched_for(page, tmp_path):
    Image.new("RGB", (224, 224), (200, 120, 160)).save(tmp_path / "x.png")
    page.goto("/?page=analyse")
    page.locator("input[type=file]").set_input_files(tmp_path / "x.png")
    page.get_by_label("Remove Uploaded", exact=False).wait_for()
    search = typed_early(page, "/?page=analyse", "no such slide")
    page.get_by_text("No slide matches.").wait_for()
    search.fill("uploaded")
    page.get_by_label("Remove Uploaded", exact=False).click()
    page.get_by_text("There is no slide to choose.").wait_for()


def slider(page, name):
    return page.locator(f"input[name={name}]")


def moved_early(page, let_go):
    """Sets the opacity to the end of its slider by keyboard before `let_go`, and waits for the slide."""
    slider(page, "opacity").press("End")
    let_go()
    page.locator(".frame[data-loaded]").wait_for()


@pytest.mark.parametrize("file", ["slide/main.js", "openseadragon.min.js"])
@pytest.mark.parametrize("link", ["", "&opacity=20&from=35"])
def test_a_slider_that_was_moved_before_the_slide_was_there_stays(page, file, link):
    prefer(page, opacity=30, threshold=10)
    let_go = before_it_comes(page, file, f"/?slide=marked{link}")
    moved_early(page, let_go)
    assert slider(page, "opacity").input_value() == "100"
    assert page.locator("input[name=opacity] + output").inner_text() == "100%"
    assert slider(page, "threshold").input_value() == ("35" if link else "10")
    assert page.evaluate("JSON.parse(localStorage['pulmoscope-reading']).opacity") == 100


def test_a_slider_that_nobody_moved_is_where_the_person_prefers_it(page):
    prefer(page, opacity=30, threshold=10)
    open_slide_page(page, "marked")
    assert [slider(page, name).input_value() for name in ("opacity", "threshold")] == ["30", "10"]
