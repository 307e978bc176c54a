"""A ZIP from the list: streamed from a process of its own, counted, cancelled, and without what is hidden from a
person."""

import io
import json
import zipfile
from dataclasses import replace

import anyio
import pytest
from starlette.applications import Starlette

from aggregate import store
from app.ledger.records import SlideRow, write_rows
from app.review.people import Person, Role
from app.review.records import Case, Verdict
from app.viewer.exports.route import MAX_RUNNING, BrokenOffError
from app.viewer.gate.visitors import THE_ONE, Visitor, note_visitor
from app.viewer.pages.slide.downloads import for_other_programs
from app.viewer.site import Site
from tests.app.viewer.apart import run_apart
from tests.app.viewer.browser import CHROMIUM
from tests.results import CLASSES, make_result
from wsi.errors import ReviewError, UsageError

ANNA, BERT = Person("Anna"), Person("Bert")


def visitor(who):
    """Of a viewer without login, under the name that was typed."""
    return replace(THE_ONE, person=who)


class Desk:
    """A site over three results and a failed slide, one of them an upload, and a browser that asks it."""

    def __init__(self, folder, who=ANNA, **more):
        upload = folder / "uploads" / "upload-0123456789ab"
        for name, place in (("a", folder), ("b", folder), ("up", upload)):
            place.mkdir(parents=True, exist_ok=True)
            store.save(make_result(name), place)
        failed = SlideRow("bad", "bad.svs", "failed", error_code="corrupt-slide", message="cut short")
        write_rows(folder / "slides.csv", [*(SlideRow.of_result(make_result(name)) for name in "ab"), failed], CLASSES)
        self.site = Site(folder, **more)
        self.exports = self.site.exports
        self.app = Starlette(routes=self.exports.routes())
        self.leave = self.exports.leave(visitor(who))

    def ask(self, method, path="", body=b"", leave=None, gone_after=None, who=THE_ONE):
        """(status, body) of an answer; with `gone_after` the browser goes away after so many pieces of it."""
        sent = []

        async def run():
            left = anyio.Event()
            address = f"/export/{leave or self.leave}{path}"
            scope = {"type": "http", "method": method, "path": address, "root_path": "", "query_string": b"",
                     "headers": []}  # fmt: skip
            note_visitor(scope, who)
            told = [{"type": "http.request", "body": body, "more_body": False}]

            async def receive():
                if told:
                    return told.pop()
                await left.wait()
                return {"type": "http.disconnect"}

            async def send(message):
                sent.append(message)
                if gone_after is not None and len(sent) > gone_after:
                    left.set()

            await self.app(scope, receive, send)

        run_apart(run)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

    def plan(self, ids=("a", "b", "up", "bad"), formats=("json", "fhir"), **more):
        status, told = self.ask("POST", body=json.dumps({"ids": ids, "formats": formats}).encode(), **more)
        return json.loads(told) if status == 200 else (status, told.decode())

    def facts(self, export):
        return json.loads(self.ask("GET", f"/{export}")[1])


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def opened(content):
    return zipfile.ZipFile(io.BytesIO(content))


def test_it_holds_the_chosen_slides_and_tells_how_far_it_is(desk):
    told = desk.plan()
    assert told["slides"] == 4
    assert desk.facts(told["export"]) == {"done": 0, "total": 4, "left_out": 0, "end": ""}
    status, content = desk.ask("GET", f"/{told['export']}.zip")
    assert status == 200 and desk.facts(told["export"]) == {"done": 4, "total": 4, "left_out": 0, "end": "done"}
    names = {f"{name}.{form}" for name in ("a", "b", "up") for form in ("json", "fhir.json")}
    with opened(content) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == names | {"bad.json", "cohort.csv", "cohort.html"}
        table = archive.read("cohort.csv").decode()
        assert "corrupt-slide" in table and json.loads(archive.read("a.json"))["slide_id"] == "a"


@pytest.mark.parametrize(("language", "word"), [("en", "Pixel size"), ("de", "Pixelgröße")])
def test_reports_are_in_the_language_that_was_chosen(desk, language, word):
    told = desk.ask("POST", body=json.dumps({"ids": ["a", "bad"], "formats": ["html"], "language": language}).encode())
    with opened(desk.ask("GET", f"/{json.loads(told[1])['export']}.zip")[1]) as archive:
        assert f'<html lang="{language}"' in archive.read("bad.html").decode()
        assert word in archive.read("a.html").decode()


def test_only_what_was_chosen_is_in_it(desk):
    export = desk.plan(["b", "nobody", "../a", "b"], ["csv"])
    assert export["slides"] == 1
    with opened(desk.ask("GET", f"/{export['export']}.zip")[1]) as archive:
        assert set(archive.namelist()) == {"b.csv", "cohort.csv", "cohort.html", "measures.csv"}
        assert "\na," not in archive.read("cohort.csv").decode()


def test_a_result_that_cannot_be_read_is_named_inside(desk):
    (desk.site.results / "a.zarr" / "zarr.json").write_text("{")
    export = desk.plan()["export"]
    with opened(desk.ask("GET", f"/{export}.zip")[1]) as archive:
        assert "a.zarr" in archive.read("not-exported.txt").decode() and "a.json" not in archive.namelist()
    assert desk.facts(export)["left_out"] == 1


def test_it_is_fetched_once_and_by_its_owner_alone(desk):
    export, other = desk.plan()["export"], desk.exports.leave(visitor(BERT))
    assert other != desk.leave == desk.exports.leave(visitor(ANNA))
    for method, path in (("GET", ""), ("GET", ".zip"), ("DELETE", "")):
        assert desk.ask(method, f"/{export}{path}", leave=other)[0] == 404
    assert desk.ask("GET", f"/{export}.zip")[0] == 200
    assert desk.ask("GET", f"/{export}.zip")[0] == 404


def test_what_is_no_request_is_refused(desk):
    assert desk.plan(leave="0" * 32)[0] == 403
    assert desk.plan(formats=["doc"])[0] == 422 and desk.plan([])[0] == 422
    foreign = json.dumps({"ids": ["a"], "formats": ["json"], "language": "tlh"}).encode()
    assert desk.ask("POST", body=foreign)[0] == 422
    for body in (b"", b"[]", b'{"ids": 3, "formats": []}', b"x" * (5 << 20)):
        assert desk.ask("POST", body=body)[0] == 400


def test_a_browser_that_goes_away_ends_the_process(desk):
    export = desk.plan([*"ab"] * 2, ["pdf"])["export"]
    desk.ask("GET", f"/{export}.zip", gone_after=0)
    running = desk.exports._exports[export].running
    assert running._process.poll() is not None and running.end in ("cancelled", "failed")


def test_a_cancelled_export_breaks_off_and_is_no_archive(desk):
    export = desk.plan()["export"]
    running = desk.exports.start(desk.leave, export)
    assert desk.ask("DELETE", f"/{export}")[0] == 204
    left = b"".join(iter(running.piece, b""))
    running.close()
    assert desk.facts(export)["end"] == "cancelled" and not zipfile.is_zipfile(io.BytesIO(left))


def test_an_answer_that_is_cancelled_is_broken_off(desk):
    """So that the browser knows; and nothing of it stands in the server's log."""
    export = desk.plan()["export"]
    begin = desk.exports.start

    def begin_and_cancel(*words):
        running = begin(*words)
        running.cancel()
        return running

    desk.exports.start = begin_and_cancel
    with pytest.raises((BrokenOffError, ExceptionGroup)):
        desk.ask("GET", f"/{export}.zip")


def test_so_many_at_a_time_and_no_more(desk):
    begun = [desk.exports.start(desk.leave, desk.plan()["export"]) for _ in range(MAX_RUNNING)]
    export = desk.plan()["export"]
    with pytest.raises(UsageError):
        desk.exports.start(desk.leave, export)
    assert desk.ask("GET", f"/{export}.zip")[0] == 429
    desk.exports.stop()
    for running in begun:
        running.close()
    assert desk.ask("GET", f"/{export}.zip")[0] == 200


def test_an_archive_holds_what_its_person_may_see_and_another_gets_nothing_by_its_address(tmp_path):
    desk = Desk(tmp_path)
    anna, ben = (Visitor(Role.REVIEWER, name, Person(name)) for name in ("anna", "ben"))
    slides = ["a", "up"]  # "up" was uploaded before logins were asked for: an admin's
    assert desk.exports.plan(desk.exports.leave(anna), slides, ["csv"])[1] == 1
    assert desk.exports.plan(desk.exports.leave(Visitor(Role.ADMIN, "adam")), slides, ["csv"])[1] == 2
    leave = desk.exports.leave(anna)
    export = desk.plan(slides, ["csv"], leave=leave, who=anna)["export"]
    assert desk.plan(slides, ["csv"], leave=leave, who=ben)[0] == 403
    for method, path in (("GET", ""), ("GET", ".zip"), ("DELETE", "")):
        assert desk.ask(method, f"/{export}{path}", leave=leave, who=ben)[0] == 404
    assert desk.ask("GET", f"/{export}.zip", leave=leave, who=anna)[0] == 200


def test_a_second_reader_does_not_find_the_first_reading_in_it(tmp_path):
    desk = Desk(tmp_path, second_reading=True, who=BERT)
    reviews, path = desk.site.reviews, store.result_path(tmp_path, "a")
    case = Case.of(store.load(path), store.committed_digests(path)["result_sha256"])
    reviews.decide(case, Verdict.CHANGED, ANNA, call="normal", comment_text="a secret for now")
    reviews.sign(case, ANNA, content_sha256=reviews.record("a").final.content_sha256, screen={})
    for who, sees in ((BERT, False), (None, False), (ANNA, True), (Person("Eve", Role.READER), True)):
        export = desk.exports.plan(leave := desk.exports.leave(visitor(who)), ["a"], ["json", "html", "fhir"])[0]
        with opened(desk.ask("GET", f"/{export}.zip", leave=leave)[1]) as archive:
            text = b"".join(archive.read(name) for name in archive.namelist())
        assert (b"a secret for now" in text) is sees and (b"Anna" in text) is sees


def test_a_slide_goes_out_for_other_programs():
    result = make_result("one")
    with opened(for_other_programs(result, lambda: None, None)) as archive:
        objects = {f"one.{name}" for name in ("fhir.json", "seg.dcm", "pm.dcm", "sr.dcm", "tiles.parquet")}
        assert archive.testzip() is None and set(archive.namelist()) == objects


def test_what_cannot_be_made_of_a_slide_is_told_inside():
    def refused():
        raise ReviewError("the database does not answer")

    with opened(for_other_programs(make_result("one"), refused, None)) as archive:
        told = [name for name in archive.namelist() if name.endswith("not-exported.txt")]
        assert len(told) == 3 and b"does not answer" in archive.read(told[0])


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium")
def test_the_list_is_saved_as_a_zip_from_the_page(page, tmp_path):
    page.goto("/?find=marked")
    page.get_by_test_id("worklist-row").first.wait_for()
    page.get_by_test_id("export").click()
    form = page.locator(".wl-exporting")
    assert "1 slide, as the list shows" in form.inner_text()
    page.get_by_label("Parquet").check()
    with page.expect_download() as download:
        page.get_by_test_id("export-start").click()
    download.value.save_as(tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        wanted = {"marked.html", "marked.json", "marked.tiles.parquet", "cohort.csv", "cohort.html", "cohort.parquet"}
        assert archive.testzip() is None and set(archive.namelist()) == wanted
    page.get_by_text("Done: 1 of 1 slides are in the ZIP.").wait_for()
    page.get_by_role("searchbox").fill("")
    page.locator(".wl-exporting legend").filter(has_text="5 slides").wait_for()
