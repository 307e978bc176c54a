"""The labels of a proof: what each slide is by the laboratory's own diagnosis, whose it is, and how it was made.

Nothing here is computed. Patients' names are held in memory only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.batch.job import SlideJob, absolute
from app.commissioning.given.tables import Cells, code, one_of, read_csv
from wsi.errors import UsageError
from wsi.metadata import number

_NEEDED, _FURTHER = ("slide", "label"), ("patient", "case", "scanner", "stain", "mpp")
_MAX_MPP = 1000.0


@dataclass(frozen=True)
class Label:
    """What a row says of one slide. `patient` is the case where a case alone was told (`by_case`), and "" where nobody
    told either: the slide then counts as a patient of its own."""

    row: int
    slide: str
    label: str
    patient: str = ""
    scanner: str = ""
    stain: str = ""
    mpp: float | None = None
    by_case: bool = False


@dataclass(frozen=True)
class Labels:
    rows: tuple[Label, ...]
    sha256: str

    @property
    def tell_patients(self) -> bool:
        return all(row.patient for row in self.rows)


@dataclass(frozen=True)
class Material:
    """The slides of the proof with their labels; `unlabelled` slides were found and are not part of it."""

    jobs: tuple[SlideJob, ...]
    labels: tuple[Label, ...]
    unlabelled: int


def read_labels(path: Path, classes: Sequence[str]) -> Labels:
    """The rows of a CSV `slide,label[,patient][,case][,scanner][,stain][,mpp]`; labels are classes of the model.

    Raises UsageError with the row at fault.
    """
    rows, sha256 = read_csv(path, _NEEDED, _FURTHER)
    return Labels(tuple(_label(path.name, number, cells, classes) for number, cells in rows), sha256)


def match(labels: Labels, jobs: Sequence[SlideJob], folder: Path) -> Material:
    """The job of each label: by its path (relative to `folder`, where the CSV lies), else by its file's name.

    Raises UsageError for a label without a slide, with several, of a slide that cannot be tried, and for two labels of
    one slide.
    """
    by_path = {absolute(job.path): job for job in jobs}
    usable = [job for job in jobs if not job.problem]
    by_name: dict[str, list[SlideJob]] = {}
    for job in usable:
        by_name.setdefault(job.path.name, []).append(job)
    found: dict[Path, tuple[SlideJob, Label]] = {}
    for label in labels.rows:
        job = by_path.get(absolute(folder / label.slide)) or _by_name(label, by_name.get(Path(label.slide).name, []))
        if job.problem:
            raise UsageError(
                f"the labels' row {label.row}: the slide {job.problem}", hint="leave the row out, or mend it"
            )
        job = replace(job, label=label.label, mpp=job.mpp if label.mpp is None else label.mpp)
        if absolute(job.path) in found:
            raise UsageError(f"the labels' row {label.row} is a second one of its slide", hint="keep one of them")
        found[absolute(job.path)] = job, label
    chosen = tuple(found.values())
    return Material(tuple(job for job, _ in chosen), tuple(label for _, label in chosen), len(usable) - len(chosen))


def _by_name(label: Label, jobs: Sequence[SlideJob]) -> SlideJob:
    if len(jobs) != 1:
        what = "several slides have that name" if jobs else "no such slide was found"
        raise UsageError(f"the labels' row {label.row}: {what}", hint="write the slide's path, relative to the CSV")
    return jobs[0]


def _label(name: str, row: int, cells: Cells, classes: Sequence[str]) -> Label:
    if not cells["slide"] or "\0" in cells["slide"]:
        raise UsageError(f"{name}: row {row} names no slide", hint="leave such a row out")
    mpp = number(cells["mpp"]) if cells["mpp"] else None
    if cells["mpp"] and (mpp is None or not 0 < mpp < _MAX_MPP):
        raise UsageError(f"{name}: row {row} has an mpp that is no pixel size in um", hint="write it as 0.25")
    return Label(
        row=row,
        slide=cells["slide"],
        label=one_of(name, row, "label", cells["label"], classes),
        # A case of that name is no patient of that name.
        patient=cells["patient"] or (f"case {cells['case']}" if cells["case"] else ""),
        by_case=bool(cells["case"]) and not cells["patient"],
        scanner=code(name, row, "scanner", cells["scanner"]),
        stain=code(name, row, "stain", cells["stain"]),
        mpp=mpp,
    )
