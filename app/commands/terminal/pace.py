"""How fast a run goes and how long it will take: tiles a second and the time left. Only counts; no clock is read."""

from __future__ import annotations

from collections import deque

# Long enough to smooth over the gaps between slides, short enough to show that a disk became slow.
_WINDOW_S = 60.0


class Pace:
    """Fed with what happened at which second (of any clock that does not go back)."""

    def __init__(self, slides: int) -> None:
        self._slides = slides
        self._finished = 0
        self._worked_s: deque[float] = deque(maxlen=50)
        self._last_end_s: float | None = None
        self._tiles: deque[tuple[float, int]] = deque()
        self._tiles_of: dict[str, int] = {}
        self._first_s: float | None = None

    def tiles_seen(self, slide_id: str, tiles_done: int, now_s: float) -> None:
        """`tiles_done` of this slide so far; what was told before is not counted twice."""
        self._begin(now_s)
        new = tiles_done - self._tiles_of.get(slide_id, 0)
        if new > 0:
            self._tiles_of[slide_id] = tiles_done
            self._tiles.append((now_s, new))

    def slide_ended(self, slide_id: str, now_s: float, *, worked: bool) -> None:
        """`worked` is False for a slide that was only kept or left: it says nothing of the time that others take."""
        self._begin(now_s)
        self._finished += 1
        self._tiles_of.pop(slide_id, None)
        if worked and self._last_end_s is not None:
            self._worked_s.append(now_s - self._last_end_s)
        self._last_end_s = now_s

    def tiles_per_s(self, now_s: float) -> float | None:
        """Over the last minute; None before anything was read."""
        while self._tiles and self._tiles[0][0] < now_s - _WINDOW_S:
            self._tiles.popleft()
        if not self._tiles or self._first_s is None:
            return None
        return sum(n for _, n in self._tiles) / max(min(now_s - self._first_s, _WINDOW_S), 1.0)

    def seconds_left(self) -> float | None:
        """From the time between the ends of the last slides that were worked on; None before one was."""
        if not self._worked_s:
            return None
        return (self._slides - self._finished) * sum(self._worked_s) / len(self._worked_s)

    def _begin(self, now_s: float) -> None:
        if self._first_s is None:
            self._first_s = self._last_end_s = now_s
