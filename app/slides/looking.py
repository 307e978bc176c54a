"""The process that looks at slides for others: what it does from its first to its last moment.

It keeps the slides that were asked for last open, and answers one question at a time.
"""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from multiprocessing.connection import Connection
from typing import Any

from app.slides.question import SLIDES_OPEN, Question, SlideAddress, error_words, write_answer
from wsi.errors import PulmoscopeError, SlideCrashedError, SlideTooLargeError
from wsi.process.child import parent_connection
from wsi.process.limits import allow_cpu_seconds, leave_with, memory_limit, no_core_files
from wsi.process.silence import silent
from wsi.slide import Slide


def look() -> None:
    """Answers until the parent closes the connection or is gone. First it is sent (memory in GB, CPU seconds)."""
    connection, parent = parent_connection()
    no_core_files()
    leave_with(parent)
    with silent(), contextlib.suppress(EOFError, OSError):
        _serve(connection)
    os._exit(0)


def _serve(connection: Connection) -> None:
    import wsi.registry  # noqa: F401 (what it loads is not the slide's memory)
    from wsi.process.tuning import tune_process

    tune_process()
    memory_gb, cpu_s = connection.recv()
    shelf = Shelf()
    with memory_limit(memory_gb):
        while True:
            question = connection.recv()
            allow_cpu_seconds(cpu_s)
            facts, body = answer(question, shelf)
            connection.send_bytes(write_answer(facts, body))


class Shelf:
    """Open slides, the least recently used closed first."""

    def __init__(self, max_slides: int = SLIDES_OPEN) -> None:
        self._max_slides = max_slides
        self._slides: OrderedDict[SlideAddress, Slide] = OrderedDict()

    def take(self, address: SlideAddress) -> Slide:
        """The slide, opened where it is not. Raises SlideError."""
        from wsi import open_slide

        if address not in self._slides:
            self._slides[address] = _in_right_colours(open_slide(address.path, mpp=address.mpp), address.righted)
            if len(self._slides) > self._max_slides:
                self._slides.popitem(last=False)[1].close()
        self._slides.move_to_end(address)
        return self._slides[address]

    def drop(self, address: SlideAddress) -> None:
        if (slide := self._slides.pop(address, None)) is not None:
            slide.close()

    def clear(self) -> bool:
        """Closes all; False where none was open."""
        slides, self._slides = self._slides, OrderedDict()
        for slide in slides.values():
            slide.close()
        return bool(slides)


def _in_right_colours(slide: Slide, righting: str) -> Slide:
    if not righting:
        return slide
    from tiler.false_colours.righted_slide import righted

    return righted(slide, righting)


def answer(question: Question, shelf: Shelf) -> tuple[dict[str, Any], bytes]:
    """{"facts": ...} and bytes, or {"error": words} and nothing. Never raises for what is wrong with the slide."""
    name = question.slide.path.name
    try:
        facts, body = _with_memory(question, shelf)
        return {"facts": facts}, body
    except PulmoscopeError as error:
        problem = error
    except MemoryError:
        problem = SlideTooLargeError(f"{name} needs more memory than a look at a slide may take")
    except Exception as error:  # one bad slide must not end the process for all that follow
        problem = SlideCrashedError(f"{name} could not be read ({type(error).__name__})", hint="please report this")
    shelf.drop(question.slide)
    return {"error": error_words(problem)}, b""


def _with_memory(question: Question, shelf: Shelf) -> tuple[Any, bytes]:
    """Where memory is short, the other slides make room."""
    try:
        return question.work(shelf.take(question.slide), *question.arguments)
    except MemoryError:
        if not shelf.clear():
            raise
    return question.work(shelf.take(question.slide), *question.arguments)
