"""How long work tells where it stands. The command line draws a bar or prints lines; nothing here prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of the whole, 0 to 1; `seconds_left` None where not yet known. `str()` is a line for a terminal."""

    text: str
    done: float
    seconds_left: float | None = None

    def __str__(self) -> str:
        if self.seconds_left is None:
            return self.text
        minutes, seconds = divmod(round(self.seconds_left), 60)
        return f"{self.text}  {minutes}:{seconds:02d} left"


ProgressCallback = Callable[[Progress], None]


def quiet(progress: Progress) -> None:
    """Takes progress and tells nobody."""
