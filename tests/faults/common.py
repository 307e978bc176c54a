"""What the campaigns share: small slides, the command line as a process, and what a run left behind."""

from __future__ import annotations

import contextlib
import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from aggregate.result_folder import STAGING, committed_digest, stored_results
from app.ledger.verify import verify_results
from classifier.model_folder.find import DEMO_MODEL
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import CLASSES, SyntheticRegion, write_synthetic_slide

ROOT = Path(__file__).resolve().parent.parent.parent


def draw_slides(folder: Path, count: int, side_px: int = 1000) -> Path:
    """`count` synthetic slides of 0.5 um/px with a square of tissue each; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    side_um = side_px * 0.5
    for i in range(count):
        region = SyntheticRegion(Rectangle((40.0, 40.0), (side_um - 60, side_um - 60)), CLASSES[i % len(CLASSES)])
        path = folder / f"slide-{i:04d}.tif"
        write_synthetic_slide(path, regions=(region,), mpp=0.5, size_px=(side_px, side_px), seed=i)
    return folder


def start_run(slides: Path | str, out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "app.cli", "run", str(slides), "--out", str(out), "--model", DEMO_MODEL, *options]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_to_end(slides: Path | str, out: Path, *options: str, timeout_s: float = 3600) -> int:
    """The exit code. Raises AssertionError where a traceback was shown."""
    process = start_run(slides, out, *options)
    text, _ = process.communicate(timeout=timeout_s)
    assert "Traceback" not in text and "internal-error" not in text, text[-2000:]
    return process.returncode


def table(out: Path) -> dict[str, dict[str, str]]:
    """The rows of slides.csv by slide id, without how long each took."""
    with (out / "slides.csv").open(newline="", encoding="utf-8") as file:
        return {row["slide_id"]: {k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)}


def digests(out: Path) -> dict[str, str]:
    """Result digest by name of the result's folder."""
    return {path.name: committed_digest(path) for path in stored_results(out)}


def flaws(out: Path) -> list[str]:
    """All that is wrong with an output where no run is at work: results, table, audit log, what was left staged."""
    found = verify_results(out)
    staged = [path.name for path in (out / STAGING).glob("*")]
    partial = [path.name for path in out.glob(".*partial")]
    return (
        [f"{name}: {text}" for name, texts in found.broken.items() for text in texts] + found.audit + staged + partial
    )


def many_copies(folder: Path, count: int = 200) -> Path:
    """`folder` with `count` more names for its first slide: a run that is not over before a signal comes, however fast
    the machine and slow the test."""
    first = min(folder.glob("*.tif"))
    for number in range(count):
        (folder / f"copy{number:03d}.tif").hardlink_to(first)
    return folder


@contextlib.contextmanager
def signals_as_in_a_terminal() -> Iterator[None]:
    """Processes started meanwhile are ended by SIGINT and SIGHUP, also where the tests themselves run under nohup or in
    the background of a script: what is ignored there is ignored in children, too."""
    ignored = [by for by in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(by) is signal.SIG_IGN]
    for by in ignored:
        signal.signal(by, signal.SIG_DFL)
    try:
        yield
    finally:
        for by in ignored:
            signal.signal(by, signal.SIG_IGN)
