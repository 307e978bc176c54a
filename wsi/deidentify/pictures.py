"""Plain pictures, JPEG and PNG: what stands in them beside their pixels."""

from __future__ import annotations

from collections.abc import Iterator
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
    size, kept, removed = len(PNG_START), [Kept((0, len(PNG_START)), 0)], []
    for kind, span in png_parts(source, (0, source.size)):
        if kind in _OF_THE_PICTURE:
            kept.append(Kept(span, size, pixels=kind == b"IDAT"))
            size += span[1] - span[0]
        else:
            name = kind.decode("ascii") if kind in _KNOWN else "of another name"
            words = words_in(source.take((span[0] + 8, min(span[1], span[0] + (1 << 16)))))
            removed.append(Removed(f"PNG chunk {name}" if kind else "bytes after a picture's end", words))
    file = FilePlan(f"{naming.stem}.png", path, size, tuple(kept))
    return SlidePlan("png", (file,), tuple(removed), file.name)


def is_png_alone(source: Source, span: Span) -> bool:
    """Whether a PNG within a file holds its pixels and nothing else. Raises NotUnderstoodError."""
    return all(kind in _OF_THE_PICTURE for kind, _ in png_parts(source, span))


def png_parts(source: Source, within: Span) -> Iterator[tuple[bytes, Span]]:
    """(type, span) of each chunk; at last, of no type, what lies behind the picture if that is not empty."""
    place, kind = within[0] + len(PNG_START), b""
    for _ in range(_MAX_CHUNKS):
        head = source.take((place, min(place + 8, within[1])))
        kind, end = head[4:], place + 12 + int.from_bytes(head[:4], "big")
        if len(head) < 8 or end > within[1]:
            raise NotUnderstoodError("a picture in it is cut short")
        yield kind, (place, end)
        place = end
        if kind == b"IEND":
            break
    if not source.is_empty((place, within[1])):
        yield b"", (place, within[1])
