"""One output, one model, one set of settings: what would mix them is refused, and what is mixed is told."""

import csv
import json
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from app.batch.exit_codes import OK, WRONG_USAGE
from app.batch.job import SlideJob
from app.batch.mixture import one_origin, refuse_mixture
from app.cli import cli
from app.config import RunConfig
from app.ledger.locks import prepare_locks
from app.ledger.records import SLIDES_CSV, SlideRow, read_rows, write_rows
from app.ledger.table import merge_rows
from app.ledger.verify import report_of, verify_results
from classifier.model_folder.files import read_card
from classifier.model_folder.find import DEMO_MODEL, PACKAGED
from tests.conftest import REPOSITORY
from tests.faults.common import draw_slides, flaws
from wsi.errors import UsageError

MODEL = f"{DEMO_MODEL} {read_card(PACKAGED / DEMO_MODEL).digest[:12]}"


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    return draw_slides(tmp_path_factory.mktemp("in"), 3, 600)


@pytest.fixture(scope="module")
def finished(slides, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished") / "out"
    assert run(slides, out).exit_code == 0
    return out


@pytest.fixture
def out(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "out")


def run(slides, out, *options, model=DEMO_MODEL):
    return CliRunner().invoke(cli, ["run", str(slides), "--out", str(out), "--model", str(model), *options])


@pytest.fixture
def other_model(tmp_path):
    folder = shutil.copytree(PACKAGED / DEMO_MODEL, tmp_path / "model")
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "version": "2.0.0"}))
    return folder


def test_each_row_says_what_made_it(out, slides):
    with (out / SLIDES_CSV).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == {MODEL}
    assert {row["settings"] for row in rows} == {RunConfig(out, DEMO_MODEL).settings}
    events = [json.loads(line) for line in (out / "run.jsonl").read_text().splitlines()]
    assert {event["model"] for event in events if event["event"] == "slide"} == {MODEL}


@pytest.mark.parametrize(
    "options", [("--overlap", "0.5"), ("--reader", "openslide"), ("--shard", "1/3", "--overlap", "0.5")]
)
def test_other_settings_beside_are_refused(out, slides, options):
    what = slides if "--shard" in options else slides / "slide-0000.tif"
    before = (out / SLIDES_CSV).read_bytes()
    error = run(what, out, *options).exception
    assert isinstance(error, UsageError) and f"by {MODEL} under other settings" in str(error)
    assert "choose another --out" in error.hint and (out / SLIDES_CSV).read_bytes() == before


def test_another_model_beside_is_refused_and_overwrite_is_no_way_around(out, slides, other_model):
    for options in ((), ("--overwrite",)):
        error = run(slides / "slide-0001.tif", out, *options, model=other_model).exception
        assert isinstance(error, UsageError) and f"by {MODEL}, this run is by {DEMO_MODEL} " in str(error)


def test_all_slides_again_leave_no_mixture(out, slides, other_model):
    done = run(slides, out, model=other_model)
    assert done.exit_code == 0 and done.output.count("[redone: model]") == 3
    assert len({row.model for row in read_rows(out / SLIDES_CSV)}) == 1 and flaws(out) == []
    assert verify_results(out).mixed == {}


def test_a_slides_own_pixel_size_is_no_setting(out, slides, tmp_path):
    """A manifest may give one slide an mpp of its own."""
    assert run(slides / "slide-0000.tif", out, "--mpp-override", "0.52").exit_code == 0


def test_failed_slides_are_of_no_model(out, slides, other_model):
    rows = [SlideRow(row.slide_id, row.file, "failed", error_code="x") for row in read_rows(out / SLIDES_CSV)]
    write_rows(out / SLIDES_CSV, rows, ())
    refuse_mixture(out, [], "other 1", "")


def test_an_older_table_is_asked_of_the_store_and_filled_in(out, slides, other_model):
    rows = [dict(row) for row in csv.DictReader((out / SLIDES_CSV).open(newline=""))]
    names = [name for name in rows[0] if name not in ("model", "settings")]
    lines = [",".join(names), *(",".join(row[name] for name in names) for row in rows)]
    (out / SLIDES_CSV).write_text("\n".join(lines) + "\n")
    assert verify_results(out).is_whole
    with pytest.raises(UsageError):
        refuse_mixture(out, [SlideJob(slides / "x", "x", "slide-0000")], "other 1", "")
    merge_rows(out, (), ())
    assert {row.model for row in read_rows(out / SLIDES_CSV)} == {MODEL} and verify_results(out).is_whole


def test_results_that_stay_on_purpose_may_lie_beside_others_of_the_same_settings(out):
    settings = read_rows(out / SLIDES_CSV)[0].settings
    refuse_mixture(out, [], "other 1", settings, beside=frozenset({MODEL}))
    for model, settled in (("other 1", "0" * 12), (MODEL, "0" * 12)):
        with pytest.raises(UsageError):
            refuse_mixture(out, [], model, settled, beside=frozenset({MODEL}))


def test_a_forged_model_cell_is_named(out):
    text = (out / SLIDES_CSV).read_text()
    for wrong in ("lung-v1 000000000000", ""):
        (out / SLIDES_CSV).write_text(text.replace(MODEL, wrong, 1))
        assert "says model" in str(verify_results(out).broken)


def test_of_two_models_that_begin_at_once_on_an_empty_output_one_is_refused(slides, tmp_path, other_model):
    out = tmp_path / "new"
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "app.cli", "run", str(slide), "--out", str(out), "--model", str(model)],
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
            text=True,
        )
        for slide, model in ((slides / "slide-0000.tif", DEMO_MODEL), (slides / "slide-0001.tif", other_model))
    ]
    said = [one.communicate(timeout=300)[1] for one in runs]
    assert sorted(one.returncode for one in runs) == [OK, WRONG_USAGE], said
    [line] = [text for one, text in zip(runs, said, strict=True) if one.returncode == WRONG_USAGE]
    assert line.startswith("pulmoscope: wrong-usage: ") and line.count("\n") == 1
    assert verify_results(out).mixed == {} and len(read_rows(out / SLIDES_CSV)) == 1


def test_a_run_keeps_others_out_for_as_long_as_it_is_at_work(slides, tmp_path):
    out = tmp_path / "new"
    prepare_locks(out)
    with one_origin(out, [], "other 1", "2"):
        error = run(slides / "slide-0000.tif", out).exception
        assert isinstance(error, UsageError) and "another run is at work on" in str(error)
        assert "by other 1, settings 2; this run is by " + MODEL in str(error) and not (out / SLIDES_CSV).exists()
        with one_origin(out, [], "other 1", "2"):  # one of the same kind, as a shard is
            pass
        for model, settings in (("other 1", "3"), ("other", "2")):
            with pytest.raises(UsageError, match="another run"), one_origin(out, [], model, settings):
                pass
    assert run(slides / "slide-0000.tif", out).exit_code == OK


def test_what_is_mixed_all_the_same_is_told(out):
    """As by two runs that began at once on an empty output, on a file system without locks."""
    rows = read_rows(out / SLIDES_CSV)
    write_rows(out / SLIDES_CSV, [*rows[:2], SlideRow("d", "d", "done", model="other 1", settings="2")], ())
    found = verify_results(out)
    assert found.mixed == {f"{MODEL}, settings {rows[0].settings}": 2, "other 1, settings 2": 1}
    assert "note: slides.csv holds results of several models or settings" in report_of(found, [], as_json=False)
    assert json.loads(report_of(found, [], as_json=True))["mixed"] == found.mixed


def test_an_output_of_the_first_version_that_was_kept_says_its_model():
    sample = REPOSITORY / "tests/samples/2026-11-23/out"
    with pytest.raises(UsageError, match="holds 1 results"):
        refuse_mixture(sample, [], MODEL, "")
