"""Whether anything of what a copy leaves out is still in its bytes: every value as UTF-8, UTF-16 of both orders and
Latin-1, over whole files. One pass however many values; memory is bounded."""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from wsi.deidentify.plan import Removed, Span
from wsi.deidentify.source import PIECE_BYTES, Source

LEAST_BYTES, LEAST_BYTES_IN_PIXELS = 5, 7
"""Shorter values would be met by chance: among a slide's compressed pixels nearly any four bytes are."""
_MOST_LETTERS, _MOST_BYTES, _MOST_NEEDLES = 32, 128, 1 << 18
_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "latin-1")
_KEY_BYTES, _TABLE_BITS = 4, 20
_KNUTH = np.uint32(2654435761)

Needles = Mapping[bytes, str]
"""What is searched for -> the field that it stood in."""


def needles_of(removed: Iterable[Removed], texts: Sequence[str]) -> Needles:
    """What to search for. Left out: what the copy says itself, and what has no more than two letters in it."""
    said = "\0".join(texts)
    found: dict[bytes, str] = {}
    for field in removed:
        for value in field.values:
            for needle in _encoded(value, said):
                if len(found) < _MOST_NEEDLES and len(needle) >= LEAST_BYTES:
                    found.setdefault(needle[:_MOST_BYTES], field.name)
    return found


def still_there(source: Source, needles: Needles, pixels: Sequence[Span]) -> set[str]:
    """The fields of which something is left in the file. `pixels` are sorted and do not touch."""
    if not needles:
        return set()
    keys: dict[bytes, list[bytes]] = {}
    for needle in needles:
        keys.setdefault(needle[:_KEY_BYTES], []).append(needle)
    table = np.zeros(1 << _TABLE_BITS, bool)
    words = np.frombuffer(b"".join(sorted(keys)), "<u4")
    table[_hash(words)] = True
    starts, found = [start for start, _ in pixels], set()
    for place, data in source.pieces((0, source.size), overlap=_MOST_BYTES):
        for at in _candidates(data, words, table):
            for needle in keys.get(data[at : at + _KEY_BYTES], ()):
                if data.startswith(needle, at) and not _is_chance(needle, place + at, starts, pixels):
                    found.add(needles[needle])
    return found


def _is_chance(needle: bytes, place: int, starts: Sequence[int], pixels: Sequence[Span]) -> bool:
    if len(needle) >= LEAST_BYTES_IN_PIXELS:
        return False
    before = bisect_right(starts, place) - 1
    return before >= 0 and place + len(needle) <= pixels[before][1]


def _candidates(data: bytes, words: np.ndarray, table: np.ndarray) -> Iterator[int]:
    """Places where the first bytes of a needle stand."""
    for shift in range(_KEY_BYTES):
        count = (len(data) - shift) // _KEY_BYTES
        if count > 0:
            here = np.frombuffer(data, "<u4", count, shift)
            hits = np.flatnonzero(table[_hash(here)])
            for hit in hits[np.isin(here[hits], words)].tolist():
                yield _KEY_BYTES * hit + shift


def _hash(words: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return (words * _KNUTH) >> np.uint32(32 - _TABLE_BITS)


def _encoded(value: str | bytes, said: str) -> Iterator[bytes]:
    if isinstance(value, bytes):
        text = value.decode("utf-8", "ignore").strip()
        if not text.isprintable() or len(text) < len(value) // 2:
            yield value  # no text: a piece of a picture
            return
    else:
        text = value.strip()
    # Of a long text its beginning and its end: both may be words that the copy says, too.
    for part in {text[:_MOST_LETTERS], text[-_MOST_LETTERS:]}:
        if part.strip() in said or len(set(part)) <= 2:
            continue
        for encoding in _ENCODINGS:
            with contextlib.suppress(UnicodeEncodeError):
                yield part.encode(encoding)


assert PIECE_BYTES > 2 * _MOST_BYTES
