"""What a copy of a slide's files is made of: ranges that are taken over as they are, bytes that are written anew, and
what stays behind. Plans are made by reading; nothing is written here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Span = tuple[int, int]
"""Where some bytes of a file begin and end."""


class NotUnderstoodError(Exception):
    """Why a file can be neither judged nor copied: a few words of ours, never text from the file."""


@dataclass(frozen=True)
class Naming:
    """How a copy's files are called: `stem`, and endings of ours. With `secret` the identifiers inside are mapped to
    others, the same ones for the same secret; without it a plan is only to be looked at. With `shift_dates` the dates
    of a DICOM slide whose patient is told are moved by the secret, and not left out."""

    stem: str
    secret: bytes = field(default=b"", repr=False)
    shift_dates: bool = False


@dataclass(frozen=True)
class Removed:
    """One field that stays behind. `name` is of our own words; `values` are never told, only searched for."""

    name: str
    values: tuple[str | bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Kept:
    """`span` of the source, laid at `to` of the copy. `pixels`: of a picture, where chance makes short words."""

    span: Span
    to: int
    pixels: bool = False


@dataclass(frozen=True)
class FilePlan:
    """One file of the copy: `name` in its folder, of `size` bytes, of what `source` holds; zero where nothing is laid.

    `blanks` (of the copy) are zeroed after the kept ranges were laid, `written` comes last.
    """

    name: str
    source: Path
    size: int
    kept: tuple[Kept, ...]
    blanks: tuple[Span, ...] = ()
    written: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True)
class SlidePlan:
    """The copy of a slide. `kind` is its format; `main` the file of `files` that stands for the slide; `texts` what the
    copy says in words; `lost_px` the sizes of the pictures that stay behind; `shifted` whether dates were moved."""

    kind: str
    files: tuple[FilePlan, ...]
    removed: tuple[Removed, ...]
    main: str
    texts: tuple[str, ...] = ()
    lost_px: tuple[tuple[int, int], ...] = ()
    shifted: bool = False


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same places as sorted spans that neither touch nor overlap."""
    found: list[list[int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1][1] = max(found[-1][1], end)
        elif end > start:
            found.append([start, end])
    return [(start, end) for start, end in found]


def gaps(spans: Sequence[Span], size: int) -> list[Span]:
    """What `merged` spans leave out of a file of so many bytes."""
    edges = [0, *(place for span in spans for place in span), size]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if end > start]


def overlap(some: Iterable[Span], others: Iterable[Span]) -> bool:
    """Whether any of some spans shares a byte with any of the others."""
    both = sorted([(*span, 0) for span in merged(some)] + [(*span, 1) for span in merged(others)])
    reach = [-1, -1]
    for start, end, side in both:
        if start < reach[1 - side]:
            return True
        reach[side] = max(reach[side], end)
    return False
