"""Whose uploads and jobs are: every way in is tried with another's ids, through the door, with another's tokens too."""

import gzip
import json
import time

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from aggregate import store
from app.ledger.records import SlideRow, write_rows
from app.review.people import Identity, Person, Role
from app.review.records import Case, Verdict
from app.viewer.gate.visitors import THE_ONE, Visitor, note_visitor
from app.viewer.jobs.job import Chosen, new_job
from app.viewer.pages.analyse.choose import jobs_of, offered
from app.viewer.pages.slide.around import neighbours
from app.viewer.pages.worklist.feed import LIST_GRANT, Feed
from app.viewer.server import own_routes
from app.viewer.site import MOUNT, Site, upload_grant
from app.viewer.tiles.tokens import Grant
from app.viewer.uploads import incoming
from app.viewer.uploads.owners import ownership, share
from tests.app.viewer.apart import run_apart
from tests.app.viewer.test_incoming import Browser as Uploader
from tests.app.viewer.test_incoming import digest, picture
from tests.results import CLASSES, make_result
from wsi.errors import UsageError


def someone(name, role=Role.REVIEWER):
    return Visitor(role, f"key-of-{name}", Person(name, role, Identity.OIDC, f"number-of-{name}"))


ANNA, BEN = someone("anna"), someone("ben")
RITA, ADAM = someone("rita", Role.READER), someone("adam", Role.ADMIN)


class Browser:
    """Asks the routes as one visitor, whom the door let in."""

    def __init__(self, site, who):
        self.who, self.app = who, Starlette(routes=[Mount(MOUNT, routes=own_routes(site))])

    def get(self, path, method="GET", body=b"", query=""):
        sent = []
        scope = {
            "type": "http", "method": method, "path": f"{MOUNT}{path}", "query_string": query.encode(), "headers": [],
            "root_path": "",
        }  # fmt: skip
        if self.who is not None:
            note_visitor(scope, self.who)

        async def run():
            async def receive():
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message):
                sent.append(message)

            await self.app(scope, receive, send)

        run_apart(run)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture
def site(tmp_path):
    """One slide of the folders, and an upload of Anna's with its result."""
    store.save(make_result("open"), tmp_path)
    write_rows(tmp_path / "slides.csv", [SlideRow("open", "/gone/open.svs", "done", "normal", confidence=0.5)], CLASSES)
    return Site(tmp_path)


def uploaded(site, who, content=None):
    """What came of an upload by `who`: the id of a stored slide with a result."""
    uploader = Uploader(site.results)
    uploader.site, uploader.who = site, who
    uploader.app = Starlette(routes=site.incoming.routes())
    uploader.token = site.signer.sign(upload_grant(who.owner), time.time())
    assert uploader.whole(content or picture(64))[1][0] == 200
    [waits] = [line for line in offered(site, who) if line.get("removable")]
    [job] = jobs_of(site, who, [{"key": waits["key"], "mpp": 0.5}], "m", "")
    site.queue.add(job)
    folder = site.uploads / job.upload
    store.save(make_result(job.upload, file=f"{job.upload}.png"), folder)
    row = SlideRow(job.upload, str(folder / f"{job.upload}.png"), "done", "normal", confidence=0.5)
    write_rows(folder / "slides.csv", [row], CLASSES)
    return job.upload


def listed(site, who):
    told = json.loads(gzip.decompress(Feed(site, site.batches, site.queue.waiting).answer("", who)))
    return {row["id"] for row in told["rows"]}


def test_an_upload_is_its_owners_and_admins_until_it_is_shared(site):
    slide = uploaded(site, ANNA)
    assert ownership(site.uploads / slide).owner == ANNA.owner and ownership(site.uploads / slide).by == "anna"
    assert [slide in listed(site, who) for who in (ANNA, BEN, RITA, ADAM, THE_ONE)] == [True, False, False, True, True]
    assert site.entry(slide, BEN) is None and site.entry(slide, ANNA) is not None
    share(site.uploads / slide, True)
    assert all(slide in listed(site, who) for who in (BEN, RITA))
    share(site.uploads / slide, False)
    share(site.uploads / slide, False)
    assert slide not in listed(site, BEN)


def test_what_changed_in_the_list_never_names_anothers_upload(site):
    """Not even to who says that they have that person's list."""
    slide = uploaded(site, ANNA)
    feed = Feed(site, site.batches, site.queue.waiting)
    has = json.loads(gzip.decompress(feed.answer("", ANNA)))
    assert slide.encode() not in gzip.decompress(feed.answer(has["version"], BEN))
    assert feed.answer(has["version"], ANNA) is None


def test_no_route_gives_anothers_upload_whoever_made_its_address(site):
    slide = uploaded(site, ANNA)
    leave = site.signer.sign(Grant(slide, "v"), time.time())
    roll = site.signer.sign(LIST_GRANT, time.time())
    shown = [f"/tiles/{leave}/8/0_0.jpg", f"/pictures/{roll}/map/{slide}", f"/pictures/{roll}/slide/{slide}"]
    for who in (BEN, RITA):
        for path in shown:
            assert Browser(site, who).get(path)[0] == 404, path
        status, body = Browser(site, who).get(f"/list/{roll}")
        assert status == 200 and slide.encode() not in gzip.decompress(body)
    assert Browser(site, ANNA).get(shown[1])[0] == Browser(site, ADAM).get(shown[1])[0] == 200
    # Nobody came through the door: nothing is answered.
    for path in (*shown, f"/list/{roll}"):
        assert Browser(site, None).get(path)[0] == 403


def test_nobody_goes_on_with_ends_or_starts_anothers_upload(site):
    content = picture(64)
    token = site.signer.sign(upload_grant(ANNA.owner), time.time())
    begin = json.dumps({"bytes": len(content), "mark": digest(content)}).encode()
    status, body = Browser(site, ANNA).get(f"/incoming/{token}", "POST", begin)
    upload_id = json.loads(body)["upload"]
    bens = site.signer.sign(upload_grant(BEN.owner), time.time())
    for stolen in (token, bens):
        assert Browser(site, BEN).get(f"/incoming/{stolen}/{upload_id}", "DELETE")[0] in (403, 404)
        assert Browser(site, BEN).get(f"/incoming/{stolen}/{upload_id}", "PUT", content, "at=0")[0] in (400, 403, 409)
    for who in (BEN, RITA, None):  # with Anna's own address
        assert Browser(site, who).get(f"/incoming/{token}", "POST", begin)[0] == 403
    status, told = Browser(site, RITA).get(f"/incoming/{site.signer.sign(upload_grant(RITA.owner), time.time())}",
                                           "POST", begin)  # fmt: skip
    assert status == 403 and b"role reader" in told
    assert [one.upload_id for one in site.incoming.coming(ANNA.owner)] == [upload_id]
    assert not site.incoming.drop(upload_id, BEN) and site.incoming.drop(upload_id, ADAM)


def test_what_waits_is_offered_to_its_owner_and_to_admins_who_start_it_as_the_owners(site):
    uploader = Uploader(site.results, ANNA.owner)
    uploader.site, uploader.who = site, ANNA
    uploader.app, uploader.token = Starlette(routes=site.incoming.routes()), site.signer.sign(
        upload_grant(ANNA.owner), time.time())  # fmt: skip
    upload_id, _ = uploader.whole(picture(64))
    key = f"upload:{upload_id}"
    assert [line["key"] for line in offered(site, ANNA)] == [key] and offered(site, BEN) == offered(site, RITA) == []
    assert "of anna" in offered(site, ADAM)[0]["name"] and "of anna" not in offered(site, ANNA)[0]["name"]
    with pytest.raises(UsageError):
        jobs_of(site, BEN, [{"key": key, "mpp": 0.5}], "m", "")
    [job] = jobs_of(site, ADAM, [{"key": key, "mpp": 0.5}], "m", "")
    assert (job.owner, job.by) == (ANNA.owner, "anna")


def test_a_job_is_followed_cancelled_cleared_and_run_again_by_its_owner_and_admins(site):
    slide = uploaded(site, ANNA)
    [job] = site.queue.jobs()
    assert site.queue.jobs_of(BEN) == site.queue.jobs_of(RITA) == [] and len(site.queue.jobs_of(ADAM)) == 1
    assert site.queue.waiting(ANNA) == (slide,) and site.queue.waiting(BEN) == site.queue.waiting(RITA) == ()
    for who in (BEN, RITA):
        site.queue.cancel(job.job_id, who)
        site.queue.forget(job.job_id, who)
    assert [one.state for one in site.queue.jobs()] == ["queued"]
    site.queue.cancel(job.job_id, ANNA)
    site.queue.run_again(job.job_id, BEN)
    assert [one.state for one in site.queue.jobs()] == ["cancelled"]
    site.queue.run_again(job.job_id, ADAM)
    assert sorted(one.owner for one in site.queue.jobs()) == [ANNA.owner] * 2
    of_folders = site.queue.add(new_job((Chosen("/s/a.svs"),), "m", owner=BEN.owner, by="ben"))
    assert "a" in site.queue.waiting(ANNA) and of_folders.job_id not in {one.job_id for one in site.queue.jobs_of(ANNA)}


def test_the_same_file_of_two_people_is_two_uploads(site):
    annas, bens = uploaded(site, ANNA), uploaded(site, BEN)
    assert annas != bens and listed(site, BEN) == {"open", bens} and listed(site, ADAM) == {"open", annas, bens}


def test_uploads_of_before_the_login_are_admins(site):
    slide = uploaded(site, THE_ONE)
    assert [slide in listed(site, who) for who in (ANNA, RITA, ADAM, THE_ONE)] == [False, False, True, True]
    (site.uploads / slide / "arrived.json").unlink()
    assert [slide in listed(site, who) for who in (ANNA, ADAM)] == [False, True]


def test_one_person_does_not_take_the_room_of_all(site, monkeypatch):
    monkeypatch.setattr(incoming, "COMING_EACH", 2)
    for number in range(2):
        site.incoming.begin(5, digest(b"%d" % number), ANNA.owner)
    with pytest.raises(Exception, match="as many uploads here as one may"):
        site.incoming.begin(5, digest(b"x"), ANNA.owner)
    site.incoming.begin(5, digest(b"x"), BEN.owner)
    monkeypatch.setattr(incoming, "STORED_EACH", 1)
    uploaded(site, ADAM)
    with pytest.raises(Exception, match="as many uploads here as one may"):
        site.incoming.begin(5, digest(b"y"), ADAM.owner)


def test_the_audit_log_names_who_started_a_job(site, tmp_path):
    import sys

    from app.viewer.jobs.queue import Queue

    told = tmp_path / "told"
    program = (sys.executable, "-c", f"import os; open({str(told)!r}, 'w').write(os.environ['PULMOSCOPE_USER'])")
    queue = Queue(tmp_path, program)
    queue.add(new_job((Chosen("/s/a.svs"),), "m", owner=BEN.owner, by="Ben Ö."))
    queue.start()
    for _ in range(400):
        if told.exists() and told.read_text():
            break
        time.sleep(0.05)
    queue.stop()
    assert told.read_text() == "Ben Ö."


# --- what a blind second reader may know


@pytest.fixture
def blind(site):
    """Anna has signed; a second reading is wanted."""
    site = Site(site.results, second_reading=True)
    result = store.load(site.results / "open.zarr")
    case = Case.of(result, store.committed_digests(site.results / "open.zarr")["result_sha256"])
    site.reviews.decide(case, Verdict.CANNOT_TELL, ANNA.person, comment_text="secret doubts")
    content = site.reviews.record("open").readings[0].content_sha256
    site.reviews.sign(case, ANNA.person, content_sha256=content, screen={})
    return site


def test_no_route_tells_a_second_reader_of_the_first(blind):
    roll = blind.signer.sign(LIST_GRANT, time.time())
    told = {who: gzip.decompress(Browser(blind, who).get(f"/list/{roll}")[1]).decode() for who in (ANNA, BEN, RITA)}
    assert "anna" in told[ANNA] and "anna" in told[RITA]
    assert "anna" not in told[BEN] and "Signed" not in told[BEN] and "Cannot tell" not in told[BEN]
    unknown = Visitor(Role.ADMIN)  # a viewer without login, before a name was told
    assert "anna" not in gzip.decompress(Browser(blind, unknown).get(f"/list/{roll}")[1]).decode()


def test_one_list_answers_several_people_each_with_their_own(blind):
    feed = Feed(blind, blind.batches)
    for _ in range(2):
        for who, knows in ((ANNA, True), (BEN, False), (ADAM, False)):
            assert ("anna" in gzip.decompress(feed.answer("", who)).decode()) is knows
    version = json.loads(gzip.decompress(feed.answer("", BEN)))["version"]
    assert feed.answer(version, BEN) is None and feed.answer(version, ANNA) is not None


def test_the_next_slide_tells_a_second_reader_nothing(blind):
    store.save(make_result("other"), blind.results)
    rows = [SlideRow(name, f"/gone/{name}.svs", "done", "normal", confidence=0.5) for name in ("open", "other")]
    write_rows(blind.results / "slides.csv", rows, CLASSES)
    # Anna's own, signed, awaits another: it is still to do, for her as for the list; Ben's order shows no signature.
    assert neighbours(blind, "other", BEN).previous == "open"
