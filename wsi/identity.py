"""Which file it is that is read: opened only where it is a regular one, and known again later.

Every other part of the house opens what a user named through here. No pixel is decoded.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

from wsi.errors import NotAFileError

# A pipe would be waited for until somebody writes into it, a terminal would become ours.
_WITHOUT_WAITING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def open_regular(path: Path) -> io.FileIO:
    """The file at `path`, unbuffered, for reading. Never waits, whatever lies there.

    Raises NotAFileError where it is a folder, pipe or device, OSError where it cannot be opened.
    """
    _refuse_other(path, path.stat())  # some devices do things when they are opened
    fd = os.open(path, _WITHOUT_WAITING)
    try:
        _refuse_other(path, os.fstat(fd))  # it may have been replaced since
        return io.FileIO(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def _refuse_other(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
        raise NotAFileError(f"{path.name} is {what}, not a slide file")
