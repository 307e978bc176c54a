"""How far the runs of a results folder are, whoever started them: read from `run.jsonl` as it grows. Writes nothing."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from app.ledger.locks import is_held
from app.ledger.prepare import RUN_LOG
from wsi.files.reading import open_regular

# Runs that are remembered: a page asks for what ends while it is open.
_MAX_RUNS = 64
_MAX_LINE_BYTES = 1 << 20
# A run says nothing while it loads its model; one that was killed then says nothing for ever.
_SILENT_S = 120.0


@dataclass
class Batch:
    """One run. `slides` is how many it was given; `how` says how it ended, "" while it has not."""

    run_id: str
    slides: int
    heard_s: float
    done: int = 0
    failed: int = 0
    how: str = ""
    running: set[str] = field(default_factory=set)

    def to_json(self) -> dict[str, Any]:
        return {"run": self.run_id, "slides": self.slides, "done": self.done, "failed": self.failed, "how": self.how}


class Batches:
    """The runs of a folder. Reads only what was added since it looked last. Safe to share among threads."""

    def __init__(self, results: Path, now_s: Callable[[], float] = time.time) -> None:
        self._results, self._now_s = results, now_s
        self._lock = threading.Lock()
        self._file, self._at = 0, 0
        self._runs: OrderedDict[str, Batch] = OrderedDict()

    def look(self) -> tuple[list[Batch], list[Batch]]:
        """(runs that are under way, runs that have ended), oldest first."""
        with self._lock:
            self._read_on()
            runs = list(self._runs.values())
            live = [run for run in runs if not run.how and self._is_live(run)]
            return live, [run for run in runs if run.how]

    def _is_live(self, run: Batch) -> bool:
        """A run that was killed writes no end, but its locks fell with it."""
        return self._now_s() - run.heard_s < _SILENT_S or any(is_held(self._results, one) for one in run.running)

    def _read_on(self) -> None:
        try:
            with open_regular(self._results / RUN_LOG) as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._file or status.st_size < self._at:
                    self._runs.clear()
                    self._file, self._at = status.st_ino, 0
                file.seek(self._at)
                while (line := file.readline(_MAX_LINE_BYTES)).endswith(b"\n"):
                    self._at = file.tell()
                    self._take(line)
        except OSError:
            return

    def _take(self, line: bytes) -> None:
        """A line that makes no sense tells nothing."""
        try:
            told = json.loads(line)
            event, run_id = told["event"], str(told["run"])
            heard_s = datetime.fromisoformat(told["time"]).timestamp()
            if event == "run-started":
                self._runs[run_id] = Batch(run_id, int(told["slides"]), heard_s)
                if len(self._runs) > _MAX_RUNS:
                    self._runs.popitem(last=False)
            elif (run := self._runs.get(run_id)) is not None:
                run.heard_s = heard_s
                _tell(run, event, told)
        except (ValueError, KeyError, TypeError, RecursionError):
            return


def _tell(run: Batch, event: str, told: dict[str, Any]) -> None:
    if event == "slide-started":
        run.running.add(str(told["slide_id"]))
    elif event == "slide":
        run.running.discard(str(told["slide_id"]))
        if told["fate"] != "held":
            run.done += 1
            run.failed += told["status"] == "failed"
    elif event == "run-ended":
        run.how = str(told["how"])
        run.running.clear()
