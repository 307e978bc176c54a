"""How a batch shows itself: a live table on a terminal, plain lines in a log, JSON lines for a program."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from aggregate.result import SlideStatus
from app.batch.engines.events import Event, SlideFinished, SlideProgress
from app.batch.run_batch import Tally
from app.batch.run_log import finished_facts
from app.commands.terminal.pace import Pace
from app.ledger.records import SlideRow
from app.presentation.figures import percent
from wsi.text import plain, visible

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_MARKS = {
    SlideStatus.DONE: ("✓", "green"),
    SlideStatus.REVIEW: ("◆", "yellow"),
    SlideStatus.FAILED: ("✗", "red"),
}


class Reporter(Protocol):
    def show(self, events: Iterable[Event], slides: int) -> None: ...

    def end(self, tally: Tally, out: str, *, stopped: str = "") -> None:
        """The last words; `stopped` says why the run ended early."""


def reporter(as_json: bool) -> Reporter:
    if as_json:
        return JsonLines()
    return LiveTable() if sys.stderr.isatty() else PlainLines()


def slide_line(row: SlideRow) -> str:
    """One slide's end on one line. What comes from outside has no control characters left."""
    name = plain(row.slide_id)
    if row.status is SlideStatus.FAILED:
        return f"{name}: failed, {row.error_code}: {plain(row.message, 400)}"
    reasons = f" (look again: {', '.join(row.review_reasons)})" if row.review_reasons else ""
    p = row.probabilities.get(row.call)
    # Never certainty: a score of 0.999 is not a 1.
    figure = f" {percent(p)}" if p is not None else ""
    return f"{name}: {row.call}{figure}{reasons}"


def event_line(event: SlideFinished) -> str:
    """`slide_line`, and what became of an earlier result."""
    if event.fate == "held":
        return f"{plain(event.job.slide_id)}: another run is at it"
    if event.fate == "kept":
        anew = f"; told anew: {', '.join(event.changed)}" if event.changed else ""
        return f"{slide_line(event.row)} [kept{anew}]"
    return slide_line(event.row) + (f" [redone: {', '.join(event.changed)}]" if event.changed else "")


def summary_line(tally: Tally) -> str:
    parts = [f"{tally.count(status)} {status}" for status in SlideStatus]
    if tally.kept:
        parts.append(f"{tally.kept} of them kept from an earlier run")
    if tally.held:
        parts.append(f"{tally.held} held by another run")
    if tally.undone:
        parts.append(f"{tally.undone} not yet done")
    return f"{len(tally.rows) + tally.held + tally.undone} slides: {', '.join(parts)}"


def _last_words(tally: Tally, out: str, stopped: str) -> str:
    way_on = f"\nstopped: {stopped}. The same command again does what is left." if stopped else ""
    notes = "".join(f"note: {visible(note)}\n" for note in tally.notes)
    passed_over = f"\nnot looked at: {tally.passed_over}" if tally.passed_over else ""
    return f"{notes}{summary_line(tally)}{passed_over}\ntable: {out}{way_on}"


class PlainLines:
    def show(self, events: Iterable[Event], slides: int) -> None:
        finished = 0
        for event in events:
            if isinstance(event, SlideFinished):
                finished += 1
                print(f"[{finished}/{slides}] {event_line(event)}", flush=True)

    def end(self, tally: Tally, out: str, *, stopped: str = "") -> None:
        print(_last_words(tally, out, stopped), flush=True)


class JsonLines:
    """One JSON object a line: progress, slide, end."""

    def show(self, events: Iterable[Event], slides: int) -> None:
        for event in events:
            if isinstance(event, SlideProgress):
                self._line(
                    event="progress", slide_id=event.job.slide_id, tiles_done=event.tiles_done, tiles=event.tiles
                )
            elif isinstance(event, SlideFinished):
                self._line(event="slide", **finished_facts(event))

    def end(self, tally: Tally, out: str, *, stopped: str = "") -> None:
        self._line(
            event="end",
            exit_code=tally.exit_code,
            stopped=stopped,
            summary=summary_line(tally),
            passed_over=tally.passed_over,
            table=out,
            notes=tally.notes,
        )

    @staticmethod
    def _line(**values: object) -> None:
        print(json.dumps(values), flush=True)


class LiveTable:
    """Ended slides scroll by; below them stand the counts, the pace, and the slides that are being read."""

    def show(self, events: Iterable[Event], slides: int) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        board = Board(slides)
        with Live(
            get_renderable=lambda: board.render(time.monotonic()), console=Console(stderr=True), refresh_per_second=4
        ) as live:
            for event in events:
                board.take(event, time.monotonic())
                if isinstance(event, SlideFinished):
                    mark, colour = ("…", "blue") if event.fate == "held" else _MARKS[event.row.status]
                    live.console.print(Text(f"{mark} ", style=colour) + Text(event_line(event)), soft_wrap=True)

    def end(self, tally: Tally, out: str, *, stopped: str = "") -> None:
        print(_last_words(tally, out, stopped), flush=True)


class Board:
    """What the live table shows, from the events so far."""

    def __init__(self, slides: int) -> None:
        self._slides = slides
        self._pace = Pace(slides)
        self._counts: Counter[str] = Counter()
        self._current: dict[str, SlideProgress] = {}

    def take(self, event: Event, now_s: float) -> None:
        slide_id = event.job.slide_id
        if isinstance(event, SlideProgress):
            self._current[slide_id] = event
            self._pace.tiles_seen(slide_id, event.tiles_done, now_s)
        elif isinstance(event, SlideFinished):
            self._current.pop(slide_id, None)
            self._counts["held" if event.fate == "held" else event.row.status] += 1
            if event.fate == "ran" and event.row.tiles:
                self._pace.tiles_seen(slide_id, event.row.tiles, now_s)
            self._pace.slide_ended(slide_id, now_s, worked=event.fate == "ran")

    def headline(self, now_s: float) -> list[str]:
        speed, left = self._pace.tiles_per_s(now_s), self._pace.seconds_left()
        return [
            f"{self._counts.total()}/{self._slides} slides",
            *(f"{self._counts[status]} {status}" for status in SlideStatus),
            *([f"{self._counts['held']} held"] if self._counts["held"] else []),
            "- tiles/s" if speed is None else f"{speed:.0f} tiles/s",
            "time left -" if left is None else f"time left {_clock(left)}",
        ]

    def render(self, now_s: float) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        table.add_row(self._headline_text(now_s), ProgressBar(self._slides, self._counts.total(), width=30))
        for slide_id, progress in self._current.items():
            table.add_row(
                f"{plain(slide_id, 40)}  {progress.tiles_done}/{progress.tiles} tiles",
                ProgressBar(progress.tiles, progress.tiles_done, width=30),
            )
        return table

    def _headline_text(self, now_s: float) -> Text:
        from rich.text import Text

        colours = {str(status): colour for status, (_, colour) in _MARKS.items()}
        parts = [Text(part, style=colours.get(part.split()[-1], "")) for part in self.headline(now_s)]
        return Text("  ").join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
