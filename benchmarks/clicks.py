"""Random clicks on the list of slides while a real batch adds rows to it: does each open the slide that was clicked?

`python -m benchmarks.clicks [--clicks 200] [--slides 60]`: draws small slides, starts the viewer and `pulmoscope run`
over them, and clicks rows at random in Chromium, now and then after a pause in which rows came. Prints how many clicks
opened another slide, and which; ends with 1 where any did.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from app.viewer.site import default_site
from benchmarks.triage import CHROMIUM, PATIENCE_MS, served
from classifier.model_folder.find import DEMO_MODEL
from wsi.synthetic.shapes import Ellipse, Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

PAUSES_MS = (0, 0, 200, 900, 2300)
FIRST_ROWS = 6


def draw(folder: Path, count: int) -> None:
    for number in range(count):
        regions = [SyntheticRegion(Rectangle((30.0, 30.0), (400.0, 300.0)), "normal")]
        if number % 2:
            regions.append(SyntheticRegion(Ellipse((230.0, 180.0), (120.0, 100.0)), "adenocarcinoma"))
        name = f"{random.Random(number).randrange(10**6):06d}-drawn.svs"
        write_synthetic_slide(folder / name, regions=regions, mpp=0.5, size_px=(1003, 803), seed=number)


def click(page: Any, chance: random.Random) -> tuple[str, str]:
    """(the slide that stood on the row that was clicked, the slide that opened)."""
    rows = page.get_by_test_id("worklist-row")
    rows.first.wait_for()
    page.wait_for_timeout(chance.choice(PAUSES_MS))
    # One look and one click on what is then on the screen, as an eye and a hand do: not at a row by its name.
    aim = rows.nth(chance.randrange(rows.count()))
    aim.scroll_into_view_if_needed()
    box, meant = aim.bounding_box(), aim.get_attribute("data-slide-id")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url(lambda address: "slide=" in address)
    opened = page.url.partition("slide=")[2].partition("&")[0]
    page.get_by_role("button", name="Slides").click()
    page.wait_for_url(lambda address: "slide=" not in address)
    return meant, opened


def clicked(address: str, cookie: dict[str, str], clicks: int) -> tuple[list[tuple[str, str]], int, int]:
    """All clicks, and how many rows there were before the first and after the last."""
    from playwright.sync_api import sync_playwright

    chance = random.Random(12)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.add_cookies([cookie])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        rows = page.get_by_test_id("worklist-row")
        rows.nth(FIRST_ROWS).wait_for()
        before = rows.count()
        found = list[tuple[str, str]]()
        while len(found) < clicks:
            found.append(click(page, chance))
            if len(found) % 20 == 0:
                wrong = sum(meant != opened for meant, opened in found)
                print(f"{len(found)} clicks, {wrong} wrong, {rows_told(page)} rows", flush=True)
        rows.first.wait_for()
        after = rows.count()
        browser.close()
    return found, before, after


def rows_told(page: Any) -> int:
    rows = page.get_by_test_id("worklist-row")
    rows.first.wait_for()
    return int(rows.count())


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--clicks", type=int, default=200)
    words.add_argument("--slides", type=int, default=60)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        slides, results = Path(folder) / "slides", Path(folder) / "results"
        slides.mkdir()
        results.mkdir()
        draw(slides, asked.slides)
        site = default_site(results, [slides])
        command = [sys.executable, "-m", "app.cli", "run", str(slides), "--out", str(results), "--model", DEMO_MODEL]
        with served(site) as port, subprocess.Popen(command, stdout=subprocess.DEVNULL) as batch:
            address = f"http://127.0.0.1:{port}"
            cookie = {"name": site.key.cookie, "value": site.key.secret, "url": address}
            found, before, after = clicked(address, cookie, asked.clicks)
            running = batch.poll() is None
            batch.terminate()
    wrong = [one for one in found if one[0] != one[1]]
    print(f"{len(found) - len(wrong)} of {len(found)} clicks opened the slide that was clicked")
    print(
        f"rows: {before} at the first click, {after} at the last; the batch {'ran still' if running else 'had ended'}"
    )
    for meant, opened in wrong:
        print(f"clicked {meant}, opened {opened}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
