"""Foreign images: which are found, how they are cut, and what a known model says of them."""

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from classifier.dataset.predict import forward_tiles
from classifier.dataset.tile_list import read_tile_set
from classifier.evaluation.foreign import (
    MAX_TILES_PER_IMAGE,
    ShownTiles,
    cut_tiles,
    detect_foreign,
    find_foreign,
    in_distribution,
)
from classifier.evaluation.unfamiliar import UNFAMILIAR, detect_unfamiliar
from classifier.model import load_model
from tests.classifier.tiles import tiny_model, tiny_tiles
from wsi.errors import DatasetError


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (150, 130, 3), dtype=np.uint8)
    for i in range(4):
        save(tmp_path / "in" / "noise" / "deeper" / f"{i}.png", np.roll(noise, 7 * i, axis=0))
    save(tmp_path / "in" / "grey" / "grey.jpg", np.full((64, 64), 128, np.uint8))
    save(tmp_path / "in" / "loose.bmp", noise)
    (tmp_path / "in" / "grey" / "notes.txt").write_text("no image")
    save(tmp_path / "in" / ".hidden" / "a.png", noise)
    save(tmp_path / "elsewhere" / "a.png", noise)
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "grey" / "link.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    return tmp_path / "in"


def test_a_set_a_subfolder_and_neither_links_nor_hidden_files(folder):
    found = find_foreign(folder)
    assert [(one.name, len(one.paths)) for one in found] == [(".", 1), ("grey", 1), ("noise", 4)]


def test_tiles_cover_the_picture_and_are_its_pixels():
    pixels = np.random.default_rng(1).integers(0, 256, (150, 130, 3), dtype=np.uint8)
    tiles = cut_tiles(pixels, 64)
    assert tiles.shape == (9, 64, 64, 3)
    np.testing.assert_array_equal(tiles[0], pixels[:64, :64])
    np.testing.assert_array_equal(tiles[-1], pixels[-64:, -64:])
    np.testing.assert_array_equal(cut_tiles(pixels[:64, :64], 64), pixels[None, :64, :64])


def test_a_small_picture_is_enlarged_and_a_large_one_sampled():
    assert cut_tiles(np.full((10, 30, 3), 7, np.uint8), 64).shape == (3, 64, 64, 3)
    many = cut_tiles(np.zeros((64 * 20, 64 * 20, 3), np.uint8), 64)
    assert many.shape == (MAX_TILES_PER_IMAGE, 64, 64, 3)


def test_noise_is_not_recognised(folder):
    model, tiles = load_model(tiny_model()), read_tile_set(tiny_tiles()).of_split("val")
    familiarity = model.predictions_of(*forward_tiles(model, tiles)).familiarity
    known = in_distribution(tiles, model.card.tile, familiarity, tiles.groups)
    told = []
    results = {one.name: one for one in detect_foreign(model, find_foreign(folder), known, told.append)}
    noise = results["noise"]
    assert (noise.images, noise.tiles) == (4, 36)
    assert noise.not_recognised == 1.0
    tiles_of_noise = np.concatenate(
        [cut_tiles(np.asarray(Image.open(path)), 64) for path in find_foreign(folder)[2].paths]
    )
    scores = np.concatenate([familiarity, model.predict(tiles_of_noise).familiarity])
    is_known = np.arange(len(scores)) < len(familiarity)
    assert noise.auroc.value == pytest.approx(roc_auc_score(is_known, scores))
    assert noise.auroc.groups == 4 and str(noise.auroc).endswith("(no interval: only 4 groups)")
    assert np.isnan(results["grey"].auroc.low) and results["grey"].to_dict()["auroc"]["low"] is None
    assert told[-1].done == 1.0 and len(told) == 6


def test_known_tiles_against_themselves_are_a_coin_toss(tmp_path):
    model, tiles = load_model(tiny_model()), read_tile_set(tiny_tiles()).of_split("val")
    for record in tiles.records:
        save(tmp_path / "same" / record.file, np.asarray(Image.open(record.path)))
    familiarity = model.predictions_of(*forward_tiles(model, tiles)).familiarity
    known = in_distribution(tiles, model.card.tile, familiarity, tiles.groups)
    [same] = detect_foreign(model, find_foreign(tmp_path), known)
    assert same.auroc.value == pytest.approx(0.5) and same.auroc.groups == 6
    assert same.not_recognised == pytest.approx((familiarity < model.card.familiarity_threshold).mean())


def test_a_name_cannot_command_the_terminal(tmp_path):
    save(tmp_path / "a\x1b[2Jb\n" / "x.png", np.zeros((8, 8, 3), np.uint8))
    [found] = find_foreign(tmp_path)
    assert found.name == "a[2Jb"


def test_what_cannot_be_read_is_named(tmp_path):
    model = load_model(tiny_model())
    (tmp_path / "set").mkdir()
    with pytest.raises(DatasetError, match="holds no images"):
        find_foreign(tmp_path)
    with pytest.raises(DatasetError, match="is not a folder"):
        find_foreign(tmp_path / "nowhere")
    (tmp_path / "set" / "broken.png").write_bytes(b"\x89PNG but not")
    with pytest.raises(DatasetError, match=r"foreign image broken.png cannot be read"):
        detect_foreign(
            model, find_foreign(tmp_path), ShownTiles(np.ones(3), np.ones(3), np.array(["a", "b", "c"]), 0.0)
        )


def test_what_is_made_of_the_tiles_is_met_as_its_name_says():
    model, tiles = load_model(tiny_model()), read_tile_set(tiny_tiles()).of_split("val")
    familiarity = model.predictions_of(*forward_tiles(model, tiles)).familiarity
    known = in_distribution(tiles, model.card.tile, familiarity, tiles.groups)
    results = {one.name: one for one in detect_unfamiliar(model, tiles, known)}
    assert len(results) == len(UNFAMILIAR) and all(one.tiles == len(tiles) for one in results.values())
    assert results["made: noise"].not_recognised == 1.0
    assert results["made: blank glass"].blurred == 0.0


def test_the_views_are_what_they_are_called():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    views = {name: view(pixels, 1.0, np.random.default_rng(1)) for name, view in UNFAMILIAR}
    np.testing.assert_array_equal(views["made: inverted stain"].astype(int), 255 - pixels.astype(int))
    assert views["made: blank glass"].mean() == pytest.approx(243.3, abs=0.5)
    changed = (views["made: marker pen"] != pixels).any(axis=2).mean()
    assert 0.2 < changed < 0.8
    assert (pixels == np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).all()
