"""The viewer as a person meets it: a server over drawn results, and a page of headless Chromium."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from aggregate import store
from app.config import RunConfig
from app.ledger.records import SlideRow, write_rows
from app.pipeline import run_slide
from classifier.model import load_model
from classifier.model_folder.find import DEMO_MODEL
from tests.app.viewer.browser import KEY, MARK_PX, SIZE_PX, let_in, wait_for
from tests.conftest import REPOSITORY
from tests.results import CLASSES, make_result

# Whatever the viewer asks of another machine, if only its name, is printed.
SERVE = """
import sys
def watch(event, words):
    asked = {"socket.connect": lambda: words[1], "socket.getaddrinfo": lambda: words[0]}.get(event)
    told = str(asked()) if asked else "127."
    if not any(here in told for here in ("127.", "localhost", "::1")):
        print("outside:", event, told, flush=True)
sys.addaudithook(watch)
from pathlib import Path
from app.viewer.gate.launch import LaunchKey
from app.viewer.server import make_server
from app.viewer.site import Site
results, port, program, key = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), LaunchKey(sys.argv[4])
make_server(Site(results, program=(sys.executable, str(program)), key=key), port).run()
"""
# Stands in for `pulmoscope run`: whatever a job names gets a stored result and a row.
PREDICT = """
import csv, json, sys, time
from pathlib import Path
from aggregate import store
from app.ledger.records import SlideRow, read_rows, write_rows
from tests.results import CLASSES, make_result
words = dict(zip(sys.argv[2::2], sys.argv[3::2]))
out = Path(words["--out"])
for line in csv.DictReader(open(words["--manifest"])):
    file = Path(line["slide"])
    for done in range(1, 4):
        print(json.dumps({"event": "progress", "slide_id": file.stem, "tiles_done": done, "tiles": 3}), flush=True)
        time.sleep(0.3)
    store.save(make_result(file.stem, cells="2", cell_px=224, probabilities=(0.02, 0.03, 0.95),
                           call="squamous_cell_carcinoma", file=file.name, mpp=float(line["mpp"] or 0.5)), out)
    row = SlideRow(file.stem, str(file), "done", "squamous_cell_carcinoma")
    write_rows(out / "slides.csv", [*read_rows(out / "slides.csv"), row], CLASSES)
    print(json.dumps({"event": "slide", "fate": "ran", "changed": [], **row.to_json()}), flush=True)
print(json.dumps({"event": "end", "exit_code": 0}), flush=True)
"""


@pytest.fixture(scope="session")
def results(tmp_path_factory, ready_slide):
    """`marked`, whose one tumour cell is painted on its slide; `alone`, whose slide is gone; `tissue`, truly run."""
    folder = tmp_path_factory.mktemp("results")
    pixels = np.full((SIZE_PX[1], SIZE_PX[0], 3), 245, np.uint8)
    x, y, width, height = MARK_PX
    pixels[y : y + height, x : x + width] = (40, 60, 200)
    slide = folder / "marked.png"
    Image.fromarray(pixels).save(slide)
    # Cell (3, 5) of this grid is the mark; the grid begins outside the slide and overhangs it.
    cells = "\n".join("".join("0" if (row, column) == (3, 5) else "." for column in range(14)) for row in range(10))
    marked = make_result(
        "marked", cells=cells, cell_px=130.5, origin_px=(700 - 5 * 130 - 2, 500 - 3 * 130 - 2), size_px=SIZE_PX,
        file="marked.png", reasons=("little-tissue",), mpp=0.5,
    )  # fmt: skip
    store.save(marked, folder)
    run = run_slide(ready_slide.path, "tissue", load_model(DEMO_MODEL), RunConfig(out=folder, model=DEMO_MODEL))
    store.save(run, folder)
    # Tissue without a call on a third of the slide, under cells that cover it all and reach beyond.
    pixels = np.full((300, 400, 3), 245, np.uint8)
    pixels[80:200, 100:250] = (200, 120, 160)
    Image.fromarray(pixels).save(folder / "hatched.png")
    store.save(
        make_result("hatched", cells="uuu\nuuu", cell_px=150.0, origin_px=(-25, -25), size_px=(400, 300),
                    file="hatched.png", mpp=0.5, call="undetermined"), folder
    )  # fmt: skip
    store.save(make_result("alone", call="normal", probabilities=(0.1, 0.8, 0.1)), folder)
    rows = [
        SlideRow("marked", str(slide), "review", "adenocarcinoma", review_reasons=("little-tissue",)),
        SlideRow("alone", "/gone/alone.svs", "done", "normal"),
        SlideRow("broken", "/gone/broken.svs", "failed", error_code="corrupt-slide", message="broken.svs broke off"),
        SlideRow("hatched", str(folder / "hatched.png"), "done", "undetermined"),
        SlideRow("tissue", str(ready_slide.path), "done", "adenocarcinoma", confidence=0.62),
    ]
    write_rows(folder / "slides.csv", rows, CLASSES)
    return folder


@contextmanager
def serving(results, folder):
    """The address of a running viewer. What it printed is checked when it has stopped."""
    (folder / "predict.py").write_text(PREDICT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address, printed = f"http://127.0.0.1:{port}", folder / "printed"
    arguments = [sys.executable, "-c", SERVE, str(results), str(port), str(folder / "predict.py"), KEY.secret]
    with printed.open("wb") as output:
        process = subprocess.Popen(
            arguments, cwd=REPOSITORY, stdout=output, stderr=output, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
        )
    try:
        wait_for(address)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert printed.read_text() == ""


@pytest.fixture(scope="session")
def server(results, tmp_path_factory):
    """A viewer over `results`."""
    with serving(results, tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(autouse=True)
def the_main_module_stays():
    """A page that Streamlit tests in this process takes the place of `__main__`; what starts processes later, as Dask
    does, would run it there."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture
def page(chromium, server):
    """A page of 1400 by 900 px. In the end: no request left the machine, no script or policy complained."""
    page = chromium.new_page(viewport={"width": 1400, "height": 900}, base_url=server)
    outside, complaints = [], []
    let_in(page.context, server)
    page.on("request", lambda r: r.url.startswith((server, "data:", "blob:")) or outside.append(r.url))
    page.on("websocket", lambda s: s.url.startswith(server.replace("http", "ws")) or outside.append(s.url))
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.complaints = complaints
    page.set_default_timeout(60_000)
    yield page
    page.close()
    assert (outside, complaints) == ([], [])
