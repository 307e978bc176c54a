"""Spacing: the order of sources, and the plan for reading a requested mpp."""

from __future__ import annotations

import json
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsi.errors import MppImplausibleError, MppMissingError, MppTooCoarseError
from wsi.spacing import (
    LEVEL_TOLERANCE,
    MAX_ENLARGEMENT,
    FillIn,
    Level,
    Spacing,
    area_mm2,
    mpp_from_tiff_resolution,
    plan_read,
    px_to_um,
    resolve_spacing,
)

SOURCES = {
    "given": 1.0,
    "own": (0.25, 0.25),
    "ome": (0.3, 0.3),
    "imagej": (0.35, 0.35),
    "objective_power": 20.0,
    "tiff_resolution": (0.4, 0.4),
}


def levels_of(*downsamples: float) -> list[Level]:
    return [Level((round(10_000 / d), round(8_000 / d)), d) for d in downsamples]


def test_order_of_sources() -> None:
    expected = [
        (1.0, "given"),
        (0.25, "slide"),
        (0.3, "ome-xml"),
        (0.35, "imagej"),
        (0.5, "objective-power"),
        (0.4, "tiff-resolution"),
    ]
    for skipped, (mpp, source) in enumerate(expected):
        spacing = resolve_spacing("a.svs", **dict(list(SOURCES.items())[skipped:]))
        assert (spacing.mpp, spacing.source) == (pytest.approx(mpp), source)
        assert spacing.inferred == (source in ("objective-power", "tiff-resolution"))


def test_nothing_known() -> None:
    with pytest.raises(MppMissingError, match=r"a\.svs tells no pixel size; give --mpp or a manifest"):
        resolve_spacing("a.svs")


@pytest.mark.parametrize("power", [0.0, -20.0, math.nan, math.inf])
def test_meaningless_power_is_no_power(power: float) -> None:
    with pytest.raises(MppMissingError):
        resolve_spacing("a.svs", objective_power=power)


@pytest.mark.parametrize("mpp", [0.0, -0.5, 0.049, 20.1, math.nan, math.inf])
def test_implausible_statements_are_errors(mpp: float) -> None:
    with pytest.raises(MppImplausibleError):
        resolve_spacing("a.svs", given=mpp)
    if mpp == 0:
        return
    with pytest.raises(MppImplausibleError):
        resolve_spacing("a.svs", own=(mpp, 0.5), given=None)
    with pytest.raises(MppImplausibleError):
        resolve_spacing("a.svs", own=(0.5, mpp))


def test_zero_is_nothing_stated() -> None:
    assert resolve_spacing("a.svs", own=(0.0, 0.0), objective_power=40.0) == Spacing(0.25, "objective-power")
    assert resolve_spacing("a.svs", own=(0.0, 0.5)) == Spacing(0.5, "slide")
    assert resolve_spacing("a.svs", own=(0.0, 0.0), ome=(0.0, 0.0), imagej=(0.5, 0.5)).source == "imagej"
    with pytest.raises(MppMissingError):
        resolve_spacing("a.svs", own=(0.0, 0.0))


@pytest.mark.parametrize(
    ("own", "power", "otherwise"),
    [
        (1.0, 40.0, 0.25),
        (0.25, 10.0, 1.0),
        (0.5, 40.0, None),
        (0.5, 10.0, None),
        (0.624, 40.0, None),
        (0.626, 40.0, 0.25),
    ],
)
def test_a_pixel_size_against_the_objectives_power(own: float, power: float, otherwise: float | None) -> None:
    for source in ("own", "ome", "imagej"):
        found = resolve_spacing("a.svs", **{source: (own, own)}, objective_power=power)
        assert (found.mpp, found.otherwise) == (pytest.approx(own), otherwise)


@pytest.mark.parametrize(
    ("given", "otherwise"), [(0.5, None), (0.52, None), (0.53, 0.5), (0.48, None), (0.47, 0.5), (0.25, 0.5)]
)
def test_a_given_pixel_size_against_what_the_slide_states(given: float, otherwise: float | None) -> None:
    found = resolve_spacing("a.svs", given=given, own=(0.5, 0.5), objective_power=80.0)
    assert found == Spacing(given, "given", otherwise)
    # What is only inferred may be replaced without a word.
    assert resolve_spacing("a.svs", given=given, objective_power=80.0, tiff_resolution=(9, 9)).otherwise is None


@pytest.mark.parametrize("source", ["own", "ome", "imagej", "tiff_resolution"])
def test_oblong_pixels_are_refused_also_where_an_mpp_is_given(source: str) -> None:
    for mpp in (None, 0.5):
        with pytest.raises(MppImplausibleError, match=r"pixels are not square \(0\.5 by 0\.25 um\)"):
            resolve_spacing("a.svs", given=mpp, **{source: (0.5, 0.25)})


def test_a_given_pixel_size_mends_an_implausible_one() -> None:
    assert resolve_spacing("a.svs", given=0.5, own=(5000.0, 5000.0)) == Spacing(0.5, "given")
    assert resolve_spacing("a.tif", given=0.5, tiff_resolution=(352.8, 169.3)) == Spacing(0.5, "given")


def test_implausible_tiff_tags_are_dropped() -> None:
    with pytest.raises(MppMissingError):
        resolve_spacing("a.tif", tiff_resolution=(352.8, 352.8))


def test_pixels_that_are_not_square() -> None:
    assert resolve_spacing("a.svs", own=(0.25, 0.252)).mpp == pytest.approx(0.251, abs=1e-4)
    with pytest.raises(MppImplausibleError, match="not square"):
        resolve_spacing("a.svs", own=(0.25, 0.5))


@pytest.mark.parametrize(
    ("mpp", "downsamples", "level", "read_px"),
    [
        (0.25, (1, 4, 16), 1, 224),
        (0.2527, (1, 4, 16), 1, 224),
        (0.499, (1,), 0, 449),
        (0.5, (1, 4, 16), 0, 448),
        (1.0, (1, 4), 0, 224),
        (1.04, (1, 4), 0, 224),
        (2.0, (1, 4), 0, 112),
    ],
)
def test_plans(mpp: float, downsamples: tuple[float, ...], level: int, read_px: int) -> None:
    plan = plan_read(levels_of(*downsamples), Spacing(mpp, "slide"), 224, 1.0)
    assert (plan.level, plan.read_px) == (level, read_px)


def test_too_coarse() -> None:
    with pytest.raises(MppTooCoarseError):
        plan_read(levels_of(1), Spacing(2.01, "slide"), 224, 1.0)


@given(
    mpp=st.floats(0.05, 4.0),
    steps=st.lists(st.floats(1.3, 8.0), max_size=5),
    tile_px=st.integers(16, 1024),
    wanted=st.floats(0.1, 4.0),
)
def test_plan_properties(mpp: float, steps: list[float], tile_px: int, wanted: float) -> None:
    downsamples = [1.0]
    for step in steps:
        downsamples.append(downsamples[-1] * step)
    levels = levels_of(*downsamples)
    try:
        plan = plan_read(levels, Spacing(mpp, "slide"), tile_px, wanted)
    except MppTooCoarseError:
        assert mpp > wanted * MAX_ENLARGEMENT
        return
    level_mpp = mpp * levels[plan.level].downsample
    assert plan.tile_px == tile_px
    assert plan.mpp == pytest.approx(plan.read_px * level_mpp / tile_px)
    assert plan.span_px == pytest.approx(plan.read_px * levels[plan.level].downsample)
    # The field of view is that of the request, to within the tolerance and a rounded pixel.
    assert abs(plan.mpp / wanted - 1) <= LEVEL_TOLERANCE + 0.5 / plan.read_px + 1e-9
    # Nothing coarser than the request is enlarged while a finer level exists.
    if plan.enlarged:
        assert plan.level == 0


def test_conversions() -> None:
    assert px_to_um(8, 0.25) == 2.0
    assert area_mm2(4e6, 0.5) == 1.0


@given(mpp=st.floats(0.05, 20.0), px=st.floats(0, 1e6))
def test_an_area_is_that_of_its_side(mpp: float, px: float) -> None:
    assert area_mm2(px * px, mpp) == pytest.approx((px_to_um(px, mpp) / 1000) ** 2)


@given(mpp=st.floats(0.05, 20.0))
def test_tiff_resolution(mpp: float) -> None:
    assert mpp_from_tiff_resolution(10_000 / mpp, 3) == pytest.approx(mpp)
    assert mpp_from_tiff_resolution(25_400 / mpp, 2) == pytest.approx(mpp)


@pytest.mark.parametrize(("resolution", "unit"), [(0, 2), (-1, 2), (math.nan, 3), (math.inf, 3), (100, 1), (100, 7)])
def test_meaningless_tiff_resolution(resolution: float, unit: int) -> None:
    assert mpp_from_tiff_resolution(resolution, unit) is None


@pytest.mark.parametrize("mpp", [0.05, 20.0])
@pytest.mark.parametrize("how", ["given", "own", "tiff_resolution"])
def test_the_bounds_themselves_are_plausible(how: str, mpp: float) -> None:
    told = mpp if how == "given" else (mpp, mpp)
    assert resolve_spacing("a.svs", **{how: told}).mpp == pytest.approx(mpp)


@pytest.mark.parametrize("mpp", [math.nextafter(0.05, 0), math.nextafter(20.0, 21)])
def test_one_step_beyond_the_bounds_is_not(mpp: float) -> None:
    with pytest.raises(MppImplausibleError, match=r"outside 0\.05 to 20; give the right --mpp"):
        resolve_spacing("a.svs", given=mpp)
    with pytest.raises(MppImplausibleError):
        resolve_spacing("a.svs", own=(mpp, mpp))
    with pytest.raises(MppMissingError):
        resolve_spacing("a.svs", tiff_resolution=(mpp, mpp))


@pytest.mark.parametrize(("power", "mpp"), [(0.5, 20.0), (200.0, 0.05)])
def test_powers_at_the_bounds(power: float, mpp: float) -> None:
    assert resolve_spacing("a.svs", objective_power=power).mpp == pytest.approx(mpp)


@pytest.mark.parametrize("power", [0.49, 201.0])
def test_powers_beyond_the_bounds(power: float) -> None:
    with pytest.raises(MppImplausibleError, match="10 / objective power"):
        resolve_spacing("a.svs", objective_power=power)


@pytest.mark.parametrize(
    ("x", "y", "square"), [(1.049, 1.0, True), (1.06, 1.0, False), (1.0, 1.05, True), (1.0, 1.06, False)]
)
def test_how_oblong_a_pixel_may_be(x: float, y: float, square: bool) -> None:
    if square:
        assert resolve_spacing("a.svs", own=(x, y)).mpp == pytest.approx(math.sqrt(x * y))
    else:
        with pytest.raises(MppImplausibleError, match="not square"):
            resolve_spacing("a.svs", own=(x, y))


@pytest.mark.parametrize(("mpp", "read_px"), [(0.951, 224), (0.949, 236), (1.049, 224), (1.051, 213)])
def test_a_level_within_the_tolerance_is_read_as_it_is(mpp: float, read_px: int) -> None:
    plan = plan_read(levels_of(1), Spacing(mpp, "slide"), 224, 1.0)
    assert (plan.read_px, plan.enlarged) == (read_px, read_px < 224)


@pytest.mark.parametrize(("mpp", "too_coarse"), [(2.0, False), (math.nextafter(2.0, 3), True)])
def test_how_far_a_slide_is_enlarged(mpp: float, too_coarse: bool) -> None:
    if too_coarse:
        with pytest.raises(MppTooCoarseError):
            plan_read(levels_of(1), Spacing(mpp, "slide"), 224, 1.0)
    else:
        assert plan_read(levels_of(1), Spacing(mpp, "slide"), 224, 1.0).read_px == 112


def test_of_finer_levels_the_coarsest_is_read() -> None:
    plan = plan_read(levels_of(1, 2, 4, 16), Spacing(0.11, "slide"), 224, 1.0)
    assert (plan.level, plan.read_px) == (2, 509)


def test_a_tile_is_never_less_than_a_pixel() -> None:
    assert plan_read(levels_of(1), Spacing(1.9, "slide"), 1, 1.0).read_px == 1


@pytest.mark.parametrize(
    ("own", "mpp", "source", "otherwise"),
    [
        (None, 0.25, "given", None),
        ((0.5, 0.5), 0.5, "slide", 0.25),
        ((0.25, 0.25), 0.25, "slide", None),
        ((0.26, 0.26), 0.26, "slide", None),
        ((0.0, 0.0), 0.25, "given", None),
        ((0.001, 0.001), 0.25, "given", None),  # nonsense is no statement
    ],
)
def test_what_is_filled_in_gives_way_to_what_a_slide_states(own, mpp, source, otherwise):
    told = resolve_spacing("s", given=FillIn(0.25), own=own, objective_power=40)
    assert (told.mpp, told.source, told.otherwise) == (mpp, source, otherwise)
    assert resolve_spacing("s", given=FillIn(0.25), tiff_resolution=(0.5, 0.5)).source == "given"
    assert resolve_spacing("s", given=0.25, own=(0.5, 0.5)).source == "given"


def test_what_is_to_be_filled_in_outlives_the_way_to_a_worker():
    again = pickle.loads(pickle.dumps(FillIn(0.25)))
    assert isinstance(again, FillIn) and again == 0.25 and json.dumps(again) == "0.25"
