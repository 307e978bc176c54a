"""A batch through real worker processes: every slide accounted for, a lost worker costs its slide alone."""

import contextlib
import csv
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from aggregate import store
from app.batch.engines import events as told
from app.batch.engines.local import LocalEngine
from app.batch.engines.task import process_slide
from app.batch.inputs import collect_jobs
from app.batch.job import SlideJob
from app.batch.run_batch import Tally, run_batch
from app.config import RunConfig
from app.ledger.locks import prepare_locks, try_lock
from app.ledger.records import SlideRow, read_rows
from app.ledger.table import merge_rows
from classifier.model_folder.card import LITERT_FILE, WEIGHTS_FILE
from classifier.model_folder.find import DEMO_MODEL, PACKAGED
from tests.conftest import REPOSITORY
from tests.faults.common import flaws, many_copies, signals_as_in_a_terminal
from wsi.errors import ModelDigestError, ModelError, OutputUnwritableError
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")


def draw(path, kind="normal", seed=2):
    region = SyntheticRegion(Rectangle((100.0, 100.0), (900.0, 800.0)), kind)
    write_synthetic_slide(path, regions=(region,), mpp=0.5, size_px=(2200, 2000), seed=seed)
    return path


@pytest.fixture
def slides(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    draw(folder / "a.tif")
    draw(folder / "b.tif", "adenocarcinoma")
    (folder / "empty.svs").touch()
    (folder / "text.svs").write_text("not a slide")
    return folder


def run(jobs, out, workers=1, **config):
    tally = Tally()
    config = RunConfig(out=out, model=DEMO_MODEL, **config)
    events = list(run_batch(jobs, config, CLASSES, engine=LocalEngine(workers), tally=tally))
    return tally, events


@pytest.mark.parametrize("workers", [1, 2])
def test_n_inputs_give_n_rows_and_an_honest_exit_code(slides, tmp_path, workers):
    jobs = collect_jobs([slides], None)
    tally, events = run(jobs, tmp_path / "out", workers)
    rows = {row.slide_id: row for row in read_rows(tmp_path / "out" / "slides.csv")}
    assert sorted(rows) == ["a", "b", "empty", "text"]
    assert rows["empty"].error_code == "empty-file" and rows["text"].error_code == "unsupported-format"
    assert rows["a"].status in ("done", "review") and rows["a"].tiles > 4
    assert rows["b"].call == "adenocarcinoma"
    assert tally.exit_code == 1 and tally.held == 0
    assert sum(isinstance(event, told.SlideFinished) for event in events) == 4
    assert [path.name for path in store.stored_results(tmp_path / "out")] == ["a.zarr", "b.zarr"]
    assert all(store.verify(path) == [] for path in store.stored_results(tmp_path / "out"))


def test_finished_slides_are_kept_and_the_rest_is_done(slides, tmp_path):
    out = tmp_path / "out"
    run(collect_jobs([slides / "a.tif"], None), out)
    commit = (out / "a.zarr" / "commit.json").read_bytes()
    tally, _ = run(collect_jobs([slides], None), out)
    assert tally.kept == 1 and len(tally.rows) == 4
    assert (out / "a.zarr" / "commit.json").read_bytes() == commit
    digest = store.result_digest(store.load(out / "b.zarr"))
    run(collect_jobs([slides], None), tmp_path / "at-once")
    assert store.result_digest(store.load(tmp_path / "at-once" / "b.zarr")) == digest


def test_what_changed_is_redone(slides, tmp_path):
    out = tmp_path / "out"
    jobs = collect_jobs([slides / "a.tif"], None)
    run(jobs, out)
    assert run(jobs, out)[0].kept == 1
    assert run(jobs, out, overlap=0.5)[0].kept == 0
    assert run(jobs, out, overlap=0.5)[0].kept == 1
    draw(slides / "a.tif", "squamous_cell_carcinoma")
    tally, _ = run(jobs, out, overlap=0.5)
    assert tally.kept == 0 and tally.rows[0].call == "squamous_cell_carcinoma"
    assert run(jobs, out, overlap=0.5, overwrite=True)[0].kept == 0


def test_a_damaged_result_is_redone(slides, tmp_path):
    out = tmp_path / "out"
    jobs = collect_jobs([slides / "a.tif"], None)
    run(jobs, out)
    (out / "a.zarr" / "tiles" / "xy" / "zarr.json").write_text("{}")
    assert run(jobs, out)[0].kept == 0
    assert store.verify(out / "a.zarr") == []


def killed_each_time(job, config, model, progress):
    if job.slide_id == "a":
        os.kill(os.getpid(), signal.SIGKILL)
    return process_slide(job, config, model, progress)


def aborts(job, config, model, progress):
    if job.slide_id == "a":
        os.abort()
    return process_slide(job, config, model, progress)


def aborts_unless_patient(job, config, model, progress):
    if os.nice(0) < min(19, os.getpriority(os.PRIO_PROCESS, os.getppid()) + 10):
        os.abort()
    return process_slide(job, config, model, progress)


def test_a_batch_yields_to_who_looks_at_slides_meanwhile(slides, tmp_path):
    jobs, tally = collect_jobs([slides / "a.tif"], None), Tally()
    config = RunConfig(out=tmp_path / "out", model=DEMO_MODEL)
    for _ in run_batch(jobs, config, CLASSES, engine=LocalEngine(1, work=aborts_unless_patient), tally=tally):
        pass
    assert [row.error_code for row in tally.rows] == [""]


@pytest.mark.parametrize(
    ("work", "message"), [(killed_each_time, r"killed from outside twice .*SIGKILL.* --workers"), (aborts, "SIGABRT")]
)
def test_a_worker_that_is_lost_costs_its_slide_alone(slides, tmp_path, work, message):
    jobs = [job for job in collect_jobs([slides], None) if job.slide_id in "ab"]
    tally = Tally()
    config = RunConfig(out=tmp_path / "out", model=DEMO_MODEL)
    events = list(run_batch(jobs, config, CLASSES, engine=LocalEngine(1, work=work), tally=tally))
    rows = {row.slide_id: row for row in tally.rows}
    assert rows["a"].error_code == "crashed" and re.search(message, rows["a"].message)
    assert ("twice" in rows["a"].message) == (work is killed_each_time)
    assert rows["b"].call == "adenocarcinoma" and sum(isinstance(event, told.SlideFinished) for event in events) == 2
    assert [path.name for path in store.stored_results(tmp_path / "out")] == ["b.zarr"]
    # And the next run does what was lost.
    again, _ = run(jobs, tmp_path / "out")
    assert again.exit_code == 0 and again.kept == 1
    assert list((tmp_path / "out" / ".staging").iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_killed_from_outside_costs_nothing(slides, tmp_path, workers):
    """As by the system where memory is short: the slide is tried once more."""
    tally = Tally()
    jobs = [job for job in collect_jobs([slides], None) if job.slide_id in "ab"]
    config = RunConfig(out=tmp_path / "out", model=DEMO_MODEL)
    for event in run_batch(jobs, config, CLASSES, engine=LocalEngine(workers), tally=tally):
        if isinstance(event, told.SlideStarted) and event.job.slide_id == "a":
            for worker in children(os.getpid()):
                os.kill(worker, signal.SIGKILL)
    assert {row.slide_id: row.error_code for row in tally.rows} == {"a": "", "b": ""}
    assert tally.exit_code == 0 and flaws(tmp_path / "out") == []


def test_a_pipe_in_the_place_of_a_slide_is_told_at_once(slides, tmp_path):
    os.mkfifo(slides / "pipe.svs")
    jobs = collect_jobs([slides / "pipe.svs", slides / "a.tif"], None)
    tally, _ = run(jobs, tmp_path / "out")
    assert {row.slide_id: row.error_code for row in tally.rows} == {"pipe": "not-a-file", "a": ""}


def test_a_slide_that_asks_for_too_much_memory_fails_alone(slides, tmp_path):
    """Half a gigabyte of pixels in one piece, twice while it is read; the others need a fraction of that."""
    Image.new("RGB", (14000, 12000), (230, 180, 200)).save(slides / "big.png", compress_level=1)
    tally, _ = run(collect_jobs([slides], None, mpp=0.5), tmp_path / "out", memory_gb=0.9)
    codes = {row.slide_id: row.error_code for row in tally.rows}
    assert codes == {"a": "", "b": "", "big": "out-of-memory", "empty": "empty-file", "text": "unsupported-format"}


def test_a_slide_held_by_another_run_is_left_to_it(slides, tmp_path):
    out = tmp_path / "out"
    prepare_locks(out)
    with try_lock(out, "a") as ours:
        assert ours
        tally, _ = run(collect_jobs([slides / "a.tif", slides / "b.tif"], None), out)
    assert tally.held == 1 and tally.exit_code == 75
    assert [row.slide_id for row in read_rows(out / "slides.csv")] == ["b"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_slide_that_another_run_finished_meanwhile_is_done(slides, tmp_path, overwrite):
    out, tally = tmp_path / "out", Tally()
    jobs = collect_jobs([slides / "a.tif", slides / "b.tif"], None)
    prepare_locks(out)
    other = contextlib.ExitStack()
    assert other.enter_context(try_lock(out, "a"))
    config = RunConfig(out=out, model=DEMO_MODEL, overwrite=overwrite)
    ends = []
    for event in run_batch(jobs, config, CLASSES, tally=tally):
        if isinstance(event, told.SlideFinished):
            ends.append((event.job.slide_id, event.fate))
            if event.job.slide_id == "b":
                other.close()
                run(jobs[:1], out)
    assert ends == [("b", "ran"), ("a", "kept")]
    assert tally.exit_code == 0 and tally.held == tally.undone == 0
    assert [row.slide_id for row in read_rows(out / "slides.csv")] == ["a", "b"]


def test_a_slide_that_another_run_gave_up_meanwhile_is_ours(slides, tmp_path):
    out, tally = tmp_path / "out", Tally()
    prepare_locks(out)
    other = contextlib.ExitStack()
    assert other.enter_context(try_lock(out, "a"))
    jobs = collect_jobs([slides / "a.tif", slides / "b.tif"], None)
    for event in run_batch(jobs, RunConfig(out=out, model=DEMO_MODEL), CLASSES, tally=tally):
        if isinstance(event, told.SlideFinished) and event.job.slide_id == "b":
            other.close()
    assert tally.exit_code == 0 and tally.kept == 0 and len(tally.rows) == 2


def test_a_finished_slide_that_another_run_looks_at_is_done(slides, tmp_path):
    out, jobs = tmp_path / "out", collect_jobs([slides / "a.tif"], None)
    run(jobs, out)
    with try_lock(out, "a"):
        assert run(jobs, out)[0].kept == 1
        assert run(jobs, out, overlap=0.5)[0].exit_code == 75


def test_a_lock_is_free_once_its_holder_is_gone(tmp_path):
    prepare_locks(tmp_path)
    with try_lock(tmp_path, "a") as first, try_lock(tmp_path, "a") as second:
        assert first and not second
    with try_lock(tmp_path, "a") as third:
        assert third


def test_rows_of_two_runs_and_two_models_share_a_table(tmp_path):
    out = tmp_path / "out"
    prepare_locks(out)
    merge_rows(out, [SlideRow("b", "b", "done", "normal", {"normal": 1.0})], ("normal", "tumour"))
    merge_rows(out, [SlideRow("a", "a", "done", "blue", {"blue": 1.0})], ("blue", "red"))
    rows = read_rows(out / "slides.csv")
    assert [row.slide_id for row in rows] == ["a", "b"]
    assert rows[1].probabilities == {"normal": 1.0}


def test_a_failure_beside_an_older_result_says_so(slides, tmp_path):
    out = tmp_path / "out"
    run(collect_jobs([slides / "a.tif"], None), out)
    (slides / "a.tif").write_bytes(b"broken now")
    tally, _ = run(collect_jobs([slides / "a.tif"], None), out)
    assert tally.rows[0].status == "failed" and "older result, normal" in tally.rows[0].message


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_output_is_told_at_once(slides, tmp_path):
    tmp_path.joinpath("out").mkdir(mode=0o500)
    with pytest.raises(OutputUnwritableError):
        run(collect_jobs([slides / "a.tif"], None), tmp_path / "out")


def test_an_output_that_is_a_file_is_told_at_once(slides, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputUnwritableError, match="choose another --out"):
        run(collect_jobs([slides / "a.tif"], None), tmp_path / "out")


def test_a_run_killed_with_all_its_workers_is_resumed_to_the_same_end(slides, tmp_path):
    """kill -9 of the parent: the worker dies with it, nothing half-written counts, and a new run finishes."""
    out = tmp_path / "out"
    draw(slides / "c.tif", "squamous_cell_carcinoma")
    command = [sys.executable, "-m", "app.cli", "run", str(slides), "--out", str(out), "--model", DEMO_MODEL]
    command += ["--workers", "1"]
    root = REPOSITORY
    process = subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    assert process.stdout.readline().startswith("[1/5]")
    # Stopped, the worker cannot end by itself: only the kernel ends it with its parent, on any machine.
    [worker] = children(process.pid)
    os.kill(worker, signal.SIGSTOP)
    try:
        process.kill()
        process.wait()
        deadline = time.monotonic() + 30
        while living(process.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert living(process.pid) == []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1  # the two that are no slides
    assert "held" not in done.stdout
    run(collect_jobs([slides], None), tmp_path / "whole")
    assert table(out) == table(tmp_path / "whole")
    for name in ("a", "b", "c"):
        ours, whole = (store.load(folder / f"{name}.zarr") for folder in (out, tmp_path / "whole"))
        assert store.result_digest(ours) == store.result_digest(whole)
    assert list((out / ".staging").iterdir()) == []


def table(out):
    with (out / "slides.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_a_problem_known_beforehand_is_a_row(tmp_path):
    job = SlideJob(tmp_path / "x.svs", "x.svs", "x", problem="is a link that leads out of the folder that was searched")
    tally, _ = run([job], tmp_path / "out")
    assert tally.rows[0].error_code == "not-a-file" and "leads out" in tally.rows[0].message


def command(*arguments):
    return [sys.executable, "-m", "app.cli", "run", *map(str, arguments), "--model", DEMO_MODEL]


def test_fail_fast_stops_at_the_first_failure(slides, tmp_path):
    (slides / "0.svs").write_text("not a slide")
    done = subprocess.run(
        # One at a time: of two that are begun together either may end first.
        command(slides, "--out", tmp_path / "out", "--fail-fast", "--workers", "1"),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "5 slides: 0 done, 0 review, 1 failed, 4 not yet done" in done.stdout
    assert "--fail-fast" in done.stdout and "does what is left" in done.stdout
    assert [row.slide_id for row in read_rows(tmp_path / "out" / "slides.csv")] == ["0"]


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_how_to_go_on_and_leaves_nothing_behind(slides, tmp_path, by):
    many_copies(slides)
    out = tmp_path / "out"
    # A session of its own, so that the signal goes to all its processes, as a terminal sends it.
    with signals_as_in_a_terminal():
        process = subprocess.Popen(
            command(slides, "--out", out),
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    assert process.stdout.readline().startswith("[1/204]")
    os.killpg(process.pid, by)
    text, complaints = process.communicate(timeout=30)
    assert process.returncode == 130 and complaints == ""
    assert "not yet done" in text and "stopped: interrupted. The same command again does what is left." in text
    assert living(process.pid) == []
    assert flaws(out) == []
    rows = {row.slide_id for row in read_rows(out / "slides.csv") if row.status != "failed"}
    assert rows == {path.stem for path in store.stored_results(out)}
    last = json.loads((out / "run.jsonl").read_text().splitlines()[-1])
    assert last["event"] == "run-ended" and last["how"] == "interrupted" and last["undone"] > 0


def children(parent):
    listed = subprocess.run(
        ["pgrep", "-P", str(parent), "-f", "app.batch.engines.worker"], capture_output=True, text=True
    )
    return [int(pid) for pid in listed.stdout.split()]


def living(group):
    """The processes of a group that are not yet gone; those that wait for their parent's word count as gone."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True).stdout
    found = [line.split(maxsplit=2) for line in listed.splitlines()]
    return [what for pgid, state, *what in found if int(pgid) == group and not state.startswith("Z")]


def test_an_output_that_vanishes_stops_the_run_and_is_not_made_anew(slides, tmp_path):
    out, tally = tmp_path / "out", Tally()
    events = run_batch(collect_jobs([slides], None), RunConfig(out=out, model=DEMO_MODEL), CLASSES, tally=tally)
    with pytest.raises(OutputUnwritableError, match="bring it back"):
        for event in events:
            if isinstance(event, told.SlideFinished):
                out.rename(tmp_path / "gone")
    assert not out.exists() and tally.undone == 3


def test_an_input_that_vanishes_costs_its_slides_alone(slides, tmp_path):
    jobs = collect_jobs([slides], None)
    tally = Tally()
    for event in run_batch(jobs, RunConfig(out=tmp_path / "out", model=DEMO_MODEL), CLASSES, tally=tally):
        if isinstance(event, told.SlideFinished) and event.job.slide_id == "a":
            slides.rename(tmp_path / "unmounted")
    codes = {row.slide_id: row.error_code for row in tally.rows}
    assert codes == {"a": "", "b": "not-a-file", "empty": "not-a-file", "text": "not-a-file"}


def test_a_redone_slide_says_what_changed(slides, tmp_path):
    out, jobs = tmp_path / "out", collect_jobs([slides / "a.tif"], None)

    def changed(**config):
        [event] = [event for event in run(jobs, out, **config)[1] if isinstance(event, told.SlideFinished)]
        return event.fate, event.changed

    assert changed() == ("ran", ())
    assert changed() == ("kept", ())
    assert changed(overlap=0.5) == ("ran", ("configuration",))
    draw(slides / "a.tif", "adenocarcinoma")
    assert changed(overlap=0.5) == ("ran", ("slide",))
    assert changed() == ("ran", ("configuration",))
    (out / "a.zarr" / "zarr.json").write_text("{}")
    assert changed() == ("ran", ("damage",))


def test_another_model_of_the_same_name_is_refused(slides, tmp_path):
    with pytest.raises(ModelDigestError, match="another one on this machine"):
        run(collect_jobs([slides], None), tmp_path / "out", model_sha256="0" * 64)
    assert read_rows(tmp_path / "out" / "slides.csv") == []


@pytest.fixture
def own_model(tmp_path):
    shutil.copytree(PACKAGED / DEMO_MODEL, tmp_path / "model")
    return tmp_path / "model"


def nonsense(model):
    """With digests that fit: only who runs the network finds out."""
    card = json.loads((model / "card.json").read_text())
    (model / LITERT_FILE).write_bytes(b"nonsense")
    card["files"][LITERT_FILE] = hashlib.sha256(b"nonsense").hexdigest()
    (model / "card.json").write_text(json.dumps(card))


DAMAGES = {
    "one bit": lambda model: (model / LITERT_FILE).write_bytes(b"x" + (model / LITERT_FILE).read_bytes()[1:]),
    "a file is gone": lambda model: (model / WEIGHTS_FILE).unlink(),
    "the folder is gone": shutil.rmtree,
    "nonsense with digests that fit": nonsense,
    "an unknown file": lambda model: (model / "more.txt").write_text(""),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_model_ends_the_run_with_one_line(slides, tmp_path, own_model, damage):
    damage(own_model)
    command = [sys.executable, "-m", "app.cli", "run", slides, "--out", tmp_path / "out", "--model", own_model]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stdout == ""
    assert done.stderr.startswith("pulmoscope: model-") and "internal" not in done.stderr
    assert read_rows(tmp_path / "out" / "slides.csv") == []


@pytest.mark.parametrize("damage", ["one bit", "the folder is gone"])
def test_a_model_damaged_meanwhile_ends_the_run_where_it_is_loaded_anew(slides, tmp_path, own_model, damage):
    """What was done stays, nothing is called failed, and the same command goes on with the model mended."""
    jobs, config = collect_jobs([slides], None), RunConfig(out=tmp_path / "out", model=str(own_model))
    begun = set()
    with pytest.raises(ModelError):
        for event in run_batch(jobs, config, CLASSES, tally=Tally()):
            begun.add(event.job.slide_id)
            if isinstance(event, told.SlideStarted) and event.job.slide_id == "b":
                DAMAGES[damage](own_model)
                for worker in children(os.getpid()):
                    os.kill(worker, signal.SIGKILL)
    assert [row.slide_id for row in read_rows(tmp_path / "out" / "slides.csv")] == ["a"] and begun == {"a", "b"}
    assert '"how": "model unusable"' in (tmp_path / "out" / "run.jsonl").read_text()
    assert flaws(tmp_path / "out") == []
