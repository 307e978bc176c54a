"""Jobs: queued on disk before anyone is told, one at a time, cancelled, run again, and none lost by a restart."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.ledger.locks import prepare_locks, try_lock
from app.review.people import Role
from app.viewer.gate.visitors import THE_ONE, Visitor
from app.viewer.jobs.job import JOBS, Chosen, JobState, new_job, read_jobs
from app.viewer.jobs.queue import Queue
from app.viewer.pages.analyse.choose import found_slides, jobs_of, offered
from app.viewer.site import Site
from tests.app.viewer.test_incoming import Browser, picture
from tests.conftest import REPOSITORY
from wsi.errors import MppImplausibleError, MppMissingError, UsageError

# Stands in for `pulmoscope run`: tells of a slide each, and sleeps as long as the slide's name says.
PROGRAM = """
import csv, json, sys, time
from pathlib import Path
words = dict(zip(sys.argv[2::2], sys.argv[3::2]))
out = Path(words["--out"])
for line in csv.DictReader(open(words["--manifest"])):
    name = Path(line["slide"]).stem
    print(json.dumps({"event": "progress", "slide_id": name, "tiles_done": 1, "tiles": 2}), flush=True)
    kind, _, value = name.partition("-")
    if kind == "sleep" and not (out / f"{name}.began").exists():
        (out / f"{name}.began").write_text("")
        time.sleep(float(value))
    if kind == "usage":
        print("pulmoscope: wrong-usage: this output is by another model; choose another", file=sys.stderr)
        sys.exit(2)
    status = {"event": "slide", "fate": "ran", "status": "failed" if kind == "bad" else "done"}
    print(json.dumps({**status, "error_code": "no-tissue", "message": f"{name} is glass"}), flush=True)
    with open(out / "ran", "a") as file:
        file.write(name + "\\n")
print("noise", flush=True)
sys.exit(1 if kind == "bad" else 75 if kind == "held" else 0)
"""


@pytest.fixture
def program(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    return (sys.executable, str(tmp_path / "program.py"))


@pytest.fixture
def queue(tmp_path, program):
    made = Queue(tmp_path, program)
    yield made
    made.stop()


def job(*names, **more):
    return new_job(tuple(Chosen(f"/slides/{name}.svs") for name in names), "demo-synthetic", **more)


def wait(queue, until, seconds=40):
    for _ in range(seconds * 10):
        if until(queue.jobs()):
            return queue.jobs()
        time.sleep(0.1)
    raise AssertionError(queue.jobs())


def over(jobs):
    return all(one.state.is_over for one in jobs)


def ran(folder):
    return (folder / "ran").read_text().split()


def test_jobs_run_one_after_another_and_tell_how_it_went(tmp_path, queue):
    made = [queue.add(job("a", "b")), queue.add(job("bad")), queue.add(job("usage"))]
    assert [one.state for one in queue.jobs()] == ["queued"] * 3 and queue.waiting(THE_ONE) == (
        "a",
        "b",
        "bad",
        "usage",
    )
    queue.start()
    ended = {one.job_id: one for one in wait(queue, over)}
    good, bad, usage = (ended[one.job_id] for one in made)
    assert (good.state, good.done, good.failed, good.message) == ("done", 2, 0, "")
    assert (bad.state, bad.failed, bad.message) == ("failed", 1, "no-tissue: bad is glass")
    assert usage.state == "failed" and "wrong-usage: this output is by another model" in usage.message
    assert ran(tmp_path)[:2] == ["a", "b"] and queue.waiting(THE_ONE) == ()


def test_what_was_stated_is_told_to_the_run(tmp_path, program):
    (tmp_path / JOBS).mkdir()
    told = new_job((Chosen("/s/a,b.svs", 0.25), Chosen("/s/c.svs")), "m", site="/p", overwrite=True)
    words = Queue(tmp_path, program)._words_of(told)
    rows = csv.reader(Path(words[words.index("--manifest") + 1]).read_text().splitlines())
    assert list(rows) == [["slide", "mpp"], ["/s/a,b.svs", "0.25"], ["/s/c.svs", ""]]
    assert words[words.index("--model") + 1] == "m" and words[words.index("--site") + 1] == "/p" and "--json" in words


def test_a_job_is_cancelled_before_and_while_it_runs(tmp_path, queue):
    running, waiting = queue.add(job("sleep-60", "after")), queue.add(job("b"))
    queue.start()
    wait(queue, lambda jobs: (tmp_path / "sleep-60.began").exists())
    assert {one.job_id: one.current for one in queue.jobs()}[running.job_id] == "sleep-60"
    queue.cancel(waiting.job_id, THE_ONE)
    queue.cancel(running.job_id, THE_ONE)
    jobs = {one.job_id: one for one in wait(queue, over)}
    assert {one.state for one in jobs.values()} == {"cancelled"}
    queue.run_again(running.job_id, THE_ONE)
    wait(queue, lambda jobs: over(jobs) and len(jobs) == 3)
    assert ran(tmp_path) == ["sleep-60", "after"]
    queue.forget(waiting.job_id, THE_ONE)
    assert len(queue.jobs()) == 2


def test_a_server_that_is_stopped_amid_five_jobs_ends_them_all_once_it_is_back(tmp_path, program):
    first = Queue(tmp_path, program)
    for name in ("sleep-60", "b", "c", "d", "e"):
        first.add(job(name))
    first.start()
    wait(first, lambda jobs: (tmp_path / "sleep-60.began").exists())
    first.stop()
    assert [one.state for one in read_jobs(tmp_path / JOBS)] == ["queued"] * 5
    second = Queue(tmp_path, program)
    second.start()
    try:
        jobs = wait(second, over)
    finally:
        second.stop()
    assert [one.state for one in jobs] == ["done"] * 5 and sorted(ran(tmp_path)) == ["b", "c", "d", "e", "sleep-60"]


SERVE = """
import sys, time
from pathlib import Path
from app.viewer.jobs.queue import Queue
Queue(Path(sys.argv[1]), tuple(sys.argv[2:])).start()
time.sleep(600)
"""


def test_a_server_that_is_killed_amid_five_jobs_ends_them_all_once_it_is_back(tmp_path, program):
    queue = Queue(tmp_path, program)
    for name in ("sleep-60", "b", "c", "d", "e"):
        queue.add(job(name))
    killed = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path), *program], cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    wait(queue, lambda jobs: (tmp_path / "sleep-60.began").exists())
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert [one.state for one in read_jobs(tmp_path / JOBS)].count("running") == 1
    queue.start()
    try:
        jobs = wait(queue, over)
    finally:
        queue.stop()
    assert [one.state for one in jobs] == ["done"] * 5


def test_the_run_of_a_killed_server_leaves_in_good_order(tmp_path):
    """The child of a parent that is gone gets SIGTERM, as from a batch system."""
    code = """
import os, signal, subprocess, sys, threading, time
from app.viewer.jobs.child import _leave_with
if sys.argv[1] == "parent":
    print(subprocess.Popen([sys.executable, "-c", sys.argv[2], "child", sys.argv[3]]).pid, flush=True)
    time.sleep(3)
else:
    def leave(*_):
        open(sys.argv[2], "w").write("in good order")
        sys.exit(0)
    signal.signal(signal.SIGTERM, leave)
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    time.sleep(60)
"""
    mark = tmp_path / "mark"
    subprocess.run([sys.executable, "-c", code, "parent", code, str(mark)], cwd=REPOSITORY, timeout=60, check=True,
                   env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True)  # fmt: skip
    for _ in range(200):
        if mark.exists():
            break
        time.sleep(0.1)
    assert mark.read_text() == "in good order"


def test_only_one_viewer_works_a_queue_off(tmp_path, queue):
    prepare_locks(tmp_path)
    queue.add(job("a"))
    with try_lock(tmp_path, "~jobs"):
        queue.start()
        time.sleep(1.5)
        assert [one.state for one in queue.jobs()] == ["queued"]
    assert wait(queue, over)[0].state == JobState.DONE


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"slides": [], "state": "odd"}', '{"slides": 5}'])
def test_a_damaged_job_is_passed_over(tmp_path, queue, content):
    kept = queue.add(job("a"))
    (tmp_path / JOBS / "00000000000000000000-00000000.json").write_text(content)
    (tmp_path / JOBS / "00000000000000000000-00000001.json").symlink_to("/etc/passwd")
    assert [one.job_id for one in queue.jobs()] == [kept.job_id]


def test_jobs_are_bounded(tmp_path, queue):
    with pytest.raises(UsageError):
        queue.add(job())
    with pytest.raises(UsageError):
        queue.add(new_job((Chosen("/a"),) * 2001, "m"))


class TestChoice:
    @pytest.fixture
    def site(self, tmp_path):
        slides = tmp_path / "slides"
        for name in ("one.png", "deep/two.png"):
            (slides / name).parent.mkdir(parents=True, exist_ok=True)
            (slides / name).write_bytes(picture(64))
        found_slides.__globals__["_found"].cache_clear()
        return Site(tmp_path / "out", (slides,))

    def test_slides_are_chosen_by_keys_that_tell_no_path(self, site):
        lines = offered(site, THE_ONE)
        assert sorted(one["name"] for one in lines) == ["deep/two.png", "one.png"]
        assert str(site.slides[0]) not in json.dumps(lines)
        [two] = [one["key"] for one in lines if "two" in one["name"]]
        [made] = jobs_of(site, THE_ONE, [{"key": two, "mpp": 0.5}], "m", "")
        assert made.slides == (Chosen(str(site.slides[0] / "deep" / "two.png"), 0.5),)

    @pytest.mark.parametrize("told", [None, [], {}, "x", [1], [{"key": "x"}], [{"key": "../one.png", "mpp": None}],
                                      [{"key": 5, "mpp": None}], [{"key": "a", "mpp": "1"}], [{"mpp": 1}]])  # fmt: skip
    def test_a_forged_choice_is_refused(self, site, told):
        with pytest.raises(UsageError):
            jobs_of(site, THE_ONE, told, "m", "")

    @pytest.mark.parametrize("mpp", [0, -1, 1e9, float("nan")])
    def test_a_pixel_size_must_be_plausible(self, site, mpp):
        with pytest.raises(MppImplausibleError):
            jobs_of(site, THE_ONE, [{"key": offered(site, THE_ONE)[0]["key"], "mpp": mpp}], "m", "")

    def test_an_upload_becomes_a_job_once_its_pixel_size_is_stated(self, tmp_path):
        browser = Browser(tmp_path)
        upload_id, _ = browser.whole(picture(64))
        site = browser.site
        [line] = offered(site, THE_ONE, upload_id)
        assert line["needs"] and line["choose"] and line["removable"]
        with pytest.raises(MppMissingError):
            jobs_of(site, THE_ONE, [{"key": line["key"], "mpp": None}], "m", "")
        with pytest.raises(UsageError, match="not there any more"):
            jobs_of(site, Visitor(Role.REVIEWER, "somebody else"), [{"key": line["key"], "mpp": 0.5}], "m", "")
        [made] = jobs_of(site, THE_ONE, [{"key": line["key"], "mpp": 0.5}], "m", "")
        assert made.upload.startswith("upload-") and made.slides[0].path.endswith(f"{made.upload}.png")
        assert offered(site, THE_ONE) == []

    def test_an_upload_that_failed_is_removed(self, tmp_path, program):
        browser = Browser(tmp_path)
        browser.whole(picture(64))
        [line] = offered(browser.site, THE_ONE)
        [made] = jobs_of(browser.site, THE_ONE, [{"key": line["key"], "mpp": 0.5}], "m", "")
        queue = Queue(tmp_path, (sys.executable, "-c", "import sys; sys.exit(2)"))
        queue.add(made)
        queue.start()
        wait(queue, over)
        queue.stop()
        assert list((tmp_path / "uploads").glob("upload-*")) == []
