"""Finished slides whose file is something else by the next run: a failed row at once, and nothing is waited for."""

import os
import shutil
import subprocess
import sys

import pytest

from app.ledger.records import read_rows
from classifier.model_folder.find import DEMO_MODEL
from tests.conftest import REPOSITORY
from tests.dicoms import write_series, write_vms
from wsi import open_slide
from wsi.errors import NotAFileError


def run(folder, out):
    """In a process of its own: what hangs is ended by the time limit, which is far beyond what a run needs."""
    command = [sys.executable, "-m", "app.cli", "run", str(folder), "--out", str(out), "--model", str(DEMO_MODEL)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)


def test_slides_that_were_replaced_fail_and_the_others_are_kept(ready_slide, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("pipe", "empty", "folder", "device", "stays"):
        shutil.copyfile(ready_slide.path, folder / f"{name}.svs")
    assert run(folder, out).returncode == 0
    for name in ("pipe", "folder", "device"):
        (folder / f"{name}.svs").unlink()
    os.mkfifo(folder / "pipe.svs")
    (folder / "folder.svs").mkdir()
    (folder / "device.svs").symlink_to("/dev/zero")
    os.truncate(folder / "empty.svs", 0)
    done = run(folder, out)
    rows = {row.slide_id: row for row in read_rows(out / "slides.csv")}
    codes = {name: row.error_code for name, row in rows.items()}
    assert codes == {
        "pipe": "not-a-file",
        "empty": "empty-file",
        "folder": "not-a-file",
        "device": "not-a-file",
        "stays": "",
    }
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert all("an older result" in rows[name].message for name in ("pipe", "empty", "folder"))


@pytest.mark.parametrize("part", ["scan.jpg", "scan_map2.jpg", "scan_macro.jpg"])
def test_a_part_of_a_vms_that_became_a_pipe(part, tmp_path):
    index = write_vms(tmp_path, "scan")
    (tmp_path / part).unlink()
    os.mkfifo(tmp_path / part)
    with pytest.raises(NotAFileError, match=f"{part} is a pipe"):
        open_slide(index)


def test_a_level_of_a_series_that_became_a_pipe_is_not_waited_for(tmp_path):
    level0, level1, *_ = write_series(tmp_path)
    level1.unlink()
    os.mkfifo(level1)
    with open_slide(level0) as slide:
        assert [level.size_px for level in slide.levels] == [(512, 512)]
