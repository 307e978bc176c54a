"""The one guarded opening of slides outside a run: `info`, the viewer's pages and its tiles ask here.

A slide that aborts its library, hangs, or wants all memory ends or fails a limited process, never this one; who asked
gets one error. The processes stay, and keep their slides open for the next question.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from app.slides.question import SLIDES_OPEN, Question, SlideAddress, Work, error_of, read_answer
from wsi.errors import SlideCrashedError, SlideTimeoutError
from wsi.process.child import Child, start_child

_LOOK = "app.slides.looking:look"
# An answer is a tile or a page's facts.
_MAX_ANSWER_BYTES = 64 << 20
# What opening a slide once more costs, so that questions wait as long, all together, for a process that has it open.
_OPENING_S = 0.05


@dataclass(frozen=True)
class Limits:
    """What one process may have: memory beyond its libraries, and time a question, on the clock and of CPU."""

    memory_gb: float = 2.0
    seconds: float = 30.0
    cpu_seconds: float = 40.0


@dataclass(eq=False)
class _Looker:
    """One process. `recent` are the slides that it was asked for last, newest last."""

    child: Child
    recent: list[SlideAddress] = field(default_factory=list)

    def remember(self, slide: SlideAddress) -> None:
        self.recent = [*(other for other in self.recent if other != slide), slide][-SLIDES_OPEN:]

    @property
    def alive(self) -> bool:
        return self.child.process.poll() is None

    def end(self) -> str:
        """Makes sure that it is gone; how it went, in words."""
        how = self.child.end()
        self.child.kill()
        return how


class GuardedSlides:
    """At most `processes` processes that look at slides, started when needed. Safe to share among threads."""

    def __init__(
        self, processes: int = 2, limits: Limits | None = None, start: Callable[[str], Child] = start_child
    ) -> None:
        self._processes, self._limits, self._start_child = processes, limits or Limits(), start
        self._idle: list[_Looker] = []
        self._at_work: list[_Looker] = []
        self._waited_s: dict[SlideAddress, float] = {}
        self._started = 0
        self._change = threading.Condition()

    def ask(self, work: Work, slide: SlideAddress, *arguments: Any) -> tuple[Any, bytes]:
        """What `work(open slide, *arguments)` gives, done elsewhere.

        Raises SlideError: as `open_slide` does, SlideCrashedError, SlideTimeoutError, SlideTooLargeError.
        """
        question = Question(work, slide, arguments)
        with self._looker(slide) as looker:
            others = any(other != slide for other in looker.recent)
            try:
                return self._answer(looker, question)
            except (EOFError, OSError):
                ended = looker.end()
        if "SIGKILL" in ended or (others and "SIGXCPU" not in ended):
            # Somebody outside ended it, or another slide had spoiled it: once more in one of its own.
            with self._looker(slide, fresh=True) as looker:
                try:
                    return self._answer(looker, question)
                except (EOFError, OSError):
                    ended = looker.end()
        raise self._ended(slide, ended)

    def start(self) -> None:
        """Starts all processes ahead of the first question, and does not wait for them."""
        with self._change:
            while self._started < self._processes:
                self._started += 1
                self._idle.append(self._new())

    def close(self) -> None:
        """Ends the processes that are idle; those at work do their question first. The next question starts one."""
        with self._change:
            idle, self._idle = self._idle, []
            self._started -= len(idle)
            self._change.notify_all()
        for looker in idle:
            looker.child.kill()

    def _answer(self, looker: _Looker, question: Question) -> tuple[Any, bytes]:
        connection = looker.child.connection
        connection.send_bytes(pickle.dumps(question))
        if not connection.poll(self._limits.seconds):
            raise SlideTimeoutError(
                f"{question.slide.path.name} took more than {self._limits.seconds:g} s to be looked at",
                hint="the file may be damaged",
            )
        try:
            told, body = read_answer(connection.recv_bytes(_MAX_ANSWER_BYTES))
        except ValueError as error:
            raise EOFError from error
        if "facts" not in told:
            raise error_of(told.get("error"))
        return told["facts"], body

    def _ended(self, slide: SlideAddress, how: str) -> Exception:
        if "SIGXCPU" in how:
            return SlideTimeoutError(
                f"{slide.path.name} took more than {self._limits.cpu_seconds:g} s of CPU time to be looked at",
                hint="the file may be damaged",
            )
        return SlideCrashedError(
            f"reading {slide.path.name} ended the process that did ({how})", hint="the file may be damaged"
        )

    @contextmanager
    def _looker(self, slide: SlideAddress, *, fresh: bool = False) -> Iterator[_Looker]:
        """A process for one question. One that ended, or did not answer in time, does not come back."""
        looker = self._take(slide, fresh=fresh)
        answered = True
        try:
            yield looker
        except SlideTimeoutError:
            answered = False
            raise
        finally:
            with self._change:
                self._at_work.remove(looker)
                if answered and looker.alive:
                    self._idle.append(looker)
                else:
                    looker.child.kill()
                    self._started -= 1
                self._change.notify_all()

    def _take(self, slide: SlideAddress, *, fresh: bool) -> _Looker:
        """A process for one question, at work from now on; waits where there is none."""
        with self._change:
            while (looker := self._found(slide, fresh=fresh)) is None:
                # A process that could have been asked is spared the opening for as long.
                spared = not fresh and (bool(self._idle) or self._started < self._processes)
                began, waited_s = time.monotonic(), self._waited_s.get(slide, 0.0)
                self._change.wait(max(0.0, _OPENING_S - waited_s) if spared else None)
                if spared:
                    self._waited_s[slide] = self._waited_s.get(slide, 0.0) + time.monotonic() - began
            looker.remember(slide)
            self._at_work.append(looker)
            return looker

    def _found(self, slide: SlideAddress, *, fresh: bool) -> _Looker | None:
        """An idle process that has the slide open; else another or a new one; None where waiting is better."""
        self._bury_dead()
        if fresh and self._idle and self._started >= self._processes:
            self._idle.pop(0).child.kill()
            self._started -= 1
        if not fresh:
            for looker in self._idle:
                if slide in looker.recent:
                    self._idle.remove(looker)
                    return looker
            if self._is_worth_waiting(slide):
                return None
            self._waited_s.pop(slide, None)
            if self._idle:
                return self._idle.pop(0)
        if self._started >= self._processes:
            return None
        self._started += 1
        return self._new()

    def _is_worth_waiting(self, slide: SlideAddress) -> bool:
        """Whether one at work has the slide open, and questions have not waited for it as long as one more opening
        takes: so one reader's slide is opened once, and that of many in all processes."""
        at_work = any(slide in looker.recent for looker in self._at_work)
        return at_work and self._waited_s.get(slide, 0.0) < _OPENING_S

    def _bury_dead(self) -> None:
        """Those that ended while idle: the system may have been short of memory."""
        for looker in [looker for looker in self._idle if not looker.alive]:
            self._idle.remove(looker)
            looker.child.kill()
            self._started -= 1

    def _new(self) -> _Looker:
        child = self._start_child(_LOOK)
        with contextlib.suppress(OSError):  # if it has died already, the question will tell
            child.connection.send((self._limits.memory_gb, self._limits.cpu_seconds))
        return _Looker(child)


@lru_cache(maxsize=1)
def shared_slides() -> GuardedSlides:
    """The processes that all parts of one viewer share."""
    return GuardedSlides()
