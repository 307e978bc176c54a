"""A file written whole or not at all: beside its place under a name that nobody can foretell, synced, renamed. What is
in it is the caller's affair."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from wsi.errors import OutputUnwritableError
from wsi.text import visible

# What a file system answers that cannot sync a folder (CIFS, shared folders of virtual machines). EIO is none of them.
_NO_FOLDER_SYNC = frozenset((errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM))
_NAME_KEPT = 40  # characters of the name, for who looks into the folder; a name may be 255 bytes long


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write bytes to; at the end it takes the place of `path`, and after an error `path` is as it was.

    Its bytes are on the disk before it is renamed, and the name is there before this returns. Raises OSError.
    """
    partial = path.with_name(f".{path.name[:_NAME_KEPT]}.{secrets.token_hex(8)}.partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    sync_folder(path.parent)


def write_file(path: Path, content: bytes) -> None:
    """`content` as the whole of `path`, as `replace_file` does it. Raises OSError."""
    with replace_file(path) as file:
        file.write(content)


def write_out(path: Path, content: bytes) -> Path:
    """`write_file` for what a person asked for: its folder is made where there is none. Gives `path`.

    Raises OutputUnwritableError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)
    except OSError as error:
        raise unwritable(path.name, error) from error
    return path


def sync_file(path: Path) -> None:
    """What was written to a file is on the disk once this returns. A link is not followed. Raises OSError."""
    _sync(path, os.O_RDONLY | os.O_NOFOLLOW)


def sync_folder(folder: Path) -> None:
    """Names that were made or moved in `folder` outlast a loss of power, where the file system can promise that.

    One that cannot is borne: all else is as safe as it gets there. Raises OSError for a disk that fails.
    """
    try:
        _sync(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def unwritable(what: str, error: OSError, hint: str = "free space or choose another --out") -> OutputUnwritableError:
    """The line for a file that could not be written; `what` is its name as it may be shown."""
    return OutputUnwritableError(f"cannot write {visible(what)}: {error.strerror or error}", hint=hint)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
