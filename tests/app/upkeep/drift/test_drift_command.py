"""`pulmoscope drift` over stored results, as a laboratory runs it every Monday."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from aggregate.result_folder import committed_digests, load_summary
from aggregate.store import save
from app.cli import cli
from app.config import RunConfig
from app.pipeline import run_slide
from app.reports.cohort.watched import Changed, Watched, watched_words
from app.review.people import Person
from app.review.records import Case, Verdict
from app.review.reviews import open_reviews
from classifier.model import load_model
from classifier.model_folder.find import DEMO_MODEL
from tests.results import make_result
from wsi import open_slide
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
QC = {"tissue_mm2": 100.0, "tiles": 500.0, "share_blur": 0.0}


def store(folder, n, *, begin=0, density=0.4, spread=0.02):
    """n results, one an hour, whose stain lies about `density`."""
    for number in range(begin, begin + n):
        stain = density + spread * np.random.default_rng(number).normal()
        made = make_result(f"slide-{number:03d}", qc=QC | {"density_red": float(stain)}, cells="00")
        when = (START + timedelta(hours=number)).isoformat()
        slide = replace(made.slide, sha256=f"{number:064x}")
        save(replace(made, slide=slide, provenance=replace(made.provenance, started=when)), folder)


def drift(*words):
    done = CliRunner().invoke(cli, ["drift", *map(str, words)], standalone_mode=False)
    return done.return_value, done.output, done.exception


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steady")
    store(folder, 60)
    return folder


def test_a_steady_laboratory(steady):
    code, told, _ = drift(steady, "--first", 20)
    assert code == 0 and "60 slides" in told and "no alarm in" in told


def test_a_changed_stain_is_told_and_ends_with_1(steady, tmp_path):
    results, metrics = tmp_path / "results", tmp_path / "drift.prom"
    shutil.copytree(steady, results)
    store(results, 30, begin=60, density=0.55)
    code, told, _ = drift(results, "--first", 20, "--metrics", metrics)
    assert code == 1 and "ALARM: what comes in has changed" in told and "slide-06" in told
    assert 'signal="density_red"' in metrics.read_text() and "} 1" in metrics.read_text()
    code, told, _ = drift(results, "--first", 20, "--json")
    facts = json.loads(told)
    assert code == 1 and facts["alarm"] and facts["alarmed"] == ["input"]
    (alarm,) = [finding for finding in facts["findings"] if finding["state"] == "alarm"]
    assert alarm["signal"] == "density_red" and 0.5 < alarm["median_recent"] < 0.6


def test_a_baseline_folder(steady, tmp_path):
    store(tmp_path / "new", 30, begin=100, density=0.55)
    code, told, _ = drift(tmp_path / "new", "--baseline", steady)
    assert code == 1 and "compared with 60 slides of the baseline" in told


def test_what_people_signed_is_watched_too(steady, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(steady, results)
    reviews, anna = open_reviews(results), Person("Anna Reader")
    for number in range(60):
        slide_id = f"slide-{number:03d}"
        path = results / f"{slide_id}.zarr"
        case = Case.of(make_result(slide_id), committed_digests(path)["result_sha256"])
        verdict, call = (Verdict.AGREE, "") if number < 30 else (Verdict.CHANGED, "normal")
        reviews.decide(case, verdict, anna, call=call)
        reviews.sign(case, anna, content_sha256=reviews.record(slide_id).final.content_sha256, screen={})
    code, told, _ = drift(results, "--first", 20, "--once-in", 200)
    assert code == 1 and "readers agree with the model more or less often" in told


def test_a_folder_without_results_is_one_line(tmp_path):
    _, _, error = drift(tmp_path)
    assert "holds no results" in str(error)


def test_a_damaged_result_is_named_and_passed_over(steady, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(steady, results)
    (results / "slide-003.zarr" / "zarr.json").write_text("{")
    code, told, _ = drift(results, "--first", 20)
    assert code == 0 and "59 slides" in told and "1 results could not be read" in told


def recoloured(slide, path, gain):
    """The slide as a picture, its optical density in red light times `gain`."""
    with open_slide(slide) as opened:
        pixels = opened.read_region((0, 0), 0, opened.size_px).astype(float)
    pixels[..., 0] = 255 * (pixels[..., 0] / 255) ** gain
    Image.fromarray(pixels.round().astype(np.uint8)).save(path)
    return path


def test_a_real_run_stores_what_is_watched(tmp_path):
    section = SyntheticRegion(Rectangle((300.0, 300.0), (2400.0, 1900.0)), "normal")
    write_synthetic_slide(tmp_path / "a.svs", regions=(section,), mpp=1.0, size_um=(3000, 2600), seed=3)
    model, config = load_model(DEMO_MODEL), RunConfig(out=tmp_path, model=DEMO_MODEL)
    told = {}
    for gain in (1.0, 1.5):
        picture = recoloured(tmp_path / "a.svs", tmp_path / f"{gain}.png", gain)
        path = save(run_slide(picture, f"a-{gain}", model, config, mpp=1.0), tmp_path)
        told[gain] = load_summary(path)["qc"]
    assert 225 < told[1.0]["glass_red"] <= 255 and told[1.0]["detail"] > 0
    assert told[1.5]["density_red"] == pytest.approx(1.5 * told[1.0]["density_red"], rel=0.1)
    assert told[1.5]["density_blue"] == pytest.approx(told[1.0]["density_blue"], rel=0.1)


@pytest.mark.parametrize(("language", "told"), [("en", "too few slides to be judged"), ("de", "zu wenige Schnitte")])
def test_the_cohorts_page_tells_of_drift(tmp_path, language, told):
    results = tmp_path / "results"
    store(results, 2)
    words = ["report", results, "--out", tmp_path / "out", "--format", "csv", "--language", language]
    done = CliRunner().invoke(cli, list(map(str, words)), standalone_mode=False)
    assert done.exception is None, done.exception
    page = (tmp_path / "out" / "cohort.html").read_text(encoding="utf-8")
    assert "<h2>Drift</h2>" in page and told in page and "20,000" in page.replace("20.000", "20,000")


def test_the_cohorts_page_names_what_has_changed():
    alarm = Changed("stain in red light", "what comes in has changed (scanner)", "maker, 0.50 um/px", "2026-W12")
    [first, second] = watched_words(Watched(90, 15, 0, 20_000, (alarm,)))
    assert first == (
        "What comes in has changed (scanner): stain in red light, since about 2026-W12 [maker, 0.50 um/px]."
    )
    assert "20,000 slides" in second and watched_words(None) == ()
