"""`OUT/run.jsonl`: what runs did, one JSON object a line, for programs that watch. Nothing is decided from it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from app.batch.engines.events import Event, SlideFinished, SlideStarted
from app.ledger.lines import append_line
from app.ledger.locks import lock
from app.ledger.prepare import RUN_LOG
from wsi.files.writing import unwritable

SCHEMA = 2  # of the lines; told by a run's first. Lines without it (schema 1) held every figure as text.


class RunLog:
    """One run's hand on the log that all runs on `out` share; each line says which run it is of."""

    def __init__(self, out: Path, run_id: str) -> None:
        self._out = out
        self._run_id = run_id

    def write(self, event: str, **facts: object) -> None:
        """Raises OutputUnwritableError."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": time, "run": self._run_id, "event": event, **facts})
        try:
            with lock(self._out, RUN_LOG):
                append_line(self._out / RUN_LOG, line)
        except OSError as error:
            raise unwritable(str(self._out / RUN_LOG), error) from error

    def tell(self, event: Event) -> None:
        """A slide's start or end; progress within a slide is not kept."""
        if isinstance(event, SlideStarted):
            self.write("slide-started", slide_id=event.job.slide_id)
        elif isinstance(event, SlideFinished):
            self.write("slide", **finished_facts(event))


def finished_facts(event: SlideFinished) -> dict[str, object]:
    """A slide's end as a program reads it: its fate, why an earlier result was not kept, and its row, typed."""
    return {"fate": event.fate, "changed": list(event.changed), **event.row.to_json()}
