"""An uploaded field of view: checked, stored under a name of our own, predicted in another process.

The browser's file name and file type are never used: the name may tell of a patient, the type may lie.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aggregate import store
from wsi.errors import (
    EmptyFileError,
    MppImplausibleError,
    MppMissingError,
    OutputUnwritableError,
    SlideTooLargeError,
)
from wsi.files.writing import unwritable, write_file
from wsi.spacing import PLAUSIBLE_MPP

MAX_UPLOAD_MB = 64
MAX_PIXELS = 100_000_000
# Of uploads that are kept.
MAX_STORED = 200
MAX_STORED_BYTES = 4 << 30
_ID = re.compile(r"upload-[0-9a-f]{12}")
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif"}
_TIMEOUT_S = "600"
PRESETS_MPP = {"40x": 0.25, "20x": 0.5, "10x": 1.0}


@dataclass(frozen=True)
class Upload:
    """A stored upload, alone in its folder with what is made of it.

    The id names image and mpp together: the same image at another mpp is another slide.
    """

    slide_id: str
    path: Path
    mpp: float


@dataclass(frozen=True)
class Progress:
    """How far a prediction is; `tiles` is None until it is known."""

    tiles_done: int
    tiles: int | None

    @property
    def fraction(self) -> float:
        return min(1.0, self.tiles_done / self.tiles) if self.tiles else 0.0


@dataclass(frozen=True)
class Outcome:
    """How a prediction ended: `slide_id` where there is a result, else one line that says why not."""

    slide_id: str | None
    problem: str = ""


def check_image(image: bytes) -> str:
    """The suffix that fits what `image` really holds. Reads the header, decodes no pixel.

    Raises EmptyFileError, UnsupportedSlideError, SlideTooLargeError, CorruptSlideError.
    """
    from wsi.picture import open_picture

    if not image:
        raise EmptyFileError("the upload is empty", hint="choose another image")
    if len(image) > MAX_UPLOAD_MB << 20:
        raise SlideTooLargeError(f"the upload is larger than {MAX_UPLOAD_MB} MB", hint=_WHOLE_SLIDES)
    try:
        with open_picture(image, list(SUFFIXES), MAX_PIXELS, name="the upload") as header:
            kind = str(header.format)
    except SlideTooLargeError as error:
        raise SlideTooLargeError(error.message, hint=_WHOLE_SLIDES) from error
    # A camera's JPEG may hold further pictures (MPO); the first one counts.
    return SUFFIXES["JPEG" if kind == "MPO" else kind]


def check_mpp(mpp: float | None) -> float:
    """`mpp`, um per px, where a person stated a plausible one. Raises MppMissingError, MppImplausibleError."""
    low, high = PLAUSIBLE_MPP
    if mpp is None:
        raise MppMissingError("the pixel size is not stated", hint="choose the magnification or enter µm per pixel")
    if not low <= mpp <= high:
        raise MppImplausibleError(f"{mpp:g} µm per pixel is outside {low:g} to {high:g}", hint="check the pixel size")
    return float(mpp)


def store_upload(image: bytes, mpp: float | None, uploads: Path) -> Upload:
    """Checks an upload and writes it to `uploads` as ``<id>/<id>.<suffix>``; the same upload is stored once.

    Raises SlideError as `check_image` and `check_mpp` do, OutputUnwritableError.
    """
    mpp = check_mpp(mpp)
    suffix = check_image(image)
    slide_id = f"upload-{hashlib.sha256(f'{mpp:.6g} '.encode() + image).hexdigest()[:12]}"
    path = uploads / slide_id / f"{slide_id}{suffix}"
    if not path.exists():
        _check_room(uploads, len(image))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_file(path, image)
    except OSError as error:
        raise unwritable("the upload", error, hint="free space") from error
    return Upload(slide_id, path, mpp)


def upload_folders(uploads: Path) -> list[Path]:
    """The folder of each stored upload, by name; links are none."""
    try:
        found = [path for path in uploads.iterdir() if _ID.fullmatch(path.name)]
    except OSError:
        return []
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())


def delete_upload(uploads: Path, slide_id: str) -> bool:
    """Removes an upload with all that was made of it; False where there is no such upload. Raises
    OutputUnwritableError."""
    folder = next((path for path in upload_folders(uploads) if path.name == slide_id), None)
    if folder is None:
        return False
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise unwritable("the upload", error, hint="remove its folder by hand") from error
    return True


def discard_failed(upload: Upload) -> None:
    """Removes an upload that has no result."""
    folder = upload.path.parent
    if not store.is_complete(store.result_path(folder, upload.slide_id)):
        with suppress(OutputUnwritableError):
            delete_upload(folder.parent, upload.slide_id)


def _check_room(uploads: Path, size_bytes: int) -> None:
    folders = upload_folders(uploads)
    held_bytes = sum(path.stat().st_size for folder in folders for path in folder.glob("upload-*.*") if path.is_file())
    if len(folders) >= MAX_STORED or held_bytes + size_bytes > MAX_STORED_BYTES:
        raise OutputUnwritableError(
            f"{len(folders)} uploads are stored, as many as are kept", hint="open one that is done with and delete it"
        )


def predict(upload: Upload, out: Path, program: tuple[str, ...]) -> Generator[Progress | Outcome, None, None]:
    """Runs ``run`` of `program` on an upload in a process of its own; yields Progress, and Outcome last.

    Closing the iterator early ends the process.
    """
    stated = ("--mpp-override", f"{upload.mpp:.6g}", "--out", str(out))
    arguments = ("run", str(upload.path), *stated, "--slide-timeout", _TIMEOUT_S, "--json")
    process = subprocess.Popen(
        (*program, *arguments), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True
    )
    outcome = None
    try:
        assert process.stdout is not None
        for line in process.stdout:
            event = _read_event(line)
            if isinstance(event, Outcome):
                outcome = event
            elif event is not None:
                yield event
        exit_code = process.wait()
    finally:
        _end(process)
    yield outcome or Outcome(None, f"the prediction ended without a result (exit code {exit_code}); try again")


def _read_event(line: str) -> Progress | Outcome | None:
    try:
        event: Any = json.loads(line)
        if event["event"] == "progress":
            return Progress(int(event["tiles_done"]), None if event["tiles"] is None else int(event["tiles"]))
        if event["event"] == "slide":
            if event["status"] == "failed":
                return Outcome(None, f"{event['error_code']}: {event['message']}")
            return Outcome(str(event["slide_id"]))
    except (ValueError, KeyError, TypeError):
        return None
    return None


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


_WHOLE_SLIDES = "whole slides are for `pulmoscope run`; upload a field of view"
