"""A model that tells kinds of tissue besides its classes: what counts for the slide, and what a cell is told as."""

from dataclasses import replace

import numpy as np
import pytest

from aggregate.heatmap import likeliest
from aggregate.layout.attributes import check_attributes
from aggregate.provenance import Provenance
from aggregate.result import SlideRecord
from aggregate.result_folder import load_summary, result_path
from aggregate.store import load, result_digest, save
from aggregate.summary import TileReadings, summarise
from aggregate.thresholds import DecisionRules
from classifier.model import TilePredictions, fold_tissues, load_model
from tests.aggregate.test_summary import grid_of
from tests.results import make_result
from tiler.survey import Survey
from tiler.tissue import TissueAreas
from wsi.errors import StoreError

# Classes adenocarcinoma, normal, squamous_cell_carcinoma; then the tissues.
CARD = replace(load_model("demo-synthetic").card, tissues=("lymphoid", "stroma"))
TUMOUR = np.array([True, False, True, False, False])


def summed_up(p):
    """The result of tiles in one row with the probabilities `p` (n, 5)."""
    grid = grid_of(np.ones((1, len(p)), bool))
    predictions = TilePredictions(
        np.array(p, np.float32), np.zeros((len(p), 4), np.float16), np.ones(len(p), np.float32)
    )
    readings = TileReadings(predictions, np.zeros(len(p), np.uint8))
    slide = SlideRecord("a.svs", (64 * len(p), 64), 2.0, "slide", "5e" * 32, "openslide", False, {})
    survey = Survey(TissueAreas(tissue_mm2=7.0, pen_mm2=0.0), grid)
    return summarise("a", slide, survey, readings, CARD, DecisionRules(), Provenance())


def test_tissues_count_as_background():
    folded = fold_tissues(np.array([[0.1, 0.2, 0.3, 0.15, 0.25]], np.float32), CARD)
    assert folded.tolist() == [pytest.approx([0.1, 0.6, 0.3])]
    assert CARD.classes[1] == CARD.background


def test_a_slide_of_stroma_is_called_the_background_and_its_cells_stroma():
    result = summed_up([[0.02, 0.03, 0.05, 0.1, 0.8]] * 6)
    assert result.decision.call == "normal" and len(result.decision.probabilities) == 3
    assert result.decision.probabilities[1] == pytest.approx(0.93, abs=1e-6)
    assert [result.outputs[call - 1] for call in result.heatmap.call[0]] == ["stroma"] * 6
    assert result.heatmap.probabilities.shape == (5, 1, 6)


def test_tissues_that_share_a_tile_are_no_tumour():
    # Adenocarcinoma leads, yet there is more of what is none.
    assert likeliest(np.array([[0.4, 0.0, 0.0, 0.3, 0.3]]), TUMOUR).tolist() == [3]
    assert likeliest(np.array([[0.6, 0.0, 0.0, 0.2, 0.2]]), TUMOUR).tolist() == [0]
    result = summed_up([[0.4, 0.0, 0.0, 0.35, 0.25]] * 9)
    assert result.decision.call == "normal" and result.heatmap.call[0].tolist() == [4] * 9


def test_models_without_tissues_tell_the_likeliest_as_before():
    p = np.array([[0.4, 0.35, 0.25], [0.2, 0.3, 0.5]])
    assert likeliest(p, np.array([True, False, True])).tolist() == likeliest(p).tolist() == [0, 2]


def test_a_result_with_tissues_is_stored_and_read_back(tmp_path):
    result = summed_up([[0.02, 0.03, 0.05, 0.1, 0.8]] * 3)
    save(result, tmp_path)
    stored = load(result_path(tmp_path, "a"))
    assert stored.tissues == ("lymphoid", "stroma") and stored.outputs == result.outputs
    assert stored.decision == result.decision
    assert result_digest(stored) == result_digest(result)


def test_a_result_without_tissues_says_nothing_of_them(tmp_path):
    save(make_result(), tmp_path)
    assert b"tissues" not in (result_path(tmp_path, "slide-1") / "zarr.json").read_bytes()


@pytest.mark.parametrize("tissues", [["normal"], "stroma", [1], [""], ["a", "a"]])
def test_odd_tissues_are_refused(tissues, tmp_path):
    save(make_result(), tmp_path)
    attributes = load_summary(result_path(tmp_path, "slide-1"))
    with pytest.raises((ValueError, StoreError), match="tissues"):
        check_attributes({**attributes, "tissues": tissues})


def test_another_tumour_is_a_reason_to_look_again():
    card_classes = ("adenocarcinoma", "normal", "other_tumour")
    card = replace(CARD, classes=card_classes, tissues=())
    grid = grid_of(np.ones((3, 3), bool))
    p = np.tile(np.array([0.05, 0.05, 0.9], np.float32), (9, 1))
    readings = TileReadings(
        TilePredictions(p, np.zeros((9, 4), np.float16), np.ones(9, np.float32)), np.zeros(9, np.uint8)
    )
    slide = SlideRecord("a.svs", (192, 192), 2.0, "slide", "5e" * 32, "openslide", False, {})
    survey = Survey(TissueAreas(tissue_mm2=7.0, pen_mm2=0.0), grid)
    decision = summarise("a", slide, survey, readings, card, DecisionRules(), Provenance()).decision
    assert decision.call == "other_tumour" and decision.review_reasons == ("other-tumour",)
