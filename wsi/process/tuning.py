"""Settings of a process that does nothing but slides. They change how fast a result comes, never the result."""

from __future__ import annotations

import ctypes
import sys

# mallopt's names in glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# A batch of tiles is smaller. What is larger is a thumbnail or a mask, made once a slide: kept, it would be so much
# more memory than all the rest of the slide needs.
_MMAP_THRESHOLD_BYTES = 8 * 2**20
_TRIM_THRESHOLD_BYTES = 128 * 2**20


def tune_process() -> None:
    """Every thread of the process does whole tiles: none is helped by more, and all want memory that is at hand."""
    import cv2

    cv2.setNumThreads(1)
    if sys.platform == "linux":
        _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Regions of pixels come from the heap and stay there when freed: fresh pages cost time."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)
