"""Given masks: each kind gives the tissue that it draws, and what is none gives one line."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw
from skimage.draw import polygon2mask

from tests.slides import ArraySlide, stained
from tiler.given.mask import lay_over, read_given
from tiler.spec import TileSpec
from tiler.survey import survey_slide
from tiler.tissue import find_tissue
from wsi.errors import BadMaskError

SIZE = (1600, 1200)  # width, height, px of 1 um
SPEC = TileSpec(64, 1.0)
OUTLINE = [(205.3, 160.7), (1203.1, 130.2), (1411.9, 777.7), (700.4, 1003.3), (330.6, 620.1)]
HOLE = [(600.2, 400.3), (900.7, 420.9), (850.1, 640.4), (620.8, 660.2)]


def slide(bounds=None):
    """Stained all over, with a strip of glass on the right."""
    pixels = np.full((SIZE[1], SIZE[0], 3), 245, np.uint8)
    pixels[:, :1500] = stained(SIZE[1], 1500)
    return ArraySlide(pixels, mpp=1.0, bounds=bounds)


def feature(*rings, kind="Tissue", **properties):
    classification = {"classification": {"name": kind}} if kind else {}
    closed = [[*map(list, ring), list(ring[0])] for ring in rings]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": closed},
        "properties": {"objectType": "annotation", **classification, **properties},
    }


def written(folder, *features, name="a.geojson", **more):
    path = folder / name
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features), **more}))
    return path


def laid(path, on=None):
    on = on or slide()
    return lay_over(read_given(path), find_tissue(on), on)


def by_others(*rings, shape):
    """A polygon by scikit-image, its holes taken out; rings are px of the slide."""
    rows, columns = shape
    scale = np.array([rows / SIZE[1], columns / SIZE[0]])
    # It asks for the px whose corner lies inside; the middle of a px is half a px further.
    masks = [polygon2mask(shape, np.array(ring)[:, ::-1] * scale - 0.5) for ring in rings]
    return masks[0] & ~np.logical_or.reduce([np.zeros(shape, bool), *masks[1:]])


def test_regions_are_the_tiles_that_another_rasteriser_gives(tmp_path):
    path = written(tmp_path, feature(OUTLINE, HOLE))
    mask, facts = laid(path)
    other = by_others(OUTLINE, HOLE, shape=mask.tissue.shape)
    assert np.count_nonzero(mask.tissue != other) <= 3 and mask.tissue.sum() > 5000
    survey = survey_slide(slide(), SPEC, read_given(path))
    side = 64 / 8
    cells = {tuple(cell) for cell in survey.grid.cell.tolist()}
    wanted = {(int(row // side), int(column // side)) for row, column in np.argwhere(other)}
    assert cells == wanted
    assert (facts.regions, facts.repaired, facts.passed_over) == (1, 0, 0) and survey.given == facts
    assert survey.grid.tissue_cells.sum() == len(wanted)  # the heatmap ends where the mask ends


@pytest.mark.parametrize("size", [(1600, 1200), (400, 300), (37, 28)])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_label_image_of_any_scale_gives_its_tiles(tmp_path, size, ending):
    image = Image.new("L", size)
    scale = size[0] / SIZE[0]
    ImageDraw.Draw(image).polygon([(x * scale, y * scale) for x, y in OUTLINE], fill=3)
    image.save(tmp_path / f"a.{ending}")
    mask, facts = laid(tmp_path / f"a.{ending}")
    labels = np.asarray(image) > 0
    rows, columns = ((np.arange(n) + 0.5) / n * m for n, m in zip(mask.tissue.shape, labels.shape, strict=True))
    assert np.array_equal(mask.tissue, labels[np.ix_(rows.astype(int), columns.astype(int))])
    assert facts.regions == 1 and facts.repaired == 0


def test_what_is_to_be_left_out_is(tmp_path):
    whole, _ = laid(written(tmp_path, feature(OUTLINE)))
    less, facts = laid(written(tmp_path, feature(OUTLINE), feature(HOLE, kind="Ignore*")))
    with_hole, _ = laid(written(tmp_path, feature(OUTLINE, HOLE)))
    assert np.array_equal(less.tissue, with_hole.tissue)
    taken = np.count_nonzero(whole.tissue) - np.count_nonzero(less.tissue)
    assert facts.left_out_mm2 == pytest.approx(taken * 64 / 1e6) and facts.regions == 2


def test_only_regions_to_leave_out_leave_the_rest_of_the_tissue_found(tmp_path):
    found = find_tissue(slide())
    mask, _ = laid(written(tmp_path, feature(HOLE, kind="exclude")))
    hole = by_others(HOLE, shape=found.tissue.shape)
    assert np.count_nonzero(mask.tissue != (found.tissue & ~hole)) <= 2


def test_a_mask_on_glass_is_taken_at_its_word(tmp_path):
    glass = [(1510.0, 200.0), (1590.0, 200.0), (1590.0, 500.0), (1510.0, 500.0)]
    mask, _ = laid(written(tmp_path, feature(glass)))
    assert mask.tissue.sum() == pytest.approx(80 * 300 / 64, rel=0.1) and not find_tissue(slide()).tissue[:, 189:].any()


@pytest.mark.parametrize("kind", ["Tissue", "TISSUE", "include", "Region*", None, "Tumor"])
def test_classes_say_what_is_tissue(tmp_path, kind):
    path = written(tmp_path, feature(OUTLINE), feature(HOLE, kind=kind))
    assert laid(path)[1].passed_over == (kind == "Tumor")


def test_points_and_lines_are_passed_over_and_several_polygons_are_one_region_s(tmp_path):
    line = {"type": "Feature", "geometry": {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}, "properties": {}}
    both = feature(OUTLINE)
    far = [[(1450.0, 1000.0), (1500.0, 1000.0), (1500.0, 1100.0)]]
    both["geometry"] = {"type": "MultiPolygon", "coordinates": [[OUTLINE], far]}
    mask, facts = laid(written(tmp_path, both, line))
    assert facts.passed_over == 1 and facts.repaired == 0
    assert mask.tissue[128, 186] and mask.tissue[60, 80]


def test_a_region_that_crosses_itself_is_repaired_and_told(tmp_path):
    bow = [(200.0, 200.0), (1000.0, 900.0), (1000.0, 200.0), (200.0, 900.0)]
    mask, facts = laid(written(tmp_path, feature(bow)))
    assert facts.repaired == 1 and mask.tissue.sum() * 64 == pytest.approx(2 * 0.5 * 700 * 400, rel=0.03)


def test_coordinates_count_from_the_scanned_part_as_in_qupath_or_from_the_canvas_as_ours_may(tmp_path):
    on = slide(bounds=(400, 200, 1200, 1000))
    corner = [(0.0, 0.0), (160.0, 0.0), (160.0, 160.0), (0.0, 160.0)]
    for from_canvas, row, column in ((False, 25, 50), (True, 0, 0)):
        told = {"pulmoscope": {"coordinates": "level-0 px from the corner of the whole canvas"}} if from_canvas else {}
        mask, _ = laid(written(tmp_path, feature(corner), **told), on)
        assert np.argwhere(mask.tissue).min(axis=0).tolist() == [row, column] and mask.tissue.sum() == 400


def test_a_label_image_may_be_of_the_scanned_part(tmp_path):
    on = slide(bounds=(400, 200, 1200, 900))
    Image.fromarray(np.full((90, 120), 1, np.uint8)).save(tmp_path / "a.png")
    mask, _ = laid(tmp_path / "a.png", on)
    assert np.argwhere(mask.tissue).min(axis=0).tolist() == [25, 50] and mask.tissue.sum() == 150 * 112


def test_a_hand_may_draw_a_little_past_the_edge(tmp_path):
    past = [(-9.0, -9.0), (800.0, -9.0), (800.0, 1210.0), (-9.0, 1210.0)]
    mask, facts = laid(written(tmp_path, feature(past)))
    assert mask.tissue.sum() == 150 * 100 and facts.repaired == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no JSON"),
        (b"[1, 2]", "is no GeoJSON"),
        (b'{"features": []}', "has no region of tissue or to leave out"),
        (json.dumps([feature(OUTLINE, kind="Tumor")]).encode(), "has no region of tissue"),
        (json.dumps([feature([(0, 0), (1, 1)])]).encode()[:-1] + b"]", "leaves no tissue"),
        (json.dumps([feature([(5e3, 5e3), (6e3, 5e3), (6e3, 6e3)])]).encode(), "reaches 4,800 px beyond the slide"),
        (json.dumps([feature([(0, 0), (0, "x"), (1, 1)])]).encode(), "an outline that is none"),
        (b'[{"geometry": {"type": "Polygon", "coordinates": 7}}]', "a polygon that is none"),
        (b'[{"geometry": {"type": "MultiPolygon", "coordinates": 7}}]', "a polygon that is none"),
        (b"[" * 100_000, "is no JSON"),
    ],
)  # fmt: skip
def test_what_is_no_mask_is_one_line(tmp_path, content, words):
    path = tmp_path / "a.geojson"
    path.write_bytes(content)
    with pytest.raises(BadMaskError, match=r"^bad-mask: mask a\.geojson ") as told:
        laid(path)
    assert words in str(told.value) and "\n" not in str(told.value) and told.value.hint


def test_more_points_than_a_person_draws_are_refused_and_two_million_are_not(tmp_path):
    angle = np.linspace(0, 2 * np.pi, 1_999_999, endpoint=False)
    ring = np.round(np.stack([800 + 500 * np.cos(angle), 600 + 500 * np.sin(angle)], axis=1), 3).tolist()
    path = written(tmp_path, feature(ring))
    mask, facts = laid(path)
    assert mask.tissue.sum() * 64 == pytest.approx(np.pi * 500**2, rel=0.01) and facts.repaired == 0
    path.write_text(path.read_text().replace("[[[", "[[[0, 0], [", 1))
    with pytest.raises(BadMaskError, match="more than 2,000,000 points"):
        read_given(path)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Image.new("L", (160, 120)), "leaves no tissue"),
        (Image.new("RGB", (160, 120), "white"), "has colours"),
        (Image.new("L", (120, 160), 1), "does not have the shape of the slide"),
        (None, "cannot be read as PNG or TIFF"),
    ],
)
def test_an_image_that_is_no_mask_is_one_line(tmp_path, image, words):
    path = tmp_path / "a.png"
    if image is None:
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"broken")
    else:
        image.save(path)
    with pytest.raises(BadMaskError, match=words):
        laid(path)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(BadMaskError, match="cannot be read: No such file"):
        read_given(tmp_path / "a.png")
