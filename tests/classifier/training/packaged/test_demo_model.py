"""The demonstration model: right on painted tissue anywhere, and strangers to it are reported as strangers."""

import csv

import cv2
import numpy as np
import pytest

from classifier.model import load_model
from classifier.model_folder.find import DEMO_MODEL
from classifier.training.packaged.demo_tiles import compose_tile, write_demo_tiles
from tiler.spec import TileSpec
from wsi.synthetic.slide import CLASSES, paint_tissue
from wsi.synthetic.tissue import GLASS_RGB


@pytest.fixture(scope="module")
def model():
    return load_model(DEMO_MODEL)


def sheet(kind, mpp, size_um=768, seed=4711):
    """Painted tissue at 1.0 um/px, as the tiler would average it down from `mpp`."""
    painted = paint_tissue(kind, (round(size_um / mpp),) * 2, mpp, seed)
    return cv2.resize(painted, (size_um, size_um), interpolation=cv2.INTER_AREA)


def cut(pixels, size_px, step_px):
    starts = range(0, pixels.shape[0] - size_px + 1, step_px)
    return np.stack([pixels[y : y + size_px, x : x + size_px] for y in starts for x in starts])


def test_its_card_says_synthetic(model):
    card = model.card
    assert card.synthetic and "SYNTHETIC" in card.intended_use and card.classes == CLASSES
    assert any("SYNTHETIC" in limit for limit in card.limits)


@pytest.mark.parametrize("mpp", [0.4990, 0.5, 1.0])
@pytest.mark.parametrize("kind", CLASSES)
def test_painted_tissue_is_known_and_rightly_called(model, kind, mpp):
    found = model.predict(cut(sheet(kind, mpp), model.card.tile.size_px, 80))
    assert (found.probabilities.argmax(axis=1) == CLASSES.index(kind)).mean() > 0.95
    assert (found.familiarity < model.card.familiarity_threshold).mean() < 0.15


@pytest.mark.parametrize("kind", ["stroma", "unknown"])
def test_kinds_that_it_never_saw_are_not_recognised(model, kind):
    found = model.predict(cut(sheet(kind, 0.5), model.card.tile.size_px, 128))
    assert (found.familiarity < model.card.familiarity_threshold).mean() > 0.9


def test_on_a_border_the_larger_part_wins(model):
    size_px = model.card.tile.size_px
    sheets = {kind: sheet(kind, 0.5) for kind in CLASSES}
    right = []
    for main in CLASSES:
        for other in CLASSES:
            for y in range(0, 640, 128) if main != other else ():
                tile = sheets[main][y : y + size_px, 100 : 100 + size_px].copy()
                tile[:, : size_px * 3 // 10] = sheets[other][y : y + size_px, : size_px * 3 // 10]
                right.append(model.predict(tile[None]).probabilities.argmax() == CLASSES.index(main))
    assert np.mean(right) > 0.8


def test_the_lung_model_does_not_recognise_drawings():
    lung = load_model("lung-v1")
    for kind in CLASSES:
        familiarity = lung.predict(cut(sheet(kind, 0.5), lung.card.tile.size_px, 224)).familiarity
        assert (familiarity < lung.card.familiarity_threshold).mean() > 0.9


def test_tiles_are_mostly_of_their_class_or_glass():
    colours = {"a": 10, "b": 120, "c": 200}
    painted = {name: np.full((200, 200, 3), level, np.uint8) for name, level in colours.items()}
    rng = np.random.default_rng(0)
    partly_glass = partly_other = 0
    for _ in range(200):
        tile = compose_tile(painted, "a", 64, rng)
        own = (tile == 10).all(axis=2).mean()
        glass = (tile == GLASS_RGB).all(axis=2).mean()
        assert own + glass > 0.999 or own > 0.6
        partly_glass, partly_other = partly_glass + (glass > 0), partly_other + (own + glass < 0.999)
    assert partly_glass > 30 and partly_other > 30


def test_the_list_of_painted_tiles(tmp_path, monkeypatch):
    monkeypatch.setattr("classifier.training.packaged.demo_tiles.PAINTED_MPP", (2.0,))  # coarse drawings are quick
    path = write_demo_tiles(tmp_path, TileSpec(32, 4.0), sheets=5, tiles_a_sheet=2, seed=1)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 * 2 * 3 and {row["class"] for row in rows} == set(CLASSES)
    assert {row["source_group"] for row in rows if row["split"] == "val"} == {f"{kind}-004" for kind in CLASSES}
    assert all((tmp_path / row["file"]).is_file() for row in rows)
