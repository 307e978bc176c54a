"""Shared fixtures: synthetic slides with a known truth, and the folder of real ones where it is at hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wsi.synthetic.shapes import Ellipse, Rectangle
from wsi.synthetic.slide import SyntheticRegion, SyntheticTruth, write_synthetic_slide

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class SyntheticSlide:
    path: Path
    truth: SyntheticTruth


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real slides and tiles; tests that ask for it skip where it is absent."""
    named = os.environ.get("PULMOSCOPE_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("no real data here; PULMOSCOPE_DATA names the folder")
    return Path(named)


@pytest.fixture
def synthetic_slide(tmp_path: Path) -> Callable[..., SyntheticSlide]:
    """`synthetic_slide(name, **arguments of write_synthetic_slide)` writes a slide into the test's own folder."""

    def write(name: str = "slide.svs", **arguments: Any) -> SyntheticSlide:
        path = tmp_path / name
        arguments.setdefault("regions", ())
        return SyntheticSlide(path, write_synthetic_slide(path, **arguments))

    return write


@pytest.fixture(scope="session")
def ready_slide(tmp_path_factory: pytest.TempPathFactory) -> SyntheticSlide:
    """A small slide for all to read and none to change: 1,603 x 1,207 px at 0.5 um, normal with an island of tumour."""
    path = tmp_path_factory.mktemp("ready") / "ready.svs"
    regions = (
        SyntheticRegion(Rectangle((60.0, 50.0), (640.0, 500.0)), "normal"),
        SyntheticRegion(Ellipse((420.0, 300.0), (180.0, 150.0)), "adenocarcinoma"),
    )
    return SyntheticSlide(path, write_synthetic_slide(path, regions=regions, mpp=0.5, size_px=(1603, 1207), seed=3))
