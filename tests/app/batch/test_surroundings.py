"""A batch in surroundings of schedulers, shells and terminals: it is done, and says so where somebody listens."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.ledger.records import read_rows
from classifier.model_folder.find import DEMO_MODEL
from tests.conftest import REPOSITORY
from tests.faults.common import draw_slides, flaws, many_copies, signals_as_in_a_terminal


@pytest.fixture
def slides(tmp_path):
    return draw_slides(tmp_path / "in", 3)


def run(slides, out, shell='"$@"'):
    """`pulmoscope run` as a shell line has it, in which "$@" is the command."""
    command = [sys.executable, "-m", "app.cli", "run", str(slides), "--out", str(out), "--model", DEMO_MODEL]
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell, "bash", *command],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_cost_nothing(slides, tmp_path, closed):
    done = run(slides, tmp_path / "out", f'"$@" {closed}')
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert [row.status in ("done", "review") for row in read_rows(tmp_path / "out" / "slides.csv")] == [True] * 3
    assert flaws(tmp_path / "out") == []


@pytest.mark.parametrize("option", ["", " --json"])
def test_a_reader_that_goes_away_does_not_end_the_batch(slides, tmp_path, option):
    done = run(slides, tmp_path / "out", f'"$@"{option} | head -n 1 ; exit ${{PIPESTATUS[0]}}')
    assert done.returncode == 0 and done.stderr == "" and len(done.stdout.splitlines()) == 1
    assert len(read_rows(tmp_path / "out" / "slides.csv")) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_log_does_not_end_the_batch(slides, tmp_path):
    assert run(slides, tmp_path / "out", '"$@" >/dev/full 2>&1').returncode == 0
    assert len(read_rows(tmp_path / "out" / "slides.csv")) == 3


@pytest.mark.parametrize("kind", ["-v", "-Sv"])
def test_a_limit_of_address_space_below_ours_is_kept_to(slides, tmp_path, kind):
    done = run(slides, tmp_path / "out", f'ulimit {kind} 3000000; "$@"')
    assert done.returncode == 0 and done.stderr == ""
    assert len(read_rows(tmp_path / "out" / "slides.csv")) == 3


def start(slides, out, **how):
    command = [sys.executable, "-m", "app.cli", "run", str(slides), "--out", str(out), "--model", DEMO_MODEL]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)


def test_a_terminal_that_closes_ends_a_batch_politely(tmp_path):
    slides, out = many_copies(draw_slides(tmp_path / "in", 2)), tmp_path / "out"
    with signals_as_in_a_terminal():
        process = start(slides, out, start_new_session=True)
    assert process.stdout.readline().startswith("[1/202]")
    os.killpg(process.pid, signal.SIGHUP)
    text, complaints = process.communicate(timeout=60)
    assert process.returncode == 130 and complaints == "" and "does what is left" in text
    assert flaws(out) == []
    assert '"how": "interrupted"' in (out / "run.jsonl").read_text().splitlines()[-1]


def test_what_nohup_ignores_stays_ignored(tmp_path):
    slides, out = draw_slides(tmp_path / "in", 4), tmp_path / "out"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start(slides, out)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert process.stdout.readline().startswith("[1/4]")
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0 and len(read_rows(out / "slides.csv")) == 4
