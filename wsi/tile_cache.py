"""Decoded tiles kept for a while, so that none is decoded twice in a row: bounded in bytes, shared by threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

# One tile comes at a time, of much the same size as those that go: looking at more of the oldest would only cost time.
_MAX_DROPPED = 64


class TileCache:
    """The most recently used arrays, at most `max_bytes` of them. What it gives must not be written to."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Pixels]) -> Pixels:
        """The array of `key`, made if it is not there. Of threads that ask at once one makes it, the others wait.

        Raises what `make` raises, and forgets the key then.
        """
        while True:
            with self._lock:
                slot = self._slots.get(key)
                if slot is None:
                    slot = self._slots[key] = _Slot()
                    slot.making.acquire()
                    break
                self._slots.move_to_end(key)
            with slot.making:
                if slot.pixels is not None:
                    return slot.pixels
            # Whoever was making it failed; the next asks for itself and hears the reason.
        try:
            pixels = make()
            pixels.flags.writeable = False
            self._keep(slot, pixels)
            return pixels
        except BaseException:
            with self._lock:
                del self._slots[key]
            raise
        finally:
            slot.making.release()

    def _keep(self, slot: _Slot, pixels: Pixels) -> None:
        """Files what was made, and drops what was longest unused; what others are still making stays."""
        with self._lock:
            slot.pixels = pixels
            self._bytes += pixels.nbytes
            over = self._bytes - self._max_bytes
            if over <= 0:
                return
            for key, other in list(islice(self._slots.items(), _MAX_DROPPED)):
                if over <= 0:
                    break
                if other.pixels is not None and other is not slot:
                    del self._slots[key]
                    self._bytes -= other.pixels.nbytes
                    over -= other.pixels.nbytes


class _Slot:
    def __init__(self) -> None:
        self.making = threading.Lock()
        self.pixels: Pixels | None = None
