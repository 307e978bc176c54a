"""What of the tissue was on the screen: taken in, kept and counted anew, against masks drawn by hand; what is none."""

import json
from dataclasses import replace

import numpy as np
import pytest

from app.review.canonical import canonical
from app.review.coverage import (
    CELL_UM,
    KEY,
    STEPS,
    coverage_of,
    facts,
    grid_of,
    replayed,
    runs_of,
    stored,
    taken_in,
    tissue_on,
)
from tests.results import make_result

# Cells of the heatmap are 64 um here: two by two of ours each, from a corner outside the slide.
MAP = """
.00.
.00.
....
"""


@pytest.fixture
def result():
    return make_result(cells=MAP, mpp=0.5, cell_px=128.0, origin_px=(-64, -64), size_px=(400, 330))


def drawn(rows=6, columns=7, **seen):
    """{step: (rows, columns) as slices}"""
    mask = np.zeros((rows, columns), np.uint8)
    for step, place in seen.items():
        mask[place] = int(step[-1])
    return mask


def test_cells_are_32_um_from_the_slides_corner(result):
    grid = grid_of(result)
    assert (grid.rows, grid.columns, grid.cell_px) == (6, 7, CELL_UM / 0.5)
    # Tissue is at x 64 to 320 and y -64 to 192 px: columns 1 to 4, rows 0 to 2.
    wanted = np.zeros((6, 7), bool)
    wanted[:3, 1:5] = True
    assert np.array_equal(tissue_on(result, grid), wanted)


def test_a_share_counts_tissue_alone_and_the_greatest_magnification(result):
    seen = drawn(step1=np.s_[:, :], step3=np.s_[:2, 0:3], step5=np.s_[2:3, 4:7])
    share = coverage_of(seen, tissue_on(result, grid_of(result))).share
    # Of twelve cells of tissue: columns 1, 2 of rows 0, 1 at 10x, one at 40x.
    assert share == {2.5: 1.0, 5.0: 5 / 12, 10.0: 5 / 12, 20.0: 1 / 12, 40.0: 1 / 12}


def test_what_a_browser_tells_is_kept_and_replayed_as_the_same(result):
    seen = drawn(step2=np.s_[1:4, 2:6], step4=np.s_[2, 3])
    kept = taken_in({"runs": runs_of(seen)}, result)
    screen = canonical({"layer": "call", KEY: kept})
    again = replayed(stored(screen), result)
    assert np.array_equal(again.seen, seen)
    assert {f"{step:g}": round(share, 4) for step, share in again.share.items()} == kept["share"]
    assert again.figure == 1 / 12
    # A mask, its cells and the shares: nothing of when, of the order, or of how long.
    assert set(kept) == {"cell_um", "rows", "columns", "steps", "seen", "share"}


@pytest.mark.parametrize(
    "told",
    [
        None, [], "x", {}, {"runs": "0"}, {"runs": []}, {"runs": [0]}, {"runs": [0, 41]}, {"runs": [0, 43]},
        {"runs": [6, 42]}, {"runs": [-1, 42]}, {"runs": [0, 21, 1, 21.0]}, {"runs": [True, 42]}, {"runs": [0, "42"]},
        {"runs": [0, 10**30]}, {"runs": [0, -1, 0, 43]}, {"runs": [0, 0] * (1 << 21)},
    ],
)  # fmt: skip
def test_what_is_no_coverage_of_the_slide_is_kept_out(result, told):
    assert taken_in(told, result) is None


def test_a_slide_larger_than_any_glass_has_none(result):
    huge = replace(result, slide=replace(result.slide, size_px=(10**6, 10**6)))
    assert grid_of(huge) is None and taken_in({"runs": [0, 42]}, huge) is None


def test_what_was_stored_for_another_slide_or_is_broken_is_not_replayed(result):
    kept = facts(coverage_of(drawn(), tissue_on(result, grid_of(result))))
    assert replayed(kept, result) is not None
    other = replace(result, slide=replace(result.slide, size_px=(900, 330)))
    assert replayed(kept, other) is None
    for broken in (
        {"seen": "!"}, {"seen": kept["seen"][:-8]}, {"rows": 7}, {"steps": [1]}, {"seen": None}, {"columns": "x"},
    ):  # fmt: skip
        assert replayed({**kept, **broken}, result) is None
    assert stored("no JSON") is None and stored("[]") is None and stored(json.dumps({KEY: 3})) is None


def test_a_mask_survives_as_runs():
    rng = np.random.default_rng(0)
    seen = rng.integers(0, len(STEPS) + 1, (13, 17)).astype(np.uint8)
    runs = runs_of(seen)
    assert np.array_equal(np.repeat(runs[::2], runs[1::2]).reshape(seen.shape), seen)
    assert runs_of(np.zeros((2, 3), np.uint8)) == [0, 6]
