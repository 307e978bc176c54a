"""The heatmap's picture: each cell's colour lies where the cell lies on the slide."""

import numpy as np
import pytest

from app.presentation.colours import class_colours, rgb
from app.reports.pictures.heatmap import draw_heatmap, round_length_um
from tests.results import CLASSES, make_result

WHITE = (255, 255, 255)


def at(result, x_px, y_px, long_side_px=1400):
    """Colour of the picture at a point of the slide."""
    pixels = draw_heatmap(result, long_side_px).pixels
    step = max(result.slide.size_px) / long_side_px
    return tuple(pixels[int(y_px / step), int(x_px / step)].tolist())


def shaded(name, probability=0.9):
    colour = np.array(rgb(class_colours(CLASSES, "normal")[name]))
    strength = 0.35 + 0.65 * (probability - 1 / 3) / (2 / 3)
    return 255 + (colour - 255) * strength


def test_cells_lie_where_they_lie_on_the_slide():
    result = make_result(cells="0.1 .2.", origin_px=(300, 200), cell_px=100.0, size_px=(1000, 600))
    for column, row, name in ((0, 0, "adenocarcinoma"), (2, 0, "normal"), (1, 1, "squamous_cell_carcinoma")):
        for dx, dy in ((3, 3), (97, 97)):
            colour = at(result, 300 + column * 100 + dx, 200 + row * 100 + dy)
            assert np.abs(np.array(colour) - shaded(name)).max() <= 2
    assert at(result, 297, 250) == WHITE == at(result, 450, 250) == at(result, 350, 197) == at(result, 900, 500)


def test_tissue_without_a_call_is_hatched():
    pixels = draw_heatmap(make_result(cells="uuuu uuuu")).pixels[5:-5, 5:-5]
    colours = {tuple(colour) for colour in pixels.reshape(-1, 3).tolist()}
    assert len(colours) == 2 and WHITE not in colours


def test_the_slide_keeps_its_proportions_and_the_grid_may_overhang_it():
    result = make_result(cells="000 000", cell_px=100.0, size_px=(250, 125))
    picture = draw_heatmap(result, 1000)
    assert picture.pixels.shape == (500, 1000, 3)
    assert picture.width_um == pytest.approx(250 * 0.499)
    assert np.abs(picture.pixels[490, 990] - shaded("adenocarcinoma")).max() <= 2


def test_a_deeper_colour_is_a_higher_probability():
    result = make_result(cells="00", cell_px=500.0)
    result.heatmap.probabilities[:, 0, 1] = (0.4, 0.35, 0.25)
    assert sum(at(result, 250, 250)) < sum(at(result, 750, 250))


@pytest.mark.parametrize(("limit", "bar"), [(1, 1), (1.9, 1), (2, 2), (4999, 2000), (5000, 5000), (12345, 10000)])
def test_scale_bars_are_round(limit, bar):
    assert round_length_um(limit) == bar
    picture = draw_heatmap(make_result())
    assert picture.bar_share == pytest.approx(picture.bar_um / picture.width_um)
    assert 0.1 <= picture.bar_share <= 0.25
