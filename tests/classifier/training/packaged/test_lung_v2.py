"""lung-v2: what its card promises, and tiles of laboratories that it learned from and that it did not."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from aggregate.heatmap import likeliest
from classifier.dataset.tile_list import TileRecord, TileSet, read_tile
from classifier.dataset.whites import with_whites
from classifier.evaluation.evaluate import EvaluationPlan, evaluate
from classifier.model import fold_tissues, load_model
from classifier.training.packaged.lung_sources import TISSUES, find_sources, write_tiles
from tests.classifier.tiles import CLASSES, pattern
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
    assert 0.5 < card.sure_from <= 1.0 and card.white == 245.0
    assert card.training["recipe"]["priors"]["epithelium"] < 1
    assert any("by eye" in limit for limit in card.limits)


def test_the_packaged_file_says_what_the_network_says(model):
    rng = np.random.default_rng(0)
    tiles = np.stack([pattern(label, rng, model.card.tile.size_px) for label in CLASSES for _ in range(4)])
    reference = load_model("lung-v2", runtime="tensorflow").predict(tiles)
    found = model.predict(tiles)
    assert model.runtime == "litert-int8" and model.card.metrics["hold_out"]["int8_agreement"] >= 0.99
    assert np.abs(found.probabilities - reference.probabilities).mean() < 0.01


def test_what_was_promised_for_other_laboratories_stands_on_the_card(model):
    told = model.card.metrics["val"]["laboratories"]
    mild, strong = ([one for one in told if one["name"].startswith(kind)] for kind in ("mild", "strong"))
    assert (len(mild), len(strong)) == (16, 8)
    assert all(one["not_recognised"] <= 0.10 and one["difference"]["value"] >= -0.02 for one in mild)
    assert all(one["not_recognised"] <= 0.20 and one["difference"]["value"] >= -0.04 for one in strong)
    assert set(model.card.metrics["val"]["further_baselines"]) == {"glass", "sharpness"}


@needs_tiles
@pytest.mark.slow
def test_the_validation_groups_as_a_user_lists_them(model, tmp_path):
    evaluation = evaluate(LC25000, model, tmp_path, EvaluationPlan(shifts=False))
    assert evaluation.classes == model.card.classes
    assert evaluation.figures["accuracy"].value >= 0.95
    assert evaluation.figures["sensitivity:squamous_cell_carcinoma"].value >= 0.92
    assert evaluation.figures["sensitivity:normal"].value >= 0.98
    assert evaluation.not_recognised < 0.05


@needs_atlas
def test_stroma_and_fat_of_another_laboratory_are_no_tumour(model):
    tumour = np.array([name in model.card.tumour_classes for name in model.card.outputs])
    with ATLAS.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["class"] in ("stroma", "fat")][::6]
    records = [
        TileRecord(ATLAS.parent / row["file"], row["file"], "x", row["case"], "", float(row["mpp"])) for row in rows
    ]
    shown = with_whites(TileSet(tuple(records), ("x",))).records
    p = model.predict(np.stack([read_tile(record, model.card.tile) for record in shown])).probabilities
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
    first = found[0]
    path = write_tiles([first, kept_apart[0]], tmp_path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["site"] for row in rows] == ["lc25000", "atlas"] and {row["mpp"] for row in rows} == {"0.7"}
    shown = read_tile(record(path, rows[0]), model_tile(), whole=True)
    assert min(shown.shape[:2]) >= 224


def record(path, row):
    return TileRecord(path.parent / row["file"], row["file"], row["class"], "g", "", float(row["mpp"]))


def model_tile():
    return load_model("lung-v2").card.tile


def test_a_folder_without_the_sets_is_named(tmp_path):
    with pytest.raises(DatasetError, match="lc25000"):
        find_sources(tmp_path, final=False)
