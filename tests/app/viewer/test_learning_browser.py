"""From a correction that a person draws and signs in headless Chromium to a promoted model that calls the next slide
otherwise: the whole loop, with the real database, commands and model files."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from aggregate.result_folder import committed_digest, load_summary, result_path
from aggregate.store import load
from app.cli import cli
from app.review.drawing import rectangle
from app.review.people import Person
from app.review.records import Case, Shape, Verdict
from app.review.reviews import open_reviews
from app.upkeep.candidate.registry import REGISTRY_VARIABLE
from tests.app.upkeep.candidate.foreign import foreign_stripes, locked_list
from tests.app.viewer.browser import CHROMIUM, let_in
from tests.app.viewer.conftest import serving
from tests.app.viewer.test_deciding_browser import press, settled
from tests.app.viewer.test_drawing_browser import card, drag, kept, named
from tests.classifier.tiles import pattern, tiny_model, tiny_tiles

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium"),
]
TILES, SIDE = 8, 64
DRAWN = (70.0, 70.0, 390.0, 390.0)  # x, y, width, height: six by six tiles, whole
OTHERS = 9


def write_slide(path, seed):
    """Foreign stripes all over, with glass around: which the base has never seen."""
    rng = np.random.default_rng(seed)
    sheet = np.vstack([np.hstack([foreign_stripes(rng) for _ in range(TILES)]) for _ in range(TILES)])
    Image.fromarray(np.pad(sheet, ((SIDE, SIDE), (SIDE, SIDE), (0, 0)), constant_values=245)).save(path)


def command(*words, code=0):
    done = CliRunner().invoke(cli, list(map(str, words)), standalone_mode=False)
    assert done.exception is None and (done.return_value or 0) == code, (done.output, done.exception)
    return done.output


def sign_as_stripes(results, slide_id):
    """As the browser does, for the slides that are not the test's own."""
    path = result_path(results, slide_id)
    reviews, case, who = open_reviews(results), Case.of(load(path), committed_digest(path)), Person("Bert Reader")
    reviews.add_region(case, who, Shape.RECTANGLE, rectangle(*DRAWN), class_name="stripes")
    verdict = Verdict.AGREE if case.call == "stripes" else Verdict.CHANGED
    reviews.decide(case, verdict, who, call="" if verdict is Verdict.AGREE else "stripes")
    reviews.sign(case, who, content_sha256=reviews.record(slide_id).final.content_sha256, screen={})


def correct_in_the_browser(chromium, server, slide_id):
    page = chromium.new_page(viewport={"width": 1400, "height": 900}, base_url=server)
    let_in(page.context, server)
    page.set_default_timeout(60_000)
    page.goto(f"/?slide={slide_id}&x=320&y=320&mag=10&layer=none")
    page.locator(".frame[data-loaded]").wait_for()
    named(page)
    page.keyboard.press("b")
    x, y, width, height = DRAWN
    drag(page, (x, y), (x + width, y + height))
    card(page).get_by_label("Class").select_option(label="Stripes")
    page.keyboard.press("Enter")
    kept(page)
    press(page, "decide-change")
    press(page, "call-stripes")
    settled(page, "a person has decided, and has not signed")
    press(page, "sign")
    settled(page, "signed by Anna Reader")
    page.close()


def test_a_signed_correction_changes_the_call_on_the_next_slide(chromium, tmp_path, monkeypatch):
    slides, results, later = tmp_path / "slides", tmp_path / "results", tmp_path / "later"
    slides.mkdir()
    for number in range(OTHERS + 1):
        write_slide(slides / f"slide-{number}.png", number)
    write_slide(tmp_path / "next.png", 99)
    base = tiny_model()
    command("run", slides, "--out", results, "--model", base, "--mpp", 1.0)
    command("run", tmp_path / "next.png", "--out", tmp_path / "before", "--model", base, "--mpp", 1.0)
    before = load_summary(result_path(tmp_path / "before", "next"))["call"]
    assert before != "stripes"
    (tmp_path / "server").mkdir()
    with serving(results, tmp_path / "server") as server:
        correct_in_the_browser(chromium, server, "slide-0")
    for number in range(1, OTHERS + 1):
        sign_as_stripes(results, f"slide-{number}")

    # Groups are patients here, so that which of them judge does not hang on a picture's bytes.
    patients = tmp_path / "patients.csv"
    patients.write_text("slide,patient\n" + "".join(f"slide-{n},P {n + 1}\n" for n in range(OTHERS + 1)))
    learned, candidate, gate = tmp_path / "learned", tmp_path / "candidate", tmp_path / "gate.json"
    told = command("learn", results, "--slides", slides, "--out", learned, "--patients", patients)
    assert told.startswith(f"{OTHERS + 1} regions learned")
    command("retrain", "--base", base, "--learning", learned, "--replay", tiny_tiles(), "--out", candidate)
    locked = locked_list(tmp_path / "locked", {name: _drawn(name) for name in ("checks", "dots", "stripes")})
    command("gate", candidate, "--base", base, "--locked", locked, "--learning", learned, "--out", gate)
    assert json.loads(gate.read_text())["passed"]
    registry = tmp_path / "registry"
    command("promote", candidate, "--gate", gate, "--base", base, "--by", "Anna Reader", "--registry", registry)

    monkeypatch.setenv(REGISTRY_VARIABLE, str(registry))
    command("run", tmp_path / "next.png", "--out", later, "--model", "tiny-model@current", "--mpp", 1.0)
    summary = load_summary(result_path(later, "next"))
    assert summary["call"] == "stripes"
    assert json.loads((candidate / "card.json").read_text())["name"] == summary["provenance"]["model"]["name"]


def _drawn(name):
    return lambda rng: pattern(name, rng)
