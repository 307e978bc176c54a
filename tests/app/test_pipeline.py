"""What a run says of slides on which something small matters."""

import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from aggregate.measures import measure
from app.config import RunConfig
from app.pipeline import run_slide
from classifier.model import load_model
from classifier.model_folder.find import DEMO_MODEL
from wsi import open_slide
from wsi.synthetic.marks import PenStroke
from wsi.synthetic.shapes import Ellipse, Rectangle
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


def test_measures_of_a_slide_of_known_geometry(tmp_path):
    """Of 28 mm2: an ellipse of 3.2 by 2.4 mm, 0.4 mm from the edge, and a rectangle of 1.2 by 1.0 mm."""
    path = tmp_path / "known.svs"
    regions = (
        SyntheticRegion(Rectangle((300.0, 300.0), (6400.0, 4400.0)), "normal"),
        SyntheticRegion(Ellipse((2300.0, 2400.0), (1600.0, 1200.0)), "adenocarcinoma"),
        SyntheticRegion(Rectangle((4700.0, 2900.0), (1200.0, 1000.0)), "squamous_cell_carcinoma"),
    )
    write_synthetic_slide(path, regions=regions, mpp=1.0, size_um=(7000, 5000), seed=3)
    found = measure(run_slide(path, "a", load_model(DEMO_MODEL), RunConfig(out=tmp_path, model=DEMO_MODEL)))
    assert found.error_mm == pytest.approx(0.128)
    assert found.tumour_mm2 == pytest.approx(math.pi * 1.6 * 1.2 + 1.2, rel=0.03)
    assert found.judged_mm2 == pytest.approx(6.4 * 4.4, rel=0.03)
    assert (found.foci, found.spots) == (2, 0)
    assert found.extent_mm == pytest.approx(3.2, abs=found.error_mm)
    assert found.edge_mm == pytest.approx(0.4, abs=found.error_mm)


def photographed(path, glass):
    """A section of normal lung as a camera of that white balance stores it: every channel times a number of its own."""
    slide = path.with_suffix(".svs")
    section = SyntheticRegion(Rectangle((300.0, 300.0), (2400.0, 1900.0)), "normal")
    write_synthetic_slide(slide, regions=(section,), mpp=1.0, size_um=(3000, 2600), seed=3)
    with open_slide(slide) as opened:
        pixels = opened.read_region((0, 0), 0, opened.size_px)
    gain = np.array(glass) / np.percentile(pixels.reshape(-1, 3), 99, axis=0)
    image = path.with_suffix(".png")
    Image.fromarray(np.clip(np.rint(pixels * gain), 0, 255).astype(np.uint8)).save(image)
    return image


def test_a_camera_s_white_changes_nothing_for_a_model_that_wants_it_set(tmp_path):
    plain = load_model(DEMO_MODEL)
    model = plain.with_card(replace(plain.card, white=245.0), plain.familiarity)
    config = RunConfig(out=tmp_path, model=DEMO_MODEL)
    glasses = {"neutral": (243, 243, 243), "blue": (214, 222, 246)}
    found = {
        name: run_slide(photographed(tmp_path / name, glass), name, model, config, mpp=1.0)
        for name, glass in glasses.items()
    }
    for name, glass in glasses.items():
        assert found[name].provenance.tile.white_point == pytest.approx(glass, abs=6)
    common = [result.tiles.probabilities for result in found.values()]
    assert common[0].shape == common[1].shape
    assert np.abs(common[0] - common[1]).mean() < 0.02
    # A model whose card does not ask for it sees the colours as they are, and nothing is told of white.
    left = run_slide(tmp_path / "blue.png", "blue", plain, config, mpp=1.0)
    assert left.provenance.tile.white_point is None
    assert (
        np.abs(left.tiles.familiarity - found["neutral"].tiles.familiarity).mean()
        > np.abs(found["blue"].tiles.familiarity - found["neutral"].tiles.familiarity).mean()
    )
