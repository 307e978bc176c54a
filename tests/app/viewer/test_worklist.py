"""The list's rows: who comes first, what is told anew, and small pictures of the call where it lies."""

import gzip
import io
import json
import os
import time

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette

from aggregate import store
from app.batch.run_log import RunLog
from app.ledger.cases.members import note_members, read_members
from app.ledger.locks import prepare_locks, try_lock
from app.ledger.prepare import prepare_output
from app.ledger.records import SlideRow, write_rows
from app.presentation import colours
from app.review.records import ReviewState, ReviewStatus
from app.review.reviews import Reviews
from app.viewer import catalog
from app.viewer.gate.visitors import THE_ONE, note_visitor
from app.viewer.jobs.batches import Batches
from app.viewer.pages.worklist.feed import LIST_GRANT, Feed
from app.viewer.site import Site
from app.viewer.tiles.pictures import PICTURES, Pictures
from app.viewer.tiles.small import call_picture
from app.viewer.tiles.tokens import Grant
from tests.app.viewer.apart import run_apart
from tests.results import CLASSES, make_result
from wsi.errors import ResultAlteredError

TUMOUR = "adenocarcinoma"


def row(slide_id, status="done", call="normal", confidence=0.9, **more):
    return SlideRow(slide_id, f"/gone/{slide_id}.svs", status, call, confidence=confidence, **more)


def told(feed, have=""):
    content = feed.answer(have, THE_ONE)
    return None if content is None else json.loads(gzip.decompress(content))


def feed_of(folder, rows, **more):
    write_rows(folder / "slides.csv", rows, CLASSES)
    site = Site(folder)
    return Feed(site, site.batches, **more)


def test_a_row_tells_its_case_from_when_it_is_told_and_no_other_row_does(tmp_path):
    feed = feed_of(tmp_path, [row("a"), row("b")], queued=lambda who: ("c",))
    before = told(feed)
    assert not any("case" in line for line in before["rows"])
    prepare_locks(tmp_path)
    note_members(tmp_path, {"a": ("S26-1", "A1"), "c": ("S26-1", "")})
    after = told(feed, before["version"])
    token = read_members(tmp_path)["a"].token
    assert {line["id"]: (line.get("case"), line.get("case_token")) for line in after["rows"]} == {
        "a": ("S26-1", token), "c": ("S26-1", token),
    }  # fmt: skip
    [unchanged] = [line for line in told(feed)["rows"] if line["id"] == "b"]
    assert unchanged in before["rows"]


def test_who_needs_a_person_first_comes_first(tmp_path, monkeypatch):
    rows = [
        row("normal-sure", confidence=0.99),
        row("normal", confidence=0.7),
        row("tumour", call=TUMOUR, confidence=0.8),
        row("failed", "failed", "", None, error_code="corrupt-slide", message="broke"),
        row("tumour-review", "review", TUMOUR, 0.6, review_reasons=("blur",)),
        row("normal-review", "review", confidence=0.95, review_reasons=("tumour-like-tiles",)),
        row("cannot-tell", "review", "undetermined", None, review_reasons=("undetermined",)),
        row("signed", "review", "undetermined", None, review_reasons=("undetermined",)),
    ]
    digest = store.committed_digest(store.save(make_result("signed"), tmp_path))
    signed = ReviewState("signed", ReviewStatus.SIGNED, "change", TUMOUR, "Dr A", result_sha256=digest)
    monkeypatch.setattr(Reviews, "states", lambda self, **asked: {"signed": signed, "failed": ReviewState("failed")})
    listed = told(feed_of(tmp_path, rows, queued=lambda who: ("waits",)))["rows"]
    assert [one["id"] for one in sorted(listed, key=lambda one: (one["rank"], one["id"]))] == [
        "cannot-tell", "normal-review", "tumour-review", "failed", "tumour", "normal", "normal-sure", "waits", "signed",
    ]  # fmt: skip
    assert {one["id"]: one["review"] for one in listed}["signed"] == "Signed by Dr A: Adenocarcinoma"
    older = ReviewState("signed", ReviewStatus.SIGNED, "agree", "undetermined", "Dr A", result_sha256="0" * 64)
    monkeypatch.setattr(Reviews, "states", lambda self, **asked: {"signed": older})
    [again] = [one for one in told(feed_of(tmp_path, rows))["rows"] if one["id"] == "signed"]
    assert again["rank"] < 1 and not again["signed"]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ReviewState("a", regions=1, drawn_by=("Anna",)), "1 region drawn by Anna"),
        (ReviewState("a", regions=3, drawn_by=("Anna", "Bert")), "3 regions drawn by Anna and others"),
        (ReviewState("a", ReviewStatus.DECIDED, "agree", "normal", "Anna", regions=2), "Decided by Anna, 2 regions"),
        (ReviewState("a", ReviewStatus.DECIDED, "agree", "normal", "Anna"), "Decided by Anna"),
    ],
)
def test_regions_are_told_beside_who_reviewed(tmp_path, monkeypatch, state, words):
    monkeypatch.setattr(Reviews, "listed", lambda self, **asked: {"a": state})
    [only] = told(feed_of(tmp_path, [row("a")]))["rows"]
    assert only["review"] == words


def test_the_class_that_is_no_tumour_is_the_models_own(tmp_path):
    store.save(make_result("known", background="squamous_cell_carcinoma", call="squamous_cell_carcinoma"), tmp_path)
    calls = {"known": "squamous_cell_carcinoma", "other": "normal"}
    rows = [row(name, call=call, confidence=0.5, model="odd 1") for name, call in calls.items()]
    rank = {one["id"]: one["rank"] for one in told(feed_of(tmp_path, rows))["rows"]}
    assert rank["other"] < rank["known"]


def test_nothing_is_told_twice_and_what_changed_is(tmp_path):
    feed = feed_of(tmp_path, [row("a"), row("b")])
    first = told(feed)
    assert told(feed, first["version"]) is None
    write_rows(tmp_path / "slides.csv", [row("a", "review"), row("b"), row("c")], CLASSES)
    now = told(feed, first["version"])
    assert {one["id"]: one["status"] for one in now["rows"]} == {"a": "review", "c": "done"} and now["gone"] == []
    write_rows(tmp_path / "slides.csv", [row("b"), row("c")], CLASSES)
    last = told(feed, now["version"])
    assert (last["rows"], last["gone"]) == ([], ["a"])
    # Who has an older list, or one that is known no more, is told what they lack.
    assert [one["id"] for one in told(feed, first["version"])["rows"]] == ["c"]
    whole = told(feed, "0123456789abcdef")
    assert {one["id"] for one in whole["rows"]} == {"b", "c"} and "gone" not in whole


def test_what_changed_pieced_together_is_the_list(tmp_path):
    """As a browser does it: through a run that adds, changes and takes away."""
    feed, has, version = feed_of(tmp_path, []), {}, ""
    steps = [[row("a")], [row("a"), row("b")], [row("a", "review"), row("b")], [row("b")], [], [row("c")]]
    for rows in steps:
        write_rows(tmp_path / "slides.csv", rows, CLASSES)
        came = told(feed, version)
        has = {name: one for name, one in has.items() if name not in came.get("gone", has)}
        has |= {one["id"]: one for one in came["rows"]}
        version = came["version"]
        assert has == {one["id"]: one for one in told(feed)["rows"]} and has.keys() == {one.slide_id for one in rows}


def test_running_slides_and_the_batch_are_told_until_it_ends(tmp_path):
    prepare_output(tmp_path)
    log = RunLog(tmp_path, "r1")
    log.write("run-started", slides=3)
    log.write("slide-started", slide_id="a")
    feed = feed_of(tmp_path, [])
    now = told(feed)
    assert [(one["id"], one["status"]) for one in now["rows"]] == [("a", "running")]
    assert now["live"][0]["slides"] == 3 and now["live"][0]["done"] == 0
    log.write("slide", slide_id="a", fate="ran", status="failed")
    write_rows(tmp_path / "slides.csv", [row("a", "failed", "", None, error_code="x", message="y")], CLASSES)
    now = told(feed, now["version"])
    assert (now["live"][0]["done"], now["live"][0]["failed"]) == (1, 1)
    assert [one["status"] for one in now["rows"]] == ["failed"]
    log.write("run-ended", how="finished")
    now = told(feed, now["version"])
    assert now["live"] == [] and now["ended"][0]["how"] == "finished"


def test_a_killed_run_is_not_under_way_for_ever(tmp_path):
    prepare_output(tmp_path)
    log = RunLog(tmp_path, "r1")
    log.write("run-started", slides=1)
    log.write("slide-started", slide_id="a")
    later = Batches(tmp_path, now_s=lambda: time.time() + 1000)
    with try_lock(tmp_path, "a"):
        assert [run.run_id for run in later.look()[0]] == ["r1"]
    assert later.look() == ([], [])


@pytest.mark.parametrize("line", ["", "{", "[]", '{"event": "slide"}', '{"time": "x", "run": "r1", "event": "slide"}'])
def test_a_line_that_makes_no_sense_tells_nothing(tmp_path, line):
    prepare_output(tmp_path)
    RunLog(tmp_path, "r1").write("run-started", slides=2)
    with (tmp_path / "run.jsonl").open("a") as file:
        file.write(line + "\n")
    RunLog(tmp_path, "r1").write("slide", slide_id="a", fate="ran", status="done")
    [run] = Batches(tmp_path).look()[0]
    assert (run.done, run.slides) == (1, 2)


def test_a_list_reads_no_store(tmp_path, monkeypatch):
    """A stored result costs a look at its attributes at most; the rows tell the rest."""
    for name in ("a", "b"):
        store.save(make_result(name), tmp_path)
    monkeypatch.setattr(store, "load", lambda path: pytest.fail("a list loads no result"))
    monkeypatch.setattr(catalog.store, "load_summary", lambda path: {"background": "normal"})
    assert len(told(feed_of(tmp_path, [row("a"), row("b")]))["rows"]) == 2


def ask(route, path):
    sent = []

    async def run():
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "root_path": "", "headers": []}
        note_visitor(scope, THE_ONE)

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        await Starlette(routes=[route])(scope, receive, send)

    run_apart(run)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def test_rows_and_pictures_need_leave(tmp_path):
    feed = feed_of(tmp_path, [row("a")])
    signer = feed.site.signer
    pictures = Pictures(signer, LIST_GRANT, tmp_path, (), lambda slide_id, who: True)
    of_tiles = signer.sign(Grant("a", ""), time.time())
    expired = signer.sign(LIST_GRANT, time.time() - 48 * 3600)
    for token in ("guessed", of_tiles, expired):
        assert ask(feed.route(), f"/list/{token}")[0] == 403
        assert ask(pictures.route(), f"/pictures/{token}/map/a")[0] == 403
    token = signer.sign(LIST_GRANT, time.time())
    assert ask(feed.route(), f"/list/{token}")[0] == 200
    for path in ("map/a", "map/nothing", "map/..%2Fa", "other/a"):
        assert ask(pictures.route(), f"/pictures/{token}/{path}")[0] == 404


class TestSmallPictures:
    def test_the_call_lies_where_it_is_on_the_slide(self, tmp_path):
        cells = "....\n.0..\n...u"
        result = make_result("s", cells=cells, cell_px=100.0, origin_px=(-50, 0), size_px=(400, 300))
        picture = call_picture(store.load_map(store.save(result, tmp_path)))
        assert picture.shape == (72, 96, 4)
        colour = colours.rgb(colours.class_colours(CLASSES, "normal")[TUMOUR])
        rows, columns = np.nonzero((picture[..., :3] == colour).all(axis=2) & (picture[..., 3] == 255))
        # The cell (1, 1) covers x 50 to 150 and y 100 to 200 of 400 by 300 px.
        assert (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1) == (12, 36, 24, 48)
        assert tuple(picture[60, 70]) == (*colours.rgb(colours.NOT_RECOGNISED), 255) and picture[5, 5, 3] == 0

    def test_an_altered_map_is_refused_and_tiles_are_not_read(self, tmp_path):
        path = store.save(make_result("s"), tmp_path)
        next(file for file in (path / "tiles" / "features").rglob("*") if file.is_file()).write_bytes(b"altered")
        store.load_map(path)
        call = path / "heatmap" / "labels" / "call" / "0"
        next(file for file in call.rglob("*") if file.is_file()).write_bytes(b"altered")
        with pytest.raises(ResultAlteredError):
            store.load_map(path)

    def test_pictures_are_made_once_and_kept_small(self, tmp_path, monkeypatch):
        slide = np.full((200, 300, 3), 90, np.uint8)
        Image.fromarray(slide).save(tmp_path / "s.png")
        store.save(make_result("s", size_px=(300, 200), file="s.png", mpp=0.5), tmp_path)
        write_rows(tmp_path / "slides.csv", [SlideRow("s", str(tmp_path / "s.png"), "done", "normal")], CLASSES)
        pictures = Pictures(Site(tmp_path).signer, LIST_GRANT, tmp_path, (), lambda slide_id, who: True)
        seen = Image.open(io.BytesIO(pictures.picture("s", "slide")))
        assert seen.size == (96, 64) and abs(int(np.asarray(seen).mean()) - 90) < 3
        assert pictures.picture("s", "map")
        assert len(list((tmp_path / PICTURES).iterdir())) == 2
        monkeypatch.setattr(Pictures, "_slide", lambda *_: pytest.fail("made twice"))
        assert pictures.picture("s", "slide")
        os.utime(tmp_path / "s.zarr" / "commit.json", ns=(1, 1))
        with pytest.raises(BaseException, match="made twice"):
            pictures.picture("s", "slide")

    def test_without_its_slide_a_row_has_no_picture_of_it(self, tmp_path):
        store.save(make_result("s"), tmp_path)
        pictures = Pictures(Site(tmp_path).signer, LIST_GRANT, tmp_path, (), lambda slide_id, who: True)
        assert pictures.picture("s", "slide") == b"" and pictures.picture("nothing", "map") is None
