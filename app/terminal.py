"""How a batch shows itself: a progress bar on a terminal, plain lines in a log, JSON lines for a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Protocol

from app.batch import Tally
from app.engines.local import Event, SlideFinished, SlideProgress
from app.records import SlideRow
from app.words import plain

_MARKS = {"done": ("✓", "green"), "review": ("◆", "yellow"), "failed": ("✗", "red")}


class Reporter(Protocol):
    def show(self, events: Iterable[Event], slides: int) -> None: ...

    def end(self, tally: Tally, out: str) -> None: ...


def reporter(as_json: bool) -> Reporter:
    if as_json:
        return JsonLines()
    return ProgressBar() if sys.stderr.isatty() else PlainLines()


def slide_line(row: SlideRow) -> str:
    """One slide's end on one line. What comes from outside has no control characters left."""
    name = plain(row.slide_id)
    if row.status == "failed":
        return f"{name}: failed, {row.error_code}: {plain(row.message, 400)}"
    reasons = f" (look again: {', '.join(row.review_reasons)})" if row.review_reasons else ""
    p = row.probabilities.get(row.call)
    figure = f" {p:.2f}" if p is not None else ""
    return f"{name}: {row.call}{figure}{reasons}"


def summary_line(tally: Tally) -> str:
    parts = [f"{tally.count(status)} {status}" for status in ("done", "review", "failed")]
    if tally.kept:
        parts.append(f"{tally.kept} of them kept from an earlier run")
    if tally.held:
        parts.append(f"{tally.held} held by another run")
    return f"{len(tally.rows) + tally.held} slides: {', '.join(parts)}"


class PlainLines:
    def show(self, events: Iterable[Event], slides: int) -> None:
        finished = 0
        for event in events:
            if isinstance(event, SlideFinished):
                finished += 1
                print(f"[{finished}/{slides}] {_held_or(event)}", flush=True)

    def end(self, tally: Tally, out: str) -> None:
        print(f"{summary_line(tally)}\ntable: {out}", flush=True)


class JsonLines:
    """One JSON object a line: progress, slide, end."""

    def show(self, events: Iterable[Event], slides: int) -> None:
        for event in events:
            if isinstance(event, SlideProgress):
                self._line(
                    event="progress", slide_id=event.job.slide_id, tiles_done=event.tiles_done, tiles=event.tiles
                )
            elif isinstance(event, SlideFinished):
                cells = event.row.cells(tuple(event.row.probabilities))
                self._line(event="slide", fate=event.fate, **cells)

    def end(self, tally: Tally, out: str) -> None:
        self._line(event="end", exit_code=tally.exit_code, summary=summary_line(tally), table=out)

    @staticmethod
    def _line(**values: object) -> None:
        print(json.dumps(values), flush=True)


class ProgressBar:
    def show(self, events: Iterable[Event], slides: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.text import Text

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as bar:
            whole = bar.add_task("slides", total=slides, unit="slides")
            current: dict[str, object] = {}
            for event in events:
                slide_id = event.job.slide_id
                if isinstance(event, SlideProgress):
                    if slide_id not in current:
                        current[slide_id] = bar.add_task(plain(slide_id, 40), total=event.tiles, unit="tiles")
                    bar.update(current[slide_id], completed=event.tiles_done)  # type: ignore[arg-type]
                elif isinstance(event, SlideFinished):
                    if slide_id in current:
                        bar.remove_task(current.pop(slide_id))  # type: ignore[arg-type]
                    mark, colour = ("…", "blue") if event.fate == "held" else _MARKS[event.row.status]
                    bar.console.print(Text(f"{mark} ", style=colour) + Text(_held_or(event)), soft_wrap=True)
                    bar.advance(whole)

    def end(self, tally: Tally, out: str) -> None:
        print(f"{summary_line(tally)}\ntable: {out}", flush=True)


def _held_or(event: SlideFinished) -> str:
    if event.fate == "held":
        return f"{plain(event.job.slide_id)}: another run is at it"
    return slide_line(event.row)
