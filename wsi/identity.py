"""Which file it is that is read: opened only where it is a regular one, and known again later.

Every other part of the house opens what a user named through here. No pixel is decoded.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from wsi.errors import NotAFileError, SlideChangedError, SlideError, UnreadableFileError

# A pipe would be waited for until somebody writes into it, a terminal would become ours.
_WITHOUT_WAITING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def open_slide_file(path: Path) -> io.FileIO:
    """The file at `path`, unbuffered, for reading. Never waits, whatever lies there. Raises as `open_slide_fd` does."""
    return io.FileIO(open_slide_fd(path), "rb")


def open_slide_fd(path: Path) -> int:
    """A descriptor of the file at `path`, for reading at any place; a link is followed, archives are full of them.

    Raises NotAFileError where it is a folder, pipe or device, OSError where it cannot be opened.
    """
    _refuse_other(path, path.stat())  # some devices do things when they are opened
    fd = os.open(path, _WITHOUT_WAITING)
    try:
        _refuse_other(path, os.fstat(fd))  # it may have been replaced since
    except BaseException:
        os.close(fd)
        raise
    return fd


def check_regular(path: Path) -> None:
    """Raises NotAFileError where something else than a regular file lies there, OSError where nothing does."""
    _refuse_other(path, path.stat())


def _refuse_other(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
        raise NotAFileError(f"{path.name} is {what}, not a slide file")


@dataclass(frozen=True)
class FileIdentity:
    """What a file was at one moment. A file that was replaced, cut, appended to or rewritten has another."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> FileIdentity:
        """Raises OSError."""
        status = path.stat()
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class SlideFiles:
    """All files of a slide, as they were when it was opened."""

    identities: Mapping[Path, FileIdentity]

    @property
    def paths(self) -> tuple[Path, ...]:
        """In the order in which they were given."""
        return tuple(self.identities)

    @classmethod
    def of(cls, paths: Iterable[Path]) -> SlideFiles:
        """Raises UnreadableFileError where one has gone meanwhile."""
        found = {}
        for path in paths:
            try:
                found[path] = FileIdentity.of(path)
            except OSError as error:
                raise UnreadableFileError(f"{path.name} cannot be reached ({error.strerror})") from error
        return cls(MappingProxyType(found))

    def check(self) -> None:
        """Raises SlideChangedError where a file is another one by now, or gone."""
        for path, identity in self.identities.items():
            try:
                same = FileIdentity.of(path) == identity
            except OSError:
                same = False
            if not same:
                raise SlideChangedError(
                    f"{path.name} was replaced or written to while the slide was read",
                    hint="wait until it is complete, then run again",
                )

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """What is done inside holds only if no file changed meanwhile, and an error inside may be due to a change.

        Raises SlideChangedError.
        """
        try:
            yield
        except SlideError:
            self.check()
            raise
        self.check()
