"""Random clicks on the list of slides while a real batch adds rows to it: does each open the slide that was clicked?

`python -m benchmarks.clicks [--clicks 200] [--slides 60]`: draws small slides, starts the viewer and `pulmoscope run`
over them, and clicks rows at random in Chromium, now and then after a pause in which rows came. Prints how many clicks
opened another slide or none, and which, with what the page heard; ends with 1 where any did.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.viewer.site import default_site
from benchmarks.triage import CHROMIUM, PATIENCE_MS, served
from classifier.model_folder.find import DEMO_MODEL
from wsi.synthetic.shapes import Ellipse, Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

DRAWN = 40
PAUSES_MS = (0, 0, 200, 900, 2300)
FIRST_ROWS = 6
# No slide after so long: the click is lost.
LOST_MS = 60_000
RIGHT, WRONG, LOST = "right", "wrong", "lost"
# One look: a row of the list, brought to where it can be seen, and what stands at its middle.
LOOK = """(share) => {
  const rows = document.querySelectorAll(".wl-row"), row = rows[Math.floor(share * rows.length)];
  const list = row.closest(".wl"), head = document.querySelector(".wl-top").offsetHeight;
  const place = row.getBoundingClientRect(), all = list.getBoundingClientRect();
  if (place.top < all.top + head) list.scrollTop -= all.top + head - place.top;
  else if (place.bottom > all.bottom) list.scrollTop += place.bottom - all.bottom;
  const { left, top, width, height } = row.getBoundingClientRect();
  return [row.dataset.slideId, left + width / 2, top + height / 2];
}"""
# What the page heard last, to tell of a click that went astray.
HEARD = """
window.heard = [];
const row = (target) => target.closest?.("[data-slide-id]")?.dataset.slideId ?? target.className;
for (const name of ["mousedown", "mouseup", "click"]) {
  const note = ({ clientY, target }) => { heard = [...heard.slice(-5), `${name} at y ${clientY}: ${row(target)}`]; };
  addEventListener(name, note, true);
}
"""


@dataclass(frozen=True)
class Click:
    """A click on the row of `meant`, and one to come `back`; `opened` is empty where nothing opened."""

    meant: str
    opened: str
    back: bool
    heard: str

    @property
    def end(self) -> str:
        if self.opened not in ("", self.meant):
            return WRONG
        return RIGHT if self.opened and self.back else LOST


def draw(folder: Path, count: int) -> None:
    """Some are drawn; the others are copies of these, each another file by a few bytes behind its end."""
    drawn: list[bytes] = []
    for number in range(count):
        path = folder / f"{random.Random(number).randrange(10**6):06d}-drawn.svs"
        if number >= DRAWN:
            path.write_bytes(drawn[number % DRAWN] + number.to_bytes(4, "little"))
            continue
        regions = [SyntheticRegion(Rectangle((30.0, 30.0), (400.0, 300.0)), "normal")]
        if number % 2:
            regions.append(SyntheticRegion(Ellipse((230.0, 180.0), (120.0, 100.0)), "adenocarcinoma"))
        write_synthetic_slide(path, regions=regions, mpp=0.5, size_px=(1003, 803), seed=number)
        drawn.append(path.read_bytes())


def click(page: Any, chance: random.Random) -> Click:
    page.get_by_test_id("worklist-row").first.wait_for()
    page.wait_for_timeout(chance.choice(PAUSES_MS))
    # One look and one click on what is then on the screen, as an eye and a hand do: not at a row by its name.
    meant, x, y = page.evaluate(LOOK, chance.random())
    page.mouse.click(x, y)
    opened = page.url.partition("slide=")[2].partition("&")[0] if moved(page, away=True) else ""
    heard = json.dumps(page.evaluate("heard"))
    if opened:
        page.get_by_role("button", name="Slides").click()
    return Click(meant, opened, bool(opened) and moved(page, away=False), heard)


def moved(page: Any, *, away: bool) -> bool:
    """Whether the address became a slide's, or the list's again, in time."""
    from playwright.sync_api import TimeoutError

    try:
        page.wait_for_url(lambda address: ("slide=" in address) == away, timeout=LOST_MS)
    except TimeoutError:
        return False
    return True


def clicked(address: str, cookie: dict[str, str], clicks: int) -> tuple[list[Click], int, int]:
    """All clicks, and how many rows there were before the first and after the last."""
    from playwright.sync_api import sync_playwright

    chance = random.Random(12)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.add_cookies([cookie])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(HEARD)
        page.goto(address)
        rows = page.get_by_test_id("worklist-row")
        rows.nth(FIRST_ROWS).wait_for()
        before = rows_told(page)
        found = list[Click]()
        while len(found) < clicks:
            found.append(click(page, chance))
            if found[-1].end == LOST:
                page.goto(address)
            if len(found) % 20 == 0:
                print(f"{len(found)} clicks, {told(found)}; {rows_told(page)} rows", flush=True)
        after = rows_told(page)
        browser.close()
    return found, before, after


def rows_told(page: Any) -> int:
    """All rows of the list, of which a long one draws those that are seen."""
    page.get_by_test_id("worklist-row").first.wait_for()
    return int(page.get_by_test_id("worklist").get_attribute("aria-rowcount")) - 1


def told(found: list[Click]) -> str:
    ends = Counter(one.end for one in found)
    return ", ".join(f"{ends[end]} {end}" for end in (RIGHT, WRONG, LOST))


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
    print(f"{len(found)} clicks: {told(found)}")
    print(
        f"rows: {before} at the first click, {after} at the last; the batch {'ran still' if running else 'had ended'}"
    )
    astray = [one for one in found if one.end != RIGHT]
    for one in astray:
        print(f"clicked {one.meant}, opened {one.opened or 'nothing'}; the page heard {one.heard}")
    return int(bool(astray))


if __name__ == "__main__":
    sys.exit(main())
