"""Slides that overlap in a batch: however many at a time, on however many threads and in whichever order, each has the
result that it has alone."""

import random
from dataclasses import replace

import pytest

from aggregate.result_folder import committed_digest, result_path
from app.batch.engines.local import LocalEngine
from app.batch.inputs import collect_jobs
from app.batch.run_batch import Tally, run_batch
from app.config import RunConfig
from classifier.model import load_model
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

MODEL = "demo-synthetic"


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    for number, kind in enumerate(("adenocarcinoma", "normal", "squamous_cell_carcinoma", "stroma", "normal")):
        side_um = 600.0 + 150.0 * number
        region = SyntheticRegion(Rectangle((50.0, 50.0), (side_um, side_um)), kind)
        size_px = (int(2 * side_um), int(2 * side_um) + 100 * number)
        write_synthetic_slide(folder / f"s{number}.svs", regions=(region,), mpp=0.5, size_px=size_px, levels=(1, 4))
    return collect_jobs([folder], None)


def digests(jobs, out, workers, threads):
    config = RunConfig(out, MODEL, threads=threads)
    tally = Tally()
    events = run_batch(jobs, config, load_model(MODEL).card.classes, engine=LocalEngine(workers), tally=tally)
    for _ in events:
        pass
    assert len(tally.rows) == len(jobs) and tally.exit_code == 0
    return {job.slide_id: committed_digest(result_path(out, job.slide_id)) for job in jobs}


def test_neither_the_crew_nor_the_order_changes_a_result(jobs, tmp_path):
    alone = digests(jobs, tmp_path / "alone", 1, 1)
    assert len(set(alone.values())) == len(jobs)
    shuffled = random.Random(5).sample(jobs, len(jobs))
    for name, order, workers, threads in (("two", jobs[::-1], 2, 2), ("four", shuffled, 4, 1), ("one", shuffled, 1, 3)):
        assert digests(order, tmp_path / name, workers, threads) == alone


def test_threads_are_no_part_of_what_a_result_depends_on(tmp_path):
    config = RunConfig(tmp_path, MODEL, threads=1)
    assert replace(config, threads=7).sha256(None) == config.sha256(None)
