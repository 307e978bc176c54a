"""One picture in several formats: each is read to the very call, and tile by tile to the very probabilities, of its
twin in plain TIFF, which OpenSlide reads."""

from __future__ import annotations

import numpy as np
import pytest

from app.config import RunConfig
from app.pipeline import run_slide
from classifier.model import load_model
from classifier.model_folder.find import DEMO_MODEL
from tests.coded import codecs, reduced, write_coded
from tests.czis import write_czi
from tests.tiffs import jpeg_tiles, level_tags, write_tiff
from tests.vsis import write_vsi
from tests.zarrs import write_ome_zarr
from wsi import open_slide

OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image><Pixels SizeX="{}" '
    'SizeY="{}" PhysicalSizeX="0.5" PhysicalSizeY="0.5"/></Image></OME>'
)


@pytest.fixture(scope="module")
def model():
    return load_model(DEMO_MODEL)


@pytest.fixture(scope="module")
def pixels(ready_slide):
    with open_slide(ready_slide.path) as slide:
        # OpenSlide gives a level's px as they are stored where its downsample comes out whole.
        return slide.read_region((0, 0), 0, (1600, 1200))


@pytest.fixture(scope="module")
def run(model, tmp_path_factory):
    """`run(path)` gives the result of the slide there."""

    def run(path):
        return run_slide(path, "a", model, RunConfig(out=tmp_path_factory.mktemp("out"), model=DEMO_MODEL))

    return run


@pytest.fixture(scope="module")
def twin(pixels, run, tmp_path_factory):
    path = tmp_path_factory.mktemp("twin") / "x.tif"
    result = run(write_coded(path, pixels, "none", description=OME.format(*pixels.shape[1::-1])))
    assert result.provenance.tile.level == 1  # so that a coarser level is compared
    assert result.slide.backend == "openslide" and result.decision.call == "adenocarcinoma"
    return result


def check_alike(result, twin):
    assert (result.decision.call, result.decision.confidence) == (twin.decision.call, twin.decision.confidence)
    assert result.decision.review_reasons == twin.decision.review_reasons
    for name in ("xy", "probabilities", "familiarity", "quality"):
        assert np.array_equal(getattr(result.tiles, name), getattr(twin.tiles, name)), name


@pytest.mark.parametrize("codec", codecs(without=("none", "jpeg2000-registered", "jpeg-xl-dng")))
def test_a_coded_tiff_has_the_call_of_its_twin(codec, pixels, run, twin, tmp_path):
    description = OME.format(*pixels.shape[1::-1])
    check_alike(run(write_coded(tmp_path / "x.ome.tif", pixels, codec, below=True, description=description)), twin)


@pytest.mark.parametrize(("version", "shards"), [("0.4", False), ("0.5", False), ("0.5", True)])
def test_an_ome_zarr_has_the_call_of_its_twin(version, shards, pixels, run, twin, tmp_path):
    path = write_ome_zarr(tmp_path / "x.ome.zarr", pixels, version=version, chunk_px=256, shards=shards)
    check_alike(run(path), twin)


def test_a_czi_has_the_call_of_its_twin(pixels, run, twin, tmp_path):
    check_alike(run(write_czi(tmp_path / "x.czi", pixels, codec="zstd")), twin)


@pytest.mark.parametrize("codec", ["raw", "jpeg2000", "png"])
def test_a_vsi_has_the_call_of_its_twin(codec, pixels, run, twin, tmp_path):
    check_alike(run(write_vsi(tmp_path / "x.vsi", pixels, codec)), twin)


def test_a_vsi_in_jpeg_has_the_call_of_the_same_tiles_in_a_tiff(pixels, run, tmp_path):
    levels = []
    for by in (1, 2, 4):
        tiles = jpeg_tiles(reduced(pixels, by), 256, "420")
        tags = level_tags(reduced(pixels, by).shape[1::-1], 256, tiles)
        levels.append((tags | ({254: (4, [1])} if by > 1 else {}), tiles))
    levels[0][0][270] = (2, OME.format(*pixels.shape[1::-1]).encode() + b"\0")
    tiff = run(write_tiff(tmp_path / "x.tif", levels))

    def same_tiles(ets):
        places = [at for at, _ in ets.tiles]
        ets.tiles = list(zip(places, [tile for _, tiles in levels for tile in tiles], strict=True))

    vsi = run(write_vsi(tmp_path / "x.vsi", pixels, ets=same_tiles))
    assert (vsi.slide.backend, tiff.slide.backend) == ("vsi-ets", "tiff-jpeg")
    check_alike(vsi, tiff)
