"""Who votes, and where the tissue went: a slide of six tiles, each with a fate of its own."""

from types import SimpleNamespace

import numpy as np
import pytest

from aggregate.provenance import Provenance
from aggregate.result import SlideRecord
from aggregate.summary import TileReadings, summarise
from aggregate.thresholds import DecisionRules
from classifier.model import TilePredictions
from tiler.spec import Grid, TileQuality
from tiler.survey import Survey
from tiler.tissue import TissueAreas
from wsi.spacing import ReadPlan

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
CARD = SimpleNamespace(classes=CLASSES, background="normal", familiarity_threshold=0.5)
GOOD = TileQuality.GOOD
FAR = 0.1


def summed_up(familiarity, quality, tissue=None, p=(0.9, 0.05, 0.05), mpp_source="slide", read_px=64, tile_px=64):
    """The result of a row of tiles of 64 level-0 px at 2 um per px."""
    n = len(familiarity)
    xy = np.column_stack([64 * np.arange(n), np.zeros(n)]).astype(np.int32)
    tissue = np.ones(n, np.float32) if tissue is None else np.array(tissue, np.float32)
    grid = Grid(
        plan=ReadPlan(level=0, read_px=read_px, tile_px=tile_px, mpp=2.0, span_px=64.0),
        shape=(1, n),
        origin_px=(0, 0),
        cell_px=64.0,
        cells_per_side=1,
        xy=xy,
        level_xy=xy,
        cell=np.column_stack([np.zeros(n), np.arange(n)]).astype(np.int32),
        tissue_fraction=tissue,
        quality=np.zeros(n, np.uint8),
        tissue_cells=np.ones((1, n), bool),
    )
    predictions = TilePredictions(
        probabilities=np.tile(np.array(p, np.float32), (n, 1)),
        features=np.zeros((n, 4), np.float16),
        familiarity=np.array(familiarity, np.float32),
    )
    slide = SlideRecord("a.svs", (64 * n, 64), 2.0, mpp_source, "5e" * 32, "openslide", False, {})
    readings = TileReadings(predictions, np.array(quality, np.uint8))
    survey = Survey(TissueAreas(tissue_mm2=7.0, pen_mm2=0.25), grid)
    return summarise("a", slide, survey, readings, CARD, DecisionRules(), Provenance())


def test_a_tile_votes_where_it_is_good_and_recognised():
    flags = [GOOD, GOOD, GOOD, TileQuality.BLUR, TileQuality.PEN | TileQuality.DARK, TileQuality.EDGE]
    result = summed_up([0.9, 0.5, 0.49, 0.9, 0.9, FAR], flags)
    assert result.tiles.votes.tolist() == [True, True, False, False, False, False]
    assert result.qc["tiles"] == 6.0 and result.qc["tiles_voting"] == 2.0
    assert (result.heatmap.call[0] > 0).tolist() == result.tiles.votes.tolist()


def test_shares_are_of_the_tissue_and_a_flawed_tile_is_not_unfamiliar_too():
    flags = [GOOD, GOOD, TileQuality.BLUR, TileQuality.PEN | TileQuality.DARK, TileQuality.EDGE]
    result = summed_up([0.9, FAR, FAR, FAR, FAR], flags, tissue=[1.0, 0.5, 0.25, 0.15, 0.1])
    expected = {
        "share_voting": 0.5,
        "share_unfamiliar": 0.25,
        "share_blur": 0.125,
        "share_pen": 0.075,
        "share_dark": 0.075,
        "share_edge": 0.05,
    }
    assert {name: result.qc[name] for name in expected} == pytest.approx(expected)


def test_areas_are_the_surveys_and_the_tumours():
    result = summed_up([0.9] * 5, [GOOD] * 5)
    assert result.qc["tissue_mm2"] == 7.0 and result.qc["pen_mm2_on_slide"] == 0.25
    assert result.qc["tumour_mm2"] == pytest.approx(5 * 0.128**2)
    assert result.qc["hotspot"] == pytest.approx(0.95)
    assert result.decision.call == "adenocarcinoma"


@pytest.mark.parametrize(
    ("source", "told"), [("slide", False), ("given", False), ("objective-power", True), ("tiff-resolution", True)]
)
def test_a_pixel_size_that_nobody_stated_is_told(source, told):
    assert ("mpp-inferred" in summed_up([0.9], [GOOD], mpp_source=source).decision.review_reasons) == told


@pytest.mark.parametrize(("read_px", "told"), [(64, False), (96, False), (40, True)])
def test_a_slide_that_was_enlarged_is_told(read_px, told):
    reasons = summed_up([0.9], [GOOD], read_px=read_px).decision.review_reasons
    assert ("low-resolution" in reasons) == told


def test_where_nobody_votes_there_is_no_call():
    result = summed_up([FAR] * 3, [GOOD] * 3)
    assert result.decision.call == "undetermined" and result.qc["share_voting"] == 0.0
    assert np.isnan(result.qc["hotspot"]) and result.qc["tumour_mm2"] == 0.0
