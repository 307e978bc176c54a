"""What is written of one stored result, and of all: reports for people and the forms for other programs, as names and
bytes. One slide is held at a time; what renders a form is loaded when it is asked for. Writes no file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aggregate.measures import Measures, measure
from aggregate.result import SlideResult, SlideStatus
from aggregate.result_folder import committed_digests
from aggregate.store import load
from app.exchange.fhir import VERSIONS
from app.ledger.records import SlideRow
from app.presentation.language import speaking
from app.reports import (
    FAILURE_FORMATS,
    FORMATS,
    WITH_PICTURES,
    Asked,
    ReportOptions,
    Watched,
    cohort_files,
    render,
    render_failure,
)
from app.reports.cohort import measures
from app.reports.names import report_stem
from app.review.people import Person
from app.review.records import ReviewState, SlideRecord
from app.review.reviews import Reviews
from app.slides.files import find_slide_file
from wsi.errors import UsageError
from wsi.text import unescape

if TYPE_CHECKING:
    from app.exchange.qupath import QuPathProject

EXCHANGE_FORMATS = ("fhir", "dicom", "parquet")
# One of all slides, where the others are one a slide.
PROJECT_FORMATS = ("qupath",)
TABLE = "cohort.parquet"
File = tuple[str, bytes]
"""Name and content."""


@dataclass(frozen=True)
class Wanted:
    """`formats` are those of `reports.FORMATS`, EXCHANGE_FORMATS and PROJECT_FORMATS; `whole_canvas` is for GeoJSON,
    `fhir` its version, `asked` for what `reports` renders, `watched` what the cohort's page tells of drift. `beside` is
    the folder that is written to, None for an archive.

    Raises UsageError for what there is not.
    """

    formats: tuple[str, ...]
    whole_canvas: bool = False
    fhir: str = VERSIONS[0]
    asked: Asked = field(default_factory=Asked)
    beside: Path | None = None
    watched: Watched | None = None

    def __post_init__(self) -> None:
        known = (*FORMATS, *EXCHANGE_FORMATS, *PROJECT_FORMATS)
        unknown = [name for name in self.formats if name not in known]
        if unknown or not self.formats:
            raise UsageError(f"--format {','.join(unknown) or '(none)'}", hint=f"choose from {', '.join(known)}")
        if self.fhir not in VERSIONS:
            raise UsageError(f"there is no FHIR version {self.fhir} here", hint=f"choose from {', '.join(VERSIONS)}")

    @property
    def pages(self) -> tuple[str, ...]:
        """Those that `reports` renders."""
        return tuple(name for name in self.formats if name in FORMATS)


@dataclass(frozen=True)
class _Listed:
    """A row and where it lies, for who looks for its slide."""

    row: SlideRow
    folder: Path
    result_path: Path


@dataclass(frozen=True)
class Rendered:
    """The files of one slide, and what the tables of all need of it. `decided`: what people decided is of this very
    result."""

    slide_id: str
    files: tuple[File, ...]
    row: SlideRow
    measured: Measures | None
    decided: bool


@dataclass
class Export:
    """Renders slide after slide, and then the tables of those it was given. `rows` may hold further slides from the
    start. With `hide`, nothing is told that is hidden from `reader` (None: from somebody unknown)."""

    wanted: Wanted
    reviews: Reviews
    rows: dict[str, SlideRow] = field(default_factory=dict)
    reader: Person | None = None
    hide: bool = False
    _states: dict[str, ReviewState] | None = None
    _project: QuPathProject | None = None
    _measures: dict[str, Measures | None] = field(default_factory=dict)

    def slide(self, result: SlideResult, path: Path) -> Iterator[File]:
        """The files of one result that is stored at `path`, as its formats ask.

        Raises UsageError (highdicom is not installed), ReviewError, StoreError (a slide id that is no file name).
        """
        record = self._record(result, path)
        stem, wanted = report_stem(result.slide_id), self.wanted
        row = self.rows.setdefault(result.slide_id, SlideRow.of_result(result))
        options = self._options(row, result, path)
        if "csv" in wanted.pages:
            self._measures[result.slide_id] = measure(result)
        for name in wanted.pages:
            yield f"{stem}.{name}", render(result, name, record, options)
        yield from exchange_files(result, wanted, record, Path(unescape(row.file)))
        if "qupath" in wanted.formats:
            yield from self._in_project(row, result, path, record)

    def rendered(self, result: SlideResult, path: Path) -> Rendered:
        """As `slide`, all at once, to be handed to another process' `take`."""
        files = tuple(self.slide(result, path))
        slide_id = result.slide_id
        decided = slide_id in self.states
        return Rendered(slide_id, files, self.rows.pop(slide_id), self._measures.pop(slide_id, None), decided)

    def take(self, done: Rendered) -> Iterator[File]:
        """The files of a slide that was rendered elsewhere; the tables will tell of it."""
        self.rows.setdefault(done.slide_id, done.row)
        if "csv" in self.wanted.pages:
            self._measures[done.slide_id] = done.measured
        if not done.decided:
            self.states.pop(done.slide_id, None)
        return iter(done.files)

    def stored(self, path: Path) -> Iterator[File]:
        """As `slide`, of what lies at `path`. Raises StoreError, ResultAlteredError besides."""
        return self.slide(load(path), path)

    def failures(self) -> Iterator[File]:
        """The reports of all slides that failed, in the formats that there are for one. Raises StoreError (a slide id
        that is no file name)."""
        for row in self.rows.values():
            for name in self.wanted.pages:
                if row.status is SlideStatus.FAILED and name in FAILURE_FORMATS:
                    yield (
                        f"{report_stem(row.slide_id)}.{name}",
                        render_failure(row, name, self.wanted.asked.options(row)),
                    )

    def tables(self) -> Iterator[File]:
        """The tables of all rows: of a cohort, as Parquet and of measures where these are asked for. Raises
        ReviewError."""
        wanted, asked = self.wanted, self.wanted.asked
        yield from cohort_files(
            self.rows.values(), wanted.pages, self.states, asked.language, asked.cases, wanted.watched
        )
        yield from table_files(self.rows.values(), self.wanted.formats)
        if "csv" in self.wanted.pages:
            with speaking(self.wanted.asked.language):
                yield measures.FILE, measures.measures_bytes(self._measures)

    def project(self) -> Iterator[File]:
        """What a project of all slides has besides the slides' own, where one is asked for."""
        if self._project is not None:
            yield from self._project.files()

    @property
    def states(self) -> dict[str, ReviewState]:
        """How far people are, by slide. Raises ReviewError."""
        if self._states is None:
            self._states = self.reviews.states(seen_by=self.reader) if self.hide else self.reviews.states()
        return self._states

    def _in_project(self, row: SlideRow, result: SlideResult, path: Path, record: SlideRecord | None) -> Iterator[File]:
        from app.exchange.qupath import QuPathProject

        asked = self.wanted.asked
        if self._project is None:
            self._project = QuPathProject(self.wanted.beside, asked.written)
        file = find_slide_file(_Listed(row, path.parent, path), result.slide, asked.slides)
        whole = self.wanted.whole_canvas
        yield from self._project.add(result, record, file.path if file else None, whole_canvas=whole)

    def _options(self, row: SlideRow, result: SlideResult, path: Path) -> ReportOptions:
        """With the slide's file, where a report shows pictures and it is at hand."""
        asked = replace(self.wanted.asked, whole_canvas=self.wanted.whole_canvas)
        if not set(self.wanted.pages) & set(WITH_PICTURES):
            return asked.options(row)
        file = find_slide_file(_Listed(row, path.parent, path), result.slide, asked.slides)
        return asked.options(row, file.path if file else None)

    def _record(self, result: SlideResult, path: Path) -> SlideRecord | None:
        """What people decided on this very result; of a slide that was run anew since, the state is taken back."""
        state = self.states.get(result.slide_id)
        if state is None:
            return None
        digest = committed_digests(path)["result_sha256"]
        if state.result_sha256 != digest:
            self.states.pop(result.slide_id)
        record = self.reviews.record(result.slide_id, digest)
        return self.reviews.seen_by(record, self.reader) if self.hide else record


def exchange_files(
    result: SlideResult, wanted: Wanted, record: SlideRecord | None = None, slide: Path | None = None
) -> Iterator[File]:
    """`<slide_id>.fhir.json`, `.seg.dcm`, `.pm.dcm`, `.sr.dcm`, `.tiles.parquet`, as `wanted` says.

    `slide` is the slide's own file, if it is at hand: DICOM objects refer to it where it is DICOM. Raises UsageError
    (highdicom is not installed), StoreError (a slide id that is no file name).
    """
    stem = report_stem(result.slide_id)
    if "fhir" in wanted.formats:
        from app.exchange.fhir import render_fhir

        yield f"{stem}.fhir.json", render_fhir(result, record, wanted.fhir)
    if "dicom" in wanted.formats:
        from app.exchange.dicom import render_dicom

        for ending, content in render_dicom(result, slide, record).items():
            yield f"{stem}{ending}", content
    if "parquet" in wanted.formats:
        from app.exchange.parquet import render_tiles

        yield f"{stem}.tiles.parquet", render_tiles(result)


def table_files(rows: Iterable[SlideRow], formats: Sequence[str]) -> Iterator[File]:
    """`cohort.parquet`, if `formats` ask for it."""
    if "parquet" in formats:
        from app.exchange.parquet import render_parquet

        yield TABLE, render_parquet(list(rows))
