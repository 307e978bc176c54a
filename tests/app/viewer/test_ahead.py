"""The next slide is ready before it is asked for: the tiles of its first view are those that a window shows."""

import time

from aggregate import store
from app.ledger.records import SlideRow, write_rows
from app.viewer.gate.visitors import THE_ONE
from app.viewer.pages.slide.ahead import Reader, first_view
from app.viewer.site import Site
from app.viewer.tiles.pyramid import Pyramid, lay_pyramid
from app.viewer.tiles.tokens import Grant
from tests.results import CLASSES, make_result


def test_the_first_view_is_the_coarse_tiles_and_not_the_slide():
    tiles = list(first_view(Pyramid((100_000, 80_000), 8, 17)))
    assert [level for level, _, _ in tiles] == sorted(level for level, _, _ in tiles) and 0 < len(tiles) <= 80
    assert max(level for level, _, _ in tiles) == 11  # 1,563 px wide
    assert len(set(tiles)) == len(tiles)


def test_the_tiles_of_the_slide_that_is_next_are_kept_before_anybody_asks(tmp_path, ready_slide):
    result = make_result("next", size_px=(1603, 1207), mpp=0.5, file=ready_slide.path.name)
    store.save(result, tmp_path)
    write_rows(tmp_path / "slides.csv", [SlideRow("next", str(ready_slide.path), "done", "normal")], CLASSES)
    site = Site(tmp_path)
    reader = Reader()
    reader.wish(site, THE_ONE, "gone")
    reader.wish(site, THE_ONE)  # the first to review

    file = site.slide_file(_entry(site), result)
    wanted = list(first_view(lay_pyramid(file.levels)))
    assert len(wanted) > 10
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if all(site.tiles.cache.get((Grant("next", file.version), *place)) for place in wanted):
            return
        time.sleep(0.1)
    raise AssertionError("the tiles did not come")


def _entry(site):
    from app.viewer.catalog import find_entry

    return find_entry(site.results, "next")
