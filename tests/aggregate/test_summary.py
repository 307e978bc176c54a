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
CARD = SimpleNamespace(
    classes=CLASSES,
    outputs=CLASSES,
    tissues=(),
    tumour_classes=(CLASSES[0], CLASSES[2]),
    background="normal",
    familiarity_threshold=0.5,
    sure_from=0.0,
)
GOOD = TileQuality.GOOD
FAR = 0.1


def grid_of(tissue_cells, *, origin_px=(0, 0), cells_per_side=1, tissue=None, read_px=64, tile_px=64):
    """A grid of cells of 64 level-0 px at 2 um per px, with a tile from each cell that holds tissue and has room."""
    rows, columns = tissue_cells.shape
    cell = np.argwhere(tissue_cells).astype(np.int32)
    cell = cell[(cell <= np.array([rows, columns]) - cells_per_side).all(axis=1)]
    n, span_px = len(cell), 64.0 * cells_per_side
    xy = (cell[:, ::-1] * 64 + np.array(origin_px)).astype(np.int32)
    return Grid(
        plan=ReadPlan(level=0, read_px=read_px, tile_px=tile_px, mpp=2.0, span_px=span_px),
        shape=(rows, columns),
        origin_px=origin_px,
        cell_px=64.0,
        cells_per_side=cells_per_side,
        xy=xy,
        level_xy=xy,
        cell=cell,
        tissue_fraction=np.ones(n, np.float32) if tissue is None else np.array(tissue, np.float32),
        quality=np.zeros(n, np.uint8),
        tissue_cells=tissue_cells,
    )


def summed_up(
    familiarity,
    quality,
    tissue=None,
    p=(0.9, 0.05, 0.05),
    mpp_source="slide",
    read_px=64,
    card=CARD,
    by_site=None,
    unlike=float("nan"),
):
    """The result of a row of tiles; `p` is theirs, (c,) or (n, c)."""
    n = len(familiarity)
    grid = grid_of(np.ones((1, n), bool), tissue=tissue, read_px=read_px)
    predictions = TilePredictions(
        probabilities=np.broadcast_to(np.array(p, np.float32), (n, len(card.outputs))).copy(),
        features=np.zeros((n, 4), np.float16),
        familiarity=np.array(familiarity, np.float32),
        by_site=by_site,
    )
    slide = SlideRecord("a.svs", (64 * n, 64), 2.0, mpp_source, "5e" * 32, "openslide", False, {})
    readings = TileReadings(predictions, np.array(quality, np.uint8), unlike)
    survey = Survey(TissueAreas(tissue_mm2=7.0, pen_mm2=0.25), grid)
    return summarise("a", slide, survey, readings, card, DecisionRules(), Provenance())


def test_what_a_site_profile_alone_makes_known_is_of_the_tiles_that_vote():
    by_site = np.array([True, False, True, False])
    result = summed_up([0.9, 0.9, FAR, 0.9], [GOOD] * 4, by_site=by_site)
    assert result.tiles.votes.tolist() == [True, True, False, True]
    assert result.qc["share_known_by_site"] == pytest.approx(0.25)


@pytest.mark.parametrize(("unlike", "told"), [(1.0, False), (1.01, True), (float("nan"), False)])
def test_a_slide_is_unfamiliar_beyond_the_limit_and_not_at_it(unlike, told):
    result = summed_up([0.9, 0.9, 0.9, FAR, FAR], [GOOD] * 5, unlike=unlike)
    assert ("unfamiliar-slide" in result.decision.review_reasons) == told


def test_a_cell_is_a_tumour_where_tumours_are_likelier_than_all_tissue_without():
    outputs = (*CLASSES, "stroma")
    card = SimpleNamespace(**{**vars(CARD), "outputs": outputs, "tissues": ("stroma",)})
    # The likeliest of the second is a tumour, and yet more of it says that there is none.
    result = summed_up([0.9] * 2, [GOOD] * 2, p=[(0.6, 0.1, 0.1, 0.2), (0.4, 0.2, 0.05, 0.35)], card=card)
    assert [outputs[value - 1] for value in result.heatmap.call[0]] == ["adenocarcinoma", "stroma"]


def test_a_tile_votes_where_it_is_good_and_recognised():
    flags = [GOOD, GOOD, GOOD, TileQuality.BLUR, TileQuality.PEN | TileQuality.DARK, TileQuality.EDGE]
    result = summed_up([0.9, 0.5, 0.49, 0.9, 0.9, FAR], flags)
    assert result.tiles.votes.tolist() == [True, True, False, False, False, False]
    assert result.qc["tiles"] == 6.0 and result.qc["tiles_voting"] == 2.0
    assert (result.heatmap.call[0] > 0).tolist() == result.tiles.votes.tolist()


def test_where_familiarity_cannot_be_known_good_tiles_vote_and_nothing_is_called_recognised():
    flags = [GOOD, GOOD, TileQuality.BLUR, GOOD, GOOD, GOOD]
    result = summed_up([float("nan")] * 6, flags)
    assert result.tiles.votes.tolist() == [True, True, False, True, True, True]
    assert np.isnan(result.qc["share_unfamiliar"]) and result.decision.call == "adenocarcinoma"
    assert "familiarity-unknown" in result.decision.review_reasons
    assert "unfamiliar-tissue" not in result.decision.review_reasons


def test_shares_are_of_the_tissue_and_a_flawed_tile_is_not_unfamiliar_too():
    flags = [GOOD, GOOD, TileQuality.BLUR, TileQuality.PEN | TileQuality.DARK, TileQuality.EDGE]
    result = summed_up([0.9, FAR, FAR, FAR, FAR], flags, tissue=[1.0, 0.4, 0.3, 0.2, 0.1])
    expected = {
        "share_voting": 0.5,
        "share_unfamiliar": 0.2,
        "share_set_aside": 0.3,
        "share_blur": 0.15,
        "share_pen": 0.1,
        "share_dark": 0.1,
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
    ("source", "told"),
    [
        ("slide", False),
        ("given", False),
        ("ome-xml", False),
        ("imagej", False),
        ("objective-power", True),
        ("tiff-resolution", True),
    ],
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


SURE_NORMAL, SURE_TUMOUR = (0.01, 0.98, 0.01), (0.95, 0.03, 0.02)


def test_an_area_without_a_vote_is_told_with_its_place():
    result = summed_up([0.9] * 12 + [FAR] * 5 + [0.9] * 13, [GOOD] * 30, p=SURE_NORMAL)
    assert result.decision.call == "normal"
    assert result.decision.review_reasons == ("unjudged-area", "partial-negative")
    assert result.qc["unjudged_areas"] == 1.0 and result.qc["unjudged_tiles"] == 5.0
    assert (result.qc["unjudged_x_px"], result.qc["unjudged_y_px"]) == (14.5 * 64, 32.0)


def test_a_tumour_tile_that_is_outvoted_is_told_with_its_place():
    p = [SURE_NORMAL] * 30
    p[7] = SURE_TUMOUR
    result = summed_up([0.9] * 30, [GOOD] * 30, p=p)
    assert result.decision.call == "normal" and "tumour-like-tiles" in result.decision.review_reasons
    assert result.qc["tumour_like_tiles"] == 1.0
    assert (result.qc["tumour_like_x_px"], result.qc["tumour_like_y_px"]) == (7.5 * 64, 32.0)


def test_a_clean_negative_has_no_reason_and_no_place():
    result = summed_up([0.9] * 30, [GOOD] * 30, p=SURE_NORMAL)
    assert result.decision.review_reasons == () and result.decision.negative
    assert np.isnan(result.qc["unjudged_x_px"]) and np.isnan(result.qc["tumour_like_x_px"])
