"""Results and cards of older versions open, verify and are kept; a new sample is added where a format changes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from aggregate import store
from app import reports
from app.batch.inputs import collect_jobs
from app.batch.run_batch import Tally, run_batch
from app.config import RunConfig
from app.ledger.records import SlideRow, read_rows
from app.ledger.verify import verify_results
from classifier.model_folder.card import ModelCard
from classifier.model_folder.find import DEMO_MODEL

SAMPLES = sorted(path for path in (Path(__file__).parent / "samples").iterdir() if path.is_dir())


@pytest.fixture(params=SAMPLES, ids=lambda path: path.name)
def sample(request, tmp_path):
    shutil.copytree(request.param, tmp_path / "sample")
    return tmp_path / "sample"


def test_there_is_a_sample():
    assert SAMPLES


def test_an_older_result_opens_and_says_what_its_table_says(sample):
    result = store.load(sample / "out" / "case-1.zarr")
    [row] = read_rows(sample / "out" / "slides.csv")
    told = SlideRow.of_result(result)
    assert (told.slide_id, told.file, told.status, told.call) == (row.slide_id, row.file, row.status, row.call)
    assert told.probabilities == pytest.approx(row.probabilities, abs=1e-6)
    assert result.tiles.xy.shape == (4, 2) and np.isfinite(result.tiles.probabilities).all()
    assert store.result_digest(result) == store.committed_digest(sample / "out" / "case-1.zarr")
    assert json.loads(reports.render(result, "json"))["call"] == row.call


def test_an_older_output_verifies(sample):
    found = verify_results(sample / "out")
    assert len(found.results) == 1 and not found.broken and not found.audit and not found.notes


# What a run makes of a sample, and why: exactly this, so that no change makes all the world's results anew unnoticed.
# The rules of the decision have changed since, and how edges are read.
FATES = {"2026-11-23": ("ran", ("program", "configuration"))}


def test_an_older_output_is_taken_up(sample, request):
    name = request.node.callspec.id
    jobs = collect_jobs([sample / "case-1.jpg"], None, mpp=0.5)
    config = RunConfig(out=sample / "out", model=DEMO_MODEL)
    classes = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
    events = list(run_batch(jobs, config, classes, tally=Tally()))
    assert [(event.fate, event.changed) for event in events if hasattr(event, "fate")] == [FATES[name]]
    assert not verify_results(sample / "out").broken


def test_an_older_card_is_read(sample):
    card = ModelCard.from_dict(json.loads((sample / "card.json").read_text()))
    assert card.name == DEMO_MODEL and len(card.classes) == 3 and card.background == "normal"
