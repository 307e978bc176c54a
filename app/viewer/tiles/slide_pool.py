"""Open slides, kept for the next tile. Each caller gets a handle of its own, since a handle serves one thread."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from wsi.slide import Slide

MAX_SLIDES = 4


@dataclass
class _Shelf:
    """One slide: a handle that only serves to open others (an image shares its pixels so), and the idle ones."""

    first: Slide
    idle: list[Slide] = field(default_factory=list)

    def close(self) -> None:
        for slide in (self.first, *self.idle):
            slide.close()


class SlidePool:
    """At most `max_slides` slides, the least recently used closed first. Safe to share among threads."""

    def __init__(self, max_slides: int = MAX_SLIDES) -> None:
        self._max_slides = max_slides
        self._shelves: OrderedDict[str, _Shelf] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self, key: str, open_it: Callable[[], Slide]) -> Iterator[Slide]:
        """A handle of the slide `key`; `open_it` is asked where it is not open yet. One that fails is not kept."""
        slide = self._take(key)
        if slide is None:
            self._add(key, open_it())
            slide = self._take(key) or open_it()
        try:
            yield slide
        except BaseException:
            slide.close()
            raise
        self._give_back(key, slide)

    def close(self) -> None:
        """Closes all slides; handles that are lent now close when they come back."""
        with self._lock:
            shelves, self._shelves = list(self._shelves.values()), OrderedDict()
        for shelf in shelves:
            shelf.close()

    def _take(self, key: str) -> Slide | None:
        with self._lock:
            shelf = self._shelves.get(key)
            if shelf is None:
                return None
            self._shelves.move_to_end(key)
            return shelf.idle.pop() if shelf.idle else shelf.first.reopen()

    def _add(self, key: str, slide: Slide) -> None:
        with self._lock:
            # Another thread may have opened the same slide meanwhile.
            surplus = [_Shelf(slide)] if key in self._shelves else []
            self._shelves.setdefault(key, _Shelf(slide))
            surplus += [self._shelves.popitem(last=False)[1] for _ in range(len(self._shelves) - self._max_slides)]
        for shelf in surplus:
            shelf.close()

    def _give_back(self, key: str, slide: Slide) -> None:
        with self._lock:
            if (shelf := self._shelves.get(key)) is not None:
                shelf.idle.append(slide)
                return
        slide.close()
