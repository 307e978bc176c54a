"""Waits of which a person should hear: who waits says so here, and who has the terminal listens. Imports nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

_listeners: list[Callable[[str], object]] = []


@contextlib.contextmanager
def waits_are_told(tell: Callable[[str], object]) -> Iterator[None]:
    """Inside, `tell` gets a line for each lock that is waited for longer than a moment. Else nobody does."""
    _listeners.append(tell)
    try:
        yield
    finally:
        _listeners.remove(tell)


def tell_wait(line: str) -> None:
    """Hands a line on to who listens last."""
    if _listeners:
        _listeners[-1](line)
