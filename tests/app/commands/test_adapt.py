"""`pulmoscope adapt` and `run --site` on slides that are drawn in one laboratory's stain and in another's."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from aggregate import store
from app.batch.engines.local import LocalEngine
from app.batch.exit_codes import WRONG_USAGE
from app.batch.inputs import collect_jobs
from app.batch.run_batch import Tally, run_batch
from app.cli import cli
from app.commands.adapt import adapt_site
from app.config import RunConfig
from app.pipeline import run_slide
from app.presentation import words
from classifier.colour.stain import shift_stains
from classifier.model import load_model
from classifier.model_folder.find import DEMO_MODEL, find_model
from classifier.site.files import read_site
from tests.faults.common import flaws
from wsi import open_slide
from wsi.errors import SiteError, UsageError
from wsi.synthetic.shapes import Ellipse, Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide
from wsi.synthetic.write_pyramid import PyramidSpec, write_pyramid

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
SIDE_PX = 1536
# A brown cast over glass and tissue, as of another lamp: the demonstration model refuses nearly all of it.
CAST = 0.3


def draw(path, seed, cast=0.0):
    regions = (
        SyntheticRegion(Rectangle((60.0, 80.0), (1350.0, 1300.0)), "normal"),
        SyntheticRegion(Ellipse((700.0, 600.0), (350.0, 300.0)), "adenocarcinoma"),
    )
    write_synthetic_slide(path, regions=regions, mpp=1.0, size_px=(SIDE_PX, SIDE_PX), seed=seed, levels=(1, 4))
    if cast:
        with open_slide(path) as slide:
            pixels = slide.read_region((0, 0), 0, slide.size_px)
        spec = PyramidSpec((SIDE_PX, SIDE_PX), (1, 4), quality=92)
        other = shift_stains(pixels, np.ones(3), np.array([0.0, 0.0, cast]))
        strips = [other[at : at + spec.strip_rows] for at in range(0, SIDE_PX, spec.strip_rows)]
        write_pyramid(path, spec, strips, "Aperio layout, SYNTHETIC pulmoscope|AppMag = 10|MPP = 1")
    return path


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    """Three slides in another stain, a fourth of that laboratory, one in the stain that was learned, and a profile."""
    folder = tmp_path_factory.mktemp("laboratory")
    (folder / "own").mkdir()
    for seed in range(3):
        draw(folder / "own" / f"patient-{seed}.svs", seed, CAST)
    draw(folder / "test.svs", 8, CAST)
    draw(folder / "home.svs", 9)
    said = []
    adapt_site([folder / "own"], folder / "site", DEMO_MODEL, known_share=0.5, mpp=None, say=said.append)
    [note] = said
    assert "hardly anything" in note and "patient" not in note
    return folder


def result_of(path, out, profile=None):
    model, config = load_model(DEMO_MODEL), RunConfig(out=out, model=DEMO_MODEL)
    if profile is not None:
        model, config = profile.laid_over(model), replace(config, site_sha256=profile.digest)
    return run_slide(path, "a", model, config)


def test_a_slide_of_the_site_is_recognised_under_its_profile(laboratory, tmp_path):
    before = result_of(laboratory / "test.svs", tmp_path)
    after = result_of(laboratory / "test.svs", tmp_path, read_site(laboratory / "site"))
    assert before.qc["share_unfamiliar"] > 0.8 and "unfamiliar-slide" in before.decision.review_reasons
    assert after.qc["share_unfamiliar"] < 0.4 and "unfamiliar-slide" not in after.decision.review_reasons
    assert before.decision.call == "undetermined" and after.decision.call == "adenocarcinoma"
    # Its cast is taken away with the white point, so the model knows it as its own.
    assert before.qc["share_known_by_site"] == 0.0 and after.qc["share_known_by_site"] < 0.2


def test_what_only_the_alignment_makes_known_is_told_and_bars_high_confidence(laboratory, tmp_path):
    profile = read_site(laboratory / "site")
    neutral = replace(profile.correction, white=profile.correction.glass)
    result = result_of(laboratory / "test.svs", tmp_path, replace(profile, correction=neutral, threshold_distance=1e6))
    assert result.qc["share_unfamiliar"] == 0.0 and result.qc["share_known_by_site"] > 0.5
    assert "known-by-site" in result.decision.review_reasons
    assert words.confidence_level(result.decision) != "high"


def test_under_the_wrong_profile_a_slide_keeps_its_call_and_most_of_its_tissue(laboratory, tmp_path):
    """Its glass is made blue, since that of the site is brown: what was known is known no less, where it looks so."""
    plain = result_of(laboratory / "home.svs", tmp_path)
    adapted = result_of(laboratory / "home.svs", tmp_path, read_site(laboratory / "site"))
    assert adapted.decision.call == plain.decision.call
    assert plain.qc["share_unfamiliar"] < 0.05 and adapted.qc["share_unfamiliar"] < 0.25


def test_a_model_that_sets_each_slide_s_white_sets_it_under_a_profile_too(laboratory, tmp_path):
    plain = load_model(DEMO_MODEL)
    model, profile = (
        plain.with_card(replace(plain.card, white=245.0), plain.familiarity),
        read_site(laboratory / "site"),
    )
    config = RunConfig(out=tmp_path, model=DEMO_MODEL)
    under = replace(config, site_sha256=profile.digest)
    before = run_slide(laboratory / "test.svs", "test", model, config)
    after = run_slide(laboratory / "test.svs", "test", profile.laid_over(model), under)
    assert after.provenance.tile.white == before.provenance.tile.white != {}
    assert np.array_equal(after.tiles.probabilities, before.tiles.probabilities)
    assert profile.correction.glass != profile.correction.white  # which it does not follow


def test_of_such_a_model_a_profile_corrects_no_glass(laboratory, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(find_model(DEMO_MODEL), folder)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    (folder / "card.json").write_text(json.dumps({**card, "white": 245.0}), encoding="utf-8")
    own = [laboratory / "own"]
    profile, failed = adapt_site(own, tmp_path / "out", str(folder), known_share=0.5, mpp=None, say=print)
    assert failed == 0 and profile.correction.white == profile.correction.glass


def test_classes_and_calibration_are_the_models_own(laboratory):
    model = load_model(DEMO_MODEL)
    profile = read_site(laboratory / "site")
    neutral = replace(profile, correction=replace(profile.correction, white=profile.correction.glass))
    tiles = np.random.default_rng(0).integers(0, 256, (8, 128, 128, 3), dtype=np.uint8)
    given, plain = neutral.laid_over(model).predict(tiles), model.predict(tiles)
    assert np.array_equal(given.probabilities, plain.probabilities) and neutral.laid_over(model).card is model.card
    assert (given.familiarity >= plain.familiarity).all()


def test_the_profile_holds_no_name_and_no_path(laboratory):
    written = (laboratory / "site" / "profile.json").read_bytes() + (
        laboratory / "site" / "statistics.npz"
    ).read_bytes()
    assert b"patient" not in written and b"own" not in written.replace(b"known", b"") and b"svs" not in written


def test_a_profile_is_the_same_whatever_the_order_of_slides(laboratory, tmp_path):
    paths = sorted((laboratory / "own").iterdir(), reverse=True)
    profile, failed = adapt_site(paths, tmp_path / "again", DEMO_MODEL, known_share=0.5, mpp=None, say=print)
    first = read_site(laboratory / "site")
    assert failed == 0 and profile.threshold_distance == first.threshold_distance
    assert np.array_equal(profile.shift, first.shift) and profile.correction == first.correction


def test_a_slide_that_breaks_costs_itself_alone_and_a_copy_counts_once(laboratory, tmp_path):
    whole = (laboratory / "own" / "patient-0.svs").read_bytes()
    (tmp_path / "broken.svs").write_bytes(whole[:3000])
    (tmp_path / "copy.svs").write_bytes(whole)
    said = []
    inputs = [laboratory / "own", tmp_path / "broken.svs", tmp_path / "copy.svs"]
    profile, failed = adapt_site(inputs, tmp_path / "s", DEMO_MODEL, known_share=0.5, mpp=None, say=said.append)
    assert failed == 1 and len(profile.made.slide_sha256) == 3
    assert any("broken.svs" in line for line in said) and any("copies" in line for line in said)


def test_a_model_and_a_result_of_two_profiles_never_meet(laboratory, tmp_path):
    profile = read_site(laboratory / "site")
    config = RunConfig(out=tmp_path, model=DEMO_MODEL)
    with pytest.raises(SiteError):
        run_slide(laboratory / "test.svs", "a", profile.laid_over(load_model(DEMO_MODEL)), config)
    with pytest.raises(SiteError):
        run_slide(laboratory / "test.svs", "a", load_model(DEMO_MODEL), replace(config, site_sha256=profile.digest))


def test_a_site_is_part_of_what_a_result_is_of(laboratory, tmp_path):
    profile = read_site(laboratory / "site")
    jobs = collect_jobs([laboratory / "test.svs"], None)

    def run(**site):
        config = RunConfig(out=tmp_path / "out", model=DEMO_MODEL, **site)
        last = list(run_batch(jobs, config, CLASSES, engine=LocalEngine(1), tally=Tally()))[-1]
        [path] = store.stored_results(tmp_path / "out")
        return last.fate, last.changed, store.load_summary(path)["provenance"]["config"].get("site")

    under = {"site": str(laboratory / "site"), "site_sha256": profile.digest}
    assert run() == ("ran", (), None)
    assert run(**under) == ("ran", ("configuration",), profile.digest)
    assert run(**under)[0] == "kept" and flaws(tmp_path / "out") == []
    assert run() == ("ran", ("configuration",), None)
    other = {**under, "site_sha256": "0" * 64}
    config = RunConfig(out=tmp_path / "out", model=DEMO_MODEL, **other)
    with pytest.raises(SiteError, match="another one"):
        list(run_batch(jobs, config, CLASSES, engine=LocalEngine(1), tally=Tally()))


def test_without_a_site_the_digest_of_a_configuration_is_what_it_was(tmp_path):
    assert "site" not in RunConfig(out=tmp_path, model=DEMO_MODEL).scientific(None)


def said_by(*arguments):
    return CliRunner().invoke(cli, [str(one) for one in arguments])


@pytest.mark.parametrize(
    ("site", "model", "code"),
    [
        ("none", DEMO_MODEL, "site-not-found"),
        ("own", DEMO_MODEL, "site-not-found"),
        ("site", "lung-v1", "site-of-other"),
    ],
)
def test_a_run_without_its_profile_stops_before_it_starts(laboratory, tmp_path, site, model, code):
    arguments = ("--out", tmp_path / "out", "--site", laboratory / site, "--model", model)
    error = said_by("run", laboratory / "test.svs", *arguments).exception
    assert str(error).startswith(code) and "\n" not in str(error) and not (tmp_path / "out").exists()
    assert error.exit_code == WRONG_USAGE


def test_adapt_says_what_is_wrong_before_it_works(laboratory, tmp_path):
    slide = laboratory / "test.svs"
    for out, wrong in ((laboratory / "site", "not empty"), (slide, "not empty")):
        error = said_by("adapt", slide, "--out", out, "--model", DEMO_MODEL).exception
        assert isinstance(error, UsageError) and wrong in str(error)
    error = said_by("adapt", slide, "--out", tmp_path / "s", "--model", DEMO_MODEL).exception
    assert isinstance(error, SiteError) and "too few" in str(error) and not (tmp_path / "s").exists()
    assert said_by("adapt", slide, "--out", tmp_path / "s", "--known-share", "1.5").exit_code == 2
    (tmp_path / "x.svs").write_text("no slide")
    error = said_by("adapt", tmp_path / "x.svs", "--out", tmp_path / "s", "--model", DEMO_MODEL).exception
    assert isinstance(error, UsageError) and "no slide could be used" in str(error)


def test_info_lists_a_profile(laboratory):
    told = json.loads(said_by("info", laboratory / "site", "--json").output)
    assert told["slides"] == 3 and told["model"].startswith(DEMO_MODEL) and len(told["site_profile"]) == 64
    assert "never changes what a class means" in told["what_it_changes"]
    assert "patient" not in json.dumps(told).replace("patients", "")
