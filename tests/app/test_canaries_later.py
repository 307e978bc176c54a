"""What a laboratory does after the first day, on slides with a made-up patient in every field: `drift`, `learn`,
`train-slides`, `commission`. Nothing of the patient is in a learning set, a model, a dossier, a log or a word."""

import csv

import pytest

from aggregate import store
from app.ledger.table import read_table
from app.review.drawing import rectangle
from app.review.people import Person
from app.review.records import Case, Shape
from app.review.reviews import open_reviews
from classifier.model_folder.find import DEMO_MODEL
from tests.app.test_canaries import Day, of_labels, telling_files, tissue, write_all
from tests.canaries import CANARY

__all__ = ["tissue"]
CRITERIA = """
format = 1
title = "Canaries"

[[criterion]]
figure = "failed_share"
at_most = 0.0
"""
LABELS = ("adenocarcinoma", "normal")
WHOLE = rectangle(0.0, 0.0, 511.0, 383.0)


def draw(day):
    """A region over the whole of every slide, before the slides are signed."""
    reviews, who = open_reviews(day.results), Person("Anna")
    for path in store.stored_results(day.results):
        case = Case.of(store.load(path), store.committed_digests(path)["result_sha256"])
        reviews.add_region(case, who, Shape.RECTANGLE, WHOLE, class_name=LABELS[0])


def labels(path, names, **more):
    """A list of slides, each with a patient of its own whose name is a canary."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["slide", "label", "patient", *more])
        for number, name in enumerate(names):
            table.writerow([name, LABELS[number % 2], f"{CANARY} {number}", *more.values()])
    return path


@pytest.mark.slow
def test_what_comes_after_the_first_day_tells_nothing_of_a_patient_either(tmp_path, tissue):
    slides, given = tmp_path / "slides", tmp_path / "given"
    paths = [path for ward in ("a", "b") for path in write_all(slides / ward, f"case-{ward}", tissue)]
    given.mkdir()
    day = Day(tmp_path / "day")
    assert day.run("run", slides, "--out", day.results, "--model", DEMO_MODEL).returncode == 0, day.said[-1]
    draw(day)
    day.sign()
    ids = list(read_table(day.results).rows)
    assert len(ids) == len(paths)

    done = day.run("drift", day.results, "--metrics", day.root / "drift.prom", "--json")
    assert done.returncode == 0 and (day.root / "drift.prom").exists(), day.said[-1]

    done = day.run("learn", day.results, "--slides", slides, "--out", day.root / "learned", "--json")
    assert done.returncode == 0 and list((day.root / "learned").rglob("*.png")), day.said[-1]

    listed = labels(given / "slides.csv", ids)
    words = ("--labels", listed, "--out", day.root / "slide-model", "--folds", 2, "--epochs", 2)
    done = day.run("train-slides", day.results, *words)
    assert done.returncode == 0 and (day.root / "slide-model" / "slide_model.json").exists(), day.said[-1]

    files = [row.file for row in read_table(day.results).rows.values() if "/a/" in row.file]
    listed = labels(given / "labels.csv", files, scanner="A")
    (given / "criteria.toml").write_text(CRITERIA)
    words = ("--labels", listed, "--criteria", given / "criteria.toml", "--out", day.root / "dossier")
    done = day.run("commission", slides / "a", *words, "--model", DEMO_MODEL, "--slide-model", day.root / "slide-model")
    assert done.returncode == 0 and (day.root / "dossier" / "dossier.pdf").exists(), day.said[-1]

    assert telling_files(day.root, of_labels(paths)) == []
