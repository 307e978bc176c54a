"""A result that is kept: right in all that it tells, whatever the manifest and the options said before."""

from dataclasses import fields

import pytest

from aggregate import store
from app.batch.engines.local import LocalEngine
from app.batch.inputs import collect_jobs
from app.batch.run_batch import Tally, run_batch
from app.config import CHANGES_RESULT, ONLY_HOW_FAST, ONLY_THIS_RUN, RunConfig
from classifier.model_folder.find import DEMO_MODEL
from tests.faults.common import flaws
from wsi.spacing import FillIn

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")


@pytest.fixture
def run(ready_slide, tmp_path):
    out = tmp_path / "out"

    def run(label="", mpp=None, **options):
        manifest = tmp_path / "slides.csv"
        manifest.write_text(f"slide,label\n{ready_slide.path},{label}\n")
        config = RunConfig(out=out, model=DEMO_MODEL, **options)
        events = run_batch(collect_jobs([], manifest, mpp=mpp), config, CLASSES, engine=LocalEngine(1), tally=Tally())
        last = list(events)[-1]
        [path] = store.stored_results(out)
        return last.fate, last.changed, store.load_summary(path), store.committed_digest(path)

    run.out = out
    return run


def test_every_option_is_in_one_group():
    groups = (*CHANGES_RESULT, *ONLY_HOW_FAST, *ONLY_THIS_RUN)
    assert sorted(groups) == sorted(field.name for field in fields(RunConfig))


def test_a_label_follows_the_manifest_and_a_withdrawn_one_leaves_the_store(run):
    _, _, _, digest = run()
    for label, changed in (("normal", ("label",)), ("normal", ()), ("adenocarcinoma", ("label",)), ("", ("label",))):
        fate, told_anew, summary, same = run(label)
        assert (fate, told_anew, summary["provenance"]["label"]) == ("kept", changed, label)
        assert same == digest and flaws(run.out) == []


def test_another_reader_is_another_result_and_speed_is_not(run):
    run()
    fate, changed, summary, _ = run(reader="openslide")
    assert (fate, changed, summary["slide"]["backend"]) == ("ran", ("reader",), "openslide")
    assert run(reader="openslide", threads=1, memory_gb=3.0, slide_timeout_s=900.0)[:2] == ("kept", ())
    fate, changed, summary, _ = run()
    assert (fate, changed, summary["slide"]["backend"]) == ("ran", ("reader",), "tiff-jpeg")


def test_a_result_stored_before_readers_were_told_is_kept(run):
    from app.batch.kept import _same_reader

    before = {"provenance": {}, "slide": {"backend": "tiff-jpeg"}}
    assert _same_reader(before, "auto") and _same_reader(before, "tiff-jpeg") and not _same_reader(before, "openslide")


def test_an_mpp_that_is_filled_in_and_one_that_overrides_are_two_results(run):
    def told(mpp):
        fate, changed, summary, _ = run(mpp=mpp)
        return fate, changed, summary["slide"]["mpp_source"], "mpp-contradicted" in summary["review_reasons"]

    own = run()[2]["slide"]["mpp"]
    assert told(FillIn(own * 1.5)) == ("ran", ("configuration",), "slide", True)
    assert told(FillIn(own * 1.5)) == ("kept", (), "slide", True)
    assert told(own * 1.5) == ("ran", ("configuration",), "given", True)
    assert told(own * 1.5) == ("kept", (), "given", True)
    assert told(FillIn(own * 1.5)) == ("ran", ("configuration",), "slide", True)
    assert told(FillIn(own)) == ("ran", ("configuration",), "slide", False)
