"""A slide whose file names its colours wrongly, through the whole program: the call of the right one, told, and the
same colours wherever the slide is seen."""

import io

import numpy as np
import pytest
from PIL import Image

from aggregate import store
from app.config import RunConfig
from app.ledger.records import SlideRow
from app.pipeline import run_slide
from app.presentation.words import confidence_level
from app.reports.content.slide import describe
from app.reports.pictures.slide import take_pictures
from app.slides.files import find_map_file
from app.slides.guarded import GuardedSlides
from app.slides.observe import see_look
from app.viewer.catalog import Entry
from app.viewer.explain.ask import Question, read_guarded
from app.viewer.tiles.encoded import encoded_tile
from app.viewer.tiles.small import overview
from classifier.model import load_model
from classifier.model_folder.find import DEMO_MODEL
from tests.tiffs import jpeg_tiles, level_tags, write_tiff
from tests.tiler.test_false_colours import shown_without_decoding
from tiler import TileSpec
from wsi import open_slide
from wsi.slide import COLOURS_RIGHTED
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

MPP = 0.5
WAYS = {"stored-components": "stored.tif", "decoded-ycbcr": "shown.png"}


@pytest.fixture(scope="module")
def pixels(tmp_path_factory):
    """Of a tumour, with as much glass around as slides have."""
    path = tmp_path_factory.mktemp("drawn") / "drawn.svs"
    section = SyntheticRegion(Rectangle((60.0, 50.0), (640.0, 500.0)), "adenocarcinoma")
    write_synthetic_slide(path, regions=(section,), mpp=MPP, size_px=(1603, 1207), seed=3)
    with open_slide(path) as slide:
        found = slide.read_region((0, 0), 0, slide.size_px)
    return np.pad(found, ((200, 200), (200, 200), (0, 0)), constant_values=243)


@pytest.fixture(scope="module")
def folder(pixels, tmp_path_factory):
    """The slide three times: right, and stored through two mistakes."""
    place = tmp_path_factory.mktemp("slides")
    Image.fromarray(pixels).save(place / "right.png")
    Image.fromarray(shown_without_decoding(pixels)).save(place / "shown.png")
    tiles = jpeg_tiles(pixels, 256, photometric="mistaken")
    write_tiff(place / "stored.tif", [(level_tags(pixels.shape[1::-1], 256, tiles), tiles)])
    return place


@pytest.fixture(scope="module")
def results(folder):
    model, config = load_model(DEMO_MODEL), RunConfig(out=folder / "out", model=DEMO_MODEL)
    names = {"right": "right.png", **WAYS}
    return {way: run_slide(folder / name, name[:5], model, config, mpp=MPP) for way, name in names.items()}


@pytest.mark.parametrize("way", WAYS)
def test_the_call_is_that_of_the_right_slide_and_told(results, way):
    right, found = results["right"], results[way]
    assert found.decision.call == right.decision.call == "adenocarcinoma"
    assert found.decision.probabilities == pytest.approx(right.decision.probabilities, abs=0.1)
    assert found.qc["tissue_mm2"] == pytest.approx(right.qc["tissue_mm2"], rel=0.05)
    assert set(found.decision.review_reasons) == {*right.decision.review_reasons, "colours-righted"}
    assert found.slide.metadata[COLOURS_RIGHTED] == way and COLOURS_RIGHTED not in right.slide.metadata
    assert confidence_level(found.decision) != "high"


@pytest.mark.parametrize("way", WAYS)
def test_the_viewer_shows_the_colours_that_the_run_saw(results, pixels, folder, way, tmp_path):
    path = store.save(results[way], tmp_path)
    entry = Entry(SlideRow(path.stem, str(folder / WAYS[way]), "review"), tmp_path)
    file = find_map_file(entry, ())
    assert file is not None and file.righted == way
    guarded = GuardedSlides(processes=1)
    try:
        there, tile = guarded.ask(encoded_tile, file.address, 11, 2, 2)
        _, small = guarded.ask(overview, file.address)
    finally:
        guarded.close()
    assert there and np.abs(_read(tile) - pixels[512:768, 512:768]).mean() < 8
    assert _read(small)[2, 2].tolist() == pytest.approx([243] * 3, abs=4)
    evidence = np.frombuffer(read_guarded(Question(file.address, 512, 512, 128, 1.0, "", "")), np.uint8)
    halved = pixels[512:768, 512:768].reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
    assert np.abs(evidence.reshape(128, 128, 3) - halved).mean() < 6


@pytest.mark.parametrize("way", WAYS)
def test_a_site_profile_learns_from_the_right_colours(folder, way):
    whites = []
    for name in ("right.png", WAYS[way]):
        with open_slide(folder / name, mpp=MPP) as slide:
            whites.append(see_look(slide, TileSpec(128, 1.0))[0]["white"])
    assert whites[1] == pytest.approx(whites[0], abs=8)  # blue and green are stored at half the resolution


@pytest.mark.parametrize("way", WAYS)
def test_a_report_says_so_and_shows_the_right_colours(results, pixels, folder, way):
    told = str(describe(results[way]))
    assert "The colours were put right" in told and way in told
    picture = take_pictures(results[way], folder / WAYS[way], [(1000.0, 800.0)])
    [field] = picture.fields.values()
    assert _read(picture.overview)[2, 2].tolist() == pytest.approx([243] * 3, abs=4)
    shown, there = (one.reshape(-1, 3).mean(axis=0) for one in (_read(field), pixels[350:1250, 400:1600]))
    assert shown == pytest.approx(there, abs=3)


def _read(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg)), float)
