"""Nothing that a person presses lies over another such thing, and no word of it is cut off: by boxes, in real sizes."""

import pytest

from tests.app.viewer.browser import CHROMIUM, open_slide_page, prefer, rows_of

pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]

SIZES = [(1280, 800), (1024, 768), (1920, 1080)]
# What can be seen of each control: its box, as far as no fold, scrolled list or window cuts it off.
FIND = """() => {
  const wanted = "button, a[href], input, select, textarea, summary, .navigator, .place, .scale-bar";
  const above = (one) => one.parentElement ?? one.getRootNode().host;
  const within = (one) => [one, ...(one.shadowRoot ? all(one.shadowRoot) : [])];
  const all = (root) => [...root.querySelectorAll("*")].flatMap(within);
  const seen = (one) => {
    if (!one.checkVisibility({ visibilityProperty: true })) return null;
    let { left, top, right, bottom } = one.getBoundingClientRect();
    [left, top] = [Math.max(left, 0), Math.max(top, 0)];
    [right, bottom] = [Math.min(right, innerWidth), Math.min(bottom, innerHeight)];
    for (let outer = above(one); outer; outer = above(outer)) {
      if (getComputedStyle(outer).overflow === "visible") continue;
      const box = outer.getBoundingClientRect();
      [left, top] = [Math.max(left, box.left), Math.max(top, box.top)];
      [right, bottom] = [Math.min(right, box.right), Math.min(bottom, box.bottom)];
    }
    return right - left > 2 && bottom - top > 2 ? { left, top, right, bottom } : null;
  };
  const name = (one) => `${one.tagName} ${one.className} ${one.ariaLabel ?? ""} ${one.innerText ?? ""}`.trim();
  const found = all(document).filter((one) => one.matches(wanted)).map((one) => ({ one, box: seen(one) }));
  const controls = found.filter(({ box }) => box);
  const holds = (outer, one) => { while (one && one !== outer) one = above(one); return one === outer; };
  const over = [];
  controls.forEach((a, index) => controls.slice(index + 1).forEach((b) => {
    const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
    const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
    if (across <= 1 || down <= 1 || holds(a.one, b.one) || holds(b.one, a.one)) return;
    over.push(`${name(a.one)} | ${name(b.one)}`);
  }));
  const cut = controls.flatMap(({ one }) => [one, ...one.querySelectorAll("*")])
    .filter((one) => !["INPUT", "SELECT", "TEXTAREA"].includes(one.tagName) && !one.matches(".navigator, .navigator *"))
    .filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== "visible").map(name);
  return { count: controls.length, over, cut, beyond: document.documentElement.scrollWidth - innerWidth };
}"""


def assert_all_is_clear(page, least):
    """Nothing over another, nothing cut off, at `least` so many controls."""
    found = page.evaluate(FIND)
    assert (found["over"], found["cut"]) == ([], [])
    assert found["beyond"] <= 0 and found["count"] >= least


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_no_two_controls_of_the_slide_page_overlap(page, size, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    open_slide_page(page, "tissue")
    assert page.locator(".navigator").is_visible()
    assert_all_is_clear(page, 40)


@pytest.mark.parametrize("corner", ["topright", "bottomleft", "hidden"])
@pytest.mark.parametrize("size", SIZES[:2])
def test_the_overview_finds_room_in_every_corner(page, size, corner):
    prefer(page, overview=corner)
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    open_slide_page(page, "tissue")
    assert page.locator(".navigator").is_visible() == (corner != "hidden")
    assert_all_is_clear(page, 40)
    page.get_by_role("button", name="Draw a rectangle").click()
    page.locator(".hint").wait_for()
    assert_all_is_clear(page, 40)


def test_in_a_low_window_no_tool_is_cut_off(page):
    page.set_viewport_size({"width": 1280, "height": 560})
    open_slide_page(page, "tissue")
    assert_all_is_clear(page, 40)
    frame, last = (page.locator(one).bounding_box() for one in (".frame", ".tools [data-do=full]"))
    assert last["y"] + last["height"] <= frame["y"] + frame["height"]


@pytest.mark.parametrize("size", SIZES[:2])
@pytest.mark.parametrize(
    "place", ["/", "/?page=analyse", "/?page=worth", "/?page=drift", "/?page=model", "/?page=about"]
)
def test_no_two_controls_of_any_other_page_overlap(page, place, size):
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    page.goto(place)
    if place == "/":
        rows_of(page)
    page.locator(".ps-research").wait_for()
    page.wait_for_timeout(1000)
    assert_all_is_clear(page, 6)
