"""The PDF report of a slide: what is on its pages and where. The words are `content`'s, the same as in HTML and JSON.

Which font shows which letter is in `text.py`, how a page is built in `document.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aggregate.result import SlideResult
from app.presentation.language import tell
from app.reports.content.options import ReportOptions
from app.reports.content.slide import ReportContent, describe
from app.reports.pdf.details import details
from app.reports.pdf.document import WIDTH, build_pdf
from app.reports.pdf.evidence import reason_notes, region_cards
from app.reports.pdf.first_page import call_block, decisions, masthead, overview, tissue_and_signing
from app.reports.pdf.measures import measures
from app.reports.pdf.parts import MM, Writer
from app.reports.pictures.heatmap import HeatmapPicture, draw_heatmap
from app.reports.pictures.slide import TissuePictures, take_pictures
from app.review.records import SlideRecord

if TYPE_CHECKING:
    from reportlab.platypus import Flowable


def render_pdf(result: SlideResult, record: SlideRecord | None = None, options: ReportOptions | None = None) -> bytes:
    """The report of one slide as PDF; the same result, record (what people decided on it), slide file and options give
    the same bytes."""
    options = options or ReportOptions()
    content = describe(result, record, options)
    pictures = take_pictures(result, options.slide_file, content.places)
    heatmap = draw_heatmap(result)  # pages may be laid out more than once

    def story(writer: Writer, scale: float) -> list[Flowable]:
        return _story(writer, content, heatmap, pictures, scale)

    return build_pdf(story, content, options)


def _story(
    writer: Writer, content: ReportContent, heatmap: HeatmapPicture, pictures: TissuePictures, scale: float
) -> list[Flowable]:
    """`scale` makes gaps and pictures smaller where a last page would hold next to nothing."""
    from reportlab.platypus import Spacer

    gap = Spacer(1, 4.5 * MM * scale)
    return [
        *masthead(writer, content, tell("slide report")),
        *call_block(writer, content, scale),
        *overview(writer, content, heatmap, pictures, scale),
        gap,
        *tissue_and_signing(writer, content),
        gap,
        *decisions(writer, content.review),
        *reason_notes(writer, content, pictures, WIDTH, scale),
        *region_cards(writer, content, pictures, WIDTH, scale),
        *measures(writer, content, WIDTH, scale),
        *details(writer, content, WIDTH, scale),
    ]
