"""Which tiles a drawn region labels, held against areas that are known."""

import numpy as np
import pytest

from app.upkeep.learning.tiles import MOST_A_REGION, labelled_tiles, share_inside
from tests.results import make_result

SQUARE = (((0.0, 0.0), (100.0, 0.0), (100.0, 100.0), (0.0, 100.0)),)


@pytest.mark.parametrize(
    ("corner", "share"), [((0, 0), 1.0), ((50, 0), 1.0), ((75, 0), 0.5), ((75, 75), 0.25), ((200, 0), 0.0)]
)
def test_the_share_of_a_tile_in_a_square(corner, share):
    assert share_inside(np.array([corner], float), 50.0, SQUARE) == pytest.approx([share])


def test_a_triangle_and_a_hole():
    triangle = (((0.0, 0.0), (100.0, 0.0), (0.0, 100.0)),)
    assert share_inside(np.zeros((1, 2)), 100.0, triangle)[0] == pytest.approx(0.5, abs=0.07)
    holed = (*SQUARE, ((25.0, 25.0), (75.0, 25.0), (75.0, 75.0), (25.0, 75.0)))
    assert share_inside(np.zeros((1, 2)), 100.0, holed)[0] == pytest.approx(0.75)


def test_the_direction_in_which_a_ring_is_drawn_does_not_matter():
    turned = (SQUARE[0][::-1],)
    corners = np.array([[0.0, 0.0], [75.0, 75.0]])
    np.testing.assert_array_equal(share_inside(corners, 50.0, SQUARE), share_inside(corners, 50.0, turned))


def test_whole_tiles_of_good_quality_alone():
    result = make_result(cells="000b\n0000\np000", cell_px=100.0)
    upper = (((0.0, 0.0), (400.0, 0.0), (400.0, 180.0), (0.0, 180.0)),)
    # Four in the first row, of which one is blurred, and four in the second that lie in it to 80%.
    chosen = result.tiles.xy[labelled_tiles(result, upper)].tolist()
    assert chosen == [[0, 0], [100, 0], [200, 0], [0, 100], [100, 100], [200, 100], [300, 100]]


def test_of_many_tiles_some_from_everywhere():
    result = make_result(cells="\n".join(["0" * 30] * 30), cell_px=10.0)
    chosen = labelled_tiles(result, (((0.0, 0.0), (300.0, 0.0), (300.0, 300.0), (0.0, 300.0)),))
    assert len(chosen) == len(set(chosen)) == MOST_A_REGION and chosen[0] == 0 and chosen[-1] == 899
