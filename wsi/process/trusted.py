"""Where this process and all that it starts find modules: never in the folder where the user stands. That folder holds
slides or somebody's results, and maybe a file that is called as one of our modules. Imports nothing: it comes first."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_HOME = Path(__file__).resolve().parent.parent.parent


def trust_no_current_folder() -> None:
    """From here on this process and all that it starts import nothing from the folder where the user stands."""
    sys.path[:] = trusted_path()
    environment = child_environment()
    if "PYTHONPATH" not in environment:
        os.environ.pop("PYTHONPATH", None)
    os.environ.update(environment)


def trusted_path() -> list[str]:
    """sys.path without the current folder, unless we live there ourselves."""
    return [entry for entry in sys.path if entry and not _is_foreign(entry)]


def child_environment() -> dict[str, str]:
    """This process's environment, for a Python that trusts no current folder: neither by PYTHONPATH."""
    stated = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = os.pathsep.join(entry for entry in stated if entry and not _is_foreign(entry))
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": kept}
    if not kept:
        del environment["PYTHONPATH"]
    return environment


def _is_foreign(entry: str) -> bool:
    try:
        place = Path(entry).resolve()
        return place == Path.cwd().resolve() and place != _HOME
    except OSError:  # where we stand is gone
        return not Path(entry).is_absolute()
