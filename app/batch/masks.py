"""Which of a folder's tissue masks is which slide's: by the slide's id, or by the name of its file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.batch.job import SlideJob
from wsi.errors import UsageError
from wsi.files.reading import is_regular

ENDINGS = (".geojson", ".json", ".png", ".tif", ".tiff")


def with_masks(jobs: Sequence[SlideJob], folder: Path) -> list[SlideJob]:
    """Each job with its mask, `ID.geojson` or `FILE NAME[.ENDING].geojson` (or `.json`, `.png`, `.tif`, `.tiff`); one
    without stays so, and will say it in its row.

    A name that two slides share is no slide's, but an id is. Raises UsageError for a folder that is none, and where two
    files are one slide's.
    """
    if not folder.is_dir():
        raise UsageError(f"--tissue-mask {folder} is not a folder", hint="give one of masks called by the slides' ids")
    stems = Counter(job.path.stem for job in jobs)
    return [replace(job, mask=_mask_of(job, folder, alone=stems[job.path.stem] == 1)) for job in jobs]


def masks_of_none(jobs: Sequence[SlideJob], folder: Path) -> str:
    """A line where masks lie there that are no slide's of these jobs: a name may be wrong. It names none of them, since
    names may tell whose slides they are; "" where each is one's."""
    known = {job.mask for job in jobs}
    there = [path for path in folder.iterdir() if path.suffix in ENDINGS and is_regular(path)]
    count = sum(path not in known for path in there)
    return f"{count} of {len(there)} files in --tissue-mask are no slide's of this run" if count else ""


def _mask_of(job: SlideJob, folder: Path, *, alone: bool) -> Path | None:
    names = [job.slide_id, *((job.path.name, job.path.stem) if alone else ())]
    for name in dict.fromkeys(name for name in names if name):
        found = [path for ending in ENDINGS if is_regular(path := folder / f"{name}{ending}")]
        if len(found) > 1:
            raise UsageError(f"{found[0].name} and {found[1].name} are one slide's masks", hint="keep one of them")
        if found:
            return found[0]
    return None
