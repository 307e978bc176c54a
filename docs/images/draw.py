"""Draws the documents' pictures of the app anew: `python -m docs.images.draw DEMO`, DEMO as `pulmoscope demo` wrote it.

The app runs as it is, in Chromium, over the demo's drawn slide; a slide model's attention is made up, since no slide
model comes with the program. Pictures are small and have few colours: look at them before they are committed.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from aggregate import store
from aggregate.result import SlideOpinion, SlideResult
from tests.app.viewer.browser import CHROMIUM, choose, let_in, open_slide_page, prefer, settle
from tests.app.viewer.conftest import serving

SLIDE = "synthetic-lung"
# Where the reading goes: level-0 px, magnification.
READING = ((5000, 4500, 2.5), (13000, 5600, 5), (12000, 8600, 10), (14600, 7000, 10), (6700, 9300, 20))


def main() -> None:
    folder = Path(__file__).parent
    with tempfile.TemporaryDirectory() as room:
        results = Path(room, "results")
        shutil.copytree(Path(sys.argv[1], "results"), results)
        store.save(_attended(store.load(results / f"{SLIDE}.zarr")), results)
        with serving(results, Path(room)) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            pages: dict[str, Callable[[Any], Any]] = {"coverage.png": coverage, "attention.png": attention}
            for name, show in pages.items():
                context = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=address)
                let_in(context, address)
                page = context.new_page()
                prefer(page, opacity=75)
                page.set_default_timeout(60_000)
                open_slide_page(page, SLIDE)
                keep(show(page), folder / name)
                context.close()


def coverage(page: Any) -> bytes:
    """A reading of five places, as its mask on the slide."""
    for x, y, power in READING:
        page.evaluate(
            """([x, y, power]) => {
                const find = (root) => root.querySelector(".frame") ?? [...root.querySelectorAll("*")]
                    .filter((one) => one.shadowRoot).map((one) => find(one.shadowRoot)).find(Boolean);
                find(document).view.place.go({ x, y, power }, true);
            }""",
            [x, y, power],
        )
        page.locator(".frame[data-loaded]").wait_for()
        settle(page)
        page.wait_for_timeout(1500)
    choose(page, "Seen")
    return _whole(page)


def attention(page: Any) -> bytes:
    choose(page, "Attention")
    return _whole(page)


def _whole(page: Any) -> bytes:
    page.get_by_role("button", name="Whole slide").click()
    page.locator(".frame[data-loaded]").wait_for()
    settle(page)
    # The slide with its bars, without what is beside it.
    return bytes(page.screenshot(clip={"x": 0, "y": 80, "width": 910, "height": 720}))


def _attended(result: SlideResult) -> SlideResult:
    """With attention on the middle of the small tumour and the rim of the large one, and an opinion to go with it."""
    tumour = result.tiles.probabilities[:, list(result.outputs).index(result.decision.call)]
    x, y = (result.tiles.xy - np.array([[6700, 9300]])).T.astype(np.float64)
    attention = (0.02 + tumour * (0.6 + 6 * np.exp(-(x**2 + y**2) / (2 * 500**2)))).astype(np.float32)
    attention /= np.nansum(attention)
    opinion = SlideOpinion(
        "made-up", "1", "ab" * 32, result.classes, result.decision.call, result.decision.probabilities,
        {"0.95": (result.decision.call,)}, "single", attention,
    )  # fmt: skip
    return replace(result, tiles=replace(result.tiles, attention=attention), opinion=opinion)


def keep(shot: bytes, file: Path, colours: int = 80) -> None:
    """Writes a picture small and in few colours, and tells its size."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    picture.thumbnail((720, 720), Image.Resampling.LANCZOS)
    few = picture.quantize(colours, method=Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    few.save(file, optimize=True)
    print(f"{file.name}: {picture.size}, {file.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
