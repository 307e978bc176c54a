"""One picture under several names, in a list where it must not be: found, and refused or named; no other is."""

import csv

import cv2
import numpy as np
import pytest
from PIL import Image

from classifier.dataset.leaks import find_leaks, leak_warning, without_leaks
from classifier.dataset.tile_list import read_tile_set
from tests.classifier.tiles import write_csv
from tiler.spec import TileSpec
from wsi.errors import DatasetError

SPEC = TileSpec(64, 1.0)
HEADER = ("file", "class", "source_group", "split")


def tissue(seed, size_px=64):
    """Blotches of two stains: no two alike."""
    rng = np.random.default_rng(seed)
    grown = cv2.resize(rng.random((9, 9, 3)).astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(rng.random((size_px // 3, size_px // 3)).astype(np.float32), (size_px, size_px))
    return np.clip(60 + 140 * grown + 40 * fine[..., None], 0, 255).astype(np.uint8)


def as_it_is(picture, path):
    Image.fromarray(picture).save(path)


def as_jpeg(quality):
    return lambda picture, path: Image.fromarray(picture).save(path, "JPEG", quality=quality)


def turned(quarters, *, flipped):
    return lambda picture, path: as_it_is(np.rot90(picture[:, ::-1] if flipped else picture, quarters), path)


def at_twice_the_size(picture, path):
    as_it_is(cv2.resize(picture, (128, 128), interpolation=cv2.INTER_CUBIC), path)


WAYS = [as_it_is, as_jpeg(60), as_jpeg(75), as_jpeg(95)]
WAYS += [turned(quarters, flipped=flipped) for quarters in range(4) for flipped in (False, True)]


@pytest.fixture
def listed(tmp_path):
    """`listed(rows)`: a list of tiles whose rows are (picture, class, group, split); the picture is written as said."""

    def write(*rows, patients=()):
        cells = []
        for number, (seed, label, group, split, *how) in enumerate(rows):
            file = f"{number}.png"
            picture = seed if isinstance(seed, np.ndarray) else tissue(seed)
            (how[0] if how else as_it_is)(picture, tmp_path / file)
            cells.append((file, label, group, split, *patients[number : number + 1]))
        header = (*HEADER, "patient") if patients else HEADER
        return read_tile_set(write_csv(tmp_path / "tiles.csv", header, cells))

    return write


REST = ((11, "normal", "g11", "train"), (12, "tumour", "g12", "val"))


@pytest.mark.parametrize("how", WAYS)
def test_one_picture_in_two_classes_is_refused_with_both_named(listed, how):
    tiles = listed((1, "normal", "g1", "train"), (1, "tumour", "g2", "train", how), *REST)
    with pytest.raises(DatasetError) as caught:
        without_leaks(tiles, SPEC)
    said = "row 2 (0.png) and row 3 (1.png) show one picture, as normal and as tumour"
    assert caught.value.message == said and caught.value.hint


@pytest.mark.parametrize("how", WAYS)
def test_one_picture_in_two_splits_is_refused_with_both_named(listed, how):
    tiles = listed((1, "normal", "g1", "val"), (1, "normal", "g2", "train", how), *REST)
    with pytest.raises(
        DatasetError, match=r"row 2 \(0.png\) and row 3 \(1.png\) show one picture, in val and in train"
    ):
        without_leaks(tiles, SPEC)


def test_in_two_classes_of_one_group_it_is_refused_too(listed):
    with pytest.raises(DatasetError, match="as normal and as tumour"):
        without_leaks(listed((1, "normal", "g", "train"), (1, "tumour", "g", "train"), *REST), SPEC)


@pytest.mark.parametrize("split", ["train", ""])
def test_groups_that_share_a_picture_are_taken_as_one_and_named(listed, split):
    rest = [(seed, label, group, "val" if split else "") for seed, label, group, _ in REST]
    tiles = listed(
        (1, "normal", "g1", split),
        (1, "normal", "g2", split, as_jpeg(75)),
        (2, "normal", "g2", split),
        (2, "normal", "g3", split),
        *rest,
    )
    made = without_leaks(tiles, SPEC)
    assert made.groups.tolist() == ["g1", "g1", "g1", "g1", "g11", "g12"]
    [told] = made.warnings[len(tiles.warnings) :]
    assert "(2 fewer; first row 4 (2.png) and row 5 (3.png) show one picture)" in told
    assert [record.file for record in made.records] == [record.file for record in tiles.records]


def test_copies_within_a_group_and_class_are_no_leak(listed):
    tiles = listed((1, "normal", "g1", "train"), (1, "normal", "g1", "train", as_jpeg(75)), *REST)
    assert without_leaks(tiles, SPEC) == tiles


def test_different_pictures_are_never_taken_for_one(listed):
    tiles = listed(*((seed, ("normal", "tumour")[seed % 2], f"g{seed}", "train") for seed in range(60)))
    assert find_leaks(tiles, SPEC) == []


def glass(value, noise=1.0, seed=0):
    light = np.random.default_rng(seed).normal(value, noise, (64, 64, 3))
    return np.clip(light, 0, 255).astype(np.uint8)


def test_glass_looks_like_glass_and_is_a_copy_only_byte_for_byte(listed):
    alike = listed(*((glass(240, seed=i), "normal", f"g{i}", "train") for i in range(4)), *REST)
    assert find_leaks(alike, SPEC) == []
    same = listed(*((glass(240), label, label, "train") for label in ("normal", "tumour")), *REST)
    with pytest.raises(DatasetError, match="as normal and as tumour"):
        without_leaks(same, SPEC)


def test_a_thousand_copies_are_found_in_line_with_their_number(listed):
    tiles = listed(*((glass(200), "normal", f"g{i:03}", "train") for i in range(300)), *REST)
    made = without_leaks(tiles, SPEC)
    assert set(made.groups.tolist()) == {"g000", "g11", "g12"} and "(299 fewer;" in made.warnings[-1]


def test_the_test_split_is_not_looked_at(listed):
    tiles = listed((1, "normal", "g1", "train"), (1, "tumour", "g2", "test"), *REST)
    assert without_leaks(tiles, SPEC) == tiles


def test_groups_of_one_patient_are_taken_as_one_and_the_patient_is_not_named(listed):
    rows = [(seed, "normal", f"g{seed}", "") for seed in range(4)]
    tiles = listed(*rows, (9, "tumour", "g9", ""), patients=("Erika", "Max", "Erika", "", "Erika"))
    made = without_leaks(tiles, SPEC)
    assert made.groups.tolist() == ["g0", "g1", "g0", "g3", "g0"]
    assert "(2 fewer)" in made.warnings[-1] and "Erika" not in " ".join(made.warnings)


def test_groups_of_one_patient_in_two_splits_stay_apart(listed):
    rows = ((1, "normal", "g1", "train"), (2, "normal", "g2", "val"), (3, "tumour", "g3", "val"))
    assert without_leaks(listed(*rows, patients=("Erika", "Erika", "")), SPEC).groups.tolist() == ["g1", "g2", "g3"]


def test_a_picture_of_another_size_is_known_where_the_list_tells_its_scale(tmp_path):
    as_it_is(tissue(1), tmp_path / "a.png")
    at_twice_the_size(tissue(1), tmp_path / "b.png")
    rows = [("a.png", "normal", "a", "train", "1.0"), ("b.png", "tumour", "b", "train", "0.5")]
    tiles = read_tile_set(write_csv(tmp_path / "tiles.csv", (*HEADER, "mpp"), rows))
    assert len(find_leaks(tiles, SPEC)) == 1


def test_one_file_in_two_rows_of_other_scales_is_one_picture(tmp_path):
    as_it_is(tissue(1, 256), tmp_path / "a.png")
    rows = [("a.png", "normal", "a", "train", "1.0"), ("a.png", "tumour", "b", "train", "0.5")]
    tiles = read_tile_set(write_csv(tmp_path / "tiles.csv", (*HEADER, "mpp"), rows))
    with pytest.raises(DatasetError, match="show one picture"):
        without_leaks(tiles, SPEC)


def test_who_evaluates_is_told_of_pictures_that_were_learned_from(listed):
    tiles = listed((1, "normal", "g1", "train"), (1, "normal", "g2", "val", as_jpeg(75)), *REST)
    told = leak_warning(tiles, "val", SPEC)
    assert "row 2 (0.png) and row 3 (1.png) show one picture" in told and "train split" in told
    assert (
        leak_warning(tiles, "train", SPEC) == leak_warning(tiles, "", SPEC) == leak_warning(tiles, "test", SPEC) == ""
    )


def test_real_tissue_has_no_copies_across_its_groups_and_one_is_found_when_made(data_dir, tmp_path):
    with (data_dir / "lc25000" / "tiles.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("224/")][::40]
    cells = [(row["file"].rpartition("/")[2], row["class"], row["source_group"], row["split"]) for row in rows]
    for row, cell in zip(rows, cells, strict=True):
        (tmp_path / cell[0]).write_bytes((data_dir / "lc25000" / row["file"]).read_bytes())
    with Image.open(tmp_path / cells[3][0]) as picture:
        picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "again.jpg", quality=80)
    spec = TileSpec(224, 1.0)
    tiles = write_csv(tmp_path / "tiles.csv", HEADER, cells)
    assert find_leaks(read_tile_set(tiles), spec) == []
    again = ("again.jpg", cells[3][1], "another", cells[3][3])
    [leak] = find_leaks(read_tile_set(write_csv(tiles, HEADER, [*cells, again])), spec)
    assert {leak.one.file, leak.other.file} == {cells[3][0], "again.jpg"}
