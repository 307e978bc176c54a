"""Lists of tiles: what is read, what is refused, and that every refusal names its row."""

import numpy as np
import pytest
from PIL import Image

from classifier.dataset.split import hold_out_groups
from classifier.dataset.tile_list import TileRecord, fill_splits, read_parts, read_tile, read_tile_set
from tests.classifier.tiles import CLASSES, write_csv, write_tiles
from tiler.spec import TileSpec
from wsi.errors import DatasetError

SPEC = TileSpec(64, 1.0)


@pytest.fixture
def images(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(tmp_path / name)
    return tmp_path


def refusal(path) -> str:
    with pytest.raises(DatasetError) as caught:
        read_tile_set(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_csv_is_read_in_its_order(tmp_path):
    tiles = read_tile_set(write_tiles(tmp_path, groups=3, tiles_a_group=2, val_groups=1))
    assert tiles.classes == CLASSES
    assert len(tiles) == 3 * 4 * 2 and tiles.warnings == ()
    assert tiles.records[0].mpp == 1.0 and tiles.records[0].row == 2
    assert tiles.of_split("val").counts() == dict.fromkeys(CLASSES, 2)
    assert tiles.labels.tolist() == sorted(tiles.labels.tolist())


@pytest.mark.parametrize(
    ("header", "rows", "says"),
    [
        (("file", "label"), [("a.png", "x")], "no column class"),
        (("file", "class"), [], "lists no tiles"),
        (("file", "class"), [("a.png", "x"), ("gone.png", "y")], "row 3 names gone.png, which does not exist"),
        (("file", "class"), [("a.png", "x"), ("../b.png", "y")], "row 3 names ../b.png, outside"),
        (("file", "class"), [("a.png", "x"), ("/etc/passwd", "y")], "row 3 names /etc/passwd, outside"),
        (("file", "class"), [("a.png", "x"), ("", "y")], "row 3 has an empty"),
        (("file", "class"), [("a.png", "x"), ("b.png", "")], "row 3 has an empty"),
        (("file", "class"), [("a.png", "x"), ("b.png", "<b>")], "row 3 has a class name"),
        (("file", "class"), [("a.png", "x"), ("b.png", "y", "extra")], "row 3 has more cells"),
        (("file", "class"), [("a.png", "x"), ("b.png", "x")], "names 1 class"),
        (("file", "class", "mpp"), [("a.png", "x", "1"), ("b.png", "y", "-2")], "row 3 has the mpp"),
        (("file", "class", "mpp"), [("a.png", "x", "1"), ("b.png", "y", "nan")], "row 3 has the mpp"),
        (("file", "class", "split"), [("a.png", "x", "train"), ("b.png", "y", "dev")], "row 3 has the split"),
        (("file", "class", "split"), [("a.png", "x", "train"), ("b.png", "y", "")], "row 3 (b.png) has no split"),
        (
            ("file", "class", "source_group", "split"),
            [("a.png", "x", "g", "train"), ("b.png", "y", "g", "val")],
            "row 3 (b.png) puts source group g into val",
        ),
    ],
)
def test_a_bad_row_is_named(images, header, rows, says):
    assert says in refusal(write_csv(images / "tiles.csv", header, rows))


def test_links_out_of_the_folder_are_refused(images, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "b.png"
    (images / "b.png").rename(outside)
    (images / "b.png").symlink_to(outside)
    assert "outside" in refusal(write_csv(images / "tiles.csv", ("file", "class"), [("a.png", "x"), ("b.png", "y")]))


def test_files_that_are_no_list(tmp_path):
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    assert "not a CSV" in refusal(tmp_path / "binary.csv")
    assert "does not exist" in refusal(tmp_path / "gone.csv")
    (tmp_path / "empty").mkdir()
    assert "no folder with images" in refusal(tmp_path / "empty")


def test_one_folder_a_class_warns_that_tiles_may_leak(tmp_path):
    for label in ("x", "y"):
        (tmp_path / label).mkdir()
        for i in range(10):
            Image.fromarray(np.full((64, 64, 3), i, np.uint8)).save(tmp_path / label / f"{i}.png")
    tiles = read_tile_set(tmp_path)
    assert tiles.counts() == {"x": 10, "y": 10} and not tiles.has_splits
    assert any("own group" in warning for warning in tiles.warnings)
    split = fill_splits(tiles, seed=1)
    assert split.of_split("val").counts() == {"x": 2, "y": 2}
    assert [r.split for r in split.records] == [r.split for r in fill_splits(tiles, seed=1).records]
    assert [r.split for r in split.records] != [r.split for r in fill_splits(tiles, seed=2).records]


def test_groups_are_never_torn_apart(images):
    rows = [("a.png", "x", f"x{i // 5}") for i in range(40)] + [("b.png", "y", f"y{i // 5}") for i in range(40)]
    tiles = fill_splits(read_tile_set(write_csv(images / "t.csv", ("file", "class", "source_group"), rows)), seed=0)
    for group in set(tiles.groups.tolist()):
        assert len({record.split for record in tiles.records if record.group == group}) == 1
    assert set(tiles.of_split("val").labels.tolist()) == {0, 1}


def test_a_hold_out_leaves_something_to_learn_from():
    assert len(hold_out_groups(["a", "b"], ["x", "x"], 0.5, seed=0)) == 1
    assert hold_out_groups(["a"], ["x"], 0.5, seed=0) == frozenset()


def test_digest_follows_every_pixel_and_label(tmp_path):
    csv = write_tiles(tmp_path, groups=2, tiles_a_group=1, val_groups=1)
    before = read_tile_set(csv).digest()
    assert read_tile_set(csv).digest() == before
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "dots-0-0.png")
    changed = read_tile_set(csv).digest()
    assert changed != before
    csv.write_text(csv.read_text().replace("dots1", "dots9"))
    assert read_tile_set(csv).digest() not in (before, changed)


def save(tmp_path, pixels, mpp=None, name="t.png"):
    Image.fromarray(pixels).save(tmp_path / name)
    return TileRecord(tmp_path / name, name, "x", "g", "train", mpp, row=2)


def test_a_finer_tile_is_area_averaged_and_cut_at_its_centre(tmp_path):
    fine = np.zeros((256, 256, 3), np.uint8)
    fine[::2] = 200  # rows alternate: their area average is 100
    tile = read_tile(save(tmp_path, fine, mpp=0.5), SPEC)
    assert tile.shape == (64, 64, 3) and set(np.unique(tile)) == {100}
    marked = np.zeros((100, 100, 3), np.uint8)
    marked[50, 50] = 255
    tile = read_tile(save(tmp_path, marked, mpp=1.0), SPEC)
    assert tuple(np.argwhere(tile[..., 0] == 255)[0]) == (32, 32)


def test_a_tile_of_the_right_size_is_not_touched(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read_tile(save(tmp_path, pixels, mpp=1.0), SPEC), pixels)
    np.testing.assert_array_equal(read_tile(save(tmp_path, pixels), SPEC), pixels)


def test_tiles_that_show_too_little_or_are_no_image_are_refused(tmp_path):
    small = save(tmp_path, np.zeros((64, 64, 3), np.uint8), mpp=0.5)
    with pytest.raises(DatasetError, match=r"row 2 \(t.png\) is 64x64 px"):
        read_tile(small, SPEC)
    (tmp_path / "t.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_tile(small, SPEC)
    whole = save(tmp_path, np.zeros((4000, 5000, 3), np.uint8))
    with pytest.raises(DatasetError, match="whole slides are not tiles"):
        read_tile(whole, SPEC)


def test_a_truncated_image_is_refused(tmp_path):
    record = save(tmp_path, np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    record.path.write_bytes(record.path.read_bytes()[:2000])
    with pytest.raises(DatasetError, match="cannot be read"):
        read_tile(record, SPEC)


def test_patients_and_sites_are_read_but_need_not_be_there(images):
    rows = [("a.png", "x", "Jane Doe", "Leeds"), ("b.png", "y", "", "Leeds")]
    tiles = read_tile_set(write_csv(images / "t.csv", ("file", "class", "patient", "site"), rows))
    assert tiles.units("site").tolist() == ["Leeds", "Leeds"] and tiles.units("source_group").tolist() == [
        "a.png",
        "b.png",
    ]
    with pytest.raises(DatasetError, match=r"row 3 \(b.png\) has no patient"):
        tiles.units("patient")


# --- lists and folders as people leave them


def listed(tmp_path, text, *images):
    for name in images:
        write_image(tmp_path / name)
    (tmp_path / "tiles.csv").write_text(text, encoding="utf-8")
    return read_tile_set(tmp_path / "tiles.csv")


def write_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (224, 224), (200, 120, 160)).save(path)


def test_empty_rows_and_columns_of_a_spreadsheet_are_passed_over(tmp_path):
    tiles = listed(tmp_path, " File ,CLASS,,\r\na.png,x,,\r\n,,,\r\n , ,,\r\nb.png,y,,,,\r\n", "a.png", "b.png")
    assert [(record.file, record.label, record.row) for record in tiles.records] == [
        ("a.png", "x", 2),
        ("b.png", "y", 5),
    ]


@pytest.mark.parametrize("header", ["file,class,class", "file,File,class", "file,class,split, split "])
def test_a_column_twice_is_refused_before_labels_swap(tmp_path, header):
    with pytest.raises(DatasetError, match="twice"):
        listed(tmp_path, f"{header}\na.png,x,y\n", "a.png")


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ('file,class\n"a.png,x\na.png,y\na.png,z\n', 2),
        ('file,class\na.png,x\na.png,"y\na.png,z\n', 3),
        ('"file,class\na.png,x\n', 1),
    ],
)
def test_an_open_quote_is_told_with_its_row_and_takes_no_rows_along(tmp_path, text, row):
    with pytest.raises(DatasetError, match=rf", row {row}: .*is a quote not closed"):
        listed(tmp_path, text, "a.png")


@pytest.mark.parametrize("name", ["é", "_x", "-x", "x/y", "x" * 61, "x\u200by"])
def test_a_class_name_that_no_card_carries_is_refused_before_training(tmp_path, name):
    with pytest.raises(DatasetError, match="row 2 has a class name"):
        listed(tmp_path, f"file,class\na.png,{name}\nb.png,y\n", "a.png", "b.png")
    if "/" not in name:
        write_image(tmp_path / "folders" / name / "1.png")
        with pytest.raises(DatasetError, match=r"folder .* has a class name"):
            read_tile_set(tmp_path / "folders")


def test_one_class_spelled_two_ways_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="'normal' and 'Normal'"):
        listed(tmp_path, "file,class\na.png,normal\nb.png,Normal\nc.png,x\n", "a.png", "b.png", "c.png")


def test_hidden_folders_hold_no_class_and_no_tile(tmp_path):
    for name in (
        "x/1.png",
        "y/1.png",
        ".ipynb_checkpoints/1.png",
        "x/.thumbnails/1.png",
        "x/deep/.h/2.png",
        "x/.3.png",
    ):
        write_image(tmp_path / name)
    (tmp_path / "_notes").mkdir()
    tiles = read_tile_set(tmp_path)
    assert tiles.classes == ("x", "y") and [record.file for record in tiles.records] == ["x/1.png", "y/1.png"]


@pytest.mark.parametrize(
    ("side", "corners"),
    [
        (64, [0]),
        (80, [8]),
        (95, [15]),
        (97, [0, 33]),
        (150, [0, 86]),
        (250, [0, 62, 124, 186]),
        (900, [0, 279, 557, 836]),
    ],
)
def test_a_larger_tile_is_read_in_parts_that_come_nearest_to_its_size(tmp_path, side, corners):
    pixels = np.random.default_rng(side).integers(0, 256, (side, 64, 3), dtype=np.uint8)
    parts = read_parts(save(tmp_path, pixels, mpp=1.0), SPEC)
    np.testing.assert_array_equal(parts, [pixels[y : y + 64] for y in corners])
    wide = read_parts(save(tmp_path, np.ascontiguousarray(pixels.transpose(1, 0, 2)), mpp=1.0), SPEC)
    np.testing.assert_array_equal(wide, parts.transpose(0, 2, 1, 3))


def test_a_tile_of_about_the_right_size_has_its_centre_for_its_part(tmp_path):
    record = save(tmp_path, np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8), mpp=1.0)
    np.testing.assert_array_equal(read_parts(record, SPEC), read_tile(record, SPEC)[None])
