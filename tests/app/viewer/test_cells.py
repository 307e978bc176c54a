"""What the browser is told of a result: its cells byte for byte, why each is silent, where to look, and the tiles of
each reason; against maps drawn by hand."""

import base64
import zlib
from dataclasses import replace

import numpy as np
import pytest

from app.presentation.cells import ABSENT, SCALE, Silence, covered, packed, silences
from app.presentation.telling import MOST, reason_cells, telling_regions
from app.viewer.pages.slide.deep_zoom import _Same, drawn
from tests.results import make_result

MAP = """
00..11
0u1bpd
.111e0
"""


def result_of(cells, **more):
    return make_result(cells=cells, cell_px=100.0, origin_px=(-20, 40), mpp=0.5, **more)


def test_each_silence_is_told_apart():
    silence = silences(result_of(MAP))
    kinds = {"u": Silence.NOT_RECOGNISED, "b": Silence.BLUR, "p": Silence.PEN, "d": Silence.DARK, "e": Silence.EDGE}
    drawn_map = np.array([list(line) for line in MAP.split()])
    assert silence.tolist() == [[kinds.get(letter, 0) for letter in line] for line in drawn_map]


def test_cells_are_packed_as_the_browser_unpacks_them():
    result = result_of(MAP)
    silence, mark = silences(result), result.heatmap.call == 1
    planes = zlib.decompress(base64.b64decode(packed(result, silence, {"blur": mark})))
    outputs, cells = 3, 18
    probabilities = np.frombuffer(planes, "<u2", outputs * cells).reshape(3, 3, 6)
    call, told, tissue, marked = np.frombuffer(planes, np.uint8, offset=2 * outputs * cells).reshape(4, 3, 6)
    assert np.array_equal(call, result.heatmap.call) and np.array_equal(told, silence)
    assert np.array_equal(tissue, result.heatmap.tissue) and np.array_equal(marked, mark)
    known = np.isfinite(result.heatmap.probabilities)
    assert (probabilities[~known] == ABSENT).all()
    assert np.abs(probabilities[known] / SCALE - result.heatmap.probabilities[known]).max() < 1 / SCALE


def test_with_overlap_a_tile_covers_four_cells():
    result = make_result(cells="00\n00", cell_px=50.0, provenance={"tile": {"overlap": 0.5}})
    assert covered(result, np.array([True, False, False, False])).tolist() == [[True, True], [True, True]]
    assert covered(result, np.array([False, False, False, True])).tolist() == [[False, False], [False, True]]


TWO = """
1111111111111111111111111111111111
1000111111111111111111111111111111
1000111111111111111111111111111111
1000111111112211111111111111111111
1111111111112211111111111111111111
1111111uuu111111111111111111111111
1111111uuu111111111111111111111111
"""


def test_regions_are_the_tumours_first_then_further_places_then_what_was_not_judged():
    result = result_of(TWO)
    regions = telling_regions(result)
    assert [region.name for region in regions[:2]] == ["adenocarcinoma", "squamous_cell_carcinoma"]
    cell_mm2 = (100 * 0.5) ** 2 / 1e6
    assert [region.area_mm2 for region in regions[:2]] == pytest.approx([9 * cell_mm2, 4 * cell_mm2])
    # The middle of the nine is where all around is tumour: column 2, row 2, of cells 100 px wide from (-20, 40).
    assert (regions[0].x, regions[0].y) == (-20 + 250, 40 + 250)
    assert regions[0].tumour == pytest.approx(0.95) and regions[1].tumour == pytest.approx(0.95)
    last = regions[-1]
    assert (last.name, last.tumour, last.area_mm2) == ("", None, pytest.approx(6 * cell_mm2))
    assert 5 <= len(regions) <= MOST


def test_several_spots_of_one_region_are_told_as_spots_of_it():
    # Two regions: the normal one is where all further places lie, and its area is told as one region's.
    regions = telling_regions(result_of(TWO))
    further = [region for region in regions if region.name == "normal"]
    assert len(further) > 1 and [region.spot for region in further] == list(range(1, len(further) + 1))
    assert {(region.spots, region.area_mm2) for region in further} == {(len(further), further[0].area_mm2)}
    assert [(region.spot, region.spots) for region in regions if region.name != "normal"] == [(1, 1)] * 3


def test_a_stray_cell_comes_after_an_area():
    stray = "1111111111\n1211111000\n1111111000\n1111111000"
    assert [region.name for region in telling_regions(result_of(stray))][:2] == [
        "adenocarcinoma", "squamous_cell_carcinoma"
    ]  # fmt: skip


def test_spots_of_a_region_stand_together_the_most_suspicious_first():
    wide = "\n".join("0" * 30 + "1" * 10 for _ in range(12))
    regions = telling_regions(result_of(wide))
    names = [region.name for region in regions]
    assert len(names) == 5 and names == sorted(names) and names.count("adenocarcinoma") > 1
    tumour = [region for region in regions if region.name == "adenocarcinoma"]
    assert [region.spot for region in tumour] == list(range(1, len(tumour) + 1))
    assert len({(region.x, region.y) for region in regions}) == 5


def test_many_regions_are_cut_to_the_most_telling():
    rows = "\n".join("0101010101" if row % 2 else "1111111111" for row in range(9))
    assert len(telling_regions(result_of(rows))) == MOST


@pytest.mark.parametrize("cells", ["..\n..", "uu\nuu"])
def test_a_slide_without_votes_has_at_most_its_unjudged_areas(cells):
    regions = telling_regions(result_of(cells, call="undetermined"))
    assert [region.name for region in regions] == ([""] if "u" in cells else [])


def marked(result, reason):
    result = replace(result, decision=replace(result.decision, review_reasons=(reason,)))
    mask = reason_cells(result, silences(result)).get(reason)
    return None if mask is None else [tuple(cell) for cell in np.argwhere(mask).tolist()]


def test_each_reason_marks_its_tiles_and_no_others():
    result = result_of(MAP)
    assert marked(result, "blur") == [(1, 3)] and marked(result, "pen") == [(1, 4)]
    assert marked(result, "artefact") == [(1, 5), (2, 4)]
    assert marked(result, "unfamiliar-tissue") == [(1, 1)]
    assert marked(result, "mpp-inferred") is None
    assert marked(result, "tumour-like-tiles") == [(0, 0), (0, 1), (1, 0), (2, 5)]
    assert marked(result, "unjudged-area") is None  # no area of four tiles
    assert marked(result_of(TWO), "unjudged-area") == [(row, column) for row in (5, 6) for column in (7, 8, 9)]
    assert marked(result_of(TWO), "mixed-types") == [(row, column) for row in (3, 4) for column in (12, 13)]
    assert marked(result_of("1111111\n1110111\n1111111"), "scattered") == [(1, 3)]


def test_low_margin_marks_where_the_leading_classes_meet():
    result = result_of("0011\n0011", probabilities=(0.5, 0.45, 0.05))
    assert marked(result, "low-margin") == [(row, column) for row in (0, 1) for column in (1, 2)]


def test_what_is_told_aloud_names_call_status_and_reasons():
    told = drawn(_Same(result_of(MAP, reasons=("blur",))))["told"]
    assert "adenocarcinoma" in told and "To review: Part of the tissue is out of focus" in told
    assert "Done" in drawn(_Same(result_of(MAP)))["told"]
    assert [one["look"] for one in drawn(_Same(result_of(MAP)))["silences"]] == [
        "hatched", "dots", "crossed", "upright", "level"
    ]  # fmt: skip


@pytest.mark.parametrize("size_px", [(500, 400), (470, 330), (405, 395)])
def test_a_last_tile_that_is_read_inwards_is_of_its_own_cell(size_px):
    """As `tiler.grid` lays them: a tile that would reach beyond the slide is moved back until it ends there."""
    result = make_result(cells="00000 0uu00 uuuuu 0000u", cell_px=100.0, size_px=size_px)
    inwards = np.minimum(result.tiles.xy, np.array(size_px) - 100).astype(np.int32)
    moved = replace(result, tiles=replace(result.tiles, xy=inwards))
    unfamiliar = ~result.tiles.votes
    assert np.array_equal(covered(moved, unfamiliar), covered(result, unfamiliar))
    assert (inwards != result.tiles.xy).any() == (size_px != (500, 400))
