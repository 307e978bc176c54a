"""What leaves a slide: only parsed numbers and known words, whatever was written into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import openslide
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import SyntheticSlide
from wsi import open_slide
from wsi.metadata import is_synthetic, number, public_metadata

SECRET = "Mueller^Hans 1949-03-02"

ALLOWED = {
    "vendor",
    "objective_power",
    "mpp_x",
    "mpp_y",
    "level_count",
    "level_sizes_px",
    "tile_width_px",
    "tile_height_px",
    "compression",
    "quality",
    "synthetic",
}

GOOD = {
    "openslide.vendor": "aperio",
    "openslide.objective-power": "40",
    "openslide.mpp-x": "0.2527",
    "openslide.mpp-y": "0.2527",
    "openslide.level-count": "2",
    "openslide.level[0].width": "4000",
    "openslide.level[0].height": "3000",
    "openslide.level[0].tile-width": "240",
    "openslide.level[0].tile-height": "256",
    "openslide.level[1].width": "1000",
    "openslide.level[1].height": "750",
    "tiff.ImageDescription": "Aperio Image Library v11.2.1 \r\n46000x32914 (240x240) JPEG/RGB Q=30|AppMag = 40",
}


def test_what_is_allowed() -> None:
    assert public_metadata(GOOD) == {
        "vendor": "aperio",
        "objective_power": 40.0,
        "mpp_x": 0.2527,
        "mpp_y": 0.2527,
        "level_count": 2,
        "level_sizes_px": "4000x3000 1000x750",
        "tile_width_px": 240,
        "tile_height_px": 256,
        "compression": "JPEG",
        "quality": 30,
    }


@pytest.mark.parametrize("key", sorted(GOOD))
def test_patient_text_under_an_allowed_key_stays_behind(key: str) -> None:
    for value in (SECRET, f"{GOOD[key]} {SECRET}", f"{SECRET} {GOOD[key]}"):
        assert "Mueller" not in str(public_metadata({**GOOD, key: value}))
        assert "1949" not in str(public_metadata({**GOOD, key: value}))


@given(st.dictionaries(st.sampled_from(sorted(GOOD)) | st.text(), st.text(max_size=30)))
def test_nothing_but_known_keys_and_plain_values(properties: dict[str, str]) -> None:
    found = public_metadata(properties)
    assert set(found) <= ALLOWED
    for key in ("vendor", "compression"):
        assert found.get(key, "").isascii()


def test_no_property_of_a_real_slide_leaks(data_dir: Path) -> None:
    for name in ("cmu-1-small-region.svs", "tcga-cr-7395-01a-01-ts1.svs", "boxes_0.dcm", "boxes.tiff"):
        path = data_dir / "wsi" / name
        with open_slide(path, mpp=0.5) as slide, openslide.OpenSlide(str(path)) as raw:
            told = " ".join(str(value) for value in slide.metadata.values())
            assert set(slide.metadata) <= ALLOWED | {"reader"}
            secrets = [
                value
                for key, value in raw.properties.items()
                if key.startswith(("aperio.", "dicom.", "tiff.")) and len(value) > 6 and not value.startswith("0.")
            ]
            assert not [secret for secret in secrets if secret in told]


def test_the_scanner_of_the_cmu_slide_is_not_told(data_dir: Path) -> None:
    with open_slide(data_dir / "wsi" / "cmu-1-small-region.svs") as slide:
        told = str(dict(slide.metadata))
    for secret in ("CPAPERIOCS", "b414003d", "12/29/09", "CMU-1", "1004486", "USM"):
        assert secret not in told


def test_synthetic_slides_say_so(synthetic_slide: Callable[..., SyntheticSlide]) -> None:
    for tag in ("aperio", "none"):
        made = synthetic_slide(size_px=(64, 64), spacing_tag=tag)
        with open_slide(made.path, mpp=0.5) as slide:
            assert slide.metadata["synthetic"] is True


def test_mark_counts_at_the_start_only() -> None:
    assert is_synthetic("SYNTHETIC pulmoscope")
    assert not is_synthetic("Aperio Image Library; not SYNTHETIC pulmoscope")


def test_number() -> None:
    assert number("1e-1") == 0.1
    for text in (None, "", "nan", "inf", "-inf", "1e999", "0.5 um", "one"):
        assert number(text) is None
    assert number("300", 0, 200) is None
