"""Uploading and starting slides in headless Chromium: with progress, resumable, nameless, by testid."""

import numpy as np
import pytest
from PIL import Image

from tests.app.viewer.browser import CHROMIUM, forgive_refusals, shown_ids

pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]


def draw(path, side=224):
    Image.fromarray(np.random.default_rng(1).integers(90, 255, (side, side, 3), dtype=np.uint8)).save(path)
    return path


def choose_file(page, path):
    page.goto("/?page=analyse")
    page.locator("input[type=file]").set_input_files(path)


def test_an_upload_gets_its_pie_chart_and_can_be_deleted(page, results, tmp_path):
    picture = draw(tmp_path / "Jane Doe 1961.jpg")
    told = []
    page.on("request", lambda request: told.append(f"{request.url} {request.headers} {request.post_data_buffer}"))
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: told.append(str(frame))))
    choose_file(page, picture)
    size = page.get_by_label("µm per pixel of Uploaded image", exact=False)
    size.wait_for()
    assert "Jane" not in page.content() and page.get_by_role("checkbox").first.is_checked()
    page.get_by_test_id("analyse").click()
    page.get_by_role("alert").filter(has_text="State the pixel size").wait_for()
    size.fill("0.5")
    page.get_by_test_id("analyse").click()
    page.get_by_text("Uploaded slide").first.wait_for()
    page.get_by_role("button", name="Open slide").click(timeout=60_000)
    page.wait_for_url("**/?slide=upload-*")
    page.locator(".frame[data-loaded]").wait_for()
    assert page.locator("[data-testid=call]").inner_text() == "Squamous cell carcinoma"
    assert not [path for path in results.rglob("*") if "Jane" in path.name]
    assert "Jane" not in page.content() and not [text for text in told if "Jane" in text]
    assert len(list((results / "uploads").glob("upload-*"))) == 1
    page.get_by_text("Delete the image and all").click()
    page.get_by_role("button", name="Delete this upload").click()
    page.wait_for_url(lambda address: "slide=" not in address)
    assert not [slide_id for slide_id in shown_ids(page) if slide_id.startswith("upload-")]
    assert list((results / "uploads").glob("upload-*")) == []
    # A tile that was asked for while its slide went is no fault.
    page.complaints[:] = [text for text in page.complaints if "404" not in text and "failed to load" not in text]


def test_who_states_a_size_while_another_upload_ends_goes_on_where_they_were(page, results, tmp_path):
    choose_file(page, draw(tmp_path / "first.png"))
    size = page.get_by_label("µm per pixel of Uploaded", exact=False)
    size.press_sequentially("05")
    assert size.evaluate("box => document.activeElement === box")
    size.press("ArrowLeft")
    page.locator("input[type=file]").set_input_files(draw(tmp_path / "second.png", side=300))
    page.get_by_role("button", name="Remove Uploaded", exact=False).nth(1).wait_for()
    page.keyboard.type(".")
    assert sorted(one.input_value() for one in size.all()) == ["", "0.5"]
    for left in (1, 0):
        page.get_by_role("button", name="Remove Uploaded", exact=False).first.click()
        page.wait_for_function("left => document.querySelectorAll('.ch-remove').length === left", arg=left)


CHOSEN_EARLY = """
new MutationObserver((_, observer) => {
  const input = document.querySelector(".up input[type=file]");
  if (!input) return;
  observer.disconnect();
  window.early = input.onchange === null;
  const files = new DataTransfer();
  files.items.add(new File(["no image"], "x.png"));
  input.files = files.files;
}).observe(document, { childList: true, subtree: true });
"""


def test_a_file_that_was_chosen_before_the_page_listened_is_taken(page, results):
    page.add_init_script(CHOSEN_EARLY)
    page.goto("/?page=analyse")
    page.get_by_role("alert").filter(has_text="unsupported-format: the upload is no slide or image").wait_for()
    assert page.evaluate("window.early")
    forgive_refusals(page)


def test_a_damaged_upload_is_one_line_and_leaves_nothing(page, results, tmp_path):
    (tmp_path / "x.png").write_bytes(b"no image")
    choose_file(page, tmp_path / "x.png")
    page.get_by_role("alert").filter(has_text="unsupported-format: the upload is no slide or image").wait_for()
    assert "Traceback" not in page.content()
    assert not [path for path in (results / "uploads").rglob("*") if path.is_file()]
    forgive_refusals(page)


def test_a_broken_upload_goes_on_and_a_cancelled_one_leaves_nothing(page, results, tmp_path):
    """12 MB are two chunks; the second meets a server that is gone, then one that is back."""
    large = tmp_path / "large.png"
    Image.fromarray(np.random.default_rng(2).integers(0, 255, (2100, 2100, 3), dtype=np.uint8)).save(large)
    assert 9 << 20 < large.stat().st_size < 16 << 20
    sent = []
    page.on("request", lambda request: request.method == "PUT" and sent.append(request.url.partition("?at=")[2]))
    page.route("**/viewer/incoming/**at=8388608", lambda route: route.abort())
    choose_file(page, large)
    page.get_by_text("The connection broke off").wait_for()
    page.get_by_role("button", name="Cancel the upload").click()
    page.get_by_text("The upload was cancelled").wait_for()
    assert not [path for path in (results / "uploads").rglob("*") if path.is_file()]
    choose_file(page, large)
    page.get_by_text("The connection broke off").wait_for()
    page.unroute("**/viewer/incoming/**at=8388608")
    page.evaluate("window.onbeforeunload = null")
    page.reload()
    page.get_by_text("An upload was broken off").wait_for()
    sent.clear()
    page.locator("input[type=file]").set_input_files(large)
    remove = page.get_by_role("button", name="Remove Uploaded image", exact=False)
    remove.wait_for()
    assert sent == ["8388608"]
    remove.click()
    remove.wait_for(state="hidden")
    assert not [path for path in (results / "uploads").rglob("*") if path.is_file()]
    page.complaints.clear()
