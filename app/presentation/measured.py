"""What is measured of called tumour, in words: each figure with the sentence of what it is not.

The viewer and the reports show the same ones. Draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from aggregate.measures import Measures, measure
from aggregate.result import SlideResult
from app.presentation import figures
from app.presentation.language import said, tell, tell_count

MEASURES_TITLE = said("Measured on tiles")
MEASURES_NOTE = said(
    "These are measures of what the model called, tile by tile, on this one section. Not one of them is an invasive "
    "size, a pleural invasion, a spread through air spaces, a PD-L1 score or a grade: those need a person."
)


@dataclass(frozen=True)
class Measured:
    """`code` is for programs. `is_not` says what a figure must not be taken for."""

    code: str
    title: str
    value: str
    is_not: str


def measured(result: SlideResult) -> tuple[Measured, ...]:
    """In the language that is spoken; empty where nothing can be measured, since there is no call."""
    found = measure(result)
    told = () if found is None else _told(found)
    return tuple(Measured(code, tell(title), value, tell(_NOT[code])) for code, title, value in told)


_NOT = {
    "tumour_mm2": said(
        "Tissue in tiles called tumour, with the stroma, vessels and inflammation in them: not the tumour cells, and "
        "no size of a tumour."
    ),
    "tumour_share": said(
        "Of the tissue that could be judged. Not the share of tumour cells: it says nothing of whether there are "
        "enough for sequencing, nor of PD-L1."
    ),
    "foci": said(
        "Patches of four called tiles and more that do not touch on this section. Not a number of tumours, and no "
        "spread through air spaces: that is seen at cells, and smaller than a tile."
    ),
    "extent_mm": said(
        "The longest straight line within one focus on this section, air and lepidic growth included. Not the invasive "
        "size, and no pT."
    ),
    "edge_mm": said(
        "From a focus to the outer edge of the tissue found, whatever that edge is. Not a resection margin, and no "
        "pleural invasion."
    ),
}


def _told(found: Measures) -> list[tuple[str, str, str]]:
    """(code, title, value); lengths only where there is a focus."""
    told = [
        ("tumour_mm2", said("Tissue called tumour"), figures.area(found.tumour_mm2)),
        ("tumour_share", said("Share of the judged tissue called tumour"), figures.share(found.share)),
        ("foci", said("Foci called tumour"), _foci(found)),
    ]
    if found.foci:
        told += [
            ("extent_mm", said("Longest extent of called tissue"), _with_error(found.extent_mm, found.error_mm)),
            ("edge_mm", said("From called tissue to the edge of the tissue"), _to_edge(found)),
        ]
    return told


def _foci(found: Measures) -> str:
    told = figures.count(found.foci)
    if not found.spots:
        return told
    return told + tell_count(
        ", and {count} spot of fewer than four tiles",
        ", and {count} spots of fewer than four tiles",
        found.spots,
        count=figures.count(found.spots),
    )


def _to_edge(found: Measures) -> str:
    if found.edge_mm > 0:
        return _with_error(found.edge_mm, found.error_mm)
    return tell("a focus reaches it (within {error} mm)", error=figures.number(f"{found.error_mm:.2f}"))


def _with_error(length_mm: float, error_mm: float) -> str:
    """``4.9 mm (± 0.2 mm)``."""
    return f"{figures.number(f'{length_mm:.1f}')} mm (± {figures.number(f'{error_mm:.2f}')} mm)"
