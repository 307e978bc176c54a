"""Synthetic slides: that the truth is true to the pixel, that drawings tell kinds apart, that files are sound."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import SyntheticSlide
from wsi import open_slide
from wsi.errors import UsageError
from wsi.synthetic.marks import BlackBorder, BlurPatch, Fold, PenStroke
from wsi.synthetic.shapes import Ellipse, Polygon, Rectangle, contains, fill_rows, organic_outline
from wsi.synthetic.slide import CLASSES, TISSUE_KINDS, SyntheticRegion, paint_tissue
from wsi.synthetic.tissue import GLASS_RGB, texture_step_px
from wsi.synthetic.write_pyramid import PyramidSpec

EVERYWHERE = Rectangle((-10.0, -10.0), (1e5, 1e5))
WEAVE = SyntheticRegion(Rectangle((20.3, 11.0), (60.2, 50.5)), "unknown")


def pixels_of(made: SyntheticSlide) -> np.ndarray:
    with open_slide(made.path, mpp=made.truth.mpp) as slide:
        return slide.read_region((0, 0), 0, slide.size_px)


def test_classes_are_those_of_the_training_tiles(data_dir: Path) -> None:
    lines = (data_dir / "lc25000" / "tiles.csv").read_text().splitlines()[1:]
    assert tuple(sorted({line.split(",")[1] for line in lines})) == CLASSES
    assert TISSUE_KINDS[: len(CLASSES)] == CLASSES


@pytest.mark.parametrize("kind", TISSUE_KINDS)
@pytest.mark.parametrize("mpp", [0.2527, 1.0])
def test_painting_is_deterministic_and_seamless(kind: str, mpp: float) -> None:
    step = texture_step_px(mpp)
    size = (25 * step, 20 * step)
    picture = paint_tissue(kind, size, mpp, seed=4)
    assert picture.shape == (size[1], size[0], 3) and picture.dtype == np.uint8
    assert np.array_equal(picture, paint_tissue(kind, size, mpp, seed=4))
    assert not np.array_equal(picture, paint_tissue(kind, size, mpp, seed=5))
    signed = picture.astype(int)
    seam = np.abs(signed[:, 0] - signed[:, -1]).mean()
    inside = np.abs(np.diff(signed, axis=1)).mean(axis=(0, 2))
    assert seam <= inside.max() * 1.5 + 1


def test_kinds_differ_by_colour_and_by_texture() -> None:
    pictures = {kind: paint_tissue(kind, (600, 600), 1.0, 2).astype(float) for kind in CLASSES}
    white = {kind: (picture.min(axis=2) > 215).mean() for kind, picture in pictures.items()}
    assert white["normal"] > 0.35 > white["adenocarcinoma"] > 0.04 > white["squamous_cell_carcinoma"]


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError):
        paint_tissue("liver", (10, 10), 0.5, 0)
    with pytest.raises(UsageError):
        SyntheticRegion(EVERYWHERE, "liver")


@pytest.mark.parametrize("arguments", [{}, {"size_px": (9, 9), "size_um": (9.0, 9.0)}, {"size_px": (0, 5)}])
def test_size_must_be_stated_once(synthetic_slide: Callable[..., SyntheticSlide], arguments: dict) -> None:
    with pytest.raises(UsageError):
        synthetic_slide(**arguments)


@pytest.mark.parametrize("mpp", [0.25, 0.2527, 0.499, 1.0])
def test_borders_are_exact_to_the_pixel(synthetic_slide: Callable[..., SyntheticSlide], mpp: float) -> None:
    """The weave is far darker than glass in red, so lossless chroma shows its border in every pixel."""
    regions = (WEAVE, SyntheticRegion(Ellipse((120.0, 40.0), (25.0, 20.0)), "unknown"))
    made = synthetic_slide(
        size_um=(160.0, 80.0), mpp=mpp, regions=regions, subsampling="4:4:4", quality=100, levels=(1,)
    )
    tissue = pixels_of(made)[..., 0] < 238
    width, height = made.truth.size_px
    truth = np.array([[made.truth.label_at((x, y)) > 0 for x in range(width)] for y in range(height)])
    # The weave itself is nearly clear in places; none of it may lie outside.
    assert not (tissue & ~truth).any()
    assert (tissue & truth).sum() > 0.9 * truth.sum()
    rows, columns = np.nonzero(tissue)
    true_rows, true_columns = np.nonzero(truth)
    for found, expected in ((rows, true_rows), (columns, true_columns)):
        assert found.min() == expected.min() and found.max() == expected.max()


def test_truth_counts_its_pixels(synthetic_slide: Callable[..., SyntheticSlide]) -> None:
    regions = (
        SyntheticRegion(Rectangle((0.0, 0.0), (400.0, 300.0)), "normal"),
        SyntheticRegion(Rectangle((100.0, 100.0), (100.0, 50.0)), "adenocarcinoma"),
    )
    truth = synthetic_slide(size_um=(500.0, 320.0), mpp=0.5, regions=regions).truth
    assert truth.area_mm2 == pytest.approx({"normal": 0.115, "adenocarcinoma": 0.005})
    assert truth.tissue_mm2 == pytest.approx(0.12)
    assert truth.kind_at((250, 250)) == "adenocarcinoma"
    assert truth.kind_at((10, 10)) == "normal"
    assert truth.kind_at((850, 10)) is None
    assert truth.label_at((-1, 5)) == 0 and truth.label_at((1000, 5)) == 0
    assert truth.label_map.shape == (40, 63)
    for row, column in [(0, 0), (14, 20), (39, 62), (20, 49)]:
        centre = ((column + 0.5) * truth.label_mpp / truth.mpp, (row + 0.5) * truth.label_mpp / truth.mpp)
        assert truth.label_map[row, column] == truth.label_at(centre)


def test_tissue_may_touch_all_edges(synthetic_slide: Callable[..., SyntheticSlide]) -> None:
    made = synthetic_slide(size_px=(513, 259), regions=(SyntheticRegion(EVERYWHERE, "unknown"),))
    assert (made.truth.label_map > 0).all()
    pixels = pixels_of(made)
    assert pixels.shape == (259, 513, 3)
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert edge.mean() < 220


def test_same_seed_same_file(synthetic_slide: Callable[..., SyntheticSlide]) -> None:
    arguments = {"size_px": (700, 500), "regions": (WEAVE,)}
    files = [synthetic_slide(f"{i}.svs", seed=seed, **arguments).path.read_bytes() for i, seed in enumerate((1, 1, 2))]
    assert files[0] == files[1] != files[2]


@pytest.mark.parametrize("levels", [(1,), (1, 2), (1, 3, 9), (1, 4, 16, 64)])
@pytest.mark.parametrize("size", [(1, 1), (63, 64), (65, 700), (701, 333)])
def test_pyramids_of_any_size_open(
    synthetic_slide: Callable[..., SyntheticSlide], levels: tuple[int, ...], size: tuple[int, int]
) -> None:
    region = SyntheticRegion(EVERYWHERE, "unknown")
    made = synthetic_slide(size_px=size, regions=(region,), levels=levels, tile_px=64)
    spec = PyramidSpec(size, levels, 64)
    with open_slide(made.path) as slide:
        expected = [spec.level_size_px(level) for level in range(len(levels))]
        assert [level.size_px for level in slide.levels] == expected
        for level, size_px in enumerate(expected):
            assert slide.read_region((0, 0), level, size_px).mean() < 225


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_colours_survive_subsampling(synthetic_slide: Callable[..., SyntheticSlide], subsampling: str) -> None:
    made = synthetic_slide(size_px=(300, 300), subsampling=subsampling)
    assert np.abs(pixels_of(made).astype(int) - GLASS_RGB).max() <= 3


def test_pen_lies_where_it_was_drawn(synthetic_slide: Callable[..., SyntheticSlide]) -> None:
    pen = PenStroke(((50.0, 20.0), (50.0, 280.0)), width_um=20.0, rgb=(20, 60, 160))
    pixels = pixels_of(synthetic_slide(size_um=(200.0, 300.0), mpp=0.5, marks=(pen,))).astype(int)
    assert pixels[300, 100, 0] < 40 and pixels[300, 100, 2] > 120
    assert (pixels[300, 130:] > 235).all() and (pixels[:10] > 235).all()


def test_black_border_on_all_edges(synthetic_slide: Callable[..., SyntheticSlide]) -> None:
    pixels = pixels_of(synthetic_slide(size_px=(600, 601), mpp=0.5, marks=(BlackBorder(20.0),)))
    for edge in (pixels[:36], pixels[-36:], pixels[:, :36], pixels[:, -36:]):
        assert edge.max() < 12
    assert pixels[48:-48, 48:-48].min() > 235


def test_blur_softens_inside_only_and_without_a_seam(synthetic_slide: Callable[..., SyntheticSlide]) -> None:
    tissue = (SyntheticRegion(EVERYWHERE, "adenocarcinoma"),)
    patch = BlurPatch(Rectangle((100.0, 50.0), (200.0, 250.0)), sigma_um=6.0)
    sharp = pixels_of(synthetic_slide("a.svs", size_px=(800, 700), regions=tissue, quality=98)).astype(float)
    soft = pixels_of(synthetic_slide("b.svs", size_px=(800, 700), regions=tissue, quality=98, marks=(patch,)))
    soft = soft.astype(float)
    inside = (slice(110, 590), slice(210, 590))
    assert np.abs(np.diff(soft[inside], axis=1)).mean() < 0.25 * np.abs(np.diff(sharp[inside], axis=1)).mean()
    assert np.abs(soft[:, 620:] - sharp[:, 620:]).mean() < 2
    steps = np.abs(np.diff(soft[110:590, 210:590], axis=0)).mean(axis=(1, 2))
    assert steps[255 - 110] < 3 * np.median(steps)


def test_fold_is_darker(synthetic_slide: Callable[..., SyntheticSlide]) -> None:
    tissue = (SyntheticRegion(EVERYWHERE, "stroma"),)
    fold = Fold(((100.0, 10.0), (100.0, 190.0)), width_um=30.0)
    pixels = pixels_of(synthetic_slide(size_px=(400, 400), regions=tissue, marks=(fold,))).astype(float)
    assert pixels[100:300, 180:220].mean() < 0.6 * pixels[100:300, 300:].mean()


@given(
    points=st.lists(st.tuples(st.floats(-20, 60), st.floats(-20, 60)), min_size=3, max_size=9),
    mpp=st.sampled_from([0.7, 1.0, 1.3]),
)
@settings(max_examples=60, deadline=None)
def test_filled_pixels_are_those_whose_centre_lies_inside(points: list[tuple[float, float]], mpp: float) -> None:
    shapes = [Polygon(tuple(points)), Ellipse((20.0, 18.0), (9.5, 12.25)), Rectangle((3.3, 4.4), (11.1, 7.7))]
    for shape in shapes:
        filled = fill_rows([(shape, 1)], 0, 40, 40, mpp)
        expected = [[contains(shape, (x + 0.5) * mpp, (y + 0.5) * mpp) for x in range(40)] for y in range(40)]
        # A centre that lies on the border to the last bit may fall either way, and a whole diagonal of them can.
        wrong = [((x + 0.5) * mpp, (y + 0.5) * mpp) for y, x in np.argwhere(filled != np.array(expected))]
        assert [(x, y) for x, y in wrong if all(abs(x - end) > 1e-6 for span in shape.spans(y) for end in span)] == []


def test_area_of_an_ellipse() -> None:
    filled = fill_rows([(Ellipse((100.0, 80.0), (60.0, 40.0)), 1)], 0, 320, 400, 0.5)
    assert filled.sum() * 0.25 == pytest.approx(math.pi * 60 * 40, rel=0.002)


def test_organic_outline_keeps_about_its_size() -> None:
    outline = organic_outline((500.0, 500.0), (300.0, 200.0), seed=1, roughness=0.08)
    area = fill_rows([(outline, 1)], 0, 500, 500, 2.0).sum() * 4
    assert area == pytest.approx(math.pi * 300 * 200, rel=0.15)
    assert outline == organic_outline((500.0, 500.0), (300.0, 200.0), seed=1, roughness=0.08)


def test_leica_layout_has_a_scanned_part_at_an_offset(synthetic_slide: Callable[..., SyntheticSlide]) -> None:
    tissue = SyntheticRegion(Rectangle((150.0, 180.0), (200.0, 150.0)), "unknown")
    box = (200, 300, 608, 400)
    made = synthetic_slide(
        "a.scn", size_px=(1008, 912), regions=(tissue,), spacing_tag="leica", scanned_px=box, quality=98
    )
    with open_slide(made.path) as slide:
        assert slide.size_px == made.truth.size_px == (1008, 912)
        assert slide.bounds_px == made.truth.scanned_px == box
        assert (slide.spacing.mpp, slide.spacing.source) == (pytest.approx(0.5, rel=1e-3), "slide")
        assert slide.metadata["synthetic"] is True and slide.metadata["vendor"] == "leica"
        pixels = slide.read_region((0, 0), 0, slide.size_px)
    assert (pixels[:300] == 255).all() and (pixels[:, :200] == 255).all()
    assert (pixels[700:] == 255).all() and (pixels[:, 808:] == 255).all()
    rows, columns = np.nonzero(pixels[..., 0] < 220)
    assert (columns.min(), rows.min()) == (300, 360)
    assert (columns.max(), rows.max()) == (699, 659)
    assert made.truth.kind_at((310, 370)) == "unknown" and made.truth.kind_at((310, 800)) is None
    assert made.truth.area_mm2 == pytest.approx({"unknown": 0.03})


def test_only_leica_has_a_scanned_part(synthetic_slide: Callable[..., SyntheticSlide]) -> None:
    with pytest.raises(UsageError):
        synthetic_slide(size_px=(320, 320), scanned_px=(0, 0, 160, 160))
    with pytest.raises(UsageError):
        synthetic_slide(size_px=(320, 320), scanned_px=(200, 0, 160, 160), spacing_tag="leica")
