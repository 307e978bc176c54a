"""What the report of a failed slide says: that there is no result, why, and that this says nothing about the tissue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.ledger.records import SlideRow
from app.presentation import figures, words
from app.presentation.language import forms, tell
from app.reports.content.model import Section
from app.reports.content.options import ReportOptions
from app.reports.content.reviewed import ReviewContent
from app.reports.content.slide import MAX_CASE, date_in_words
from wsi.text import escape, plain, unescape

FAILURE_FORMATS = ("html", "pdf", "json")
"""What there is of a slide that failed: it has neither tiles nor regions."""
_MAX_MESSAGE = 600


@dataclass(frozen=True)
class FailureContent:
    """`message` is the program's own line, English in every language."""

    language: str
    slide_id: str
    case: str
    written: str
    synthetic: str
    title: str
    explanation: str
    code: str
    message: str
    section: Section
    review: ReviewContent
    research_use: str


def describe_failure(row: SlideRow, options: ReportOptions) -> FailureContent:
    """The content of a failed slide's report in the language that is spoken."""
    return FailureContent(
        language=forms().code,
        slide_id=plain(row.slide_id),
        case=plain(options.case, MAX_CASE),
        written=date_in_words(options),
        synthetic="",
        title=tell("No result"),
        explanation=tell(
            "This slide could not be analysed. The model says nothing about it: neither that there is a tumour, nor "
            "that there is none. Read the slide without the model, or mend what is told below and run it again."
        ),
        code=plain(row.error_code),
        message=plain(row.message, _MAX_MESSAGE),
        section=_section(row),
        review=ReviewContent(tell("No decision can be recorded on a slide without a result."), False, ()),
        research_use=tell(words.RESEARCH_USE),
    )


def file_name(row: SlideRow) -> str:
    """The slide's file as a report tells it, without its folder."""
    return escape(Path(unescape(row.file)).name)


def _section(row: SlideRow) -> Section:
    rows = [
        (tell("File"), plain(file_name(row))),
        (tell("Pixel size"), "" if row.mpp is None else figures.pixel_size(row.mpp)),
        (tell("Model"), plain(row.model)),
        (tell("Time taken"), "" if row.seconds is None else figures.duration(row.seconds)),
    ]
    return Section(tell("Slide"), tuple(one for one in rows if one[1]))
