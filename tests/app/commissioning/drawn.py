"""Drawn slides with labels, patients and scanners, and criteria: what a laboratory would bring, made in a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wsi.synthetic.shapes import Ellipse, Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

KINDS = ("adenocarcinoma", "normal", "squamous_cell_carcinoma", "normal")
PATIENT = "Mustermann-Erika-1950"
CRITERIA = """
format = 1
title = "Drawn lungs"

[[criterion]]
figure = "sensitivity"
at_least = 0.5

[[criterion]]
figure = "failed_share"
at_most = 0.0
"""


def draw_slides(folder: Path, count: int = 4, kinds: Sequence[str] = KINDS, seed: int = 0) -> Path:
    """Slides `s0.svs`, ..., of `kinds` in turn, and `labels.csv` in `folder`; the path of the labels."""
    rows = ["slide,label,patient,scanner,stain"]
    for i in range(count):
        kind = kinds[i % len(kinds)]
        regions = [SyntheticRegion(Rectangle((60.0, 50.0), (640.0, 500.0)), "normal")]
        if kind != "normal":
            regions.append(SyntheticRegion(Ellipse((420.0, 300.0), (180.0, 150.0)), kind))
        write_synthetic_slide(
            folder / f"s{i}.svs", regions=tuple(regions), mpp=0.5, size_px=(1403, 1107), seed=seed + i
        )
        rows.append(f"s{i}.svs,{kind},{PATIENT}-{i},{'AB'[i % 2]},H&E")
    labels = folder / "labels.csv"
    labels.write_text("\n".join(rows) + "\n")
    return labels


def write_criteria(folder: Path, text: str = CRITERIA) -> Path:
    path = folder / "criteria.toml"
    path.write_text(text)
    return path
