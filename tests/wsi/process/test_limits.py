"""Limits of a process, each tried on a process of its own."""

import subprocess
import sys
import time

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="address space and parents are Linux's")


def python(code, timeout=60):
    return subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout)


def test_memory_is_bounded_and_given_back():
    code = """
from wsi.process.limits import memory_limit
with memory_limit(0.25):
    try:
        bytearray(1 << 29)
        print("had it")
    except MemoryError:
        print("refused")
bytearray(1 << 29)
"""
    assert python(code).stdout.split() == ["refused"]


@pytest.mark.parametrize("which", ["soft", "hard"])
def test_a_limit_that_was_given_is_not_raised(which):
    """As after `ulimit -v`: a soft limit above the hard one is an error, and neither is ours to raise."""
    code = f"""
import resource
from wsi.process.limits import memory_limit
given = 3 << 30
resource.setrlimit(resource.RLIMIT_AS, (given, given if {which == "hard"} else resource.RLIM_INFINITY))
with memory_limit(8.0):
    print(resource.getrlimit(resource.RLIMIT_AS)[0] == given)
"""
    assert python(code).stdout.split() == ["True"]


def test_cpu_time_is_bounded():
    done = python("from wsi.process.limits import allow_cpu_seconds\nallow_cpu_seconds(0.2)\nwhile True: pass")
    assert done.returncode == -24  # SIGXCPU


def test_no_core_file_is_left():
    code = "import resource\nfrom wsi.process.limits import no_core_files\nno_core_files()\n"
    assert python(code + "print(resource.getrlimit(resource.RLIMIT_CORE)[0])").stdout.split() == ["0"]


def test_a_process_leaves_with_its_parent_whatever_thread_started_it():
    child = (
        "import sys, time; from wsi.process.limits import leave_with as do; do(int(sys.argv[1]), 0.05); time.sleep(60)"
    )
    start = f"subprocess.Popen([sys.executable, '-c', {child!r}, str(os.getpid())]).pid"
    code = f"import os, subprocess, sys\nprint({start}, flush=True)"
    # The pipe is closed only when the child is gone as well.
    began = time.monotonic()
    assert python(code, timeout=50).stdout.strip().isdigit()
    assert time.monotonic() - began < 50
