"""What every reader must do: inherit `ReaderContract` and give it a slide with the `slide` fixture."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from wsi.slide import Slide


class ReaderContract:
    """Tests of the Slide interface. A subclass supplies `slide`, an open slide larger than 8 px either way."""

    @pytest.fixture
    def slide(self) -> Slide:
        raise NotImplementedError

    def test_is_a_slide(self, slide: Slide) -> None:
        assert isinstance(slide, Slide)
        assert slide.backend

    def test_levels_run_from_fine_to_coarse(self, slide: Slide) -> None:
        assert slide.levels[0].size_px == slide.size_px
        assert slide.levels[0].downsample == 1.0
        downsamples = [level.downsample for level in slide.levels]
        assert downsamples == sorted(downsamples)

    def test_level_sizes_follow_their_downsamples(self, slide: Slide) -> None:
        for level in slide.levels:
            for side, level_side in zip(slide.size_px, level.size_px, strict=True):
                assert abs(side / level.downsample - level_side) <= 1.0

    def test_spacing_is_plausible(self, slide: Slide) -> None:
        assert 0.05 <= slide.spacing.mpp <= 20

    def test_bounds_lie_on_the_slide(self, slide: Slide) -> None:
        x, y, width, height = slide.bounds_px
        assert min(x, y) >= 0
        assert width > 0 and height > 0
        assert x + width <= slide.size_px[0]
        assert y + height <= slide.size_px[1]

    def test_region_has_the_asked_shape_and_type(self, slide: Slide) -> None:
        for level in range(len(slide.levels)):
            region = slide.read_region((1, 2), level, (7, 5))
            assert region.shape == (5, 7, 3)
            assert region.dtype == np.uint8

    def test_outside_is_white(self, slide: Slide) -> None:
        width, height = slide.levels[-1].size_px
        for corner in [(-50, 0), (0, -50), (width, 0), (0, height), (10**7, 10**7), (-(10**7), 3)]:
            assert (slide.read_region(corner, len(slide.levels) - 1, (9, 9)) == 255).all()

    def test_edges_join_what_is_inside_and_white(self, slide: Slide) -> None:
        for level in range(len(slide.levels)):
            width, height = slide.levels[level].size_px
            corner = slide.read_region((width - 4, height - 3), level, (10, 10))
            assert np.array_equal(corner[:3, :4], slide.read_region((width - 4, height - 3), level, (4, 3)))
            assert (corner[3:] == 255).all() and (corner[:, 4:] == 255).all()
            start = slide.read_region((-5, -6), level, (10, 10))
            assert np.array_equal(start[6:, 5:], slide.read_region((0, 0), level, (5, 4)))
            assert (start[:6] == 255).all() and (start[:, :5] == 255).all()

    def test_neighbouring_regions_join_without_a_seam(self, slide: Slide) -> None:
        width, height = (min(side, 200) for side in slide.size_px)
        whole = slide.read_region((0, 0), 0, (width, height))
        half = width // 2
        left = slide.read_region((0, 0), 0, (half, height))
        right = slide.read_region((half, 0), 0, (width - half, height))
        assert np.array_equal(np.concatenate([left, right], axis=1), whole)

    def test_empty_region(self, slide: Slide) -> None:
        assert slide.read_region((0, 0), 0, (0, 4)).shape == (4, 0, 3)

    def test_unknown_level_is_refused(self, slide: Slide) -> None:
        for level in (len(slide.levels), -1):
            with pytest.raises(IndexError):
                slide.read_region((0, 0), level, (4, 4))

    def test_thumbnail_keeps_the_shape(self, slide: Slide) -> None:
        for max_px in (1, 8, 33):
            height, width, channels = slide.thumbnail(max_px).shape
            assert channels == 3
            assert max(height, width) == min(max_px, max(slide.size_px))
            scale = max(slide.size_px) / max(height, width)
            assert abs(min(height, width) - max(1, min(slide.size_px) / scale)) <= 1

    def test_thumbnail_is_never_larger_than_the_slide(self, slide: Slide) -> None:
        if max(slide.size_px) < 4000:
            height, width, _ = slide.thumbnail(10**6).shape
            assert (width, height) == slide.size_px

    def test_reopened_in_threads_gives_the_same_pixels(self, slide: Slide) -> None:
        expected = slide.read_region((0, 0), 0, (64, 64))

        def read(_: int) -> np.ndarray:
            with slide.reopen() as other:
                return other.read_region((0, 0), 0, (64, 64))

        with ThreadPoolExecutor(4) as pool:
            assert all(np.array_equal(region, expected) for region in pool.map(read, range(12)))

    def test_reopened_slide_outlives_the_first(self, slide: Slide) -> None:
        with slide.reopen() as other:
            slide.close()
            assert other.read_region((0, 0), 0, (4, 4)).shape == (4, 4, 3)
            assert other.spacing == slide.spacing

    def test_closed_slide_is_not_read(self, slide: Slide) -> None:
        slide.close()
        slide.close()
        with pytest.raises(ValueError, match="closed"):
            slide.read_region((0, 0), 0, (4, 4))

    def test_regions_are_the_callers_own(self, slide: Slide) -> None:
        first = slide.read_region((0, 0), 0, (8, 8))
        kept = first.copy()
        first[:] = 0
        assert np.array_equal(slide.read_region((0, 0), 0, (8, 8)), kept)
        thumbnail = slide.thumbnail(max(slide.size_px) if max(slide.size_px) < 4000 else 64)
        thumbnail[:] = 0
        assert np.array_equal(slide.read_region((0, 0), 0, (8, 8)), kept)

    def test_metadata_holds_plain_values_only(self, slide: Slide) -> None:
        for key, value in slide.metadata.items():
            assert isinstance(key, str)
            assert isinstance(value, str | float | int | bool)
        with pytest.raises(TypeError):
            slide.metadata["patient"] = "x"  # type: ignore[index]
