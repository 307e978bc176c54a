"""Twenty mixed slides read by keyboard alone, in a real Chromium: how many keys and how many seconds a slide.

`python -m benchmarks.triage [--slides 20]` draws slides (tumour, normal, pen on some, one damaged), runs the demo
model on them, and reads them as a person would who knows what was drawn: from the list, N to each place that
the model calls tumour, A where the call is right, C and a number where it is not, S, J. No mouse. Times are the
machine's: a person's own looking is not in them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.batch.inputs import collect_jobs
from app.batch.run_batch import Tally as Batch
from app.batch.run_batch import run_batch
from app.config import RunConfig
from app.review.records import OTHER
from app.review.reviews import open_reviews
from app.viewer.catalog import find_entry, load_result
from app.viewer.server import listen, make_server
from app.viewer.site import Site, default_site
from classifier.model_folder.files import read_card
from classifier.model_folder.find import DEMO_MODEL, find_model
from wsi.synthetic.marks import PenStroke
from wsi.synthetic.shapes import Ellipse, Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

CHROMIUM = "/usr/bin/chromium"
SIZE_PX, MPP = (3203, 2411), 0.5
KINDS = ("adenocarcinoma", "normal", "squamous_cell_carcinoma", "normal", "adenocarcinoma")
PATIENCE_MS = 120_000


@dataclass
class Tally:
    """What one slide took."""

    slide: str
    keys: int = 0
    places: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


def draw(folder: Path, count: int) -> dict[str, str]:
    """Slide id -> what was drawn; one more file is damaged."""
    truth = {}
    for number in range(count):
        kind, name = KINDS[number % len(KINDS)], f"triage-{number:02d}"
        regions = [SyntheticRegion(Rectangle((100.0, 80.0), (1400.0, 1000.0)), "normal")]
        if kind != "normal":
            regions += [
                SyntheticRegion(Ellipse((500.0 + 20 * number, 500.0), (260.0, 230.0)), kind),
                SyntheticRegion(Ellipse((1150.0, 700.0), (170.0, 200.0)), kind),
            ]
        marks = [PenStroke(((200.0, 150.0), (900.0, 180.0)), 40.0)] if number % 4 == 3 else []
        write_synthetic_slide(
            folder / f"{name}.svs", regions=regions, marks=marks, mpp=MPP, size_px=SIZE_PX, seed=number
        )
        truth[name] = kind
    (folder / "damaged.svs").write_bytes(b"II*\0 no slide")
    return truth


@contextmanager
def served(site: Site) -> Iterator[int]:
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        server = make_server(site, port)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield port
        server.should_exit = True
        thread.join(timeout=20)


class Hand:
    """A person at the keyboard: every key is counted."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.keys = 0

    def press(self, key: str) -> None:
        self.keys += 1
        self.page.keyboard.press(key)

    def write(self, text: str) -> None:
        self.keys += len(text)
        self.page.keyboard.type(text)


def read(site: Site, hand: Hand, truth: dict[str, str]) -> list[Tally]:
    """Reads slides until the last of the list is signed."""
    page, tallies = hand.page, list[Tally]()
    page.get_by_test_id("worklist-row").first.wait_for()
    while page.evaluate("() => document.activeElement.dataset.testid !== 'worklist-row'"):
        hand.press("Tab")
    began = time.perf_counter()
    hand.press("Enter")
    while len(tallies) < len(truth):
        view = page.locator(f".frame[data-loaded]{''.join(f':not([data-slide={one.slide}])' for one in tallies)}")
        view.wait_for()
        slide = view.get_attribute("data-slide")
        tally = Tally(slide, seconds={"sharp": time.perf_counter() - began})
        while page.locator(".frame").count() > 1:  # the slide before is on its way out
            page.wait_for_timeout(20)
        before = 0 if not tallies else hand.keys - 1  # the key that opened it is its own
        visit(page, hand, tally)
        decide(site, page, hand, slide, truth[slide])
        tally.seconds["signed"] = time.perf_counter() - began
        tallies.append(tally)
        tally.keys = hand.keys - before
        began = time.perf_counter()
        if len(tallies) < len(truth):
            hand.press("j")
    return tallies


def visit(page: Any, hand: Hand, tally: Tally) -> None:
    """Each place that is called tumour, seen sharp."""
    titles = page.get_by_test_id("region").evaluate_all("all => all.map((one) => one.title)")
    for title in titles:
        if title.startswith(("Normal", "Not judged")):
            continue
        hand.press("n")
        page.wait_for_timeout(50)
        page.locator(".frame[data-loaded]").wait_for()
        tally.places += 1


def decide(site: Site, page: Any, hand: Hand, slide: str, truth: str) -> None:
    entry = find_entry(site.results, slide)
    assert entry is not None
    result = load_result(entry)
    if result.decision.call == truth:
        hand.press("a")
    else:
        others = [*(name for name in result.classes if name != result.decision.call), OTHER]
        hand.press("c")
        hand.press(str(others.index(truth) + 1))
    if page.locator(".st-key-name input").count():
        page.locator(".st-key-name input:focus").wait_for()
        hand.write("Anna Reader")
        hand.press("Enter")
        page.locator(".st-key-person").wait_for()
    hand.press("s")
    page.get_by_test_id("signature").filter(has_text="signed by Anna Reader").wait_for()


def main() -> None:
    from playwright.sync_api import sync_playwright

    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--slides", type=int, default=20)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        slides, results = Path(folder) / "slides", Path(folder) / "results"
        slides.mkdir()
        truth = draw(slides, asked.slides - 1)
        config = RunConfig(out=results, model=DEMO_MODEL)
        list(run_batch(collect_jobs([slides], None), config, read_card(find_model(DEMO_MODEL)).classes, tally=Batch()))
        site = default_site(results, [slides])
        with served(site) as port, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox"])
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            address = f"http://127.0.0.1:{port}"
            context.add_cookies([{"name": site.key.cookie, "value": site.key.secret, "url": address}])
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.goto(address)
            hand = Hand(page)
            tallies = read(site, hand, truth)
            browser.close()
        signed = open_reviews(results).states()
        right = sum(signed[name].call == kind for name, kind in truth.items())
    tell(tallies, hand.keys, right)


def tell(tallies: list[Tally], keys: int, right: int) -> None:
    print(f"{len(tallies)} slides signed, {right} as drawn, one damaged and passed by; {keys} keys, no mouse")
    of = {name: [one.seconds[name] for one in tallies] for name in ("sharp", "signed")}
    count = [one.keys for one in tallies[1:]]
    print(f"keys a slide: median {statistics.median(count):g}, most {max(count)}, the first {tallies[0].keys}")
    print(f"places visited: {sum(one.places for one in tallies)}")
    for name, seconds in of.items():
        print(f"seconds from the key to {name}: median {statistics.median(seconds):.2f}, most {max(seconds):.2f}")


if __name__ == "__main__":
    main()
