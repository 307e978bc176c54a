"""The most memory that a command and all its processes had: resident at their peaks, added up. Linux only."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_EVERY_S = 0.02


@dataclass(frozen=True)
class Peak:
    """MB of 2**20 bytes. `all_mb` adds up the peaks of processes that need not have peaked together, and counts pages
    that they share more than once: no less than what the command really took."""

    all_mb: float
    largest_process_mb: float


def peak_memory(command: Sequence[str]) -> Peak:
    """Runs `command` to its end. Raises subprocess.CalledProcessError where it fails."""
    # A pipe that nobody reads until the end would stop whoever says much.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        peaks: dict[int, float] = {}
        while process.poll() is None:
            for pid in _family(process.pid):
                # The kernel keeps each process's own peak, so looking now and then misses next to nothing.
                peaks[pid] = max(peaks.get(pid, 0.0), _own_peak_mb(pid))
            time.sleep(_EVERY_S)
        if process.returncode:
            output.seek(0)
            raise subprocess.CalledProcessError(process.returncode, command, output.read())
    return Peak(sum(peaks.values()), max(peaks.values(), default=0.0))


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            for children in Path(f"/proc/{parent}/task").glob("*/children"):
                found += map(int, children.read_text().split())
        except OSError:  # it ended meanwhile
            continue
    return found


def _own_peak_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
