"""The table of what was measured of called tumour: `measures.csv`, one row a slide. Opens no result.

Columns: slide_id, then those of FIGURES (areas in mm2, lengths in mm; empty where there is none), and `is_not`: what no
column of it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from aggregate.measures import Measures
from app.presentation.language import tell
from app.presentation.measured import MEASURES_NOTE
from wsi.files.csv_cells import csv_line

FIGURES = ("tumour_mm2", "judged_mm2", "tumour_share", "foci", "spots", "extent_mm", "edge_mm", "error_mm")
FILE = "measures.csv"


def figures_of(found: Measures) -> dict[str, float]:
    """The figures by their names, in the order of FIGURES; NaN where there is none."""
    told = (
        *(found.tumour_mm2, found.judged_mm2, found.share, found.foci, found.spots),
        *(found.extent_mm, found.edge_mm, found.error_mm),
    )
    return dict(zip(FIGURES, told, strict=True))


def measures_bytes(slides: Mapping[str, Measures | None]) -> bytes:
    """The table as the bytes of its file; a slide without a call has its id alone."""
    lines = [csv_line(("slide_id", *FIGURES, "is_not"))]
    for slide_id, found in slides.items():
        values = figures_of(found) if found else dict.fromkeys(FIGURES, math.nan)
        cells = (f"{value:.6g}" if math.isfinite(value) else "" for value in values.values())
        lines.append(csv_line((slide_id, *cells, tell(MEASURES_NOTE) if found else "")))
    return "".join(lines).encode("utf-8", "backslashreplace")
