"""How soon the list of slides answers over ten thousand results, in a real Chromium.

python -m benchmarks.worklist [--slides 10000] [--rounds 5]: draws a table (no tissue, and its ids say so), starts the
viewer, and prints medians: the first row on the screen after the address was opened, the rows after a word was typed
into the search, the list as the server tells it first and again after one more slide.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.ledger.records import SlideRow, write_rows
from app.viewer.gate.visitors import THE_ONE
from app.viewer.pages.worklist.feed import Feed
from app.viewer.site import Site

CHROMIUM = "/usr/bin/chromium"
CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
REASONS = ("low-margin", "blur", "little-tissue", "tumour-like-tiles", "unfamiliar-tissue", "pen")


def draw_rows(count: int) -> list[SlideRow]:
    """Rows of drawn slides, a third of them to review and a tenth failed."""
    chance = random.Random(1)
    rows = []
    for number in range(count):
        status = chance.choices(("done", "review", "failed"), (6, 3, 1))[0]
        name, file = f"drawn-{number:05d}", f"/none/drawn-{number:05d}.svs"
        if status == "failed":
            rows.append(SlideRow(name, file, "failed", error_code="corrupt-slide", message="broke off"))
            continue
        reasons = tuple(chance.sample(REASONS, 2)) if status == "review" else ()
        rows.append(
            SlideRow(name, file, status, chance.choice(CLASSES), confidence=chance.random(), review_reasons=reasons,
                     mpp=0.25, mpp_source="slide", tissue_mm2=300 * chance.random(), tiles=3000, model="drawn 0")
        )  # fmt: skip
    return rows


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def of_server(results: Path, rows: list[SlideRow]) -> dict[str, float]:
    site = Site(results)
    feed = Feed(site, site.batches)
    told = {
        "server, first": seconds(lambda: feed.answer("", THE_ONE)),
        "server, nothing new": seconds(lambda: feed.answer("", THE_ONE)),
    }
    write_rows(results / "slides.csv", [*rows, SlideRow("one-more", "/none", "done", "normal")], CLASSES)
    return {**told, "server, one slide more": seconds(lambda: feed.answer("x", THE_ONE))}


def of_browser(address: str, rounds: int) -> dict[str, float]:
    from playwright.sync_api import sync_playwright

    opened, found = [], []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(address)
        for turn in range(rounds):
            opened.append(seconds(lambda: _first_row(page, address.partition("?")[0])))
            word = f"drawn-{1000 + turn:05d}"
            found.append(seconds(lambda: _search(page, word)))  # noqa: B023
        browser.close()
    return {"browser, first row": statistics.median(opened), "browser, search": statistics.median(found)}


def _first_row(page: Any, address: str) -> None:
    page.goto(address)
    page.get_by_test_id("worklist-row").first.wait_for()


def _search(page: Any, word: str) -> None:
    page.get_by_label("Search").fill(word)
    page.locator(f"[data-slide-id={word}]").wait_for()
    page.wait_for_function("document.querySelectorAll('[data-testid=worklist-row]').length === 1")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--slides", type=int, default=10_000)
    words.add_argument("--rounds", type=int, default=5)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results, rows = Path(folder), draw_rows(asked.slides)
        write_rows(results / "slides.csv", rows, CLASSES)
        told = of_server(results, rows)
        command = [sys.executable, "-m", "app.cli", "app", "--results", folder, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewer:
            assert viewer.stdout is not None
            address = viewer.stdout.readline().split()[3]
            try:
                told |= of_browser(address, asked.rounds)
            finally:
                viewer.terminate()
    for name, value in told.items():
        print(f"{name:28} {value:6.2f} s")


if __name__ == "__main__":
    main()
