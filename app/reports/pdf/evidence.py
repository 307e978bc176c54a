"""Why a person should look again, and where: each reason with pictures of its tiles, and the most telling regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.presentation import figures
from app.presentation.language import tell
from app.reports.content.places import ReasonTold, RegionTold
from app.reports.content.slide import ReportContent
from app.reports.pdf.parts import AMBER, AMBER_WASH, MM, SOFT, Style, Writer, swatch
from app.reports.pdf.text import marked
from app.reports.pictures.slide import TissuePictures
from app.slides.views import FIELD_PX, FIELD_UM

if TYPE_CHECKING:
    from reportlab.platypus import Flowable, Table

_ASPECT = FIELD_PX[1] / FIELD_PX[0]
_COLUMNS = 4
_TILE, _TILE_GAP = 25 * MM, 2 * MM
_PADDING = 9 + 8


def reason_notes(
    writer: Writer, content: ReportContent, pictures: TissuePictures, width: float, scale: float
) -> list[Flowable]:
    """A note a reason, pictures of its tiles on its right."""
    from reportlab.platypus import KeepTogether, Spacer

    if not content.reasons:
        return []
    notes: list[Flowable] = []
    heading = writer.heading(tell("Why a person should look again"))
    for reason in content.reasons:
        note = _reason(writer, reason, pictures, width)
        together = [heading, note] if not notes else [note]
        notes += [KeepTogether(together), Spacer(1, 1.6 * MM * scale)]
    return [*notes, Spacer(1, 3 * MM * scale)]


def _reason(writer: Writer, reason: ReasonTold, pictures: TissuePictures, width: float) -> Table:
    body = f"<b>{marked(reason.title)}</b><br/>{marked(reason.explanation)} <b>{marked(reason.what_to_do)}</b>"
    there = [(place, where) for place, where in zip(reason.places, reason.where, strict=True)]
    shown = [(pictures.fields[place], where) for place, where in there if place in pictures.fields]
    if not shown:
        if there:
            body += f"<br/>{marked(tell('Places, from the top left corner: {places}', places='; '.join(reason.where)))}"
        return writer.note(body, AMBER, AMBER_WASH, width)
    taken = len(shown) * (_TILE + _TILE_GAP)
    text = writer.text(body, size=9)
    tiles = [_tile(writer, reason.title, *one) for one in shown]
    row = writer.grid(
        [[text, *tiles]], [width - _PADDING - taken, *([_TILE + _TILE_GAP] * len(tiles))],
        [("LEFTPADDING", (1, 0), (-1, -1), _TILE_GAP)],
    )  # fmt: skip
    return writer.boxed([row], AMBER, AMBER_WASH, width)


def _tile(writer: Writer, title: str, picture: bytes, where: str) -> list[Flowable]:
    alt = tell("Tissue at {where}, of the reason: {title}", where=where, title=title)
    from reportlab.platypus import Spacer

    image = writer.picture(picture, alt, _TILE, _TILE * _ASPECT)
    return [image, Spacer(1, 2), writer.text(marked(where), size=7, color=SOFT)]


def region_cards(
    writer: Writer, content: ReportContent, pictures: TissuePictures, width: float, scale: float
) -> list[Flowable]:
    """The most telling regions in rows of four."""
    from reportlab.platypus import KeepTogether, Spacer

    if not content.regions:
        return []
    heading = writer.heading(tell("The most telling regions"))
    wide, high = (figures.length(um) for um in FIELD_UM)
    field = tell("Each picture shows {width} by {height}.", width=wide, height=high) if pictures.fields else ""
    note = tell(
        "The most suspicious first. Score: the model's probability of any tumour at that spot. Area: of the whole "
        "region. Place: from the top left corner of the slide."
    )
    top = [heading, writer.text(marked(f"{note} {field}".strip()), size=8, color=SOFT), Spacer(1, 1 * MM)]
    card_width = width / _COLUMNS
    rows: list[Flowable] = []
    for at in range(0, len(content.regions), _COLUMNS):
        cards: list[Any] = [
            _card(writer, one, pictures, card_width - 3 * MM, scale) for one in content.regions[at : at + _COLUMNS]
        ]
        cards += [""] * (_COLUMNS - len(cards))
        row = writer.grid([cards], [card_width] * _COLUMNS, _CARDS)
        rows += [KeepTogether([*top, row] if at == 0 else [row]), Spacer(1, 2.5 * MM * scale)]
    return [*rows, Spacer(1, 2.5 * MM * scale)]


_CARDS: Style = [("RIGHTPADDING", (0, 0), (-1, -1), 3 * MM)]


def _card(writer: Writer, region: RegionTold, pictures: TissuePictures, width: float, scale: float) -> list[Flowable]:
    from reportlab.platypus import Spacer

    parts: list[Flowable] = []
    if region.place in pictures.fields:
        alt = tell("Tissue of region {number}: {title}", number=region.number, title=region.title)
        width *= scale
        parts += [writer.picture(pictures.fields[region.place], alt, width, width * _ASPECT), Spacer(1, 2.5)]
    score = f"{tell('score')} {region.score}, " if region.score else ""
    told = f"<b>{region.number}</b>&nbsp; {swatch(region.colour, region.title)}<br/>{marked(score + region.area)}"
    return [*parts, writer.text(f"{told}<br/>{marked(region.where)}", size=8, leading=10)]
