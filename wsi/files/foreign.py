"""What a file is that nothing here reads, in words of ours, and what to do: told by its first bytes, or its ending.

Nothing from the file itself is told, but which kind it is of.
"""

from __future__ import annotations

from pathlib import Path

from wsi.readers.features import EXPORT

HEAD_BYTES = 1024
_SEE_README = "see the README for the formats"
_UNPACK = "unpack it first"
_AS_PICTURE = "save it as PNG, JPEG or TIFF"
_FETCH = "the download gave no slide: fetch it again, logged in where that is needed"

# (offset, bytes): words, what to do.
_BY_BYTES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"version https://git-lfs", "a Git LFS pointer that stands for the slide", "fetch it: git lfs pull"),
    (0, b"/annex/objects/", "a git-annex pointer that stands for the slide", "fetch it: git annex get"),
    (0, b"\x1f\x8b", "packed (gzip)", _UNPACK),
    (0, b"BZh", "packed (bzip2)", _UNPACK),
    (0, b"\xfd7zXZ\0", "packed (xz)", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "packed (zstd)", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "packed (7z)", _UNPACK),
    (0, b"Rar!", "packed (RAR)", _UNPACK),
    (0, b"PK\3\4", "a ZIP archive or an office document", _UNPACK),
    (257, b"ustar", "packed (tar)", _UNPACK),
    (0, b"%PDF", "a PDF document", _SEE_README),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", "give the slide that it was made of"),
    (0, b"GIF8", "a GIF picture", _AS_PICTURE),
    (0, b"BM", "a BMP picture", _AS_PICTURE),
    (8, b"WEBP", "a WebP picture", _AS_PICTURE),
    (4, b"ftyphei", "a HEIC picture", _AS_PICTURE),
    (4, b"ftypavif", "an AVIF picture", _AS_PICTURE),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", _AS_PICTURE),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture", _AS_PICTURE),
    (
        0,
        b"[NanoZoomer Digital Pathology Image Set]",
        "a list of the pictures of one scan in several lights (NDPIS), not a slide",
        "name an .ndpi of a brightfield scan",
    ),
    (0, b"SIS\0", "a part of an Olympus VSI (.ets), not the slide", "name the .vsi that it belongs to"),
)
_PAGES = (b"<!doctype html", b"<html")
_TEXTS = (b"<?xml", b"<error", b"{", b"[")
# Formats that scanners have to themselves.
_OWN_FORMATS = frozenset(
    (".vsi", ".ets", ".isyntax", ".i2syntax", ".kfb", ".sdpc", ".dyqx", ".tron", ".mds", ".mdsx", ".tmap", ".hdx")
) | frozenset((".lif", ".lof", ".zvi", ".nd2", ".oib", ".oif", ".jxr", ".afi", ".sws", ".zyp", ".bki", ".ims"))


def is_blank(head: bytes) -> bool:
    """Whether a file begins with nothing but zeros, as one does whose place was kept and whose copy never came."""
    return bool(head) and not any(head)


def what_it_is(path: Path, head: bytes) -> tuple[str, str]:
    """(words that follow "x.svs is ", what to do) for a file that begins with `head`."""
    for at, start, words, remedy in _BY_BYTES:
        if head[at:].startswith(start):
            return words, remedy
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_PAGES):
        return "a web page, not the slide", _FETCH
    if text.startswith(_TEXTS) and path.suffix.lower() not in _OWN_FORMATS:
        return "a text (XML or JSON), not the slide", _FETCH
    if path.suffix.lower() in _OWN_FORMATS:
        return "in a scanner's own format, which is not read here", EXPORT
    return "not a slide or image that can be read here", _SEE_README
