"""What the tests of the viewer in headless Chromium share: its address, its key, and how a person reads a page."""

import json
import shutil
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from aggregate import store
from app.ledger.records import SlideRow, read_rows, write_rows
from app.viewer.gate.launch import LaunchKey
from tests.results import CLASSES

CHROMIUM = Path("/usr/bin/chromium")
SIZE_PX, MARK_PX = (1607, 1203), (700, 500, 131, 130)  # (x, y, width, height) of the painted mark
KEY = LaunchKey("the-key-of-this-launch")


def asked(address, timeout_s=5, **headers):
    """The answer to a reader who holds the key."""
    return urllib.request.urlopen(
        urllib.request.Request(address, headers={"Cookie": f"{KEY.cookie}={KEY.secret}", **headers}), timeout=timeout_s
    )


def wait_for(address):
    for _ in range(240):
        try:
            return asked(f"{address}/_stcore/health")
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the viewer did not start")


def let_in(context, server):
    context.add_cookies([{"name": KEY.cookie, "value": KEY.secret, "url": server}])


def open_slide_page(page, slide_id):
    page.goto(f"/?slide={slide_id}")
    page.locator(".frame[data-loaded]").wait_for()
    page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg").first.wait_for()
    settle(page)


def settle(page):
    """Until two pictures of the slide are alike: nothing moves or loads any more."""
    last = None
    for _ in range(40):
        page.wait_for_timeout(250)
        shot = page.locator(".frame").screenshot()
        if shot == last:
            return
        last = shot
    raise AssertionError("the slide keeps changing")


def seen(page, rgb):
    """(x, y, width, height) on the screen of what has the colour `rgb` within the slide's frame."""
    settle(page)
    shot = cv2.imdecode(np.frombuffer(page.locator(".frame").screenshot(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    like = np.abs(shot.astype(int) - rgb).max(axis=2) < 40
    # The overview in the corner and the lines of the frame are no part of it.
    _, _, areas, _ = cv2.connectedComponentsWithStats(like.astype(np.uint8))
    x, y, width, height, _ = areas[1 + int(np.argmax(areas[1:, cv2.CC_STAT_AREA]))]
    return np.array([x, y, width, height])


def edges(box):
    """(left, top, right, bottom) of (x, y, width, height)."""
    return np.concatenate([box[:2], box[:2] + box[2:]])


def prefer(page, **preferences):
    """As if a person had chosen these on an earlier visit."""
    page.add_init_script(f"localStorage['pulmoscope-reading'] = {json.dumps(json.dumps(preferences))}")


def choose(page, layer):
    page.get_by_test_id("layer").get_by_text(layer, exact=True).click()


@contextmanager
def added(results, *more):
    """Further results in the list, none with a file; all is as before in the end."""
    table = results / "slides.csv"
    before = table.read_bytes()
    for result in more:
        store.save(result, results)
    rows = [
        SlideRow(one.slide_id, f"/gone/{one.slide.file}", "done", one.decision.call, confidence=0.5) for one in more
    ]
    write_rows(table, [*read_rows(table), *rows], CLASSES)
    try:
        yield
    finally:
        table.write_bytes(before)
        for result in more:
            shutil.rmtree(store.result_path(results, result.slide_id))


def rows_of(page):
    rows = page.get_by_test_id("worklist-row")
    rows.first.wait_for()
    return rows


def shown_ids(page):
    return [row.get_attribute("data-slide-id") for row in rows_of(page).all()]


def forgive_refusals(page):
    """The browser logs each refused request; here they were asked for."""
    asked_for = ("Tile %s failed to load", "responded with a status of 4")
    page.complaints[:] = [text for text in page.complaints if not any(part in text for part in asked_for)]


def before_it_comes(page, file, address):
    """Opens `address`, whose `file` is asked for and kept back; gives what lets it go."""
    coming, free = [], []
    page.route(f"**/assets/**/{file}", lambda route: route.continue_() if free else coming.append(route))
    page.goto(address)
    for _ in range(1200):
        if coming:
            break
        page.wait_for_timeout(50)

    def let_go():
        free.append(True)
        assert coming
        for route in coming:
            route.continue_()

    return let_go
