"""The white of each source group, found on its own tiles and set on all of them before anything else."""

import numpy as np
import pytest
from PIL import Image

from classifier.dataset.tile_list import read_tile, read_tile_set
from classifier.dataset.whites import with_whites
from tests.classifier.tiles import write_csv
from tiler.spec import TileSpec

SPEC = TileSpec(64, 1.0)
GLASS = {"a": (230, 207, 219), "b": (211, 209, 253)}


@pytest.fixture()
def tiles(tmp_path):
    rows = []
    for group, glass in GLASS.items():
        for index in range(3):
            pixels = np.full((64, 64, 3), (120, 60, 110), np.uint8)
            if index == 2:  # one tile of three shows glass
                pixels[:10] = glass
            file = f"{group}{index}.png"
            Image.fromarray(pixels).save(tmp_path / file)
            rows.append((file, f"class {group}", group))
    return read_tile_set(write_csv(tmp_path / "tiles.csv", ("file", "class", "source_group"), rows))


def test_every_tile_of_a_group_has_the_white_of_its_glass(tiles):
    for record in with_whites(tiles).records:
        assert record.white == pytest.approx(GLASS[record.group], abs=0.1)
        shown = read_tile(record, SPEC)
        assert shown[-1, -1] == pytest.approx(np.array((120, 60, 110)) * 245 / np.array(GLASS[record.group]), abs=0.51)


def test_the_list_itself_stays_and_so_does_its_digest(tiles):
    white = with_whites(tiles)
    assert all(record.white is None for record in tiles.records)
    assert white.digest() == tiles.digest() and white.classes == tiles.classes
    assert with_whites(white).records == white.records
