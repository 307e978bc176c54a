"""Training: learns, can be killed at any time and goes on, repeats itself, refuses what cannot end well."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from classifier.dataset.tile_list import read_tile_set
from classifier.model_folder.card import name_for
from classifier.model_folder.files import read_card
from classifier.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from classifier.training.fit import learning_rate_at, training_batches
from classifier.training.recipe import TrainConfig
from classifier.training.request import TrainRequest
from classifier.training.train import train
from tests.classifier.tiles import TINY, tiny_model, tiny_tiles, write_csv, write_tiles
from tests.conftest import REPOSITORY
from wsi.errors import DatasetError, OutputUnwritableError, UsageError


def test_the_card_tells_how_the_model_was_made():
    card = read_card(tiny_model())
    assert card.name == "tiny-model" and card.background == "checks"
    assert card.training["seed"] == TINY.seed
    assert TrainConfig.from_dict(card.training["recipe"]) == TINY
    assert card.training["data_sha256"] == read_tile_set(tiny_tiles()).digest()
    assert sum(card.training["tiles"].values()) + sum(card.training["hold_out_tiles"].values()) == 90
    validation = card.metrics["val"]
    assert validation["tiles"] == 30 and validation["groups"] == 6
    figure = validation["figures"]["accuracy"]
    assert figure["value"] > 0.9 and (figure["low"], figure["high"], figure["groups"]) == (None, None, 6)
    assert validation["warnings"][-1].startswith("Only 6 groups were judged, too few for any interval")
    assert validation["baseline"]["accuracy"]["value"] > 0.9
    assert str(tiny_tiles().parent) not in card.to_json()


def test_nothing_of_the_training_is_left_behind():
    card = read_card(tiny_model())
    assert {path.name for path in tiny_model().iterdir()} == {"card.json", *card.files}


def test_a_killed_training_goes_on(tmp_path):
    out = tmp_path / "model"
    config = replace(TINY, epochs=12)
    script = f"""
import json, sys
from pathlib import Path
from classifier.training.recipe import TrainConfig
from classifier.training.request import TrainRequest
from classifier.training.train import train
config = TrainConfig.from_dict(json.loads({json.dumps(json.dumps(config.to_dict()))}))
train(TrainRequest(Path({str(tiny_tiles())!r}), Path({str(out)!r}), config))
"""
    process = subprocess.Popen([sys.executable, "-c", script], cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    checkpoint = out / ".training" / "checkpoint.npz"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert checkpoint.exists() and not (out / "card.json").exists()
    with np.load(checkpoint) as stored:
        reached = int(stored["epoch"])

    seen = []
    # The learning rate of an interrupted recipe depends on its length, so the same recipe must be asked for again.
    card = train(TrainRequest(tiny_tiles(), out, config), progress=lambda progress: seen.append(progress.text))
    assert seen[0].startswith(f"epoch {reached + 1}/12 ")
    assert card.metrics["val"]["figures"]["accuracy"]["value"] > 0.9
    assert not checkpoint.exists()


def test_training_again_gives_the_same_model(tmp_path):
    again = train(TrainRequest(tiny_tiles(), tmp_path / "tiny-model", TINY))
    first = read_card(tiny_model())
    assert again.training == first.training
    for name, figure in again.metrics["val"]["figures"].items():
        assert figure["value"] == pytest.approx(first.metrics["val"]["figures"][name]["value"], abs=0.02), name


def test_a_finished_model_is_not_trained_over():
    with pytest.raises(UsageError, match="already holds a model"):
        train(TrainRequest(tiny_tiles(), tiny_model(), TINY))


def test_without_a_background_class_training_does_not_begin(tmp_path):
    with pytest.raises(DatasetError, match="--background"):
        train(TrainRequest(tiny_tiles(), tmp_path / "m", replace(TINY, background="normal")))
    assert not (tmp_path / "m").exists()


def test_too_few_tiles_or_a_single_source(tmp_path):
    few = write_tiles(tmp_path, groups=1, tiles_a_group=3)
    with pytest.raises(DatasetError, match="at least 4"):
        train(TrainRequest(few, tmp_path / "m", TINY))
    one_source = write_tiles(tmp_path, groups=1, tiles_a_group=6)
    listed = [record for record in read_tile_set(one_source).records if record.split == "train"]
    rows = [(record.file, record.label, "all", "train") for record in listed]
    write_csv(one_source, ("file", "class", "source_group", "split"), rows)
    with pytest.raises(DatasetError, match="source"):
        train(TrainRequest(one_source, tmp_path / "m", TINY))


def test_a_bad_tile_is_named_before_training_and_not_after(tmp_path):
    tiles = write_tiles(tmp_path)
    (tmp_path / "stripes-7-4.png").write_bytes(b"no image")  # the last validation tile
    with pytest.raises(DatasetError, match=r"row \d+ \(stripes-7-4.png\) cannot be read"):
        train(TrainRequest(tiles, tmp_path / "m", TINY))
    assert not (tmp_path / "m").exists()


def test_an_output_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputUnwritableError):
        train(TrainRequest(tiny_tiles(), tmp_path / "file" / "m", TINY))


def test_an_epoch_shows_each_tile_once_and_repeats_for_its_seed():
    tiles = read_tile_set(tiny_tiles()).of_split("train")
    epochs = [list(training_batches(tiles, TINY, epoch)) for epoch in (0, 0, 1)]
    for (first, labels), (second, same_labels) in zip(epochs[0], epochs[1], strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(labels, same_labels)
    assert any((a[0] != b[0]).any() for a, b in zip(epochs[0], epochs[2], strict=True))
    assert sum(len(labels) for _, labels in epochs[0]) == len(tiles) // 8 * 8
    assert epochs[0][0][0].shape == (8, TINY.crop_px, TINY.crop_px, 3)


def test_the_learning_rate_rises_then_falls_to_nothing():
    rates = [learning_rate_at(step, 100, 10, 0.1) for step in range(100)]
    assert max(rates) == pytest.approx(0.1) and int(np.argmax(rates)) in (9, 10)
    assert (np.diff(rates[:10]) > 0).all() and (np.diff(rates[10:]) < 0).all() and rates[-1] < 1e-4


def test_checkpoints_are_taken_up_only_by_their_own_recipe(tmp_path):
    path = tmp_path / "checkpoint.npz"
    arrays = [np.arange(3, dtype=np.float32), np.array(7)]
    write_checkpoint(path, Checkpoint("digest", 2, arrays))
    stored = read_checkpoint(path, "digest")
    assert stored.epoch == 2 and [a.tolist() for a in stored.arrays] == [[0, 1, 2], 7]
    assert read_checkpoint(path, "another") is None
    assert read_checkpoint(tmp_path / "none.npz", "digest") is None
    path.write_bytes(path.read_bytes()[:50])
    assert read_checkpoint(path, "digest") is None


def test_recipes_have_bounds_and_digests():
    assert TrainConfig().digest("data") == TrainConfig().digest("data")
    assert TrainConfig().digest("data") != TrainConfig(seed=8).digest("data") != TrainConfig().digest("other")
    for wrong in ({"epochs": 0}, {"learning_rate": 9.0}, {"crop_px": 1000}, {"batch_size": 1}, {"hold_out_share": 0.9}):
        with pytest.raises(UsageError):
            TrainConfig(**wrong)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("lung model (2)", "lung-model-2-"), ("..", None), ("-x", "x"), ("ü", "model"), ("a.b_c", "a.b_c")],
)
def test_a_folders_name_becomes_a_cards_name(tmp_path, folder, name):
    found = name_for(tmp_path / folder)
    assert found == name or (name is None and found)


def test_a_name_that_no_card_carries_is_refused_before_training(tmp_path):
    with pytest.raises(UsageError, match="--name"):
        train(TrainRequest(tiny_tiles(), tmp_path / "m", TINY, name="my model é"))
    assert not (tmp_path / "m").exists()


def test_a_picture_in_two_classes_or_splits_ends_it_before_training(tmp_path):
    tiles = write_tiles(tmp_path)
    shutil.copy(tmp_path / "dots-0-0.png", tmp_path / "stripes-1-2.png")
    with pytest.raises(DatasetError, match=r"dots-0-0.png.* and .*stripes-1-2.png.* show one picture, as dots and as"):
        train(TrainRequest(tiles, tmp_path / "m", TINY))
    (tmp_path / "other").mkdir()
    tiles = write_tiles(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "dots-0-0.png", tmp_path / "other" / "dots-7-0.png")
    with pytest.raises(DatasetError, match="show one picture, in train and in val"):
        train(TrainRequest(tiles, tmp_path / "m", TINY))
    assert not (tmp_path / "m").exists()


def test_groups_that_share_a_picture_stay_on_one_side_of_a_split_that_is_made(tmp_path):
    """Twelve groups of one class that all hold one picture are one: they cannot be both learned from and judged."""
    write_tiles(tmp_path, groups=6, val_groups=0)
    with (tmp_path / "tiles.csv").open(newline="") as file:
        rows = [(row["file"], row["class"], row["source_group"]) for row in csv.DictReader(file)]
    for group in range(6):
        shutil.copy(tmp_path / "dots-0-0.png", tmp_path / f"dots-{group}-1.png")
    tiles = write_csv(tmp_path / "tiles.csv", ("file", "class", "source_group"), rows)
    with pytest.raises(DatasetError, match="class dots has"):
        train(TrainRequest(tiles, tmp_path / "m", TINY))
