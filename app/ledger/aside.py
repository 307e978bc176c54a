"""What cannot stay where it lies is moved to `OUT/.set-aside`, under a new name. Nothing is deleted; a link is moved as
a link, whatever it leads to."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from wsi.errors import OutputUnwritableError
from wsi.files.reading import is_folder

SET_ASIDE = ".set-aside"


def set_aside(out: Path, path: Path) -> str:
    """Moves `path`, which lies in `out`, and returns its new name. Raises OutputUnwritableError."""
    home, name = out / SET_ASIDE, f"{path.name}~{secrets.token_hex(4)}"
    try:
        if os.path.lexists(home) and not is_folder(home):
            moved = f"{SET_ASIDE}~{secrets.token_hex(4)}"
            home.rename(out / moved)
            if path == home:
                return moved
        home.mkdir(exist_ok=True)
        path.rename(home / name)
    except OSError as error:
        raise OutputUnwritableError(f"cannot move {path}: {error.strerror}") from error
    return f"{SET_ASIDE}/{name}"
