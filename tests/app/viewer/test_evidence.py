"""The evidence of a clicked tile: pixels and model of the run, and one line where either is missing."""

import base64
import io
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from aggregate import store
from app.config import RunConfig
from app.ledger.records import SlideRow, write_rows
from app.pipeline import run_slide
from app.slides.question import SlideAddress
from app.viewer import site as viewer_site
from app.viewer.catalog import find_entry
from app.viewer.explain import ask as ask_module
from app.viewer.explain.ask import Answer, Explainer, Question
from app.viewer.explain.picture import FLOOR, paint_evidence, shown_strength
from app.viewer.pages.slide import evidence
from app.viewer.reading.spot import read_spot, telling_tile
from app.viewer.server import SCRIPT
from app.viewer.site import Site
from classifier.model import load_model
from classifier.model_folder.find import DEMO_MODEL
from tests.conftest import REPOSITORY
from tests.house import imported
from tiler import TileSpec, find_tissue, lay_grid, read_tile_at, stream_tiles
from wsi import open_slide
from wsi.errors import SlideCrashedError, SlideTimeoutError, SlideTooLargeError

QUESTION = Question(SlideAddress(Path("slide.svs"), 0.5, "v1"), 0, 0, 2, 1.0, "model", "c0" * 32)


@pytest.fixture(scope="module")
def model():
    return load_model(DEMO_MODEL)


@pytest.fixture(scope="module")
def shown(ready_slide, model, tmp_path_factory):
    """A real result in a results folder, and its site."""
    folder = tmp_path_factory.mktemp("evidence")
    result = run_slide(ready_slide.path, "tissue", model, RunConfig(out=folder, model=DEMO_MODEL))
    store.save(result, folder)
    write_rows(folder / "slides.csv", [SlideRow("tissue", str(ready_slide.path), "done")], result.classes)
    site = Site(folder)
    entry = find_entry(folder, "tissue")
    yield SimpleNamespace(site=site, result=result, file=site.slide_file(entry, result))
    site.explainer.close()


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


def voting(result):
    return int(np.flatnonzero(result.tiles.votes)[0])


def test_the_tile_is_read_as_the_run_read_it(ready_slide, model):
    spec = TileSpec(model.card.tile.size_px, model.card.tile.mpp)
    with open_slide(ready_slide.path) as slide:
        grid = lay_grid(find_tissue(slide), spec, slide)
        streamed = np.concatenate([batch.pixels for batch in stream_tiles(slide, grid)])
        for index in range(0, len(grid), 3):
            xy = (int(grid.xy[index, 0]), int(grid.xy[index, 1]))
            np.testing.assert_array_equal(read_tile_at(slide, xy, model.card.tile), streamed[index])


def test_a_tile_that_voted_is_shown_with_its_evidence(shown, model):
    for index in np.flatnonzero(shown.result.tiles.votes)[:3]:
        found = evidence.find(shown.site, shown.file, shown.result, int(index))
        assert found.answer is not None, found.why_not
        size_px = model.card.tile.size_px
        assert pixels(found.answer.tile_png).shape == pixels(found.answer.evidence_png).shape == (size_px, size_px, 3)
        stored = shown.result.tiles.probabilities[index]
        np.testing.assert_allclose(found.answer.probabilities, stored, atol=0.01)
        assert found.answer.called == shown.result.classes[int(stored.argmax())]


def test_another_model_is_told_in_one_line(shown):
    provenance = shown.result.provenance
    provenance = replace(provenance, model=replace(provenance.model, sha256="00" * 32))
    other = replace(shown.result, provenance=provenance)
    found = evidence.find(shown.site, shown.file, other, voting(other))
    assert found.answer is None and "not the one at hand" in found.why_not


def test_a_network_from_elsewhere_has_no_map_and_nobody_is_asked(shown):
    made = replace(shown.result.provenance.model, runtime="onnx")
    result = replace(shown.result, provenance=replace(shown.result.provenance, model=made))
    found = evidence.find(shown.site, shown.file, result, voting(result))
    assert found.answer is None and "made elsewhere" in found.why_not


def test_a_slide_that_gives_other_probabilities_is_told(shown):
    turned = shown.result.tiles.probabilities[:, [1, 2, 0]]
    other = replace(shown.result, tiles=replace(shown.result.tiles, probabilities=turned))
    found = evidence.find(shown.site, shown.file, other, voting(other))
    assert found.answer is None and "not the one that was run" in found.why_not
    under = replace(other.provenance, config={**other.provenance.config, "site": "ab" * 32})
    found = evidence.find(shown.site, shown.file, replace(other, provenance=under), voting(other))
    assert found.answer is None and "site profile" in found.why_not


def test_a_slide_that_cannot_be_read_is_told_by_its_code_alone(shown, tmp_path):
    broken = tmp_path / "Jane Doe.svs"
    broken.write_bytes(b"II*\0 not a slide")
    found = evidence.find(shown.site, replace(shown.file, path=broken, version="b"), shown.result, voting(shown.result))
    assert found.answer is None and "could not be read again" in found.why_not and "Jane" not in found.why_not


@pytest.mark.parametrize(("quality", "why"), [(1, "poor quality"), (0, "does not recognise")])
def test_a_tile_that_did_not_vote_has_no_map(shown, quality, why):
    tiles = shown.result.tiles
    silent = replace(tiles, votes=np.zeros_like(tiles.votes), quality=np.full_like(tiles.quality, quality))
    result = replace(shown.result, tiles=silent)
    found = evidence.find(shown.site, shown.file, result, 0)
    assert found.answer is None and why in found.why_not
    assert telling_tile(result) is None


def test_the_telling_tile_is_the_surest_of_the_call(shown):
    index, tiles = telling_tile(shown.result), shown.result.tiles
    of_call = tiles.probabilities[:, shown.result.classes.index(shown.result.decision.call)]
    assert tiles.votes[index] and of_call[index] == of_call[tiles.votes].max()


def test_a_click_shows_the_evidence_and_words_about_it(shown):
    viewer_site.install(shown.site)
    x, y = (int(value) + 10 for value in shown.result.tiles.xy[voting(shown.result)])
    assert read_spot(shown.result, x, y).tile == voting(shown.result)
    test = AppTest.from_file(str(SCRIPT), default_timeout=60)
    test.query_params["slide"] = "tissue"
    assert "ps-evidence" not in html(test.run()).replace(".ps-evidence", "")
    test.session_state["slide-tissue"] = {"spot": {"x": x, "y": y, "view": "tissue"}}
    told = html(test.run())
    assert not test.exception
    for part in ('data-testid="evidence"', "data:image/png;base64,", "what speaks for", "not why it is right"):
        assert part in told


def html(test):
    return " ".join(element.proto.body for element in test.get("html"))


def test_names_of_classes_are_shown_as_text():
    told = evidence.picture(Answer("<b>a</b>", "<script>", (0.9, 0.1), "AA", "BB"))
    assert "<script>" not in told and "<b>a</b>" not in told


def test_what_speaks_for_the_class_is_warm_and_the_rest_grey():
    tile = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    values = np.full((32, 32), -1.0, np.float32)
    values[:8], values[8:16] = 2.0, 2.0 * FLOOR * 0.9
    painted = paint_evidence(tile, values).astype(int)
    assert painted.shape == tile.shape
    assert (painted[:8, :, 0] > painted[:8, :, 2] + 20).all()
    assert (np.ptp(painted[8:], axis=2) == 0).all()
    assert np.ptp(painted[:8]) > 60  # the tile stays readable under it
    assert not shown_strength(np.full((4, 4), -1.0)).any()


# Stands in for the explaining process.
ECHO = """
import json, sys
for number, line in enumerate(sys.stdin):
    question = json.loads(line)
    answer = dict(called=question["pixels"], rival=str(number), probabilities=[1.0], tile_png="", evidence_png="")
    print(json.dumps({**answer, "problem": "odd" if question["model"] == "broken" else ""}), flush=True)
"""


def explainer(code, timeout_s=30.0):
    return Explainer((sys.executable, "-c", code), timeout_s, read=lambda question: b"tile")


def test_one_process_answers_all_and_an_answer_is_kept():
    asked = explainer(ECHO)
    first, other = asked.ask(QUESTION), asked.ask(replace(QUESTION, x=9))
    assert (first.rival, other.rival) == ("0", "1")
    assert asked.ask(QUESTION) is first
    asked.close()
    assert asked.ask(replace(QUESTION, y=3)).rival == "0"
    asked.close()


def test_a_problem_is_not_kept():
    asked, broken = explainer(ECHO), replace(QUESTION, model="broken")
    assert [asked.ask(broken).problem, asked.ask(broken).rival] == ["odd", "1"]
    asked.close()


@pytest.mark.parametrize("error", [SlideCrashedError, SlideTimeoutError, SlideTooLargeError])
def test_a_slide_that_breaks_its_reader_never_reaches_the_explaining_process(error):
    def read(question):
        raise error("Jane Doe.svs ended it")

    asked = Explainer((sys.executable, "-c", "raise SystemExit"), read=read)
    assert asked.ask(QUESTION) == Answer(problem=error.code)


def test_tiles_are_read_where_slides_are_looked_at(shown, monkeypatch):
    """Neither the server nor the process that explains opens a slide."""
    questions = []

    def ask(work, slide, *arguments):
        questions.append((work.__name__, slide.path, arguments))
        return original(work, slide, *arguments)

    original = ask_module.shared_slides().ask
    monkeypatch.setattr(ask_module.shared_slides(), "ask", ask)
    monkeypatch.setattr("wsi.registry.open_slide", None)
    tile = int(np.flatnonzero(shown.result.tiles.votes)[-1])
    assert evidence.find(shown.site, shown.file, shown.result, tile).answer is not None
    x, y = map(int, shown.result.tiles.xy[tile])
    assert questions == [("raw_tile", shown.file.path, (x, y, 128, 1.0))]
    imported_there = {name for _, name in imported(REPOSITORY / "app/viewer/explain/process.py")}
    assert not [name for name in imported_there if name in ("wsi.open_slide", "wsi.registry.open_slide")]


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.abort()",
        "print('no answer')",
        "input(); print('[1, 2]', flush=True)",
        'input(); print(\'{"probabilities": [1], "evil": 2}\', flush=True)',
    ],
)
def test_a_process_that_dies_or_talks_nonsense_is_replaced(code):
    asked = explainer(code)
    assert asked.ask(QUESTION).problem == asked.ask(QUESTION).problem == "crashed"


def test_a_process_that_hangs_is_ended():
    assert explainer("import time; time.sleep(600)", timeout_s=0.5).ask(QUESTION).problem == "crashed"
