"""The report of a case as PDF: its call, why to look again, its slides as a table and as heatmaps beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.presentation.colours import INK
from app.presentation.language import tell
from app.reports.case.content import CaseContent, CaseSlideTold
from app.reports.content.options import ReportOptions
from app.reports.pdf.document import WIDTH, build_pdf
from app.reports.pdf.first_page import decisions, masthead, room_to_sign
from app.reports.pdf.parts import AMBER, AMBER_WASH, GREEN, LINE, MM, SOFT, Style, Writer
from app.reports.pdf.text import marked

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

_COLUMNS = 3
_SHARES = (0.08, 0.2, 0.2, 0.17, 0.09, 0.1, 0.16)
_PICTURE_HEIGHT = 46 * MM


def render_pdf(content: CaseContent, options: ReportOptions) -> bytes:
    """The document; the same content gives the same bytes."""
    return build_pdf(lambda writer, scale: _story(writer, content, scale), content, options, title=tell("Case report"))


def _story(writer: Writer, content: CaseContent, scale: float) -> list[Flowable]:
    from reportlab.platypus import KeepTogether, Spacer

    gap = Spacer(1, 4.5 * MM * scale)
    signed = content.review.signed
    return [
        *masthead(writer, content, tell("case report")),
        gap,
        writer.text(marked(content.origin), color=SOFT),
        writer.text(f"<b>{marked(content.call)}</b>", size=22, leading=26, kind="H2"),
        writer.text(f"<b>{marked(content.review.status)}</b>", color=GREEN if signed else INK),
        gap,
        *_reasons(writer, content),
        writer.heading(tell("The slides of the case")),
        _table(writer, content),
        Spacer(1, 2),
        writer.text(marked(content.note), size=7.5, color=SOFT),
        gap,
        *_pictures(writer, content, scale),
        *decisions(writer, content.review),
        *([] if signed else [KeepTogether(room_to_sign(writer, WIDTH))]),
    ]


def _reasons(writer: Writer, content: CaseContent) -> list[Flowable]:
    from reportlab.platypus import Spacer

    if not content.reasons:
        return []
    parts: list[Flowable] = [writer.heading(tell("Why a person should look again"))]
    for _, reason in content.reasons:
        body = f"<b>{marked(reason.title)}</b><br/>{marked(reason.explanation)} <b>{marked(reason.what_to_do)}</b>"
        parts += [writer.note(body, AMBER, AMBER_WASH, WIDTH), Spacer(1, 1.6 * MM)]
    return [*parts, Spacer(1, 3 * MM)]


def _table(writer: Writer, content: CaseContent) -> Flowable:
    names = (tell("Block"), tell("Slide"), tell("Call"), tell("Part in the call"), tell("Score"), tell("Tumour"))
    rows = []
    with writer.within("Table"):
        with writer.within("TR"):
            heads = (*names, tell("Signed"))
            rows.append([writer.cell(marked(name), "TH", scope="Column", size=7.5, color=SOFT) for name in heads])
        for one in content.slides:
            told = (one.block, one.slide_id, one.call, one.role, one.score, one.tumour, one.review)
            with writer.within("TR"):
                rows.append([writer.cell(marked(text), "TD", size=8, leading=9.8) for text in told])
    style: Style = [("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE), ("BOTTOMPADDING", (0, 0), (-1, -1), 1.6)]
    style.append(("RIGHTPADDING", (0, 0), (-1, -1), 5))
    return writer.grid(rows, [WIDTH * share for share in _SHARES], style)


def _pictures(writer: Writer, content: CaseContent, scale: float) -> list[Flowable]:
    from reportlab.platypus import KeepTogether, Spacer

    parts: list[Flowable] = []
    for at in range(0, len(content.slides), _COLUMNS):
        cards: list[Any] = [_card(writer, one, scale) for one in content.slides[at : at + _COLUMNS]]
        cards += [""] * (_COLUMNS - len(cards))
        row = writer.grid([cards], [WIDTH / _COLUMNS] * _COLUMNS, [("RIGHTPADDING", (0, 0), (-1, -1), 4 * MM)])
        parts += [KeepTogether([row]), Spacer(1, 4 * MM * scale)]
    return parts


def _card(writer: Writer, one: CaseSlideTold, scale: float) -> list[Flowable]:
    from reportlab.platypus import Spacer

    parts: list[Flowable] = []
    if one.picture:
        width, height = one.picture_px
        shrunk = min((WIDTH / _COLUMNS - 4 * MM) / width, _PICTURE_HEIGHT / height) * scale
        alt = tell("Heatmap of slide {slide}: {call}", slide=one.slide_id, call=one.call)
        parts += [writer.picture(one.picture, alt, width * shrunk, height * shrunk), Spacer(1, 2)]
    told = f"<b>{marked(f'{one.block} {one.slide_id}'.strip())}</b><br/>{marked(f'{one.call}, {one.role}')}"
    return [*parts, writer.text("<br/>".join((told, *map(marked, one.reasons))), size=8, leading=10)]
