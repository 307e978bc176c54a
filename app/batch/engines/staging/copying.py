"""A file copied while its digest is taken: read once, several pieces ahead, so that a disk's delays overlap."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Protocol, Self

from wsi.identity import FileIdentity, open_slide_fd

PIECE_BYTES = 4 << 20
AHEAD = 8


class StagingError(Exception):
    """Why a slide was not brought near: a few words of ours."""


class Source(Protocol):
    """A file to copy. `read` may be called by several threads at once."""

    @property
    def size_bytes(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes: ...

    def unchanged(self) -> bool:
        """Whether it is still what it was when it was opened."""
        ...

    def close(self) -> None: ...


Read = Callable[[int, int, int], bytes]
"""(descriptor, length, offset), as `os.pread` has it."""


@dataclass(frozen=True)
class FileSource:
    """A file of a disk. Raises OSError, NotAFileError where it is opened."""

    path: Path
    fd: int
    identity: FileIdentity
    how: Read = os.pread

    @classmethod
    def of(cls, path: Path, how: Read = os.pread) -> Self:
        return cls(path, open_slide_fd(path), FileIdentity.of(path), how)

    @property
    def size_bytes(self) -> int:
        return self.identity.size_bytes

    def read(self, offset: int, length: int) -> bytes:
        return self.how(self.fd, length, offset)

    def unchanged(self) -> bool:
        return FileIdentity.of(self.path) == self.identity

    def close(self) -> None:
        os.close(self.fd)


def copy_hashed(source: Source, target: Path, stop: Event) -> str:
    """Copies all of `source` to `target` and gives the SHA-256 of what was read.

    Raises StagingError where the source ends early, changes, or `stop` is set; and what it raises, OSError.
    """
    digest = hashlib.sha256()
    places = deque(range(0, source.size_bytes, PIECE_BYTES))
    under_way: deque[tuple[int, Future[bytes]]] = deque()
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="staging") as pool, target.open("xb") as file:
        try:
            while places or under_way:
                while places and len(under_way) < AHEAD:
                    at = places.popleft()
                    length = min(PIECE_BYTES, source.size_bytes - at)
                    under_way.append((length, pool.submit(_whole, source, at, length, stop)))
                _, piece = under_way.popleft()
                data = piece.result()
                digest.update(data)
                file.write(data)
        finally:
            for _, piece in under_way:
                piece.cancel()
    if not source.unchanged():
        raise StagingError("it changed while it was copied")
    return digest.hexdigest()


def _whole(source: Source, offset: int, length: int, stop: Event) -> bytes:
    """`length` bytes; a disk may give fewer at a time."""
    parts = []
    while length:
        if stop.is_set():
            raise StagingError("the run ended")
        data = source.read(offset, length)
        if not data:
            raise StagingError("it ends early")
        parts.append(data)
        offset, length = offset + len(data), length - len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)
