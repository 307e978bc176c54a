"""A manifest's label is free text of a person: only a class of the model gets past the slide's row."""

import shutil

import pytest

from aggregate import store
from classifier.model_folder.find import DEMO_MODEL
from tests.app.test_cli import pulmoscope

SECRET = "Mueller Hans 1949"
LABELS = {"a": "normal", "b": SECRET, "c": "Normal", "d": f"normal {SECRET}"}


@pytest.fixture(scope="module")
def run(ready_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    lines = ["slide,label"]
    for name, label in LABELS.items():
        shutil.copyfile(ready_slide.path, folder / f"{name}.svs")
        lines.append(f"{name}.svs,{label}")
    (folder / "slides.csv").write_text("\n".join(lines) + "\n")
    out, reports = folder / "out", folder / "reports"
    done = pulmoscope("run", "--manifest", folder / "slides.csv", "--out", out, "--model", DEMO_MODEL, "--json")
    assert done.returncode == 0
    told = pulmoscope("report", out, "--out", reports, "--format", "html,json,csv,geojson")
    assert told.returncode == 0
    return out, reports, done.stdout + done.stderr + told.stdout + told.stderr


def test_only_a_class_of_the_model_is_kept(run):
    kept = {name: store.load_summary(run[0] / f"{name}.zarr")["provenance"]["label"] for name in LABELS}
    assert kept == {"a": "normal", "b": "", "c": "", "d": ""}


def test_no_other_label_is_anywhere_in_what_was_written_or_said(run):
    """The PDF is left out: its streams are packed, and it says what the HTML says."""
    out, reports, said = run
    files = [path for folder in (out, reports) for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".html", ".json", ".csv", ".geojson", ".jsonl"}
    texts = [said.encode(), *(path.read_bytes() for path in files)]
    assert any(b'"label":"normal"' in text.replace(b" ", b"") for text in texts)
    for text in texts:
        assert b"Mueller" not in text and b"1949" not in text
