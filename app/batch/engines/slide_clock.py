"""How long a slide has been worked at: time in which the machine or the run stood still is not the slide's."""

from __future__ import annotations

import time
from collections.abc import Callable

# Who waits for a slide looks at the clock this often, whatever the slide says or does not say.
LOOK_EVERY_S = 0.5
# Between two looks. More means that nobody could look: a suspended run (Ctrl-Z, a scheduler that pauses jobs), a
# machine that slept. The slide stood still as well, and is charged one look.
_STOOD_STILL_S = 5.0


class SlideClock:
    """Seconds since it was made, read at least every `LOOK_EVERY_S`, less the time in which nothing ran."""

    def __init__(self, source: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._seconds = 0.0
        self._last = source()

    def seconds(self) -> float:
        now = self._source()
        passed, self._last = now - self._last, now
        self._seconds += passed if passed < _STOOD_STILL_S else LOOK_EVERY_S
        return self._seconds
