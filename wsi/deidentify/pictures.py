"""Plain pictures, JPEG and PNG: what stands in them beside their pixels."""

from __future__ import annotations

from pathlib import Path

from wsi.deidentify.plan import FilePlan, Kept, Naming, NotUnderstoodError, Removed, SlidePlan, Span
from wsi.deidentify.source import Source, words_in
from wsi.deidentify.streams import foreign_in_jpeg

JPEG_START, PNG_START = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_OF_THE_PICTURE = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs"))
_KNOWN = frozenset((b"tEXt", b"iTXt", b"zTXt", b"eXIf", b"tIME", b"iCCP", b"hIST", b"sPLT", b"cICP"))
_MAX_CHUNKS = 1 << 20


def plan_jpeg(path: Path, source: Source, naming: Naming) -> SlidePlan:
    """Its comments and application segments are blanked. Raises NotUnderstoodError."""
    whole, name = (0, source.size), f"{naming.stem}.jpg"
    blanks, removed = [], []
    for what, span in foreign_in_jpeg(source, whole):
        blanks.append(span)
        removed.append(Removed(what, words_in(source.take((span[0], min(span[1], span[0] + (1 << 16)))))))
    file = FilePlan(name, path, source.size, (Kept(whole, 0, pixels=True),), tuple(blanks))
    return SlidePlan("jpeg", (file,), tuple(removed), name)


def plan_png(path: Path, source: Source, naming: Naming) -> SlidePlan:
    """Chunks that are not the picture's are left out. Raises NotUnderstoodError."""
    name = f"{naming.stem}.png"
    place, size, kept, removed = len(PNG_START), len(PNG_START), [Kept((0, len(PNG_START)), 0)], []
    kind, count = b"", 0
    while kind != b"IEND":
        head = source.take((place, place + 8))
        kind, count = head[4:], count + 1
        span: Span = (place, place + 12 + int.from_bytes(head[:4], "big"))
        if span[1] > source.size or count > _MAX_CHUNKS:
            raise NotUnderstoodError("it is cut short")
        if kind in _OF_THE_PICTURE:
            kept.append(Kept(span, size, pixels=kind == b"IDAT"))
            size += span[1] - span[0]
        else:
            name_of = kind.decode("ascii") if kind in _KNOWN else "of another name"
            words = words_in(source.take((place + 8, min(span[1] - 4, place + (1 << 16)))))
            removed.append(Removed(f"PNG chunk {name_of}", words))
        place = span[1]
    if not source.is_empty((place, source.size)):
        removed.append(Removed("bytes after a picture's end"))
    return SlidePlan("png", (FilePlan(name, path, size, tuple(kept)),), tuple(removed), name)
