"""Slides with a label each, from a CSV, and where their features lie: results of `run`, or .h5 files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from aggregate.result_folder import SUFFIX, is_complete, load_summary, stored_results
from aggregate.slide_model.bags import LabelledBag
from classifier.model_folder.card import is_class_name
from wsi.errors import DatasetError
from wsi.files.csv_cells import as_written
from wsi.files.reading import read_regular
from wsi.text import plain

COLUMNS = "slide,label[,patient][,case][,site]"
FEATURE_SUFFIXES = (".h5", ".hdf5")
MAX_SLIDES = 200_000
_MAX_BYTES = 64 << 20
_KNOWN = {"slide", "label", "patient", "case", "site", "mpp"}
Warn = Callable[[str], None]


@dataclass(frozen=True)
class LabelledSlides:
    """Slides in order of their ids. `classes` are sorted, unless they were given in an order. `has_patients`: the list
    says whose slides they are; else a case counts as a patient, and a slide of no case too."""

    slides: tuple[LabelledBag, ...]
    classes: tuple[str, ...]
    has_patients: bool

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) class indices."""
        return np.array([slide.label for slide in self.slides], np.int64)

    @property
    def patients(self) -> list[str]:
        return [slide.patient for slide in self.slides]

    @property
    def sites(self) -> list[str]:
        return [slide.site for slide in self.slides] if any(slide.site for slide in self.slides) else []

    def digest(self) -> str:
        """SHA-256 over features, labels and groups: which training this is."""
        told = [(s.slide_id, s.label, s.patient, s.site, s.sha256()) for s in self.slides]
        return hashlib.sha256(json.dumps([self.classes, told]).encode()).hexdigest()


def read_labelled(
    labels: Path,
    results: Sequence[Path],
    warn: Warn,
    classes: Sequence[str] = (),
    cases: Mapping[str, str] | None = None,
) -> LabelledSlides:
    """The slides that have both a label and features. `classes`, where given, are all there may be, in their order;
    `cases` are those that the runs were told, by slide id: the list's own go before them, and patients before both.

    Raises DatasetError.
    """
    rows = list(_rows(labels))
    found = _places(results)
    slides: dict[str, tuple[Mapping[str, str], Path]] = {}
    without = 0
    for line, cells in rows:
        place = _place(found, cells["slide"], line, labels)
        if place is None:
            without += 1
            continue
        slide_id, path = place
        if slide_id in slides:
            raise DatasetError(f"{labels.name}, line {line}: {plain(slide_id, 60)} has a label already")
        slides[slide_id] = (cells, path)
    if without:
        warn(f"{without} of {len(rows)} labelled slides have no result among those given: they are left out")
    sites = sorted({cells.get("site", "") for cells, _ in slides.values()} - {""})
    if sites:
        warn("; ".join(f"site {i} is {plain(site, 40)}" for i, site in enumerate(sites[:20], start=1)))
    names = _classes([cells["label"] for cells, _ in slides.values()], classes, labels)
    has_patients = any(cells.get("patient") for cells, _ in slides.values())
    if not has_patients:
        warn(_without_patients(slides, cases or {}))
    return LabelledSlides(
        tuple(
            LabelledBag(
                slide_id,
                path,
                names.index(cells["label"]),
                # Patients of two sites may share a number.
                f"{cells.get('site', '')}|{cells.get('patient') or _case(slide_id, cells, cases or {}) or slide_id}",
                # A site's name leaves the list no more than a patient's.
                f"site {sites.index(site) + 1}" if (site := cells.get("site", "")) else "",
            )
            for slide_id, (cells, path) in sorted(slides.items())
        ),
        names,
        has_patients,
    )


def _case(slide_id: str, cells: Mapping[str, str], cases: Mapping[str, str]) -> str:
    """The case of a slide, told apart from a patient or a slide of that name; empty where none was told."""
    case = cells.get("case") or cases.get(slide_id)
    return f"case {case}" if case else ""


def _without_patients(slides: Mapping[str, tuple[Mapping[str, str], Path]], cases: Mapping[str, str]) -> str:
    if any(_case(slide_id, cells, cases) for slide_id, (cells, _) in slides.items()):
        return "the list has no patients: each case counts as one, and cases of one patient leak between folds"
    return "the list has no patients: each slide counts as one, and slides of one patient leak between folds"


def feature_files(results: Sequence[Path]) -> list[Path]:
    """Results and .h5 files: each path itself, or those directly in a folder. Raises DatasetError where one has
    none."""
    found = []
    for path in results:
        if (path.suffix.lower() in FEATURE_SUFFIXES and path.is_file()) or (
            path.suffix == SUFFIX and is_complete(path)
        ):
            here = [path]
        else:
            there = sorted(path.iterdir()) if path.is_dir() else []
            here = stored_results(path) + [one for one in there if one.suffix.lower() in FEATURE_SUFFIXES]
        if not here:
            raise DatasetError(
                f"{path} holds no results and no .h5 features", hint="give the --out of `pulmoscope run`"
            )
        found += here
    return found


def _places(results: Sequence[Path]) -> dict[str, set[tuple[str, Path]]]:
    """(slide id, path) by everything that a list may call the slide: its id, its file's name, with and without end."""
    found: dict[str, set[tuple[str, Path]]] = defaultdict(set)
    for path in feature_files(results):
        if path.suffix == SUFFIX:
            told = load_summary(path)
            slide_id, file = str(told["slide_id"]), str(told["slide"]["file"])
        else:
            slide_id = file = path.stem
        for name in {slide_id, file, PurePosixPath(file).stem}:
            found[name].add((slide_id, path))
    return found


def _place(found: Mapping[str, set[tuple[str, Path]]], slide: str, line: int, labels: Path) -> tuple[str, Path] | None:
    name = PurePosixPath(slide.replace("\\", "/")).name
    for called in (slide, name, PurePosixPath(name).stem):
        if places := found.get(called):
            if len(places) > 1:
                raise DatasetError(
                    f"{labels.name}, line {line}: several results are called {plain(called, 60)}",
                    hint="write the slide's id, as slides.csv has it",
                )
            return next(iter(places))
    return None


def _classes(labels: Sequence[str], given: Sequence[str], path: Path) -> tuple[str, ...]:
    named = sorted(set(labels))
    if odd := [name for name in named if not is_class_name(name)]:
        raise DatasetError(
            f"{path.name}: {plain(odd[0], 60)!r} cannot be a class", hint="letters, digits, blanks, _ and -, at most 60"
        )
    if given and not set(named) <= set(given):
        raise DatasetError(f"{path.name}: {sorted(set(named) - set(given))[0]} is none of {', '.join(given)}")
    if len(given or named) < 2:
        raise DatasetError(f"{path.name}: it takes slides of two classes, with results, to tell them apart")
    return tuple(given or named)


def _rows(labels: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by column). Raises DatasetError."""
    try:
        text = read_regular(labels, _MAX_BYTES).decode("utf-8-sig")
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [cell.strip().casefold() for cell in next(rows, [])]
        if not {"slide", "label"} <= set(header) or not set(header) <= _KNOWN or len(set(header)) != len(header):
            raise DatasetError(f"{labels.name} has not the columns {COLUMNS}")
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            row = {name: as_written(cell.strip()) for name, cell in zip(header, cells, strict=True)}
            if not row["slide"] or not row["label"]:
                raise DatasetError(f"{labels.name}, line {rows.line_num}: no slide, or no label")
            if rows.line_num > MAX_SLIDES:
                raise DatasetError(f"{labels.name} has more than {MAX_SLIDES:,} lines")
            yield rows.line_num, row
    except OSError as error:
        raise DatasetError(f"{labels.name} cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise DatasetError(f"{labels.name} is no CSV in UTF-8 with {COLUMNS}") from error
