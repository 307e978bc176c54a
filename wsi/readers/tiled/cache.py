"""Decoded tiles kept for a while, so that none is decoded twice in a row: bounded in bytes, shared by threads.

Memory is handed on from the tile that goes to the tile that comes: fresh pages cost time too.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(eq=False)
class _Slot:
    pixels: Pixels
    users: int = 1
    filled: bool = False
    filling: threading.Lock = field(default_factory=threading.Lock)


class Use:
    """A tile while it is read. No generator: a region is made of many tiles, and each would cost a microsecond more."""

    __slots__ = ("_lock", "_slot")

    def __init__(self, lock: threading.Lock, slot: _Slot) -> None:
        self._lock, self._slot = lock, slot

    def __enter__(self) -> Pixels:
        return self._slot.pixels

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._slot.users -= 1


class TileCache:
    """The most recently used tiles, at most `max_bytes` of them beside those that are being read this moment."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    def tile(self, key: Hashable, shape: tuple[int, int, int], fill: Callable[[Pixels], None]) -> Use:
        """The tile of `key`, of `shape` (height, width, 3), to read inside a `with` only; `fill` writes it where it
        is not there yet.

        Of threads that ask at once one fills it, the others wait. Raises what `fill` raises, and forgets the key then.
        """
        return Use(self._lock, self._filled_slot(key, shape, fill))

    def _filled_slot(self, key: Hashable, shape: tuple[int, int, int], fill: Callable[[Pixels], None]) -> _Slot:
        while True:
            with self._lock:
                slot = self._slots.get(key)
                if slot is None:
                    slot = self._slots[key] = _Slot(self._memory(shape))
                    slot.filling.acquire()
                    break
                self._slots.move_to_end(key)
                slot.users += 1
                if slot.filled:
                    return slot
            with slot.filling:
                if slot.filled:
                    return slot
            # Whoever was filling it failed. The next one tries, and hears the reason for itself.
        try:
            fill(slot.pixels)
            slot.filled = True
        finally:
            slot.filling.release()
            if not slot.filled:
                with self._lock:
                    del self._slots[key]
                    self._bytes -= slot.pixels.nbytes
        return slot

    def _memory(self, shape: tuple[int, int, int]) -> Pixels:
        """Memory for one more tile: that of the tile longest unused, where there is no room. Call it under the lock."""
        wanted = shape[0] * shape[1] * shape[2]
        while self._bytes + wanted > self._max_bytes:
            idle = (key for key, slot in self._slots.items() if slot.filled and slot.users == 0)
            oldest = next(idle, None)
            if oldest is None:
                break
            pixels = self._slots.pop(oldest).pixels
            self._bytes -= pixels.nbytes
            if pixels.shape == shape:
                self._bytes += wanted
                return pixels
        self._bytes += wanted
        return np.empty(shape, np.uint8)
