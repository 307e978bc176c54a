"""The next slide is made ready while a person reads this one: its result, its cells as the browser draws them, and the
tiles of its first view. One thread, which waits until nobody asks for tiles; of its wishes only the last counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

from app.viewer.catalog import load_result
from app.viewer.gate.visitors import Visitor
from app.viewer.pages.slide.around import first_to_review
from app.viewer.pages.slide.deep_zoom import prepare
from app.viewer.site import Site
from app.viewer.tiles.pyramid import Pyramid, lay_pyramid
from app.viewer.tiles.tokens import Grant
from wsi.errors import PulmoscopeError

Wish = tuple[Site, Visitor, str]
_PAUSE_S, _QUIET_S = 0.2, 0.6
# What a window shows of a whole slide, and a step finer.
_FIRST_VIEW_PX, _MOST_TILES = 2600, 80


class Reader:
    """Reads ahead. Safe to share among threads."""

    def __init__(self) -> None:
        self._wished: Wish | None = None
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    def wish(self, site: Site, who: Visitor, slide_id: str = "") -> None:
        """Makes a slide ready soon, unless another one is wished for before; without an id the first that `who` has to
        review. Nobody is shown anything of it: it lies in the caches, behind the same doors."""
        with self._change:
            self._wished = (site, who, slide_id)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name="ahead")
                self._thread.start()
            self._change.notify()

    def _work(self) -> None:
        done: Wish | None = None
        while True:
            with self._change:
                while self._wished is None or self._wished == done:
                    self._change.wait()
                wished = self._wished
            while wished[0].tiles.idle_s < _QUIET_S:
                threading.Event().wait(_PAUSE_S)
            if wished == self._wished:
                # A slide that cannot be made ready says why when it is opened.
                with suppress(PulmoscopeError, OSError):
                    self._make_ready(*wished)
                done = wished

    def _make_ready(self, site: Site, who: Visitor, slide_id: str) -> None:
        slide_id = slide_id or first_to_review(site, who) or ""
        entry = site.entry(slide_id, who)
        if entry is None or not entry.has_result:
            return
        result = load_result(entry)
        prepare(result)
        file = site.slide_file(entry, result)
        if file is None:
            return
        grant = Grant(slide_id, file.version)
        wished = self._wished
        for place in first_view(lay_pyramid(file.levels)):
            if self._wished != wished:
                return
            while site.tiles.idle_s < _QUIET_S:
                threading.Event().wait(_PAUSE_S)
            site.tiles.tile(grant, *place)


def first_view(pyramid: Pyramid) -> Iterator[tuple[int, int, int]]:
    """(level, column, row) of the tiles that a window shows first, coarse ones before fine ones."""
    left = _MOST_TILES
    for level in range(pyramid.min_level, pyramid.max_level + 1):
        columns, rows = pyramid.grid(level)
        if max(pyramid.level_size_px(level)) > _FIRST_VIEW_PX or columns * rows > left:
            return
        left -= columns * rows
        yield from ((level, column, row) for row in range(rows) for column in range(columns))


@lru_cache(maxsize=1)
def shared_reader() -> Reader:
    """The one of this viewer."""
    return Reader()
