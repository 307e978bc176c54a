"""Colour profiles: ignored unless asked for, applied by what they say, looked at before a library is."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from app.config import RunConfig
from app.pipeline import run_slide
from app.slides.facts import describe
from classifier.model import load_model
from classifier.model_folder.find import DEMO_MODEL
from tests.coded import write_coded
from tests.contracts.reader import ReaderContract
from tests.tiffs import UNDEFINED, write_slide
from tests.wsi.readers.test_coded_tiff import picture
from tests.zarrs import write_ome_zarr
from wsi import open_slide
from wsi.errors import CorruptSlideError
from wsi.readers.icc import MAX_BYTES, profile_of

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# Its red is sRGB's green: what it turns into sRGB comes out exchanged.
EXCHANGED = SRGB.replace(b"rXYZ", b"swap", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"swap", b"gXYZ", 1)


def with_profile(profile):
    return lambda directories: directories[0].update({34675: (UNDEFINED, profile)})


def write(kind: str, path: Path, profile: bytes) -> Path:
    if kind == "svs":
        return write_slide(path / "x.svs", change=with_profile(profile))
    if kind == "coded":
        return write_coded(path / "x.tif", picture(), "png", change=with_profile(profile))
    Image.fromarray(picture()).save(path / "x.png", icc_profile=profile)
    return path / "x.png"


KINDS = ("svs", "coded", "png")


class TestContract(ReaderContract):
    @pytest.fixture
    def slide(self, tmp_path: Path):
        with open_slide(write("svs", tmp_path, EXCHANGED), icc=True) as slide:
            yield slide


@pytest.mark.parametrize("kind", KINDS)
def test_a_profile_is_applied_only_where_it_is_asked_for(tmp_path: Path, kind) -> None:
    path = write(kind, tmp_path, EXCHANGED)
    with open_slide(path, mpp=0.5) as plain, open_slide(path, mpp=0.5, icc=True) as applied:
        stored, turned = (slide.read_region((-3, -2), 0, (90, 70)).astype(int) for slide in (plain, applied))
        assert np.abs(stored[..., [1, 0, 2]] - turned).max() <= 2 and not np.array_equal(stored, turned)
        assert (turned[:2] == 255).all() and applied.metadata["colour_profile"] == "applied"
        small, other = (slide.thumbnail(64).astype(int) for slide in (plain, applied))
        assert np.abs(small[..., [1, 0, 2]] - other).max() <= 2
        assert "colour_profile" not in plain.metadata and profile_of(path) == EXCHANGED
        with applied.reopen() as again:
            assert np.array_equal(again.read_region((-3, -2), 0, (90, 70)), turned)


def test_where_there_is_none_nothing_changes_and_it_is_said(tmp_path: Path) -> None:
    for path in (write_slide(tmp_path / "x.svs"), write_ome_zarr(tmp_path / "x.zarr", picture())):
        with open_slide(path, icc=True) as slide, open_slide(path) as plain:
            assert slide.metadata["colour_profile"] == "none" and profile_of(path) == b""
            assert np.array_equal(*(s.read_region((0, 0), 0, (200, 150)) for s in (slide, plain)))


def spoilt(at: int, form: str, value: int) -> bytes:
    profile = bytearray(SRGB)
    struct.pack_into(form, profile, at, value)
    return bytes(profile)


DAMAGED = {
    "cut": SRGB[:200],
    "empty": b"x",
    "no signature": spoilt(36, ">I", 0),
    "CMYK": SRGB[:16] + b"CMYK" + SRGB[20:],
    "a link of devices": SRGB[:12] + b"link" + SRGB[16:],
    "a billion tags": spoilt(128, ">I", 10**9),
    "a size beyond": spoilt(0, ">I", len(SRGB) + 1),
    "a tag beyond": spoilt(136, ">I", 2**31),
    "a tag's length": spoilt(140, ">I", 2**32 - 1),
    "huge": SRGB + bytes(MAX_BYTES),
    "no colours": SRGB.replace(b"rXYZ", b"junk").replace(b"gXYZ", b"junk"),
}


@pytest.mark.parametrize("profile", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_profile_is_one_line_where_it_is_asked_for_and_else_ignored(tmp_path: Path, kind, profile) -> None:
    if kind == "png" and len(profile) > MAX_BYTES:
        pytest.skip("Pillow's own bound comes first")
    path = write(kind, tmp_path, profile)
    with open_slide(path, mpp=0.5) as slide:
        assert slide.read_region((0, 0), 0, (9, 9)).shape == (9, 9, 3)
        told = describe(slide)[0]["colour_profile"]
        assert told == "damaged, ignored" or profile is DAMAGED["no colours"]
    with pytest.raises(CorruptSlideError, match=r"colour profile that is damaged.*run without --icc"):
        open_slide(path, mpp=0.5, icc=True)


def test_info_says_that_a_profile_is_ignored(tmp_path: Path) -> None:
    for profile, told in ((SRGB, "present, ignored (run --icc applies it)"), (b"", "none")):
        path = write("svs", tmp_path, profile) if profile else write_slide(tmp_path / "y.svs")
        with open_slide(path) as slide:
            assert describe(slide)[0]["colour_profile"] == told


def test_a_run_applies_it_and_says_so_and_digests_without_stay(tmp_path: Path, ready_slide) -> None:
    with open_slide(ready_slide.path) as slide:
        pixels = slide.read_region((0, 0), 0, (1200, 900))
    path = tmp_path / "x.png"
    Image.fromarray(pixels).save(path, icc_profile=EXCHANGED)
    model = load_model(DEMO_MODEL)
    plain, applied = (RunConfig(out=tmp_path, model=DEMO_MODEL, icc=icc) for icc in (False, True))
    assert "icc" not in plain.scientific(0.5) and plain.sha256(0.5) != applied.sha256(0.5)
    results = [run_slide(path, "a", model, config, mpp=0.5) for config in (plain, applied)]
    assert "colour_profile" not in results[0].slide.metadata
    assert results[1].slide.metadata["colour_profile"] == "applied" and results[1].provenance.config["icc"] is True
    bare = io.BytesIO()
    Image.fromarray(pixels).save(bare, "PNG")
    (tmp_path / "bare.png").write_bytes(bare.getvalue())
    same = run_slide(tmp_path / "bare.png", "a", model, plain, mpp=0.5)
    assert np.array_equal(same.tiles.probabilities, results[0].tiles.probabilities)
    assert not np.array_equal(results[1].tiles.features, results[0].tiles.features)
