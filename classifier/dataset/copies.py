"""One picture under several names in a list of labelled tiles: found by its bytes and by how it looks, written again in
another format, or turned. Whether that is a fault, and whose, is `leaks.py`'s affair.

Parts of one field that overlap, and pictures that were recoloured or cropped, are not found.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from classifier.dataset.tile_list import READ_THREADS, TileRecord, TileSet, read_tile
from tiler.spec import TileSpec

# Means of 4 x 4 parts name the candidates, in all colours: written as JPEG of quality 60 they move by 2.7 at most.
_PARTS, _PART_LEVELS = 4, 4.0
# Then every pixel is compared. Tissue of three laboratories, 139 tiles, written as JPEG of quality 75 and more: 5.1
# levels off at most, of quality 60: 6.3; any two of them: 14.5 and more.
_PIXEL_LEVELS = 6.0
# A flat tile (glass, a grey card) looks like any other: it counts as a copy only where its bytes are the same.
_LEAST_CONTRAST = 6.0


@dataclass(frozen=True)
class Looks:
    """Of each tile of a list: the SHA-256 of its file, and (n, 48) means of its parts; NaN where it is flat."""

    contents: tuple[str, ...]
    parts: NDArray[np.float32]


def look_at(tiles: TileSet, spec: TileSpec) -> Looks:
    """Reads every tile once, so that a bad one is named before a long training and not after. Raises DatasetError."""
    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="tiles") as pool:
        seen = list(pool.map(lambda record: _look(record, spec), tiles.records))
    return Looks(tuple(content for content, _ in seen), np.array([parts for _, parts in seen], np.float32))


def copies(tiles: TileSet, looks: Looks, spec: TileSpec) -> Iterator[tuple[int, int]]:
    """Pairs of indices into `tiles` that show one picture and differ in class or group, those of the same bytes first.

    Of many copies not every pair is told, but all hang together by those that are.
    """
    told: set[tuple[int, int]] = set()
    for pair in (*_of_equal_bytes(looks), *_alike(looks)):
        one, other = (tiles.records[i] for i in pair)
        if pair in told or (one.label, one.group) == (other.label, other.group):
            continue
        if looks.contents[pair[0]] == looks.contents[pair[1]] or same_picture(one, other, spec):
            told.add(pair)
            yield pair


def same_picture(one: TileRecord, other: TileRecord, spec: TileSpec) -> bool:
    """Whether two tiles differ by no more than writing them again does, in any of the eight ways to lay one."""
    first, second = (read_tile(record, spec).astype(np.float32) for record in (one, other))
    return any(float(np.abs(first - turned).mean()) <= _PIXEL_LEVELS for turned in _turned(second))


def _look(record: TileRecord, spec: TileSpec) -> tuple[str, NDArray[np.float32]]:
    pixels = read_tile(record, spec)
    parts = cv2.resize(pixels.astype(np.float32), (_PARTS, _PARTS), interpolation=cv2.INTER_AREA)
    if float(pixels.std(axis=(0, 1)).max()) < _LEAST_CONTRAST:
        parts = np.full_like(parts, np.nan)
    return hashlib.sha256(record.path.read_bytes()).hexdigest(), np.asarray(parts, np.float32).reshape(-1)


def _of_equal_bytes(looks: Looks) -> Iterator[tuple[int, int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for i, content in enumerate(looks.contents):
        places[content].append(i)
    for same in places.values():
        yield from ((same[0], i) for i in same[1:])


def _alike(looks: Looks) -> Iterator[tuple[int, int]]:
    """Candidates: tiles whose parts are alike in one of the eight ways to lay one of them; each pair once."""
    from scipy.spatial import cKDTree

    shown = np.flatnonzero(~np.isnan(looks.parts).any(axis=1))
    if not len(shown):
        return
    parts = looks.parts[shown].reshape(-1, _PARTS, _PARTS, 3)
    tree = cKDTree(parts.reshape(len(shown), -1))
    ways = list(zip(*(_turned(one) for one in parts), strict=True))
    pairs = set()
    for laid in ways:
        near = tree.query_ball_point(np.array(laid).reshape(len(shown), -1), _PART_LEVELS, p=np.inf)
        pairs |= {(min(i, j), max(i, j)) for i, found in enumerate(near) for j in found if i != j}
    yield from ((int(shown[i]), int(shown[j])) for i, j in sorted(pairs))


def _turned(pixels: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The eight ways to lay a square: (n, n, 3) each."""
    for flipped in (pixels, pixels[:, ::-1]):
        for quarter in range(4):
            yield np.rot90(flipped, quarter)
