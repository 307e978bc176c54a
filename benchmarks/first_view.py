"""How long a reader waits for a sharp slide: chosen in the list, by J on an open page, by address in a fresh browser.

`python -m benchmarks.first_view RESULTS SLIDES` prints seconds over the slides of RESULTS, files in SLIDES, the CPU
time of this process (the viewer, and what drives the browser) and the machine's load; needs Debian's Chromium and
Playwright. A view is sharp when every tile in sight of its own level is drawn. `--rounds N`.
"""

from __future__ import annotations

import os
import statistics
import threading
from pathlib import Path
from typing import Any

from app.viewer.catalog import list_entries
from app.viewer.server import listen, make_server
from app.viewer.site import Site, default_site
from benchmarks.rounds import Cost, arguments, measure

CHROMIUM = "/usr/bin/chromium"
SIZE = {"width": 1280, "height": 800}
SHARP = ".frame[data-loaded]"
LOOKING_MS = 2000  # a person looks at least so long before the next


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("results", type=Path)
    parser.add_argument("slides", type=Path)
    options = parser.parse_args()
    site = default_site(options.results, [options.slides])
    slides = [entry.row.slide_id for entry in list_entries(site.results) if entry.has_result]
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        server = make_server(site, port)
        # The server's own handlers of signals belong to a main thread.
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        found = measured(site, port, slides, options.rounds)
        server.should_exit = True
        thread.join(timeout=20)
    for name, waits in found.items():
        if waits:
            wall, cpu = [one.wall_s for one in waits], [one.cpu_s for one in waits]
            told = f"median {statistics.median(wall):.2f} s, worst {max(wall):.2f} s of {len(wall)}"
            print(f"{name}: {told}; CPU of the viewer {statistics.median(cpu):.2f} s")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def measured(site: Site, port: int, slides: list[str], rounds: int) -> dict[str, list[Cost]]:
    """What it took until sharp, by how the slide was chosen."""
    from playwright.sync_api import sync_playwright

    found: dict[str, list[Cost]] = {"by address, fresh browser": [], "by key J": [], "in the list": []}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"])
        for slide in slides * rounds:
            context = browser.new_context(viewport=SIZE)
            address = f"http://127.0.0.1:{port}"
            context.add_cookies([{"name": site.key.cookie, "value": site.key.secret, "url": address}])
            page = context.new_page()
            found["by address, fresh browser"].append(measure(lambda: opened(page, f"{address}/?slide={slide}")))  # noqa: B023
            if page.get_by_test_id("next-slide").is_enabled():
                found["by key J"].append(next_slide(page))
            page.get_by_role("button", name="Slides").click()
            found["in the list"].append(from_list(page, slide))
            context.close()
        browser.close()
    return found


def opened(page: Any, address: str) -> None:
    page.goto(address)
    page.locator(SHARP).wait_for()


def next_slide(page: Any) -> Cost:
    """From the key to the next slide's sharp view."""
    page.wait_for_timeout(LOOKING_MS)
    shown = page.locator(".frame").get_attribute("data-slide")
    return measure(lambda: (page.keyboard.press("j"), page.locator(f'{SHARP}:not([data-slide="{shown}"])').wait_for()))


def from_list(page: Any, slide: str) -> Cost:
    """From the click on its row to its sharp view."""
    row = page.locator(f"[data-slide-id={slide}]")
    row.wait_for()
    page.wait_for_timeout(LOOKING_MS)
    return measure(lambda: (row.click(), page.locator(f'{SHARP}[data-slide="{slide}"]').wait_for()))


if __name__ == "__main__":
    main()
