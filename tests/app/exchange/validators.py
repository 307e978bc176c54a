"""`dciodvfy` of dicom3tools, where it is installed: what it complains of in a DICOM object."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

# Our own scheme; an image type of newer editions; and fields of a person, which are empty on purpose.
_BORNE = ("99PULMO", "<QUANTITY>", "needed to build DICOMDIR")


def complaints(path: Path) -> list[str]:
    """Errors and warnings, but those that are meant to be. Skips the test where there is no `dciodvfy`."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (dicom3tools) is not installed")
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    told = (done.stdout + done.stderr).splitlines()
    found = [line for line in told if line.startswith(("Error", "Warning"))]
    assert told, "it said nothing at all"
    return [line for line in found if not any(words in line for words in _BORNE)]
