"""lung-v2: what its card promises, and tiles of laboratories that it learned from and that it did not."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from aggregate.heatmap import likeliest
from classifier.dataset.tile_list import TileRecord, read_tile
from classifier.evaluation.evaluate import EvaluationPlan, evaluate
from classifier.model import fold_tissues, load_model
from classifier.training.packaged.lung_sources import TISSUES, find_sources, white_point, write_tiles
from wsi.errors import DatasetError

DATA = Path(os.environ.get("PULMOSCOPE_DATA", "no-data-named"))
LC25000 = DATA / "lc25000" / "tiles-rescaled.csv"
ATLAS = DATA / "atlas_tissues" / "tiles.csv"

needs_tiles = pytest.mark.skipif(not LC25000.exists(), reason="LC25000 is not at hand")
needs_atlas = pytest.mark.skipif(not ATLAS.exists(), reason="the atlas is not at hand")


@pytest.fixture(scope="module")
def model():
    return load_model("lung-v2")


def test_the_card_says_what_it_tells(model):
    card = model.card
    assert card.classes == ("adenocarcinoma", "normal", "other_tumour", "squamous_cell_carcinoma")
    assert card.tissues == TISSUES and card.background == "normal"
    assert 0.5 < card.sure_from <= 1.0
    assert card.training["recipe"]["priors"]["epithelium"] < 1
    assert any("by eye" in limit for limit in card.limits)


def test_float32_under_litert_is_the_network(model):
    tiles = np.random.default_rng(0).integers(0, 256, (4, *(model.card.tile.size_px,) * 2, 3), dtype=np.uint8)
    reference = load_model("lung-v2", runtime="tensorflow").predict(tiles)
    found = model.predict(tiles)
    assert model.runtime.startswith("litert")
    np.testing.assert_allclose(found.probabilities, reference.probabilities, atol=5e-3)


@needs_tiles
@pytest.mark.slow
def test_the_validation_groups_as_they_are(model, tmp_path):
    evaluation = evaluate(LC25000, model, tmp_path, EvaluationPlan(shifts=False))
    assert evaluation.classes == model.card.classes
    assert evaluation.figures["accuracy"].value >= 0.93
    assert evaluation.figures["sensitivity:normal"].value >= 0.98
    assert evaluation.not_recognised < 0.05


@needs_atlas
def test_stroma_and_fat_of_another_laboratory_are_no_tumour(model):
    tumour = np.array([name in model.card.tumour_classes for name in model.card.outputs])
    with ATLAS.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["class"] in ("stroma", "fat")][::6]
    records = [TileRecord(ATLAS.parent / row["file"], row["file"], "x", "g", "", float(row["mpp"])) for row in rows]
    p = model.predict(np.stack([read_tile(record, model.card.tile) for record in records])).probabilities
    assert (~tumour[likeliest(p, tumour)]).mean() > 0.85
    assert fold_tissues(p, model.card)[:, 1].mean() > 0.8


@needs_atlas
@needs_tiles
def test_the_list_of_all_laboratories(tmp_path):
    found = find_sources(DATA, final=False)
    assert {"lc25000", "atlas", "oral", "colorectal", "tcga"} <= {source.site for source in found}
    kept_apart = [source for source in found if source.site == "atlas" and source.split == "val"]
    assert kept_apart and {source.group for source in kept_apart} == {"lung-squamous-cell-carcinoma"}
    assert all(source.split == "train" for source in find_sources(DATA, final=True) if source.site == "atlas")
    first = next(source for source in found if source.whitened)
    path = write_tiles([first, kept_apart[0]], tmp_path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["site"] for row in rows] == ["lc25000", "atlas"] and {row["mpp"] for row in rows} == {"0.7"}
    # The glass of the slide, bright already, is white; so is the brightest of a tile of LC25000, whatever it was.
    whites = [white_point(read_tile(record(path, row), model_tile())) for row in rows]
    assert all(240 <= channel <= 250 for channel in whites[0])


def record(path, row):
    return TileRecord(path.parent / row["file"], row["file"], row["class"], "g", "", float(row["mpp"]))


def model_tile():
    return load_model("lung-v2").card.tile


def test_a_folder_without_the_sets_is_named(tmp_path):
    with pytest.raises(DatasetError, match="lc25000"):
        find_sources(tmp_path, final=False)
