"""What an upload of 2 GB costs the viewer's process in memory, and how long it takes.

python -m benchmarks.uploads SLIDE [--gb 2]: SLIDE, padded with zeros to the size, goes to a viewer of its own chunk by
chunk as the page sends it. Prints the rise of the process's resident memory, sampled ten times a second.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from app.viewer.gate.launch import LaunchKey
from app.viewer.server import make_server
from app.viewer.site import MOUNT, Site, upload_grant
from app.viewer.tiles.tokens import Signer
from app.viewer.uploads.incoming import CHUNK_BYTES, INCOMING_ROUTE

SECRET, KEY = b"measured" * 4, LaunchKey("measured")


def serve(results: Path, port: int) -> None:
    make_server(Site(results, key=KEY, signer=Signer(SECRET)), port).run()


def chunks(slide: Path, size: int) -> Iterator[bytes]:
    """The slide and zeros behind it, as many bytes as `size` in all."""
    left = size
    with slide.open("rb") as file:
        while left:
            piece = file.read(min(CHUNK_BYTES, left))
            piece += bytes(min(CHUNK_BYTES, left) - len(piece))
            left -= len(piece)
            yield piece


def ask(address: str, method: str, body: bytes, origin: str, **headers: str) -> dict[str, object]:
    told = {"Cookie": f"{KEY.cookie}={KEY.secret}", "Origin": origin, **headers}
    request = urllib.request.Request(address, data=body, method=method, headers=told)
    with urllib.request.urlopen(request, timeout=600) as answer:
        return dict(json.loads(answer.read()))


def resident_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def upload(origin: str, slide: Path, size: int) -> dict[str, object]:
    place = f"{origin}{MOUNT}{INCOMING_ROUTE}/{Signer(SECRET).sign(upload_grant(''), time.time())}"
    mark = hashlib.sha256(os.urandom(8)).hexdigest()
    begun = ask(place, "POST", json.dumps({"bytes": size, "mark": mark}).encode(), origin)
    at, state = 0, begun
    for piece in chunks(slide, size):
        digest = hashlib.sha256(piece).hexdigest()
        state = ask(f"{place}/{begun['upload']}?at={at}", "PUT", piece, origin, **{"X-SHA256": digest})
        at += len(piece)
    return state


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("slide", type=Path)
    words.add_argument("--gb", type=float, default=2.0)
    words.add_argument("--serve", type=int, default=0, help="the port of the viewer that this starts")
    asked = words.parse_args()
    if asked.serve:
        serve(asked.slide, asked.serve)
        return
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        origin = f"http://127.0.0.1:{port}"
        viewer = subprocess.Popen([sys.executable, "-m", "benchmarks.uploads", folder, "--serve", str(port)])
        try:
            wait_for(origin)
            upload(origin, asked.slide, asked.slide.stat().st_size)  # what it loads once is no upload's
            before, peaks, done = resident_mb(viewer.pid), [0.0], threading.Event()
            threading.Thread(target=_sample, args=(viewer.pid, peaks, done), daemon=True).start()
            began = time.perf_counter()
            state = upload(origin, asked.slide, int(asked.gb * 2**30))
            took_s = time.perf_counter() - began
            done.set()
        finally:
            viewer.terminate()
            viewer.wait()
    print(
        f"{asked.gb:g} GB in {took_s:.0f} s, {state}; memory {before:.0f} MB, at most {max(peaks) - before:.0f} MB more"
    )


def _sample(pid: int, peaks: list[float], done: threading.Event) -> None:
    while not done.wait(0.1):
        peaks.append(resident_mb(pid))


def wait_for(origin: str) -> None:
    for _ in range(600):
        try:
            request = urllib.request.Request(
                f"{origin}/_stcore/health", headers={"Cookie": f"{KEY.cookie}={KEY.secret}"}
            )
            urllib.request.urlopen(request, timeout=5)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("the viewer did not start")


if __name__ == "__main__":
    main()
