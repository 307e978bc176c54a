"""The reports of many slides, rendered on several cores and handed over in the order that was asked for.

A helper renders and writes nothing. What one could not do, whatever the cause, is left to who asked: done there, an
error is what it would be without helpers.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wsi.process.child import Child, parent_connection, start_child
from wsi.process.cores import usable_cores
from wsi.process.limits import die_with, no_core_files

if TYPE_CHECKING:
    from app.exchange.export import Rendered, Wanted
    from app.ledger.records import SlideRow

# A helper takes a second to start, and some 200 MB.
LEAST_SLIDES, MOST_HELPERS = 16, 8
_HELP = "app.exchange.crew:help_out"


@dataclass(frozen=True)
class Order:
    """What a helper is told first: as for `Export`."""

    wanted: Wanted
    results: Path
    database: str | None


def helpers_for(slides: int) -> int:
    """How many helpers; none for a few slides, or on one core."""
    cores = usable_cores()
    return 0 if slides < LEAST_SLIDES or cores < 2 else min(cores, MOST_HELPERS)


def rendered(
    order: Order, slides: Sequence[tuple[Path, SlideRow | None]], helpers: int
) -> Iterator[tuple[Path, Rendered | None]]:
    """Each result's path with its reports, in the order of `slides`; None where it was not done. A helper has two
    slides before it at most, and waits until what it has done is taken: memory does not grow with their number."""
    children = [start_child(_HELP) for _ in range(min(helpers, len(slides)))]
    try:
        for child in children:
            _say(child, order)
        yield from _in_turn(children, slides)
    finally:
        for child in children:
            child.kill()


def _in_turn(
    children: Sequence[Child], slides: Sequence[tuple[Path, SlideRow | None]]
) -> Iterator[tuple[Path, Rendered | None]]:
    under_way: deque[tuple[Path, Child | None]] = deque()
    for number, (path, row) in enumerate(slides):
        child = children[number % len(children)] if children else None
        if len(under_way) >= 2 * len(children) > 0:
            done, by = under_way.popleft()
            yield done, _answer(by)
        under_way.append((path, child if child is not None and _say(child, (path, row)) else None))
    for done, by in under_way:
        yield done, _answer(by)


def _say(child: Child, what: object) -> bool:
    with contextlib.suppress(OSError, ValueError):
        child.connection.send(what)
        return True
    return False


def _answer(child: Child | None) -> Rendered | None:
    if child is None:
        return None
    try:
        answer: Rendered | None = child.connection.recv()
        return answer
    except (EOFError, OSError):
        return None


# --- in the helper


def help_out() -> None:
    """Renders what it is sent until nobody sends more."""
    connection, parent = parent_connection()
    die_with(parent)
    no_core_files()
    with contextlib.suppress(EOFError, OSError):
        render = _renderer(connection.recv())
        while True:
            connection.send(render(*connection.recv()))


def _renderer(order: Order) -> Callable[[Path, SlideRow | None], Rendered | None]:
    from aggregate.store import load
    from app.exchange.export import Export
    from app.review.reviews import open_reviews
    from wsi.errors import PulmoscopeError

    export: Export | None = None

    def render(path: Path, row: SlideRow | None) -> Rendered | None:
        nonlocal export
        try:
            export = export or Export(order.wanted, open_reviews(order.results, order.database))
            if row is not None:
                export.rows[row.slide_id] = row
            return export.rendered(load(path), path)
        except (PulmoscopeError, OSError):
            return None

    return render
