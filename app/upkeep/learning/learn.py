"""From signed regions to labelled tiles: what a laboratory's readers said, brought up to date in a learning set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aggregate.result import SlideResult
from aggregate.result_folder import committed_digest, result_path, stored_results
from aggregate.store import load
from app.ledger.records import SLIDES_CSV, SlideRow, read_rows
from app.review.records import Reading, Region, SlideRecord
from app.review.reviews import open_reviews
from app.slides.files import SlideFile, find_slide_file
from app.slides.guarded import GuardedSlides
from app.slides.question import SlideAddress
from app.upkeep.learning.learning_set import LearningSet, Writing
from app.upkeep.learning.record import LearnedRegion, LearnedTile
from app.upkeep.learning.tiles import labelled_tiles
from tiler.spec import TileSpec
from tiler.stream import read_tile_at
from wsi.errors import SlideError, UsageError
from wsi.slide import Slide

# A question to the process that reads slides: few enough tiles to be answered in its time.
_TILES_A_QUESTION = 20
_NO_FILE = "the slide's file is not at hand: give its folder with --slides; a result under a pseudonym names none"


@dataclass(frozen=True)
class Listed:
    """A result and the row that names its slide's file."""

    row: SlideRow
    folder: Path
    result_path: Path


@dataclass
class Learned:
    """What one call changed. `passed` are (slide id, why) of signed regions that gave nothing."""

    regions: int = 0
    tiles: int = 0
    withdrawn: int = 0
    passed: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Signed:
    """A region as it was signed, and under what."""

    listed: Listed
    reading: Reading
    region: Region

    @property
    def key(self) -> str:
        assert self.reading.signature is not None
        return f"{self.reading.signature.digest}/{self.region.region_id}"


def learn(
    results: Sequence[Path],
    slides: Sequence[Path],
    out: Path,
    *,
    database: str | None = None,
    patients: Mapping[str, str] | None = None,
    site: str = "",
) -> Learned:
    """Brings the learning set `out` up to what is signed in `results`: new regions are cut into tiles from the slides,
    those whose signature an addendum has overtaken are withdrawn. A region counts once it is signed, and has a class.

    `patients`: slide id -> patient, so that a patient's slides stay together. Raises UsageError, ReviewError,
    StoreError, OutputBusyError, OutputUnwritableError.
    """
    signed = {one.key: one for folder in results for one in _signed_regions(folder, database)}
    done = Learned()
    learning, guarded = LearningSet(out), GuardedSlides(processes=1)
    with learning.writing() as writing:
        before = learning.standing().regions if learning.begun else {}
        known = {f"{one.signature_sha256}/{one.region_id}" for one in before.values()}
        for region in before.values():
            if _overtaken(region, signed, results):
                writing.withdraw(region, "addendum")
                done.withdrawn += 1
        try:
            for key, one in signed.items():
                if key not in known:
                    _take(one, slides, guarded, writing, done, patients or {}, site)
        finally:
            guarded.close()
        writing.settle()
    return done


def withdraw(out: Path, *, slide: str = "", patient: str = "") -> tuple[int, tuple[str, ...]]:
    """Takes back everything of a slide or a patient: (regions, SHA-256 of the models that saw any of it).

    Raises UsageError, StoreError, OutputBusyError, OutputUnwritableError.
    """
    learning = LearningSet(out)
    with learning.writing() as writing:
        standing = learning.standing()
        meant = {
            digest: region
            for digest, region in standing.regions.items()
            if (slide and region.slide_id == slide) or (patient and region.patient == patient)
        }
        if not meant:
            raise UsageError("nothing was learned of that slide or patient", hint="see tiles.csv of the set")
        for region in meant.values():
            writing.withdraw(region, "patient" if patient else "slide")
        writing.settle()
    return len(meant), standing.models_of(frozenset(meant))


def _signed_regions(folder: Path, database: str | None) -> Iterator[Signed]:
    if not stored_results(folder):
        raise UsageError(f"{folder} holds no results", hint="give a folder that `pulmoscope run` wrote to")
    reviews = open_reviews(folder, database)
    rows = {row.slide_id: row for row in read_rows(folder / SLIDES_CSV)}
    for slide_id in sorted(reviews.states()):
        path = result_path(folder, slide_id)
        if slide_id not in rows or not path.exists():
            continue
        record = reviews.record(slide_id, committed_digest(path))
        reading = _that_counts(record)
        if reading is not None:
            listed = Listed(rows[slide_id], folder, path)
            yield from (Signed(listed, reading, region) for region in reading.regions if region.class_name)


def _that_counts(record: SlideRecord) -> Reading | None:
    """The signed reading that counts, unless an addendum gave the slide another call since."""
    reading = record.final
    if reading is None or reading.signature is None or any(one.call for one in reading.addenda):
        return None
    return reading


def _overtaken(region: LearnedRegion, signed: Mapping[str, Signed], results: Sequence[Path]) -> bool:
    """Whether a region that was learned from these results is no longer signed as it was."""
    here = any(result_path(folder, region.slide_id).exists() for folder in results)
    return here and f"{region.signature_sha256}/{region.region_id}" not in signed


def _take(
    one: Signed,
    slides: Sequence[Path],
    guarded: GuardedSlides,
    writing: Writing,
    done: Learned,
    patients: Mapping[str, str],
    site: str,
) -> None:
    slide_id = one.listed.row.slide_id
    result = load(one.listed.result_path)
    if one.region.class_name not in result.outputs:
        done.passed.append((slide_id, f"{one.region.class_name} is no class of the model"))
        return
    chosen = labelled_tiles(result, one.region.rings)
    if not len(chosen):
        done.passed.append((slide_id, "the region holds no whole tile of good quality"))
        return
    file = find_slide_file(one.listed, result.slide, slides)
    if file is None:
        done.passed.append((slide_id, _NO_FILE))
        return
    try:
        pictures = _cut(guarded, file, result, chosen)
    except SlideError as error:
        done.passed.append((slide_id, error.code))
        return
    region = _region(one, result, chosen, list(pictures), patients.get(slide_id, ""), site)
    writing.learn(region, dict(pictures))
    done.regions += 1
    done.tiles += len(chosen)


def _cut(
    guarded: GuardedSlides, file: SlideFile, result: SlideResult, chosen: NDArray[np.intp]
) -> list[tuple[str, bytes]]:
    """(SHA-256, PNG) of each chosen tile. Raises SlideError."""
    tile = result.provenance.tile
    address = SlideAddress(file.path, file.mpp, file.version)
    pictures = []
    for begin in range(0, len(chosen), _TILES_A_QUESTION):
        places = result.tiles.xy[chosen[begin : begin + _TILES_A_QUESTION]].tolist()
        sizes, content = guarded.ask(cut_tiles, address, tile.size_px, tile.mpp, places)
        for size in sizes:
            picture, content = content[:size], content[size:]
            pictures.append((hashlib.sha256(picture).hexdigest(), picture))
    return pictures


def cut_tiles(slide: Slide, size_px: int, mpp: float, places: list[list[int]]) -> tuple[list[int], bytes]:
    """Tiles with these top-left corners as PNG: (their sizes in bytes, all of them). For the process that reads
    slides."""
    pictures = []
    for x, y in places:
        pixels = read_tile_at(slide, (x, y), TileSpec(size_px, mpp))
        _, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        pictures.append(encoded.tobytes())
    return [len(picture) for picture in pictures], b"".join(pictures)


def _region(
    one: Signed,
    result: SlideResult,
    chosen: NDArray[np.intp],
    pictures: Sequence[tuple[str, bytes]],
    patient: str,
    site: str,
) -> LearnedRegion:
    signature, tile = one.reading.signature, result.provenance.tile
    assert signature is not None
    corners: list[tuple[int, int]] = [(int(x), int(y)) for x, y in result.tiles.xy[chosen]]
    told_as = result.outputs[int(result.tiles.probabilities[chosen].mean(axis=0).argmax())]
    return LearnedRegion(
        slide_id=result.slide_id,
        slide_sha256=signature.slide_sha256,
        result_sha256=signature.result_sha256,
        signature_sha256=signature.digest,
        reviewer=signature.by.name,
        signed_at=signature.at,
        region_id=one.region.region_id,
        label=one.region.class_name,
        rings=one.region.rings,
        size_px=tile.size_px,
        mpp=tile.mpp,
        tiles=tuple(LearnedTile(digest, xy) for (digest, _), xy in zip(pictures, corners, strict=True)),
        patient=patient,
        site=site,
        corrects=told_as != one.region.class_name,
    )
