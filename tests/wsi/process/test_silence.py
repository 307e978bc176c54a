"""Silence on the standard streams, open or closed."""

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

TALK = """
import os
from wsi.process.silence import {how} as quietly
with quietly():
    os.write(1, b"out while silent;")
    os.write(2, b"err while silent;")
os.write(1, b"out after")
os.write(2, b"err after")
"""


def run(code, closed=(), **more):
    shut = " ".join(f"{stream}>&-" for stream in closed)
    command = ["bash", "-c", f'exec "$0" -c "$1" {shut}', sys.executable, code]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, **more)


def test_what_libraries_write_goes_nowhere_while_it_lasts(monkeypatch):
    monkeypatch.delenv("PULMOSCOPE_DEBUG", raising=False)
    done = run(TALK.format(how="silent"))
    assert (done.stdout, done.stderr) == ("out after", "err after")
    done = run(TALK.format(how="native_stderr_silenced"))
    assert (done.stdout, done.stderr) == ("out while silent;out after", "err after")
    monkeypatch.setenv("PULMOSCOPE_DEBUG", "1")
    assert run(TALK.format(how="silent")).stdout.startswith("out while silent;")


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_a_closed_stream_stays_closed(closed):
    code = """
import os
from wsi.process.silence import silent
def state():
    return [os.path.exists(f"/proc/self/fd/{n}") for n in range(3)]
before = state()
for _ in range(3):
    with silent():
        pass
assert state() == before, (before, state())
"""
    assert run(code, closed).returncode == 0


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def test_no_file_takes_the_place_of_a_closed_stream(closed, tmp_path):
    """What is printed afterwards must not land in a file that was opened meanwhile."""
    code = f"""
from wsi.process.silence import fill_closed_streams
fill_closed_streams()
import os, sys
file = open({str(tmp_path / "table")!r}, "w")
assert file.fileno() > 2
print("word"); print("word", file=sys.stderr); assert sys.stdin is not None
os.write(1, b"w"); os.write(2, b"w")
"""
    assert run(code, closed).returncode == 0
    assert (tmp_path / "table").read_text() == ""
