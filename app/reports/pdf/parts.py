"""What a page is made of: text, tables, pictures, notes; each with its place in the document's structure. Knows no
result."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.presentation.colours import INK
from app.reports.pdf.flowables import Bar, Drawing, Picture, Pie, grid_of, paragraph_of
from app.reports.pdf.tags import Node, Tags
from app.reports.pdf.text import SIGN_FONT, TEXT_FONT, marked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reportlab.platypus import Flowable, Table

MM = 72 / 25.4
FONT_SCALE = 0.9  # the letters of Vera are that much larger than others of their size
ACCENT, SOFT, LINE, WASH = "#1F5F7A", "#5B6675", "#DFE3E8", "#F5F7F9"
GREEN, AMBER, AMBER_WASH = "#1C5C46", "#D99A1C", "#FFFAF0"

Style = list[tuple[Any, ...]]


class Writer:
    """Makes parts and notes down in `tags` what they are, in the order in which they are made."""

    def __init__(self) -> None:
        self.tags = Tags()

    @contextmanager
    def within(self, kind: str, **more: Any) -> Iterator[None]:
        with self.tags.within(kind, **more):
            yield

    def text(
        self,
        markup: str,
        *,
        size: float = 9.5,
        leading: float = 0,
        color: str = INK,
        align: str = "left",
        kind: str = "P",
        **more: Any,
    ) -> Flowable:
        """A paragraph of ReportLab's markup."""
        node = self.tags.leaf(kind, **more) if kind else None
        return paragraph_of(markup, node, TEXT_FONT, size * FONT_SCALE, leading or size * 1.38, color, align)

    def heading(self, title: str, kind: str = "H2") -> Flowable:
        return self.text(f"<b>{marked(title.upper())}</b>", size=8, color=ACCENT, leading=13, kind=kind)

    def note(self, markup: str, edge: str, wash: str, width: float) -> Table:
        """A paragraph on a tinted ground with a coloured left edge."""
        return self.boxed([self.text(markup, size=9)], edge, wash, width)

    def boxed(self, parts: Sequence[Any], edge: str, wash: str, width: float) -> Table:
        """Parts below each other on a tinted ground with a coloured left edge."""
        style: Style = [
            ("BACKGROUND", (0, 0), (-1, -1), wash),
            ("LINEBEFORE", (0, 0), (0, -1), 3, edge),
            ("LEFTPADDING", (0, 0), (-1, -1), 9),
            ("RIGHTPADDING", (0, 0), (-1, -1), 8),
            ("TOPPADDING", (0, 0), (-1, -1), 4.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 5.5),
        ]
        return self.grid([[list(parts)]], [width], style)

    def grid(
        self,
        rows: Sequence[Sequence[Any]],
        widths: Sequence[float],
        style: Style,
        heights: Sequence[float | None] | None = None,
    ) -> Table:
        """Parts beside and below each other: a matter of looks, no table to a reader."""
        bare: Style = [("FONTNAME", (0, 0), (-1, -1), TEXT_FONT)]
        bare += [("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 0)]
        bare += [("TOPPADDING", (0, 0), (-1, -1), 2), ("BOTTOMPADDING", (0, 0), (-1, -1), 0)]
        return grid_of(rows, widths, [*bare, ("VALIGN", (0, 0), (-1, -1), "TOP"), *style], heights)

    def facts(self, rows: Sequence[tuple[str, str]], width: float, label_share: float, scale: float = 1.0) -> Table:
        """Two columns: what it is, and its figure; `scale` makes room between rows smaller."""
        size, leading = 8, 9.6
        cells = []
        with self.within("Table"):
            for label, value in rows:
                with self.within("TR"):
                    cells.append(
                        [
                            self.cell(marked(label), "TH", size=size, leading=leading, color=SOFT, scope="Row"),
                            self.cell(marked(value), "TD", size=size, leading=leading),
                        ]
                    )
        style: Style = [*rows_apart(scale), ("RIGHTPADDING", (0, 0), (0, -1), 5)]
        return self.grid(cells, [width * label_share, width * (1 - label_share)], style)

    def cell(self, markup: str, kind: str, *, scope: str = "", **looks: Any) -> Flowable:
        """The text of one cell of a table."""
        with self.within(kind, scope=scope):
            return self.text(markup, **looks)

    def items(self, lines: Sequence[str], language: str = "") -> list[Flowable]:
        """A list; `language` where it is not the document's."""
        with self.within("L", language=language):
            parts = []
            for line in lines:
                with self.within("LI"):
                    parts.append(self.text(f"•&nbsp; {marked(line)}", size=8.5, kind="LBody"))
            return parts

    def figure(self, drawing: type[Drawing], alt: str, *arguments: Any) -> Flowable:
        """A picture, pie or bar; `alt` is what is read out."""
        node = self.tags.leaf("Figure", alt=alt)
        return drawing(node, *arguments)

    def picture(self, image: bytes, alt: str, width: float, height: float) -> Flowable:
        """A PNG or JPEG."""
        return self.figure(Picture, alt, io.BytesIO(image), width, height)


def rows_apart(scale: float = 1.0) -> Style:
    """A line below each row of a table, and room around its text."""
    room: Style = [("TOPPADDING", (0, 0), (-1, -1), 2.0 * scale), ("BOTTOMPADDING", (0, 0), (-1, -1), 1.6 * scale)]
    return [("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE), *room]


def swatch(colour: str, title: str) -> str:
    """Markup: a square in a colour before a title."""
    # The space between does not break: a swatch at the end of a line would be that of the next one's title.
    return f"<font name='{SIGN_FONT}' color='{colour}'>\u25a0</font>\u00a0{marked(title)}"


__all__ = ["Bar", "Node", "Picture", "Pie", "Writer", "rows_apart", "swatch"]
