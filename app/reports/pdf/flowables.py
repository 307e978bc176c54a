"""ReportLab's paragraphs, tables and pictures, each of which marks what it draws with its node of the structure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.platypus import Flowable, Paragraph, Table

from app.reports.pdf.tags import Node, marked_as

_WHITE, _FRAME = "#FFFFFF", "#C9CFD6"
_HAIR = 0.0005
"""A slice or share below this is not drawn."""


class _Paragraph(Paragraph):
    node: Node | None = None

    def draw(self) -> None:
        with marked_as(self.canv, self.node):
            super().draw()

    def split(self, width: float, height: float) -> list[Any]:
        parts = super().split(width, height)
        for part in parts:
            part.node = self.node
        return list(parts)


class _Grid(Table):
    """A table whose grounds and rules are artifacts; what stands in its cells marks itself."""

    def _drawBkgrnd(self) -> None:  # noqa: N802 (ReportLab's name)
        with marked_as(self.canv, None):
            super()._drawBkgrnd()

    def _drawLines(self) -> None:  # noqa: N802
        with marked_as(self.canv, None):
            super()._drawLines()


class Drawing(Flowable, ABC):
    """Something of a known size, pt, that is drawn as one figure; without a node it is an artifact."""

    def __init__(self, node: Node | None, width: float, height: float) -> None:
        super().__init__()
        self.node, self.width, self.height = node, width, height
        self.hAlign = "LEFT"

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        if self.node is not None:
            x, y = self.canv.absolutePosition(0, 0)
            self.node.box = (x, y, x + self.width, y + self.height)
        with marked_as(self.canv, self.node):
            self.paint()

    @abstractmethod
    def paint(self) -> None:
        """Draws it from (0, 0) to its size."""


class Picture(Drawing):
    """A PNG or JPEG, from a file in memory, in a thin frame: where the slide ends is seen against the paper."""

    def __init__(self, node: Node | None, file: Any, width: float, height: float) -> None:
        super().__init__(node, width, height)
        self._image = ImageReader(file)

    def paint(self) -> None:
        self.canv.drawImage(self._image, 0, 0, self.width, self.height)
        self.canv.setStrokeColor(_FRAME)
        self.canv.setLineWidth(0.5)
        self.canv.rect(0, 0, self.width, self.height, stroke=1, fill=0)


class Pie(Drawing):
    """`slices` are (share, colour); all shares add up to 1. A slice that is a hair is left out: the rest is whole."""

    def __init__(self, node: Node | None, side: float, slices: Sequence[tuple[float, str]]) -> None:
        super().__init__(node, side, side)
        seen = [(share, colour) for share, colour in slices if share >= _HAIR]
        total = sum(share for share, _ in seen)
        self._slices = [(share / total, colour) for share, colour in seen]

    def paint(self) -> None:
        self.canv.setStrokeColor(_WHITE)
        self.canv.setLineWidth(1)
        if len(self._slices) == 1:
            self.canv.setFillColor(self._slices[0][1])
            self.canv.circle(self.width / 2, self.height / 2, self.width / 2, stroke=0, fill=1)
            return
        start = 90.0
        for share, colour in self._slices:
            self.canv.setFillColor(colour)
            self.canv.wedge(0, 0, self.width, self.height, start, -360 * share, stroke=1, fill=1)
            start -= 360 * share


class Bar(Drawing):
    """One stacked bar of (share, colour)."""

    def __init__(self, node: Node | None, width: float, height: float, shares: Sequence[tuple[float, str]]) -> None:
        super().__init__(node, width, height)
        self._shares = [(share, colour) for share, colour in shares if share > 0]

    def paint(self) -> None:
        x = 0.0
        for share, colour in self._shares:
            self.canv.setFillColor(colour)
            self.canv.rect(x, 0, self.width * share, self.height, stroke=0, fill=1)
            x += self.width * share


class ScaleBar(Drawing):
    """A bar with upright ends, to stand below a picture; an artifact: its length is told in words beside it."""

    def __init__(self, width: float, colour: str) -> None:
        super().__init__(None, width, 6)
        self._colour = colour

    def paint(self) -> None:
        self.canv.setFillColor(self._colour)
        self.canv.rect(0, 1, self.width, 1.8, stroke=0, fill=1)
        for x in (0, self.width - 0.7):
            self.canv.rect(x, 1, 0.7, 5, stroke=0, fill=1)


def paragraph_of(
    markup: str, node: Node | None, font: str, size: float, leading: float, color: str, align: str
) -> Flowable:
    """A paragraph; `align` is left, centre or right."""
    style = ParagraphStyle(
        "text",
        fontName=font,
        fontSize=size,
        leading=leading,
        textColor=color,
        alignment={"left": 0, "centre": 1, "right": 2}[align],
        splitLongWords=1,
    )
    paragraph = _Paragraph(markup, style)
    paragraph.node = node
    return paragraph


def grid_of(
    rows: Sequence[Sequence[Any]],
    widths: Sequence[float],
    style: Sequence[tuple[Any, ...]],
    heights: Sequence[float | None] | None,
) -> Table:
    return _Grid([list(row) for row in rows], list(widths), heights, style=list(style), hAlign="LEFT")
