"""An upload that came whole: what it really is, made ready to be opened, and tried once in a guarded process.

The browser's file name and type are never known here: the content says what it is.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from app.slides.facts import describe, tell_levels
from app.slides.guarded import shared_slides
from app.slides.question import SlideAddress
from app.viewer.uploads.unpack import unpack_slide
from wsi.errors import EmptyFileError, MppImplausibleError, MppMissingError, UnsupportedSlideError
from wsi.files.reading import open_regular, parse_json, read_regular
from wsi.files.writing import write_file

MAX_PIXELS = 100_000_000
RECORD = "arrived.json"
_STEM = "slide"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PICTURES = {b"\xff\xd8\xff": ("JPEG", ".jpg"), b"\x89PNG\r\n\x1a\n": ("PNG", ".png")}


@dataclass(frozen=True)
class Arrived:
    """An upload that waits to be started. `owner` is whose it is, `by` the name they had; `file` is the slide's name in
    its folder, a name of ours; `mpp` is what the slide itself states, um per px, None where a person must."""

    upload_id: str
    owner: str
    sha256: str
    got: int
    file: str
    kind: str
    mpp: float | None
    size_px: tuple[int, int]
    by: str = ""

    @classmethod
    def read(cls, folder: Path) -> Arrived | None:
        try:
            told = parse_json(read_regular(folder / RECORD, 4096))
            return cls(**{**told, "size_px": tuple(told["size_px"]), "upload_id": folder.name})
        except (OSError, ValueError, KeyError, TypeError):
            return None


def receive(folder: Path, part: Path, owner: str, max_bytes: int, by: str = "") -> Arrived:
    """Makes a slide of the file that came; `part` goes. Raises SlideError for what is none."""
    size = part.stat().st_size
    with open_regular(part) as file:
        head = file.read(16)
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    kind, slide = _make_ready(folder, part, head, max_bytes)
    mpp, size_px = _tried(slide, kind)
    found = Arrived(folder.name, owner, sha256, size, slide.name, kind, mpp, size_px, by)
    write_file(folder / RECORD, json.dumps(asdict(found)).encode())
    return found


def _make_ready(folder: Path, part: Path, head: bytes, max_bytes: int) -> tuple[str, Path]:
    """(kind, the file to open). The kind is ``image``, ``slide``, ``MIRAX`` or ``DICOM``."""
    if not head:
        raise EmptyFileError("the upload is empty", hint="choose another file")
    for magic, (name, suffix) in _PICTURES.items():
        if head.startswith(magic):
            check_picture(part, name)
            return "image", part.rename(folder / f"{_STEM}{suffix}")
    if head.startswith(_TIFF):
        return "slide", part.rename(folder / f"{_STEM}.tif")
    if head.startswith(b"PK\x03\x04"):
        kind, slide = unpack_slide(part, folder, _STEM, max_bytes)
        part.unlink()
        return kind, slide
    raise UnsupportedSlideError(
        "the upload is no slide or image that can be read here",
        hint="SVS, NDPI and TIFF come as they are, MRXS and DICOM as a zip; JPEG and PNG for a field of view",
    )


def check_picture(source: Path | bytes, kind: str) -> None:
    """Reads a picture's header, decodes no pixel.

    Raises UnsupportedSlideError, SlideTooLargeError, CorruptSlideError.
    """
    from wsi.picture import open_picture

    # A camera's JPEG may hold further pictures (MPO); the first one counts.
    with open_picture(source, [kind, "MPO"] if kind == "JPEG" else [kind], MAX_PIXELS, name="the upload"):
        pass


def _tried(slide: Path, kind: str) -> tuple[float | None, tuple[int, int]]:
    """(mpp that the slide states, its size), once it opened. Raises SlideError, with no file's name in it."""
    slides, mpp = shared_slides(), None
    version = str(slide.stat().st_mtime_ns)
    if kind != "image":  # a photograph's resolution is that of a printer
        try:
            facts, _ = slides.ask(describe, SlideAddress(slide, None, version))
            mpp = float(facts["mpp"])
        except (MppMissingError, MppImplausibleError):
            mpp = None
    levels, _ = slides.ask(tell_levels, SlideAddress(slide, mpp or 1.0, version))
    return mpp, (int(levels[0][0]), int(levels[0][1]))
