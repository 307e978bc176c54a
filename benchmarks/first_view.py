"""How long a reader waits for a sharp slide: chosen by J on an open page, and by its address in a fresh browser.

`python -m benchmarks.first_view RESULTS SLIDES` prints seconds over the slides of RESULTS, files in SLIDES; needs
Debian's Chromium and Playwright. A view is sharp when every tile in sight of its own level is drawn. `--rounds N`.
"""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path
from typing import Any

from app.viewer.catalog import list_entries
from app.viewer.server import listen, make_server
from app.viewer.site import Site, default_site
from benchmarks.rounds import arguments

CHROMIUM = "/usr/bin/chromium"
SIZE = {"width": 1280, "height": 800}
SHARP = ".frame[data-loaded]"


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
    for name, seconds in found.items():
        if seconds:
            print(f"{name}: median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s of {len(seconds)}")


def measured(site: Site, port: int, slides: list[str], rounds: int) -> dict[str, list[float]]:
    """Seconds until sharp, by how the slide was chosen."""
    from playwright.sync_api import sync_playwright

    found: dict[str, list[float]] = {"by address, fresh browser": [], "by key J on an open page": []}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"])
        for _ in range(rounds):
            for slide in slides:
                context = browser.new_context(viewport=SIZE)
                cookie = {"name": site.key.cookie, "value": site.key.secret, "url": f"http://127.0.0.1:{port}"}
                context.add_cookies([cookie])
                page = context.new_page()
                start = time.perf_counter()
                page.goto(f"http://127.0.0.1:{port}/?slide={slide}")
                page.locator(SHARP).wait_for()
                found["by address, fresh browser"].append(time.perf_counter() - start)
                if page.get_by_test_id("next-slide").is_enabled():
                    found["by key J on an open page"].append(next_slide(page))
                context.close()
        browser.close()
    return found


def next_slide(page: Any) -> float:
    """Seconds from the key to the next slide's sharp view."""
    page.wait_for_timeout(1000)
    shown = page.locator(".frame").get_attribute("data-slide")
    start = time.perf_counter()
    page.keyboard.press("j")
    page.locator(f'{SHARP}:not([data-slide="{shown}"])').wait_for()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
