"""Slides with damaged directories through every door: `info`, `run`, the viewer's page, and its tile route.

`python -m benchmarks.hostile FOLDER [--count 76] [--seed 0] [--slides SLIDES]` makes the slides of the Aperio one that
PULMOSCOPE_DATA holds (or takes those in SLIDES) and prints what each door gave, the longest wait, and the memory of
the viewer's server throughout. Needs a Chromium. Figures: docs/reliability.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aggregate import store
from app.ledger.records import SLIDES_CSV, SlideRow, write_rows
from app.slides.files import _version
from app.viewer.tiles.pyramid import TILE_PX
from app.viewer.tiles.tokens import Grant, Signer
from tests.app.viewer.browser import CHROMIUM, KEY, asked, let_in, wait_for
from tests.faults.common import ROOT, run_to_end, table
from tests.results import CLASSES, make_result

_SECRET = b"of a trial that nobody else can reach"
_SERVE = """
import sys
from pathlib import Path
from app.viewer.gate.launch import LaunchKey
from app.viewer.server import make_server
from app.viewer.site import Site
from app.viewer.tiles.tokens import Signer
results, port, key, secret = Path(sys.argv[1]), int(sys.argv[2]), LaunchKey(sys.argv[3]), sys.argv[4].encode()
make_server(Site(results, key=key, signer=Signer(secret)), port).run()
"""
_ENTRY = re.compile(rb"[\x00-\x53]\x01[\x03\x04]\x00\x01\x00\x00\x00..\x00\x00", re.DOTALL)
_BITS = (12, 20, 24, 27, 31)
_PAGE_S = 90.0


def damage(slide: Path, folder: Path, count: int, seed: int) -> list[Path]:
    """Copies of an Aperio slide, one to three single numbers of its directories replaced by up to 31 bits of noise."""
    whole, rng = slide.read_bytes(), random.Random(seed)
    places = [found.start() + 2 for found in _ENTRY.finditer(whole)]
    folder.mkdir(parents=True)
    for number in range(count):
        data = bytearray(whole)
        for at in rng.sample(places, rng.randint(1, 3)):
            data[at : at + 10] = b"\4\0\1\0\0\0" + rng.getrandbits(rng.choice(_BITS)).to_bytes(4, "little")
        (folder / f"h{number:02d}.svs").write_bytes(data)
    return sorted(folder.iterdir())


def look_at(slide: Path) -> tuple[str, dict[str, Any], float]:
    """What `info` ends in, what it tells, and the seconds it took."""
    started = time.monotonic()
    command = [sys.executable, "-m", "app.cli", "info", "--json", str(slide)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    took = time.monotonic() - started
    assert "Traceback" not in done.stderr + done.stdout and done.returncode >= 0, done.stderr
    told = json.loads(done.stdout) if done.returncode == 0 else {}
    return "read" if told else done.stderr.split(": ")[1], told, took


def lay_out_results(slides: list[Path], told: dict[str, dict[str, Any]], folder: Path) -> None:
    """A stored result for each slide, of the size that it states, so that the viewer opens it and offers its tiles."""
    rows = []
    for slide in slides:
        size = tuple(told[slide.stem].get("size_px", (2000, 2000)))
        store.save(make_result(slide.stem, file=slide.name, mpp=0.499, size_px=size), folder)
        rows.append(SlideRow(slide.stem, str(slide), "done", "adenocarcinoma"))
    write_rows(folder / SLIDES_CSV, rows, CLASSES)


@contextmanager
def viewer(results: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", _SERVE, str(results), str(port), KEY.secret, _SECRET.decode()]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        wait_for(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(30)


class Watch(threading.Thread):
    """The largest memory, in GB, of a process and of any process that it started."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.server_gb, self.child_gb = pid, 0.0, 0.0

    def run(self) -> None:
        while Path(f"/proc/{self.pid}").exists():
            self.server_gb = max(self.server_gb, _peak_gb(self.pid))
            children = Path(f"/proc/{self.pid}/task").glob("*/children")
            for child in (int(word) for path in children for word in _text(path).split()):
                self.child_gb = max(self.child_gb, _peak_gb(child))
            time.sleep(0.2)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _peak_gb(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+)", _text(Path(f"/proc/{pid}/status")))
    return int(found[1]) / 2**20 if found else 0.0


def open_page(context: Any, address: str, slide: Path) -> tuple[str, float]:
    """What the page of a slide shows in the end, and the seconds until it does."""
    page, started = context.new_page(), time.monotonic()
    try:
        page.goto(f"{address}/?slide={slide.stem}", timeout=_PAGE_S * 1000)
        told = page.get_by_text(re.compile("could not be opened|not at hand|cannot be shown"))
        page.locator(".frame[data-loaded]").or_(told).first.wait_for(timeout=_PAGE_S * 1000)
        shown = "trouble told" if told.count() else "picture"
    finally:
        page.close()
    return shown, time.monotonic() - started


def ask_for_tiles(address: str, slide: Path, told: dict[str, Any]) -> tuple[Counter[str], float]:
    """The answers to five tiles of the finest level and one of an eighth of its size, and the longest wait for one."""
    token = Signer(_SECRET).sign(Grant(slide.stem, _version(slide) or ""), time.time())
    size = tuple(told.get("size_px", (2000, 2000)))
    finest = max(3, math.ceil(math.log2(max(size))))
    columns, rows = (max(1, side // TILE_PX) for side in size)
    places = [(finest, c * columns // 5, r * rows // 5) for c, r in ((0, 0), (1, 3), (2, 2), (3, 1), (4, 4))]
    answers: Counter[str] = Counter()
    longest = 0.0
    for level, column, row in [(finest - 3, 0, 0), *places]:
        started = time.monotonic()
        answers[_status(f"{address}/viewer/tiles/{token}/{level}/{column}_{row}.jpg")] += 1
        longest = max(longest, time.monotonic() - started)
    return answers, longest


def _status(address: str) -> str:
    try:
        return str(asked(address, timeout_s=120).status)
    except urllib.error.HTTPError as error:
        return str(error.code)


def main(folder: Path, slides: list[Path]) -> None:
    looks = [look_at(slide) for slide in slides]
    show("info", Counter(code for code, _, _ in looks), max(took for *_, took in looks))
    told = {slide.stem: facts for slide, (_, facts, _) in zip(slides, looks, strict=True)}
    started = time.monotonic()
    run_to_end(slides[0].parent, folder / "out", "--mpp", "0.5", "--slide-timeout", "60")
    rows = table(folder / "out").values()
    show("run, all", Counter(row["error_code"] or row["status"] for row in rows), time.monotonic() - started)
    lay_out_results(slides, told, folder / "results")
    with viewer(folder / "results") as (address, process):
        watch = Watch(process.pid)
        watch.start()
        pages = pages_of(address, slides)
        show("pages", Counter(shown for shown, _ in pages), max(took for _, took in pages))
        tiles = [ask_for_tiles(address, slide, told[slide.stem]) for slide in slides]
        show("tiles", sum((found for found, _ in tiles), Counter()), max(took for _, took in tiles))
        assert process.poll() is None, "the server died"
        print(f"server alive, at most {watch.server_gb:.2f} GB; a process it started at most {watch.child_gb:.2f} GB")


def show(door: str, ended: Counter[str], longest_s: float) -> None:
    print(f"{door}: {', '.join(f'{count} {how}' for how, count in ended.most_common())}; {longest_s:.1f} s", flush=True)


def pages_of(address: str, slides: list[Path]) -> list[tuple[str, float]]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context()
        let_in(context, address)
        found = [open_page(context, address, slide) for slide in slides]
        browser.close()
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slides", type=Path)
    parser.add_argument("--count", type=int, default=76)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.slides:
        found = sorted(given.slides.glob("*.svs"))
    else:
        real = Path(os.environ["PULMOSCOPE_DATA"]) / "wsi" / "cmu-1-small-region.svs"
        found = damage(real, given.folder / "in", given.count, given.seed)
    main(given.folder.absolute(), [slide.absolute() for slide in found])
