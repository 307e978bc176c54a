"""Colour profiles (ICC.1): the numbers that turn colours into others are kept, every text in them is blanked."""

from __future__ import annotations

import re
import struct

from wsi.deidentify.plan import NotUnderstoodError
from wsi.deidentify.source import words_in

_HEADER_BYTES, _ROW_BYTES, _MAX_TAGS = 128, 12, 200
# Types of numbers alone; of `parametricCurveType` and the like the length is told by what is in them.
_OF_NUMBERS = re.compile(rb"XYZ |curv|para|mft1|mft2|mAB |mBA |sf32|chrm|view|meas|sig |cicp")
_KNOWN_SIGNATURES = re.compile(rb"appl|lcms|Lino|ADBE|MSFT|APPL|IEC |sRGB|none|\0{4}")


def without_words(profile: bytes) -> bytes:
    """The profile, as long as before, with zeros for the time of its making, its digest, names of makers that are not
    known, and each element that is not of numbers. Raises NotUnderstoodError."""
    if len(profile) < _HEADER_BYTES + 4 or profile[36:40] != b"acsp":
        raise NotUnderstoodError("its colour profile is none")
    [count] = struct.unpack_from(">I", profile, _HEADER_BYTES)
    table_end = _HEADER_BYTES + 4 + count * _ROW_BYTES
    if count > _MAX_TAGS or table_end > len(profile):
        raise NotUnderstoodError("its colour profile is damaged")
    kept = bytearray(len(profile))
    kept[:table_end] = _header(profile) + profile[_HEADER_BYTES:table_end]
    for at in range(_HEADER_BYTES + 4, table_end, _ROW_BYTES):
        start, size = struct.unpack_from(">II", profile, at + 4)
        if not table_end <= start <= start + size <= len(profile):
            raise NotUnderstoodError("its colour profile is damaged")
        kind = profile[start : start + 4]
        upto = start + size if _OF_NUMBERS.fullmatch(kind) else min(start + size, start + 4)
        kept[start:upto] = profile[start:upto]
    return bytes(kept)


def words_lost(before: bytes, after: bytes) -> tuple[str | bytes, ...]:
    """The readable stretches that `without_words` blanked."""
    left = bytes(0 if one == other else one for one, other in zip(before, after, strict=True))
    return words_in(left)


def _header(profile: bytes) -> bytes:
    header = bytearray(profile[:_HEADER_BYTES])
    header[24:36] = bytes(12)  # when it was made
    header[84:] = bytes(len(header) - 84)  # digest, and what is reserved
    for at in (4, 40, 48, 52, 80):  # engine, platform, maker, model, creator
        if not _KNOWN_SIGNATURES.fullmatch(header[at : at + 4]):
            header[at : at + 4] = bytes(4)
    return bytes(header)
