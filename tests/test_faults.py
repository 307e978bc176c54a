"""The fault campaigns at a size that fits the suite; whole, they are `make faults` (figures in docs/reliability.md)."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.faults.common import ROOT, digests, draw_slides, flaws, run_to_end, start_run, table
from tests.faults.kills import kill_runs
from tests.faults.mutations import MUTATIONS, mutate_slides
from tests.faults.others import fill_the_disk, flip_bits, run_together
from tests.faults.writes import fail_each_write


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    return draw_slides(tmp_path_factory.mktemp("slides"), 4, 600)


def test_mutated_slides_cost_themselves_alone(slides, tmp_path):
    originals = sorted(slides.iterdir())
    figures = mutate_slides(originals, slides, tmp_path, count=2 * len(MUTATIONS))
    assert figures.rows == figures.expected_rows == 4 + 2 * len(MUTATIONS)
    assert figures.good_wrong == 0 and figures.flaws == []


def test_killed_runs_end_as_one_in_peace(slides, tmp_path):
    figures = kill_runs(slides, tmp_path, kills=3, seed=1)
    assert figures.killed == 3 and figures.unequal == 0


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_whatever_write_fails_nothing_broken_is_committed(slides, tmp_path):
    figures = fail_each_write(slides / "slide-0000.tif", tmp_path, step=61)
    assert figures.writes > 100 and figures.told > figures.tried / 2
    assert figures.rejected == [] and figures.unequal == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")
def test_a_full_disk_stops_the_run_with_one_line(slides, tmp_path):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=250k", "tmpfs", tmp_path], capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        figures = fill_the_disk(slides, tmp_path / "out")
        assert figures.exit_code == 1 and figures.one_clear_line and figures.rejected == 0
        subprocess.run(["mount", "-o", "remount,size=16m", tmp_path], check=True)
        assert run_to_end(slides, tmp_path / "out") == 0 and flaws(tmp_path / "out") == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount; others meet the folder's mode")
def test_a_read_only_disk_stops_the_run_with_one_line(slides, tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", tmp_path]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        text, _ = (process := start_run(slides, tmp_path / "out")).communicate(timeout=120)
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert process.returncode == 1 and text.count("\n") == 1
    assert text.startswith("pulmoscope: output-unwritable: cannot write to ") and "Read-only file system" in text


def test_runs_at_once_do_each_slide_once(slides, tmp_path):
    figures = run_together(slides, tmp_path / "out", runs=3)
    assert set(figures.exit_codes) <= {0, 75} and 0 in figures.exit_codes and figures.done_once == figures.slides
    assert figures.lost == 0 and figures.flaws == []


def test_flipped_bits_are_named(slides, tmp_path):
    run_to_end(slides / "slide-0000.tif", tmp_path / "out")
    figures = flip_bits(tmp_path / "out", flips=20)
    assert figures.named == 20


def test_whatever_lies_in_an_output_ends_no_command_in_an_internal_error(tmp_path):
    """All commands on changed outputs, each in a process of its own; a process of its own forks them."""
    code = (
        "import sys; from pathlib import Path; from benchmarks.faults import outputs; "
        "print(outputs(Path(sys.argv[1]), range(2)))"
    )
    command = [sys.executable, "-c", code, tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200)
    assert done.stdout.startswith("2 outputs, 12 commands (") and "; 0 wrong; at most 0." in done.stdout, done.stderr


def test_shards_together_are_the_whole(slides, tmp_path):
    run_to_end(slides, tmp_path / "whole")
    for i in (1, 2, 3):
        run_to_end(slides, tmp_path / "shards", "--shard", f"{i}/3")
    assert table(tmp_path / "shards") == table(tmp_path / "whole")
    assert digests(tmp_path / "shards") == digests(tmp_path / "whole") and flaws(tmp_path / "shards") == []
