"""Each key of the reading station in headless Chromium, without a click before it."""

import pytest

from app.review.records import Verdict
from app.review.reviews import open_reviews
from tests.app.viewer.browser import CHROMIUM, added, before_it_comes, prefer
from tests.results import make_result

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]


@pytest.fixture
def page(page):
    page.set_default_timeout(60_000)
    return page


@pytest.fixture
def slides(results, request):
    """Two slides of its own for each test, without files."""
    names = [f"{request.node.name[5:25].strip('_').replace('_', '-')}-{number}" for number in (1, 2)]
    with added(results, *(make_result(name, file=f"{name}.svs") for name in names)):
        yield names


def opened(page, slide):
    page.goto(f"/?slide={slide}")
    page.locator(".frame[data-loaded]").wait_for()
    page.locator(".st-key-decision").wait_for()


def named(page, name="Anna Reader"):
    page.get_by_label("Your name").fill(name)
    page.locator(".st-key-name-said button").click()
    page.locator(".st-key-person").get_by_text(name).wait_for()
    settled(page)


def settled(page):
    page.locator("[data-stale=true]").first.wait_for(state="detached")


def signature(page, text):
    page.get_by_test_id("signature").filter(has_text=text).wait_for()
    settled(page)


def final(results, slide):
    return open_reviews(results).record(slide).final


def test_a_agrees_and_s_signs(page, results, slides):
    opened(page, slides[0])
    named(page)
    page.keyboard.press("a")
    signature(page, "has not signed")
    assert final(results, slides[0]).decision.verdict is Verdict.AGREE
    page.keyboard.press("s")
    signature(page, "signed by Anna Reader")
    assert final(results, slides[0]).signature.by.name == "Anna Reader"
    # What is signed is locked: the keys say so, and change nothing.
    page.keyboard.press("t")
    page.locator(".spoken").filter(has_text="nothing for this key").wait_for(state="attached")
    assert len(final(results, slides[0]).decisions) == 1


def test_c_changes_the_call(page, results, slides):
    opened(page, slides[0])
    named(page)
    page.keyboard.press("c")
    page.locator(".st-key-calls button").first.wait_for()
    settled(page)
    # The other calls by their numbers, while they are asked for.
    page.keyboard.press("1")
    signature(page, "has not signed")
    assert (final(results, slides[0]).decision.verdict, final(results, slides[0]).call) == (Verdict.CHANGED, "normal")


def test_t_says_cannot_tell(page, results, slides):
    opened(page, slides[0])
    named(page)
    page.keyboard.press("t")
    signature(page, "has not signed")
    assert final(results, slides[0]).decision.verdict is Verdict.CANNOT_TELL


def test_keys_in_haste_lose_no_signature_and_hit_no_other_slide(page, results, slides):
    opened(page, slides[0])
    named(page)
    for key in ("a", "s", "j", "t"):
        page.keyboard.press(key)
    page.wait_for_url(lambda address: f"slide={slides[0]}&" not in address)
    page.locator(f'.frame[data-loaded]:not([data-slide="{slides[0]}"])').wait_for()
    page.wait_for_timeout(1500)
    signed = final(results, slides[0])
    assert signed.signature is not None and [one.verdict for one in signed.decisions] == [Verdict.AGREE]


def test_f_is_full_screen_and_back(page, slides):
    opened(page, slides[0])
    page.keyboard.press("f")
    page.wait_for_function("() => document.fullscreenElement !== null")
    page.locator(".st-key-panel").wait_for(state="hidden")
    page.keyboard.press("f")
    page.wait_for_function("() => document.fullscreenElement === null")
    page.locator(".st-key-panel").wait_for()


def keys_are_heard(page):
    """The button tells its key once somebody listens to keys."""
    page.locator("[title='Keys (?)']").wait_for()


@pytest.mark.parametrize("key", ["?", "j"])
def test_a_key_that_is_pressed_before_a_failed_slides_page_listens_is_heard(page, key):
    let_go = before_it_comes(page, "slide/bare.js", "/?slide=broken")
    page.keyboard.press(key)
    let_go()
    if key == "?":
        page.get_by_test_id("shortcuts").get_by_text("Next slide to review").wait_for()
    else:
        page.wait_for_url(lambda address: "slide=broken" not in address)


def test_of_the_keys_before_a_slide_is_there_those_that_look_are_heard_and_those_that_decide_are_not(
    page, results, slides
):
    let_go = before_it_comes(page, "slide/main.js", f"/?slide={slides[0]}")
    for key in ("?", "t", "j"):
        page.keyboard.press(key)
    let_go()
    page.locator(".frame[data-loaded]").wait_for()
    page.get_by_test_id("shortcuts").get_by_text("Next slide to review").wait_for()
    assert slides[0] in page.url and final(results, slides[0]) is None


def test_j_and_k_work_on_the_page_of_a_failed_slide(page):
    page.goto("/?slide=broken")
    page.get_by_text("corrupt-slide").wait_for()
    keys_are_heard(page)
    shortcuts = page.get_by_test_id("shortcuts")
    page.keyboard.press("?")
    shortcuts.get_by_text("Next slide to review").wait_for()
    assert "Sign" not in shortcuts.inner_text()
    page.keyboard.press("Escape")
    assert shortcuts.is_hidden()
    page.keyboard.press("k")
    page.wait_for_url(lambda address: "slide=broken" not in address)
    page.goto("/?slide=broken")
    keys_are_heard(page)
    page.keyboard.press("j")
    page.wait_for_url(lambda address: "slide=broken" not in address)
    page.locator(".frame[data-loaded]").wait_for()


def test_a_key_that_was_given_another_is_told_and_obeyed_on_every_page(page, results, slides):
    prefer(page, keys={"agree": "q", "nextSlide": "x"})
    opened(page, slides[0])
    named(page)
    page.keyboard.press("?")
    assert page.get_by_role("button", name="Agree with the call: Q").is_visible()
    assert page.get_by_test_id("next-slide").get_attribute("title") == "Next slide to review (X)"
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    page.keyboard.press("q")
    signature(page, "has not signed")
    assert [one.verdict for one in final(results, slides[0]).decisions] == [Verdict.AGREE]
    page.goto("/?slide=broken")
    page.get_by_role("button", name="List of keys").wait_for()
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.wait_for_url(lambda address: "slide=broken" not in address)


def test_a_button_that_waits_can_be_read_in_the_dark(page, slides):
    page.emulate_media(color_scheme="dark")
    opened(page, slides[0])
    named(page)
    words = page.locator(".st-key-sign button p")
    assert words.is_visible() and page.locator(".st-key-sign button").is_disabled()
    red, green, blue = page.evaluate(
        "p => getComputedStyle(p).color.match(/[0-9.]+/g).slice(0, 3).map(Number)", words.element_handle()
    )
    # On the dark ground of the page, #12181F.
    assert min(red, green, blue) > 100
