"""What another laboratory, or another machine, has learned: regions and tiles of its set, with their signatures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from app.upkeep.learning.learning_set import TILES, LearningSet, Standing
from app.upkeep.learning.record import LearnedRegion
from wsi.errors import StoreError, UsageError
from wsi.files.reading import read_regular

_MAX_TILE_BYTES = 64 << 20


@dataclass(frozen=True)
class TakenOver:
    """How many regions and tiles came, and how many regions went since the other set has withdrawn them."""

    regions: int
    tiles: int
    withdrawn: int


def take_over(out: Path, other: Path) -> TakenOver:
    """Adds what stands in the set `other` to the set `out`, and withdraws what was withdrawn there. What `out` has
    withdrawn stays so, and nothing comes twice. Both chains and each tile that comes are checked; where
    one tile is not as it was written, what came before it stays.

    Raises UsageError, StoreError (one was altered), OutputBusyError, OutputUnwritableError.
    """
    if other.resolve() == out.resolve():
        raise UsageError("a learning set cannot take over itself", hint="name the other one")
    theirs, ours = LearningSet(other).standing(), LearningSet(out)
    with ours.writing() as writing:
        before = ours.standing() if ours.begun else Standing("", {}, frozenset(), ())
        new = _new(theirs, before)
        gone = [region for digest, region in before.regions.items() if digest in theirs.withdrawn]
        for region in new:
            writing.learn(region, _pictures(other, region))
        for region in gone:
            writing.withdraw(region, "other set")
        writing.settle()
    return TakenOver(len(new), sum(len(region.tiles) for region in new), len(gone))


def _new(theirs: Standing, ours: Standing) -> list[LearnedRegion]:
    return [
        region
        for digest, region in theirs.regions.items()
        if digest not in ours.withdrawn and f"{region.signature_sha256}/{region.region_id}" not in ours.signatures
    ]


def _pictures(folder: Path, region: LearnedRegion) -> dict[str, bytes]:
    """SHA-256 -> PNG of a region's tiles, each as it was written."""
    pictures = {}
    for tile in region.tiles:
        try:
            picture = read_regular(folder / TILES / f"{tile.sha256}.png", _MAX_TILE_BYTES)
        except OSError as error:
            raise StoreError(f"{folder.name}: tile {tile.sha256[:12]} is missing") from error
        if hashlib.sha256(picture).hexdigest() != tile.sha256:
            raise StoreError(f"{folder.name}: tile {tile.sha256[:12]} was altered")
        pictures[tile.sha256] = picture
    return pictures
