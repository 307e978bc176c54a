"""Corrections that the candidate tells otherwise although it learned from them. A few hundred right ones outvote a
handful that one person signed wrongly, in whatever way; a second person should look at these before it counts.

What the base tells otherwise is no such sign: where a laboratory is far from the first, right corrections contradict it
as often as wrong ones do (docs/learning.md).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.upkeep.candidate.gate import Check, in_order
from app.upkeep.learning.record import LearnedRegion
from classifier.dataset.predict import as_shown, judge_tiles, told_as
from classifier.dataset.tile_list import TileSet
from classifier.evaluation.intervals import Figure
from classifier.familiarity import not_turned_away
from classifier.model import TileModel
from wsi.errors import UsageError

# So many, and more than this share of what was signed: one slip of a hand stops nobody.
FEWEST, SHARE = 2, 0.03
# Of each claim so many tiles are judged, evenly taken.
_TILES = 25
_NAMED = 10


@dataclass(frozen=True)
class Claim:
    """What one person signed on one slide: the tiles of its regions are `label`."""

    slide_id: str
    reviewer: str
    label: str


def contradictions(
    told: NDArray[np.integer], known: NDArray[np.bool_], signed: NDArray[np.integer], claims: Sequence[Hashable]
) -> dict[Hashable, int]:
    """Claim -> what it is told as instead: one and the same other class on half of its tiles or more, all recognised.
    Of n tiles: class that is told, whether it is recognised, class that was signed, claim."""
    of_claim: dict[Hashable, list[int]] = {}
    for index, claim in enumerate(claims):
        of_claim.setdefault(claim, []).append(index)
    found = {}
    for claim, indices in of_claim.items():
        other = Counter(int(told[i]) for i in indices if known[i] and told[i] != signed[i])
        if other and 2 * other.most_common(1)[0][1] >= len(indices):
            found[claim] = other.most_common(1)[0][0]
    return found


def too_many(contradicted: int, claims: int) -> bool:
    """Whether so many of the claims ask for a second person."""
    return contradicted >= FEWEST and contradicted > SHARE * claims


def contradicted_check(
    candidate: TileModel, learned: TileSet, regions: Iterable[LearnedRegion], looked_at: str = ""
) -> Check:
    """The gate's line. `learned` lists the tiles of all standing `regions`, those that judge too; `looked_at` names the
    person who looked at them since. Raises UsageError where that is one of those who signed, DatasetError."""
    some, claims = _some_of_each(learned, _claims(regions))
    told, known, tiles = _told(candidate, some)
    found = contradictions(told, known, tiles.labels, claims)
    of_claim = {claim: tiles.classes[name] for claim, name in found.items() if isinstance(claim, Claim)}
    count, stopped = len(set(claims)), too_many(len(found), len(set(claims)))
    words = f"corrections that the candidate itself tells otherwise: {len(found)} of {count}{_in_words(of_claim)}"
    if stopped:
        person = _second_person(looked_at, of_claim)
        words += f"; looked at by {person}" if person else "; a second person should look (--looked-at NAME)"
        stopped = not person
    share = len(found) / count if count else math.nan
    return Check("contradicted", words, not stopped, math.nan, share, Figure(math.nan))


def _claims(regions: Iterable[LearnedRegion]) -> dict[str, Claim]:
    """By the tile's SHA-256; of two regions with one tile the first counts, as in the list."""
    found: dict[str, Claim] = {}
    for region in regions:
        for tile in region.tiles:
            found.setdefault(tile.sha256, Claim(region.slide_id, region.reviewer, region.label))
    return found


def _some_of_each(learned: TileSet, claims: Mapping[str, Claim]) -> tuple[TileSet, list[Claim]]:
    of_claim: dict[Claim, list[int]] = {}
    for index, record in enumerate(learned.records):
        of_claim.setdefault(claims[record.path.stem], []).append(index)
    taken = sorted(i for indices in of_claim.values() for i in indices[:: math.ceil(len(indices) / _TILES)])
    records = tuple(learned.records[i] for i in taken)
    return replace(learned, records=records), [claims[record.path.stem] for record in records]


def _told(model: TileModel, tiles: TileSet) -> tuple[NDArray[np.integer], NDArray[np.bool_], TileSet]:
    ordered = in_order(model, tiles)
    predictions = judge_tiles(model, as_shown(model, ordered))
    known = not_turned_away(predictions.familiarity, model.card.familiarity_threshold)
    told = told_as(model, ordered, predictions).probabilities.argmax(axis=1)
    return told, np.asarray(known, np.bool_), ordered


def _in_words(found: Mapping[Claim, str]) -> str:
    """: Anna signed 3 as normal, told as adenocarcinoma (slides a, b, c)."""
    ways: dict[tuple[str, str, str], list[str]] = {}
    for claim, told in found.items():
        ways.setdefault((claim.reviewer, claim.label, told), []).append(claim.slide_id)
    parts = []
    for (reviewer, label, told), slides in sorted(ways.items(), key=lambda item: (-len(item[1]), item[0])):
        more = f" and {len(slides) - _NAMED} more" if len(slides) > _NAMED else ""
        parts.append(f"{reviewer} signed {len(slides)} as {label}, told as {told} ({', '.join(slides[:_NAMED])}{more})")
    return f": {'; '.join(parts)}" if parts else ""


def _second_person(name: str, found: Mapping[Claim, str]) -> str:
    person = " ".join(name.split())[:100]
    if person and person.casefold() in {" ".join(claim.reviewer.split()).casefold() for claim in found}:
        raise UsageError(f"{person} signed some of them", hint="--looked-at names a person who signed none of them")
    return person
