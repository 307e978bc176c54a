"""How soon tiles come to eight viewers at once, while a batch runs: never asked for before (cold), and again (warm).

`python -m benchmarks.tiles RESULTS SLIDES [--idle]` reads tiles of the slides of RESULTS, files in SLIDES, from the
viewer's own route, over sockets that stay open: bursts of twelve neighbouring tiles, then a pause, as a person moves a
slide. Beside it `pulmoscope run` works on SLIDES with the demo model, save with `--idle`. Prints medians and 95th
percentiles, and the machine's load.
"""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from app.viewer.catalog import list_entries, load_result
from app.viewer.site import Site, default_site
from app.viewer.tiles.pyramid import lay_pyramid
from benchmarks.triage import served
from classifier.model_folder.find import DEMO_MODEL

VIEWERS, BURSTS, BURST, PAUSE_S = 8, 12, 12, 0.4


def addresses(site: Site) -> list[list[str]]:
    """Bursts of neighbouring tiles, each tile in one burst only."""
    bursts, chance = [], random.Random(5)
    for entry in list_entries(site.results):
        if not entry.has_result:
            continue
        file = site.slide_file(entry, load_result(entry))
        if file is None:
            continue
        path, pyramid = site.tiles_path(entry.row.slide_id, file), lay_pyramid(file.levels)
        places = [
            (level, column, row)
            for level in range(pyramid.min_level, pyramid.max_level + 1)
            for row in range(pyramid.grid(level)[1])
            for column in range(pyramid.grid(level)[0])
        ]
        tiles = [f"{path}/{level}/{column}_{row}.jpg" for level, column, row in places]
        bursts += [tiles[at : at + BURST] for at in range(0, len(tiles), BURST)]
    chance.shuffle(bursts)
    return bursts


def view(port: int, cookie: str, bursts: list[list[str]], found: list[float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for burst in bursts:
        for address in burst:
            began = time.perf_counter()
            connection.request("GET", address, headers={"Cookie": cookie})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, (answer.status, address)
            found.append(time.perf_counter() - began)
        time.sleep(PAUSE_S)


def watch(port: int, cookie: str, bursts: list[list[str]], told: multiprocessing.SimpleQueue[list[float]]) -> None:
    """All viewers, in a process of their own: the server has its own interpreter then."""
    for _ in ("cold", "warm"):
        found: list[float] = []
        shares = [bursts[number::VIEWERS][:BURSTS] for number in range(VIEWERS)]
        threads = [threading.Thread(target=view, args=(port, cookie, share, found)) for share in shares]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told.put(found)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("results", type=Path)
    words.add_argument("slides", type=Path)
    words.add_argument("--idle", action="store_true")
    asked = words.parse_args()
    site = default_site(asked.results, [asked.slides])
    with tempfile.TemporaryDirectory() as out, served(site) as port:
        bursts = addresses(site)
        command = [sys.executable, "-m", "app.cli", "run", str(asked.slides), "--out", out, "--model", DEMO_MODEL]
        batch = None if asked.idle else subprocess.Popen([*command, "--mpp", "0.5"], stdout=subprocess.DEVNULL)
        told: multiprocessing.SimpleQueue[list[float]] = multiprocessing.get_context("spawn").SimpleQueue()
        cookie = f"{site.key.cookie}={site.key.secret}"
        process = multiprocessing.get_context("spawn").Process(target=watch, args=(port, cookie, bursts, told))
        process.start()
        for name in ("cold", "warm"):
            found = [1000 * seconds for seconds in told.get()]
            p95 = statistics.quantiles(found, n=20)[-1]
            print(
                f"{name}: median {statistics.median(found):.1f} ms, 95th percentile {p95:.1f} ms of {len(found)} tiles"
            )
        process.join()
        if batch is not None:
            print(f"the batch {'ran still' if batch.poll() is None else 'had ended'}")
            batch.terminate()
            batch.wait()
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
