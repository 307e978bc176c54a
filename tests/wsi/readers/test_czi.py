"""Zeiss CZI, by OpenSlide: made samples whose truth is known to the pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.coded import reduced
from tests.czis import CODECS, write_czi
from tests.wsi.readers.test_coded_tiff import picture
from wsi import open_slide
from wsi.errors import UnsupportedSlideError


@pytest.mark.parametrize("codec", CODECS)
def test_each_level_is_what_was_written(tmp_path: Path, codec) -> None:
    pixels = picture(1000, 700)
    with open_slide(write_czi(tmp_path / "x.czi", pixels, codec=codec)) as slide:
        assert (slide.backend, slide.spacing.mpp, slide.spacing.source) == ("openslide", 0.5, "slide")
        assert [level.downsample for level in slide.levels] == [1, 2, 4]
        for number, by in enumerate((1, 2, 4)):
            truth = reduced(pixels, by)
            assert np.array_equal(slide.read_region((0, 0), number, truth.shape[1::-1]), truth)


def test_a_dimension_that_openslide_does_not_know_is_no_damage(tmp_path: Path) -> None:
    path = write_czi(tmp_path / "x.czi", picture(1000, 700), more=("Z",))
    with pytest.raises(UnsupportedSlideError, match="a CZI that counts focal planes") as told:
        open_slide(path)
    assert "damaged" not in str(told.value)
