"""A scripted reading in headless Chromium gives the mask that its path says, signed and replayed; switched off, nothing
is kept."""

import json

import numpy as np
import pytest
from PIL import Image

from aggregate import store
from aggregate.result_folder import result_path
from app.ledger.records import SlideRow, read_rows, write_rows
from app.presentation import figures
from app.review.coverage import KEY, STEPS, grid_of, replayed, stored
from app.review.reviews import open_reviews
from app.viewer.site import Site
from tests.app.viewer.browser import CHROMIUM, prefer, settle
from tests.results import CLASSES, make_result

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]
SIZE_PX, MPP = (4200, 3000), 0.5
CELLS = "\n".join(["0" * 14] * 6 + ["." * 14] * 4)
# (x, y) in level-0 px, magnification, rotation.
PATH = ((900, 700, 10, 0), (2600, 1500, 20, 0), (2600, 1500, 5, 90), (3900, 2900, 40, 0))


@pytest.fixture
def page(page):
    page.set_default_timeout(60_000)
    return page


@pytest.fixture
def slide(results, request):
    name = f"read-{request.node.name[-12:].strip('[]')}"
    Image.fromarray(np.full((SIZE_PX[1], SIZE_PX[0], 3), 180, np.uint8)).save(results / f"{name}.png")
    result = make_result(name, cells=CELLS, cell_px=300.0, size_px=SIZE_PX, mpp=MPP, file=f"{name}.png")
    store.save(result, results)
    rows = read_rows(results / "slides.csv")
    row = SlideRow(name, str(results / f"{name}.png"), "done", "adenocarcinoma", confidence=0.5)
    write_rows(results / "slides.csv", [*rows, row], CLASSES)
    yield result
    write_rows(results / "slides.csv", rows, CLASSES)


def open_at(page, slide, x, y, power, turned):
    page.goto(f"/?slide={slide.slide_id}&x={x}&y={y}&mag={power}&rot={turned}&layer=none")
    page.locator(".frame[data-loaded]").wait_for()
    settle(page)


def go(page, x, y, power, turned):
    """To a place as the page's own buttons would, and until it stands still and sharp there."""
    page.evaluate(
        """([x, y, power, turned]) => {
            const find = (root) => root.querySelector(".frame") ?? [...root.querySelectorAll("*")]
                .filter((one) => one.shadowRoot).map((one) => find(one.shadowRoot)).find(Boolean);
            const { view } = find(document);
            view.viewer.viewport.setRotation(turned, true);
            view.place.go({ x, y, power }, true);
        }""",
        [x, y, power, turned],
    )
    page.locator(".frame[data-loaded]").wait_for()
    settle(page)
    page.wait_for_timeout(1200)


def sign(page):
    page.get_by_label("Your name").fill("Anna Reader")
    page.locator(".st-key-name-said button").click()
    page.locator(".st-key-person").get_by_text("name not checked").wait_for()
    page.locator(".st-key-decide-agree button").click()
    page.get_by_test_id("signature").filter(has_text="has not signed").wait_for()
    page.locator("[data-stale=true]").first.wait_for(state="detached")
    page.locator(".st-key-sign button").click()
    page.get_by_test_id("signature").filter(has_text="signed by Anna Reader").wait_for()
    page.locator("[data-stale=true]").first.wait_for(state="detached")


def mask_of(path, frame, grid):
    """The cells whose middle lies on a screen of `frame` px that stands at each place of a path."""
    row, column = np.mgrid[: grid.rows, : grid.columns]
    x, y = (column + 0.5) * grid.cell_px, (row + 0.5) * grid.cell_px
    seen = np.zeros((grid.rows, grid.columns), np.uint8)
    for x0, y0, power, turned in path:
        um_a_screen_px = 10 / power
        half = [side * um_a_screen_px / MPP / 2 for side in frame]
        across, down = half if turned % 180 == 0 else half[::-1]
        step = sum(one <= power for one in STEPS)
        inside = (np.abs(x - x0) <= across) & (np.abs(y - y0) <= down)
        seen = np.where(inside, np.maximum(seen, step), seen).astype(np.uint8)
    return seen


def kept(results, slide):
    signature = open_reviews(results).record(slide.slide_id).final.signature
    return json.loads(signature.screen), signature.screen


def edge(mask):
    """Cells within one of a change: where half a screen px decides."""
    padded = np.pad(mask, 1, mode="edge")
    rows, columns = mask.shape
    around = [padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    return np.max(around, axis=0) != np.min(around, axis=0)


@pytest.mark.slow
def test_a_known_path_gives_the_known_mask_signed_and_replayed(page, results, slide):
    prefer(page, regions=False)
    open_at(page, slide, *PATH[0])
    page.wait_for_timeout(1200)
    for place in PATH[1:]:
        go(page, *place)
    button = page.get_by_test_id("coverage")
    assert button.inner_text().startswith("Seen at 10x:")
    frame = page.evaluate(
        "() => { const find = (root) => root.querySelector('.stage') ?? [...root.querySelectorAll('*')]"
        ".filter((one) => one.shadowRoot).map((one) => find(one.shadowRoot)).find(Boolean);"
        " const { clientWidth, clientHeight } = find(document); return [clientWidth, clientHeight]; }"
    )
    shown = int(button.inner_text().removeprefix("Seen at 10x: ").removesuffix("%"))
    sign(page)
    screen, text = kept(results, slide)
    again, grid = replayed(stored(text), slide), grid_of(slide)
    wanted = mask_of(PATH, frame, grid)
    # The bounds of the viewer may hold a screen at the slide's corner back: there the places are as it says.
    unlike = (again.seen != wanted) & ~edge(wanted)
    assert unlike.sum() == 0
    assert again.seen[wanted > 0].min() >= 0 and set(np.unique(again.seen)) >= {0, 2, 3, 4}
    assert int(100 * again.figure) == shown and screen[KEY]["share"]["10"] == round(again.figure, 4)
    # The page that shows the signed record counts the same from it.
    said = page.get_by_test_id("seen").inner_text()
    assert f"{figures.percent(again.figure)} of the tissue at 10x or more" in said
    page.reload()
    page.get_by_test_id("seen").wait_for()
    assert page.get_by_test_id("seen").inner_text() == said
    page.get_by_test_id("coverage").filter(has_text=f"Seen at 10x: {shown}%").wait_for()
    assert page.get_by_test_id("coverage").is_disabled()


@pytest.mark.slow
def test_switched_off_nothing_is_kept(page, results, slide):
    prefer(page, regions=False)
    open_at(page, slide, *PATH[0])
    page.wait_for_timeout(1200)
    button = page.get_by_test_id("coverage")
    assert button.inner_text() != "Seen at 10x: 0%"
    button.click()
    page.get_by_test_id("coverage").filter(has_text="not kept").wait_for()
    page.wait_for_timeout(1200)
    sign(page)
    screen, text = kept(results, slide)
    assert KEY not in screen and "seen" not in text and screen["mag"] == "10"
    assert page.get_by_test_id("seen").count() == 0


def test_a_viewer_that_keeps_nothing_tells_the_page_so(results):
    from app.review.people import Person
    from app.viewer.pages.slide.drawing import Board, case_of

    assert Site(results, coverage=False).coverage is False
    path = result_path(results, "alone")
    result = store.load(path)
    reviews = open_reviews(results / "none")
    case = case_of(result, path)
    assert Board(reviews, case, result, Person("A"), coverage=False).coverage_facts() is None
    facts = Board(reviews, case, result, Person("A"), coverage=True).coverage_facts()
    assert facts["signed"] is None and facts["rows"] > 0
