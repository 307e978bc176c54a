"""Draws the documents' charts and the instructions for use anew: `python -m docs.images.draw_figures`.

Figures of the charts are those that stand beside them in docs/lung-v2.md and benchmarks/README.md: change both at once.
The instructions are of the demo's model and four drawn slides. Look at the pictures before they are committed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
from playwright.sync_api import sync_playwright

from app.presentation.charts import FONT, to_png
from app.presentation.colours import FAINT, GRID, INK
from classifier.model_folder.find import DEMO_MODEL
from docs.images.draw import keep
from tests.app.commissioning.drawn import draw_slides, write_criteria
from tests.app.viewer.browser import CHROMIUM

HERE = Path(__file__).parent
_COLOURS = 64
BAR, CHANCE = "#1F5F8B", "#C8553D"
# Classes and sources, robustness index, chance.
ROBUSTNESS = (
    ("adenocarcinoma, squamous: atlas, LC25000", 0.105, 0.502),
    ("epithelium, squamous: atlas, oral", 0.326, 0.500),
    ("15 pairs: atlas, colorectal (mean)", 0.792, 0.673),
    ("fat, lymphoid: atlas, colorectal (best)", 0.997, 0.667),
    ("adenocarcinoma, epithelium: the same (worst)", 0.571, 0.667),
)
# Model, CPU seconds of a section of 10 x 8 mm.
ENERGY = (("lung-v2 (default), 4,500 tiles", 31.0), ("lung-v1 (fast), 1,620 tiles", 3.8))
_AXIS: dict[str, Any] = {"gridColor": GRID, "labelColor": INK, "titleColor": INK, "domainColor": FAINT}


def main() -> None:
    keep(_robustness(), HERE / "robustness.png", _COLOURS)
    keep(_energy(), HERE / "energy.png", _COLOURS)
    keep(_instructions(), HERE / "instructions.png", _COLOURS)


def _robustness() -> bytes:
    """Bars of the index; a stroke where chance is."""
    rows = [{"pair": pair, "index": index, "chance": chance} for pair, index, chance in ROBUSTNESS]
    names = [pair for pair, _, _ in ROBUSTNESS]
    base = alt.Chart(alt.InlineData(values=rows)).encode(y=_names("pair", names))
    bars = base.mark_bar(color=BAR, height=14).encode(
        x=alt.X(
            "index:Q", title="robustness index (stroke: chance)", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(**_AXIS)
        )
    )
    chance = base.mark_tick(color=CHANCE, thickness=3, height=22).encode(x="chance:Q")
    return _drawn(bars + chance, 26 * len(rows))


def _energy() -> bytes:
    rows = [{"model": model, "seconds": seconds} for model, seconds in ENERGY]
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(color=BAR, height=14)
        .encode(
            y=_names("model", [model for model, _ in ENERGY]),
            x=alt.X("seconds:Q", title="CPU seconds, a section of 10 x 8 mm", axis=alt.Axis(**_AXIS)),
        )
    )
    return _drawn(bars, 26 * len(rows))


def _names(field: str, names: Sequence[str]) -> alt.Y:
    return alt.Y(f"{field}:N", title=None, sort=list(names), axis=alt.Axis(**_AXIS, labelLimit=320))


def _drawn(chart: alt.Chart | alt.LayerChart, height_px: float) -> bytes:
    return to_png(
        chart.properties(width=320, height=height_px)
        .configure(font=FONT, background="white", padding=8)
        .configure_view(stroke=None)
    )


def _instructions() -> bytes:
    """The first screen of the page that a proof on drawn slides leaves."""
    with tempfile.TemporaryDirectory() as room, sync_playwright() as playwright:
        slides, dossier = Path(room, "slides"), Path(room, "dossier")
        slides.mkdir()
        draw_slides(slides)
        write_criteria(slides)
        words = ["commission", slides, "--labels", slides / "labels.csv", "--criteria", slides / "criteria.toml"]
        command = [sys.executable, "-m", "app.cli", *map(str, words), "--out", str(dossier), "--model", DEMO_MODEL]
        subprocess.run(command, check=True, capture_output=True)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 900, "height": 900})
        page.goto((dossier / "instructions.html").as_uri())
        return bytes(page.screenshot())


if __name__ == "__main__":
    main()
