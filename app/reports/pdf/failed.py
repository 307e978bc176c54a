"""The PDF report of a failed slide: one page that says why, and leaves room for a person's reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.ledger.records import SlideRow
from app.presentation.language import tell
from app.reports.content.failed import FailureContent, describe_failure
from app.reports.content.options import ReportOptions
from app.reports.pdf.document import WIDTH, build_pdf
from app.reports.pdf.first_page import masthead, room_to_sign
from app.reports.pdf.parts import MM, Writer
from app.reports.pdf.text import marked

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

_RED, _RED_WASH = "#8C1D13", "#FDF1EF"


def render_failure_pdf(row: SlideRow, options: ReportOptions) -> bytes:
    """The report of a slide that failed, as PDF."""
    content = describe_failure(row, options)
    return build_pdf(lambda writer, _scale: _story(writer, content), content, options)


def _story(writer: Writer, content: FailureContent) -> list[Flowable]:
    from reportlab.platypus import Spacer

    gap = Spacer(1, 5 * MM)
    told = [writer.text(f"<b>{marked(content.code)}</b>", size=10), writer.text(marked(content.message), size=9.5)]
    return [
        *masthead(writer, content, tell("slide report")),
        gap,
        writer.text(f"<b>{marked(content.title)}</b>", size=22, leading=27, color=_RED, kind="H2"),
        writer.text(marked(content.explanation)),
        gap,
        writer.heading(tell("Why there is none")),
        writer.boxed(told, _RED, _RED_WASH, WIDTH),
        gap,
        writer.heading(content.section.title),
        writer.facts(content.section.rows, WIDTH, 0.24),
        gap,
        *room_to_sign(writer, WIDTH),
    ]
