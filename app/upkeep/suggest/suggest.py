"""Which of the stored results are worth a person's next minutes: read one after another, told with the reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregate.provenance import Provenance
from aggregate.result_folder import committed_digest, load_summary, stored_results
from aggregate.store import load_tiles
from app.review.records import ReviewState, ReviewStatus, Verdict
from app.review.reviews import open_reviews
from app.upkeep.learning.learning_set import LearningSet
from app.upkeep.suggest.choose import Choice, Floats, choose
from app.upkeep.suggest.reasons import Reason, like_corrected, of_region, of_slide
from app.upkeep.suggest.regions import MOST_A_SLIDE, Regions, regions_of
from wsi.errors import StoreError, UsageError

SHOWN_A_SLIDE = 3
# Regions of signed slides that others are compared with: of each a few, of all so many at most.
_KNOWN_A_SLIDE, _MOST_KNOWN = 4, 4000


@dataclass(frozen=True)
class Place:
    """A region to look at: x, y, width, height in level-0 px, and what speaks for it."""

    box: tuple[float, float, float, float]
    reasons: tuple[Reason, ...]

    @property
    def centre(self) -> tuple[float, float]:
        x, y, width, height = self.box
        return x + width / 2, y + height / 2


@dataclass(frozen=True)
class Suggestion:
    """A slide worth looking at, and where; `worth` is that of its first region, 0 to 1."""

    slide_id: str
    folder: Path
    worth: float
    reasons: tuple[Reason, ...]
    places: tuple[Place, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "slide_id": self.slide_id,
            "results": self.folder.name,
            "worth": round(self.worth, 4),
            "reasons": [reason.to_dict() for reason in self.reasons],
            "regions": [
                {"box_px": [round(value) for value in place.box], "reasons": [one.to_dict() for one in place.reasons]}
                for place in self.places
            ],
        }


@dataclass(frozen=True)
class Suggested:
    """`looked_at` slides were compared, `signed` left out; `unread` are results that could not be read, `other_model`
    counts those of another model than most, whose features mean something else."""

    suggestions: tuple[Suggestion, ...]
    looked_at: int = 0
    signed: int = 0
    unread: tuple[str, ...] = ()
    other_model: int = 0

    def to_dict(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in ("looked_at", "signed", "other_model")}
        return {"suggestions": [one.to_dict() for one in self.suggestions], **told, "unread": list(self.unread)}


@dataclass(frozen=True)
class _Slide:
    """A stored result by its words alone, and what people said of it."""

    path: Path
    summary: Mapping[str, Any]
    state: ReviewState
    signed: bool

    @property
    def model(self) -> str:
        return Provenance.from_dict(self.summary["provenance"]).model.sha256


@dataclass
class _Pool:
    """The regions that stand for choice: of slide `slides[group]`."""

    slides: list[_Slide] = field(default_factory=list)
    reasons: list[tuple[Reason, ...]] = field(default_factory=list)
    regions: list[Regions] = field(default_factory=list)


def suggest(
    folders: Sequence[Path], count: int, *, learning: Path | None = None, database: str | None = None
) -> Suggested:
    """At most `count` slides of `folders`, what is most worth looking at first; those that are signed, or in the
    learning set, are left out and only compared with. Raises UsageError, ReviewError, StoreError (the learning set was
    altered)."""
    results: list[tuple[Path, Mapping[str, ReviewState]]] = []
    for folder in folders:
        if not (paths := stored_results(folder)):
            raise UsageError(f"{folder} holds no results", hint="give a folder that `pulmoscope run` wrote to")
        states = open_reviews(folder, database).states()
        results += [(path, states) for path in paths]
    return suggest_among(results, count, _learned(learning))


def suggest_among(
    results: Iterable[tuple[Path, Mapping[str, ReviewState]]], count: int, learned: frozenset[str] = frozenset()
) -> Suggested:
    """Likewise of stored results, each with what is known of people's decisions in its folder; `learned` are SHA-256 of
    slides that are left out, too.

    One result is in memory at a time; of each at most MOST_A_SLIDE regions stay. The same results and records give the
    same answer, in whatever order they come.
    """
    slides, unread = _slides(results, learned)
    usual = Counter(one.model for one in slides).most_common(1)
    of_usual = [one for one in slides if usual and one.model == usual[0][0]]
    known = _known(one for one in of_usual if one.signed)
    pool, broken = _pool(one for one in of_usual if not one.signed)
    return Suggested(
        tuple(_chosen(pool, known, count)),
        looked_at=len(pool.slides),
        signed=sum(one.signed for one in slides),
        unread=(*unread, *broken),
        other_model=len(slides) - len(of_usual),
    )


def _learned(learning: Path | None) -> frozenset[str]:
    """SHA-256 of the slides that a learning set holds."""
    if learning is None:
        return frozenset()
    return frozenset(region.slide_sha256 for region in LearningSet(learning).standing().regions.values())


def _slides(
    results: Iterable[tuple[Path, Mapping[str, ReviewState]]], learned: frozenset[str]
) -> tuple[list[_Slide], tuple[str, ...]]:
    """Every slide once, in the order of its id; the names of results that could not be read."""
    found: dict[str, _Slide] = {}
    unread = []
    for path, states in results:
        try:
            one = _slide(path, states, learned)
        except StoreError:
            unread.append(path.name)
            continue
        found.setdefault(str(one.summary["slide"]["sha256"]), one)
    return sorted(found.values(), key=lambda one: str(one.summary["slide_id"])), tuple(unread)


def _slide(path: Path, states: Mapping[str, ReviewState], learned: frozenset[str]) -> _Slide:
    summary = load_summary(path)
    state = states.get(summary["slide_id"], ReviewState(summary["slide_id"]))
    if state.result_sha256 and state.result_sha256 != committed_digest(path):
        state = ReviewState(summary["slide_id"])  # said of another result of this slide
    signed = state.status is ReviewStatus.SIGNED and not state.awaits
    return _Slide(path, summary, state, signed or str(summary["slide"]["sha256"]) in learned)


@dataclass(frozen=True)
class _Known:
    """Means of regions (k, d) of signed slides; `contested` (k,) where the reader called the slide otherwise."""

    features: Floats
    contested: NDArray[np.bool_]
    names: tuple[str, ...]


def _known(signed: Iterable[_Slide]) -> _Known:
    features: list[Floats] = []
    contested: list[bool] = []
    names: list[str] = []
    for one in signed:
        if len(features) >= _MOST_KNOWN:
            break
        try:
            regions = _regions(one).best(_KNOWN_A_SLIDE)
        except StoreError:
            continue
        features += list(regions.features)
        contested += [one.state.verdict == Verdict.CHANGED] * len(regions)
        names += [str(one.summary["slide_id"])] * len(regions)
    stacked = np.stack(features) if features else np.zeros((0, 1), np.float32)
    return _Known(stacked, np.array(contested, np.bool_), tuple(names))


def _pool(unsigned: Iterable[_Slide]) -> tuple[_Pool, tuple[str, ...]]:
    pool, broken = _Pool(), []
    for one in unsigned:
        reasons = of_slide(one.summary, one.state)
        try:
            regions = _regions(one).best(MOST_A_SLIDE, len(reasons))
        except StoreError:
            broken.append(one.path.name)
            continue
        pool.slides.append(one)
        pool.reasons.append(reasons)
        pool.regions.append(regions)
    return pool, tuple(broken)


def _regions(one: _Slide) -> Regions:
    """Raises StoreError, ResultAlteredError."""
    told = Provenance.from_dict(one.summary["provenance"])
    side_px = float(one.summary["grid"]["cell_px"]) * told.tile.cells_per_side
    return regions_of(load_tiles(one.path), side_px, told.model.familiarity_threshold)


def _chosen(pool: _Pool, known: _Known, count: int) -> Iterator[Suggestion]:
    sizes = [len(regions) for regions in pool.regions]
    if not sum(sizes):
        return
    features = np.concatenate([regions.features for regions in pool.regions if len(regions)])
    of_slide = np.repeat(np.arange(len(sizes)), sizes)
    worth = [regions.worth(len(said)) for regions, said in zip(pool.regions, pool.reasons, strict=True)]
    anchors = known.features if len(known.features) else np.zeros((0, features.shape[1]), np.float32)
    begins = np.concatenate([[0], np.cumsum(sizes)])
    for choice in choose(features, np.concatenate(worth), of_slide, anchors, count):
        group = int(of_slide[choice.index])
        yield _suggestion(pool, group, choice.index - int(begins[group]), choice, known)


def _suggestion(pool: _Pool, group: int, first: int, choice: Choice, known: _Known) -> Suggestion:
    """The slide of a chosen region: that one first, then its others of most worth."""
    one, regions, said = pool.slides[group], pool.regions[group], pool.reasons[group]
    order = [first, *(index for index in range(len(regions)) if index != first)][:SHOWN_A_SLIDE]
    outputs = (*one.summary["classes"], *one.summary.get("tissues", ()))
    far = {first: choice.distance} if known.names else {}
    places = [Place(_box(regions.box[at]), of_region(regions, at, outputs, far.get(at))) for at in order]
    alike = _like_a_contested(regions.features[first], known)
    worth = float(regions.worth(len(said))[first])
    return Suggestion(str(one.summary["slide_id"]), one.path.parent, worth, (*said, *alike), tuple(places))


def _box(values: Floats) -> tuple[float, float, float, float]:
    x, y, width, height = (float(value) for value in values)
    return x, y, width, height


def _like_a_contested(features: Floats, known: _Known) -> tuple[Reason, ...]:
    """The reason, where the nearest region is of a slide that was signed otherwise than called."""
    if not known.contested.any():
        return ()
    nearest = int(np.argmin(((known.features - features) ** 2).sum(axis=1)))
    return (like_corrected(known.names[nearest]),) if known.contested[nearest] else ()
