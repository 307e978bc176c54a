"""A copy made by its plan, and what is found when it is opened again. The caller gives the folder, and moves what is
in it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsi.deidentify.formats import in_words, plan_slide
from wsi.deidentify.plan import FilePlan, Naming, Removed, SlidePlan, merged
from wsi.deidentify.search import LEAST_BYTES, LEAST_BYTES_IN_PIXELS, needles_of, still_there
from wsi.deidentify.source import PIECE_BYTES, opened_source
from wsi.errors import CorruptSlideError, IdentifyingMetadataError
from wsi.region import Pair
from wsi.registry import open_slide
from wsi.spacing import FillIn

NOT_LOOKED_FOR = (
    "text or faces in the pixels of the levels (tissue, pen marks, a label that was scanned with them)",
    "what is hidden in the numbers of compressed pixels, offsets and tables",
    f"values of fewer than {LEAST_BYTES} bytes ({LEAST_BYTES_IN_PIXELS} among compressed pixels): met by chance",
    "whether the tissue itself can be recognised by who holds the original",
)
_MOST_TOLD = 200
_OPENSLIDE = ("openslide.mpp-x", "openslide.mpp-y", "openslide.objective-power", "openslide.vendor")


@dataclass(frozen=True)
class Verified:
    """What came of opening the copy again: nothing was found, else there is none."""

    files: int
    size_bytes: int
    searched_values: int
    picture_bytes: int
    levels: int
    mpp: float | None


def make_copy(path: Path, folder: Path, naming: Naming) -> dict[str, Any]:
    """Writes the copy of a slide into `folder`, opens it again and tells of it, as JSON can.

    Raises SlideError: UnsupportedSlideError where it is not understood, IdentifyingMetadataError where something of
    what was left out is found in the copy.
    """
    plan = plan_slide(path, naming)
    for file in plan.files:
        _write(file, folder / file.name)
    found = _verify(path, plan, folder)
    counts = Counter(field.name for field in plan.removed)
    return {
        "format": plan.kind,
        "main": plan.main,
        "files": [file.name for file in plan.files],
        "removed": [{"field": name, "times": times} for name, times in counts.items()],
        "dates": "shifted" if plan.shifted else "removed",
        "kept_texts": [text for text in dict.fromkeys(plan.texts) if any(map(str.isalpha, text))][:_MOST_TOLD],
        "verified": {
            "files": found.files,
            "bytes_searched": found.size_bytes,
            "values_searched_for": found.searched_values,
            "encodings": ["utf-8", "utf-16-le", "utf-16-be", "latin-1"],
            "found": 0,
            "picture_bytes_compared": found.picture_bytes,
            "levels": found.levels,
            "mpp": found.mpp,
        },
        "not_looked_for": list(NOT_LOOKED_FOR),
    }


def _write(file: FilePlan, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    handle = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        os.ftruncate(handle, file.size)
        with opened_source(file.source) as source:
            for kept in file.kept:
                for place, data in source.pieces(kept.span):
                    os.pwrite(handle, data, kept.to + place - kept.span[0])
        for start, end in file.blanks:
            for place in range(start, end, PIECE_BYTES):
                os.pwrite(handle, bytes(min(PIECE_BYTES, end - place)), place)
        for place, data in file.written:
            os.pwrite(handle, data, place)
        os.fsync(handle)
    finally:
        os.close(handle)


def _verify(path: Path, plan: SlidePlan, folder: Path) -> Verified:
    """Opens the copy again: as a plan of its own, byte by byte, and as a slide."""
    again = plan_slide(folder / plan.main, Naming("again"))
    if again.removed:
        raise _still(in_words(again))
    own_names = {part for part in (path.stem, path.parent.name) if part}
    removed = (*plan.removed, Removed("the name of the file or its folder", tuple(own_names)))
    needles = needles_of(removed, plan.texts)
    compared = size = 0
    for file in plan.files:
        with opened_source(folder / file.name) as copy:
            pixels = merged((kept.to, kept.to + kept.span[1] - kept.span[0]) for kept in file.kept if kept.pixels)
            if left := still_there(copy, needles, pixels):
                raise _still(", ".join(sorted(left)[:3]))
            compared += _compare(file, folder / file.name)
            size += copy.size
    levels, mpp = _compare_slides(path, folder / plan.main, plan)
    return Verified(len(plan.files), size, len(needles), compared, levels, mpp)


def _still(what: str) -> IdentifyingMetadataError:
    return IdentifyingMetadataError(f"the copy was found to hold some of what it must not: {what}")


def _compare(file: FilePlan, target: Path) -> int:
    """Bytes of pictures that are the same in both, which are all but the blanks."""
    blanks, count = merged(file.blanks), 0
    with opened_source(file.source) as source, opened_source(target) as copy:
        for kept in file.kept:
            if not kept.pixels:
                continue
            for place, data in source.pieces(kept.span):
                to = kept.to + place - kept.span[0]
                expected = bytearray(data)
                for start, end in blanks:
                    if start < to + len(data) and end > to:
                        cut = slice(max(start - to, 0), min(end - to, len(data)))
                        expected[cut] = bytes(cut.stop - cut.start)
                if copy.take((to, to + len(data))) != expected:
                    raise CorruptSlideError("the copy shows other pixels", hint="is the disk damaged?")
                count += len(data)
    return count


def _compare_slides(path: Path, copy: Path, plan: SlidePlan) -> tuple[int, float | None]:
    """(levels, mpp) of the copy, which are those of the slide, for our readers and for OpenSlide. Raises SlideError."""
    with open_slide(path, mpp=FillIn(1.0)) as before, open_slide(copy, mpp=FillIn(1.0)) as after:
        sizes = [[level.size_px for level in slide.levels] for slide in (before, after)]
        same = _same_levels(sizes[0], sizes[1], plan) and before.size_px == after.size_px
        if not same or before.spacing.mpp != after.spacing.mpp or before.spacing.source != after.spacing.source:
            raise CorruptSlideError("the copy would be read at other sizes", hint="please report this")
        found = len(after.levels), None if after.spacing.source == "given" else after.spacing.mpp
    one, other = (_as_openslide_sees(each) for each in (path, copy))
    levels = one is not None and other is not None and _same_levels(one[0], other[0], plan) and one[1:] == other[1:]
    if one != other and not levels:
        raise CorruptSlideError("the copy would be read otherwise by OpenSlide", hint="please report this")
    return found


def _same_levels(before: Iterable[Pair], after: Iterable[Pair], plan: SlidePlan) -> bool:
    """Whether all levels are there; a label that was taken for one may lack."""
    before, after = list(before), list(after)
    missing = {size for size in before if size not in after}
    return [size for size in before if size in after] == after and missing <= set(plan.lost_px)


def _as_openslide_sees(path: Path) -> tuple[Any, ...] | None:
    import openslide

    try:
        with openslide.OpenSlide(path) as slide:
            return slide.level_dimensions, *(slide.properties.get(name) for name in _OPENSLIDE)
    except openslide.OpenSlideError:
        return None
