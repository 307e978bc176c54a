"""From the first bytes of a slide to the plan of its copy, by its format; and what is identifying in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wsi.deidentify import pictures
from wsi.deidentify.dicom.plan import is_dicom, plan_dicom
from wsi.deidentify.mirax.plan import is_mirax, plan_mirax
from wsi.deidentify.plan import Naming, NotUnderstoodError, SlidePlan
from wsi.deidentify.source import Source, opened_source
from wsi.deidentify.tiff.plan import plan_tiff
from wsi.errors import IdentifyingMetadataError, UnreadableFileError, UnsupportedSlideError
from wsi.readers.olympus.marks import is_vsi
from wsi.registry import check_file

Planner = Callable[[Path, Source, Naming], SlidePlan]
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NAMED = 5


def plan_slide(path: Path, naming: Naming) -> SlidePlan:
    """The plan of the copy of the slide at `path`.

    Raises SlideError: UnsupportedSlideError, whose message names no file, where the slide is not understood.
    """
    try:
        return _plan(path, naming)
    except NotUnderstoodError as why:
        raise UnsupportedSlideError(f"it is not understood well enough to be de-identified: {why}") from None


def refuse_identifying(path: Path, shown: str) -> None:
    """Raises IdentifyingMetadataError where the slide tells anything that its copy would not, or cannot be judged; and
    SlideError. `shown` is its name as it may be told."""
    try:
        plan = _plan(path, Naming("copy"))
    except NotUnderstoodError as why:
        raise IdentifyingMetadataError(
            f"{shown} cannot be shown to be free of what may identify a person: {why}",
            hint="docs/deidentify.md says which formats are known",
        ) from None
    if plan.removed:
        raise IdentifyingMetadataError(
            f"{shown} tells what may identify a person: {in_words(plan)}", hint="run `pulmoscope deidentify` on it"
        )


def in_words(plan: SlidePlan) -> str:
    """The fields that stay behind, the first few of them; never a value."""
    names = list(dict.fromkeys(field.name for field in plan.removed))
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _plan(path: Path, naming: Naming) -> SlidePlan:
    check_file(path)
    if path.is_dir():
        raise NotUnderstoodError("it is an OME-Zarr folder")
    if is_vsi(path):
        raise NotUnderstoodError("it is an Olympus VSI, whose tags, label and px lie in several files")
    try:
        with opened_source(path) as source:
            return _planner_of(path, source)(path, source, naming)
    except OSError as error:
        raise UnreadableFileError(f"{path.name} cannot be read to the end ({error.strerror})") from error


def _planner_of(path: Path, source: Source) -> Planner:
    if is_mirax(path):  # its own file may be a picture of any kind
        return plan_mirax
    if is_dicom(source):  # first: such a file may pass for a TIFF too
        return plan_dicom
    head = source.take((0, min(source.size, 8)))
    if head[:4] in _TIFF_STARTS:
        return plan_tiff
    if head.startswith(pictures.JPEG_START):
        return pictures.plan_jpeg
    if head == pictures.PNG_START:
        return pictures.plan_png
    raise NotUnderstoodError("it is of no format that is known here")
