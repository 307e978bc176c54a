"""What a run says of slides on which something small matters."""

import math

import pytest

from app.config import RunConfig
from app.pipeline import run_slide
from classifier.model import DEMO_MODEL, load_model
from wsi.synthetic.marks import PenStroke
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide


def ringed(path, rgb):
    """A section of 24 mm2 with a pen ring of 0.4 mm around a spot, which is under half a per cent of it."""
    angles = [2 * math.pi * i / 48 for i in range(49)]
    points = tuple((3000 + 200 * math.cos(a), 2500 + 200 * math.sin(a)) for a in angles)
    section = SyntheticRegion(Rectangle((300.0, 300.0), (5400.0, 4400.0)), "normal")
    marks = (PenStroke(points, width_um=50.0, rgb=rgb),)
    write_synthetic_slide(path, regions=(section,), mpp=1.0, size_um=(6000, 5000), seed=3, marks=marks)
    return path


@pytest.mark.parametrize("rgb", [(20, 60, 160), (20, 120, 40), (180, 20, 20)], ids=["blue", "green", "red"])
def test_a_pen_ring_on_the_tissue_is_told_however_small(tmp_path, rgb):
    model = load_model(DEMO_MODEL)
    result = run_slide(ringed(tmp_path / "a.svs", rgb), "a", model, RunConfig(out=tmp_path, model=DEMO_MODEL))
    assert 0.0 < result.qc["share_pen"] < 0.02
    assert "pen" in result.decision.review_reasons
