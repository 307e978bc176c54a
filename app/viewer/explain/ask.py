"""Asks for a tile where slides are looked at, then the process that explains tiles (`process.py`); keeps the answers.

Neither this process nor the explaining one opens a slide: a hostile one costs itself alone.
"""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from app.slides.guarded import shared_slides
from app.slides.question import SlideAddress
from app.viewer.tiles.encoded import raw_tile
from classifier.colour.white import White
from wsi.errors import PulmoscopeError
from wsi.process.child import python_command
from wsi.process.trusted import child_environment

PROGRAM = "app.viewer.explain.process:main"
_ANSWERS_KEPT = 64
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Question:
    """Explain the tile whose top-left corner lies at (x, y), level-0 px, of a slide, `tile_px` wide at `tile_mpp`. The
    model must have the digest."""

    slide: SlideAddress
    x: int
    y: int
    tile_px: int
    tile_mpp: float
    model: str  # a folder
    model_sha256: str
    white: White | None = None  # that of the slide, where the result was made with it set


@dataclass(frozen=True)
class TileQuestion:
    """What the explaining process is asked: a square tile of `size_px`, uint8 RGB in base64, shown to a model."""

    model: str
    model_sha256: str
    size_px: int
    pixels: str
    white: White | None = None

    def to_line(self) -> str:
        return json.dumps(asdict(self))


ReadTile = Callable[[Question], bytes]
"""The pixels of a question's tile, (tile_px, tile_px, 3) uint8. Raises SlideError."""


def read_guarded(question: Question) -> bytes:
    """Read where all slides of the viewer are, with the limits of that."""
    place = (question.x, question.y, question.tile_px, question.tile_mpp)
    _, pixels = shared_slides().ask(raw_tile, question.slide, *place)
    return pixels


@dataclass(frozen=True)
class Answer:
    """What the model said of the tile, and both pictures as PNG in base64; or the code of what went wrong."""

    called: str = ""
    rival: str = ""
    probabilities: tuple[float, ...] = ()
    tile_png: str = ""
    evidence_png: str = ""
    problem: str = ""

    def to_line(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> Answer:
        """Raises ValueError, TypeError, KeyError on anything but what `to_line` gave."""
        values: Mapping[str, Any] = json.loads(line)
        return cls(**{**values, "probabilities": tuple(map(float, values["probabilities"]))})


class Explainer:
    """One process, one question at a time; safe to share among threads. It is replaced when it dies or hangs."""

    def __init__(
        self, program: tuple[str, ...] | None = None, timeout_s: float = _TIMEOUT_S, read: ReadTile = read_guarded
    ) -> None:
        self._program, self._read = program or python_command(PROGRAM), read
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._answers: OrderedDict[Question, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, question: Question) -> Answer:
        """The answer; one with a `problem` where there is none. Problems are asked anew the next time."""
        with self._lock:
            if question in self._answers:
                self._answers.move_to_end(question)
                return self._answers[question]
            try:
                tile = self._read(question)
            except PulmoscopeError as error:
                return Answer(problem=error.code)
            pixels = base64.b64encode(tile).decode()
            shown = (question.model, question.model_sha256, question.tile_px, pixels, question.white)
            answer = self._ask(TileQuestion(*shown))
            if not answer.problem:
                self._answers[question] = answer
                if len(self._answers) > _ANSWERS_KEPT:
                    self._answers.popitem(last=False)
            return answer

    def start(self) -> None:
        """Starts the process ahead of the first question, and does not wait for it."""
        with self._lock:
            self._running()

    def close(self) -> None:
        """Ends the process; the next question starts another."""
        with self._lock:
            self._end()

    def _ask(self, question: TileQuestion) -> Answer:
        process = self._running()
        assert process.stdin is not None and process.stdout is not None
        watch = threading.Timer(self._timeout_s, process.kill)
        watch.start()
        try:
            process.stdin.write(question.to_line() + "\n")
            process.stdin.flush()
            return Answer.from_line(process.stdout.readline())
        except (OSError, ValueError, TypeError, KeyError):
            self._end()
            return Answer(problem="crashed")
        finally:
            watch.cancel()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        self._process = subprocess.Popen(
            self._program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=child_environment(),
        )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            # What was not yet written has nobody to read it.
            with suppress(OSError):
                if stream is not None:
                    stream.close()
