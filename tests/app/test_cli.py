"""The command line as a person meets it: real processes, exit codes, one clear line for each bad input."""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from classifier.model_folder.find import DEMO_MODEL
from tests.conftest import REPOSITORY


def pulmoscope(*arguments, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *map(str, arguments)],
        cwd=cwd or REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )


def is_one_clear_line(done, code):
    line = done.stderr.strip()
    return "Traceback" not in done.stdout + done.stderr and line.count("\n") == 0 and f"pulmoscope: {code}: " in line


def rows(out):
    with (out / "slides.csv").open(newline="") as file:
        return {Path(row["file"]).name: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def bad(tmp_path_factory, ready_slide):
    """A blank slide, one with pen marks only, a corrupt JPEG, a 0-byte file, a folder named as a slide, and more."""
    from wsi.synthetic.marks import PenStroke
    from wsi.synthetic.slide import write_synthetic_slide

    folder = tmp_path_factory.mktemp("bad")
    write_synthetic_slide(folder / "blank.svs", regions=(), mpp=0.5, size_px=(1500, 1200), seed=1)
    stroke = PenStroke(((100.0, 100.0), (600.0, 150.0), (300.0, 500.0)), width_um=60.0)
    write_synthetic_slide(folder / "pen.svs", regions=(), mpp=0.5, size_px=(1500, 1200), seed=1, marks=(stroke,))
    write_synthetic_slide(folder / "no-mpp.tif", regions=(), size_px=(900, 900), seed=1, spacing_tag="none")
    Image.effect_noise((512, 512), 60).convert("RGB").save(folder / "whole.jpg", dpi=(25400, 25400))
    whole = (folder / "whole.jpg").read_bytes()
    (folder / "whole.jpg").unlink()
    (folder / "corrupt.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.svs").touch()
    (folder / "folder.svs").mkdir()
    (folder / "text.svs").write_text("not a slide")
    (folder / "truncated.svs").write_bytes(ready_slide.path.read_bytes()[:5000])
    return folder


EXPECTED = {
    "blank.svs": "no-tissue",
    "pen.svs": "no-tissue",
    "no-mpp.tif": "mpp-missing",
    "corrupt.jpg": "corrupt-slide",
    "empty.svs": "empty-file",
    "folder.svs": "not-a-file",
    "text.svs": "unsupported-format",
    "truncated.svs": None,  # OpenSlide may not know it at all any more, or find it broken
}


def test_each_bad_slide_gets_its_row_and_its_clear_line(bad, tmp_path):
    done = pulmoscope("run", bad, "--out", tmp_path, "--model", DEMO_MODEL)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr and "Error" not in done.stdout + done.stderr
    found = rows(tmp_path)
    assert set(found) == set(EXPECTED)
    for name, code in EXPECTED.items():
        row = found[name]
        assert row["status"] == "failed" and row["message"], row
        assert code in (None, row["error_code"]), row
        assert f"{row['slide_id']}: failed, {row['error_code']}: " in done.stdout
    assert "pen marks" in found["pen.svs"]["message"]
    assert f"{len(EXPECTED)} slides: 0 done, 0 review, {len(EXPECTED)} failed" in done.stdout


def test_a_folder_with_no_slide_is_wrong_usage(tmp_path):
    (tmp_path / "in").mkdir()
    done = pulmoscope("run", tmp_path / "in", "--out", tmp_path / "out")
    assert done.returncode == 2 and is_one_clear_line(done, "wrong-usage")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", "x.svs", "--out", "{out}", "--model", "nothing"], "model-not-found"),
        (["run", "x.svs", "--out", "{out}", "--mpp", "-1"], "wrong-usage"),
        (["run", "x.svs", "--out", "{out}", "--overlap", "0.3"], "wrong-usage"),
        (["run", "x.svs", "--out", "{out}", "--shard", "9"], "wrong-usage"),
        (["run", "--out", "{out}", "--manifest", "none.csv"], "wrong-usage"),
        (["run", "--out", "{out}"], "wrong-usage"),
        (["info", "{out}"], "not-a-file"),
        (["info", "nowhere.svs"], "not-a-file"),
        (["verify", "{out}"], "wrong-usage"),
        (["report", "{out}", "--out", "{out}"], "wrong-usage"),
        (["report", "{out}", "--out", "{out}", "--format", "docx"], "wrong-usage"),
        (["app", "--results", "nowhere"], "wrong-usage"),
        (["evaluate", "nowhere.csv", "--out", "{out}"], "dataset-invalid"),
        (["train", "nowhere.csv", "--out", "{out}/m"], "dataset-invalid"),
    ],
)
def test_a_wrong_word_is_one_line_and_a_way_out(arguments, code, tmp_path):
    done = pulmoscope(*(argument.format(out=tmp_path) for argument in arguments), cwd=tmp_path)
    assert done.returncode != 0
    assert is_one_clear_line(done, code), done.stderr


def test_a_missing_option_is_clicks_usage_error(tmp_path):
    done = pulmoscope("run", "x.svs")
    assert done.returncode == 2 and "--out" in done.stderr


def test_run_report_and_verify_agree(ready_slide, tmp_path):
    out, reports = tmp_path / "out", tmp_path / "reports"
    done = pulmoscope("run", ready_slide.path, "--out", out, "--model", DEMO_MODEL, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and events[-1]["event"] == "end" and events[-1]["exit_code"] == 0
    [slide] = [event for event in events if event["event"] == "slide"]
    assert any(event["event"] == "progress" for event in events)
    row = rows(out)[ready_slide.path.name]
    assert slide["call"] == row["call"] and slide["confidence"] == pytest.approx(float(row["confidence"]), abs=1e-6)
    assert isinstance(slide["tiles"], int) and slide["review_reasons"] == list(
        filter(None, row["review_reasons"].split(";"))
    )
    verified = pulmoscope("verify", out, "--json")
    facts = json.loads(verified.stdout)
    assert (
        verified.returncode == 0
        and len(facts.pop("head")) == 64
        and facts
        == {
            "results": 1,
            "broken": {},
            "table": [],
            "audit": [],
            "notes": [],
            "missing": [],
            "mixed": {},
            "repairs": [],
            "reviews": [],
            "signed": 0,
        }
    )

    done = pulmoscope("report", out, "--out", reports, "--format", "html,json,csv,geojson,pdf")
    assert done.returncode == 0
    names = {path.name for path in reports.iterdir()}
    assert {f"ready.{fmt}" for fmt in ("html", "json", "csv", "geojson", "pdf")} | {
        "cohort.csv",
        "cohort.html",
        "measures.csv",
    } == names
    told = json.loads((reports / "ready.json").read_text())
    assert told["decision"]["call"] == row["call"] if "decision" in told else row["call"] in json.dumps(told)

    table = out / "slides.csv"
    other = "normal" if row["call"] != "normal" else "adenocarcinoma"
    table.write_text(table.read_text().replace(f",{row['call']},", f",{other},", 1))
    verified = pulmoscope("verify", out)
    assert verified.returncode == 1 and "slides.csv says call" in verified.stdout


def test_one_broken_result_ends_no_other_report(ready_slide, tmp_path):
    out = tmp_path / "out"
    pulmoscope("run", ready_slide.path, "--out", out, "--model", DEMO_MODEL)
    import shutil

    shutil.copytree(out / "ready.zarr", out / "other.zarr")
    (out / "other.zarr" / "tiles" / "zarr.json").unlink()
    done = pulmoscope("report", out, "--out", tmp_path / "reports")
    assert done.returncode == 1 and "result-altered: other.zarr: tiles/zarr.json is missing" in done.stderr
    assert (tmp_path / "reports" / "ready.html").exists()


def test_two_runs_at_once_share_an_output(ready_slide, tmp_path):
    command = [
        sys.executable,
        "-m",
        "app.cli",
        "run",
        ready_slide.path.parent,
        "--out",
        tmp_path,
        "--model",
        DEMO_MODEL,
    ]
    runs = [subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    codes = sorted(run.wait(120) for run in runs)
    assert codes in ([0, 0], [0, 75])
    assert rows(tmp_path)["ready.svs"]["status"] in ("done", "review")


def test_info_tells_nothing_of_the_patient(data_dir):
    done = pulmoscope("info", data_dir / "wsi" / "cmu-1-small-region.svs", "--json")
    facts = json.loads(done.stdout)
    assert facts["mpp"] == pytest.approx(0.499) and facts["mpp_source"] == "slide"
    for secret in ("Filename", "ScanScope", "Title", "User", "ImageID", "Date", "Time"):
        assert secret not in done.stdout


def test_the_real_slides_as_one_folder(data_dir, tmp_path):
    done = pulmoscope("run", data_dir / "wsi", "--out", tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    found = rows(tmp_path)
    on_disk = {path.name for path in (data_dir / "wsi").iterdir()}
    assert set(found) == on_disk - {"boxes_1.dcm"}  # an instance of the series of boxes_0.dcm: one row a slide
    assert found["cmu-1-small-region.svs"]["status"] in ("done", "review")
    assert float(found["cmu-1-small-region.svs"]["mpp"]) == pytest.approx(0.499)
    tcga = "tcga-cr-7395-01a-01-ts1.svs"
    assert found[tcga]["error_code"] == "mpp-missing"
    assert found["broken.svs"]["error_code"] == "unsupported-format"
    done = pulmoscope("run", data_dir / "wsi" / tcga, "--mpp", "0.5", "--out", tmp_path)
    assert done.returncode == 0
    assert rows(tmp_path)[tcga]["mpp_source"] == "given"


def test_models_and_doctor(tmp_path):
    cards = json.loads(pulmoscope("models", "--json").stdout)
    assert [card["name"] for card in cards] == ["lung-v2", "demo-synthetic", "lung-v1"]
    assert all(card["limits"] and card["intended_use"] for card in cards)
    lung = cards[0]
    assert lung["tile"] == {"size_px": 192, "mpp": 0.7, "overlap": 0.0, "min_tissue": 0.0}
    assert 0.9 < lung["validation"]["figures"]["accuracy"]["value"] < 1 and lung["validation"]["groups"] == 93
    assert isinstance(lung["temperature"], float) and isinstance(lung["false_alarm_rate"], float)
    words = pulmoscope("models").stdout
    assert re.search("tile +192 px at 0.7 um/px", words) and "temperature" not in words
    done = pulmoscope("doctor", "--json", cwd=tmp_path)
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0 and all(check["ok"] for check in checks.values())
    assert checks["cores"]["figure"] == len(os.sched_getaffinity(0)) and checks["disk here"]["figure"] > 1 << 20
    assert checks["memory"]["figure"] > 1 << 28 and checks["python"]["figure"] is None


def test_what_info_tells_of_a_slide_is_numbers_for_a_program_and_words_for_a_person(ready_slide):
    facts = json.loads(pulmoscope("info", ready_slide.path, "--json").stdout)
    first, *others = facts["levels"]
    assert first == {"size_px": [1603, 1207], "downsample": 1.0, "mpp": 0.5} and facts["size_px"] == first["size_px"]
    assert all(level["mpp"] == pytest.approx(0.5 * level["downsample"]) for level in others)
    assert re.search(r"levels +1603 x 1207 px, downsample 1, 0\.5 um/px", pulmoscope("info", ready_slide.path).stdout)


def test_a_package_of_the_same_name_is_named(tmp_path):
    (tmp_path / "tiler").mkdir()
    (tmp_path / "tiler" / "__init__.py").write_text("")
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
        "from app.commands.guard import check_packages; check_packages()"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True)
    assert "the package 'tiler' found at" in done.stderr and "not pulmoscope's" in done.stderr


def test_the_demo_ends_by_saying_where_everything_is(tmp_path):
    done = pulmoscope("demo", "--out", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    told = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if len(line.split()) > 1}
    assert told["call"].startswith("Adenocarcinoma")
    assert Path(told["report"]).is_file() and Path(told["store"]).is_dir() and Path(told["table"]).is_file()
    assert "SYNTHETIC" in done.stdout and "research use only" in done.stdout
    assert "redone" not in done.stdout  # there was nothing before


@pytest.mark.parametrize(
    "command",
    [
        "run ''",
        "run x.svs --out ''",
        "run --out o --manifest ''",
        "run x.svs --out o --model ''",
        "run x.svs --out o --shard ''",
        "run x.svs --out o --pseudonymize ''",
        "report '' --out o",
        "app --results ''",
        "train t --out o --base ''",
        "evaluate t --out o --split ''",
        "verify ''",
        "demo --out ''",
    ],
)
def test_an_empty_argument_is_wrong_usage_and_writes_nothing(tmp_path, command):
    done = pulmoscope(*shlex.split(command), cwd=tmp_path)
    assert done.returncode == 2 and "empty" in done.stderr and list(tmp_path.iterdir()) == []
