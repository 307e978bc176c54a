"""What a laboratory does after the first day, on slides with a made-up patient in every field: cases, `drift`,
`suggest`, `learn`, `retrain`, `gate`, `promote`, `train-slides`, `predict-slides`, `commission`, `review`. Nothing of
the patient is in a learning set, a model, a dossier, a log or a word; under `--pseudonymize` nothing of names, cases
and blocks either."""

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
BASE = "lung-v2"
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


def manifest(path, slides):
    """Every slide with a case and a block whose names are canaries; three slides a case."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["slide", "case", "block"])
        for number, slide in enumerate(slides):
            table.writerow([slide, f"{CANARY} {number // 3}", f"{CANARY} {number}"])
    return path


def commission(day, given, slides, named, *more):
    """A proof on labelled slides whose patients, cases and scanners are canaries."""
    listed = labels(given / "labels.csv", named, case=f"{CANARY} case")
    (given / "criteria.toml").write_text(CRITERIA)
    words = ("--labels", listed, "--criteria", given / "criteria.toml", "--out", day.root / "dossier")
    day.does("commission", slides, *words, "--model", DEMO_MODEL, *more)
    assert (day.root / "dossier" / "dossier.pdf").exists()


def retrain(day, given):
    """A candidate of what was learned, its gate and its promotion; the tiles that judge are named after patients."""
    learned, candidate = day.root / "learned", day.root / "candidate"
    locked, tiles = given / CANARY, sorted((learned / "tiles").rglob("*.png"))[:8]
    locked.mkdir()
    with (locked / "tiles.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "class", "source_group", "patient", "split", "mpp"])
        for number, tile in enumerate(tiles):
            name = f"{CANARY}-{number}.png"
            (locked / name).write_bytes(tile.read_bytes())
            table.writerow([name, LABELS[number % 2], f"{CANARY} {number}", f"{CANARY} {number}", "test", 0.7])
    day.does("retrain", "--base", BASE, "--learning", learned, "--out", candidate)
    words = ("--base", BASE, "--locked", locked / "tiles.csv", "--learning", learned)
    day.run("gate", candidate, *words, "--out", day.root / "gate.json", "--json")
    assert (day.root / "gate.json").exists(), day.said[-1]
    day.run("promote", candidate, "--gate", day.root / "gate.json", "--by", "Anna", "--registry", day.root / "registry")


@pytest.mark.slow
def test_what_comes_after_the_first_day_tells_nothing_of_a_patient_either(tmp_path, tissue):
    slides, given = tmp_path / "slides", tmp_path / "given"
    paths = [path for ward in ("a", "b") for path in write_all(slides / ward, f"case-{ward}", tissue)]
    given.mkdir()
    day = Day(tmp_path / "day")
    day.does("run", slides, "--out", day.results, "--model", DEMO_MODEL)
    day.does("suggest", day.results, "--json")
    draw(day)
    day.sign()
    ids = list(read_table(day.results).rows)
    assert len(ids) == len(paths)

    day.does("drift", day.results, "--metrics", day.root / "drift.prom", "--json")
    day.does("learn", day.results, "--slides", slides, "--out", day.root / "learned", "--json")
    assert list((day.root / "learned").rglob("*.png"))

    listed, model = labels(given / "slides.csv", ids), day.root / "slide-model"
    day.does("train-slides", day.results, "--labels", listed, "--out", model, "--folds", 2, "--epochs", 2)
    day.does("predict-slides", day.results, "--slide-model", model, "--out", day.root / "predicted.csv")

    files = [row.file for row in read_table(day.results).rows.values() if "/a/" in row.file]
    commission(day, given, slides / "a", files, "--slide-model", model)

    assert telling_files(day.root, of_labels(paths)) == []


@pytest.mark.slow
def test_a_model_that_learned_of_them_tells_nothing(tmp_path, tissue):
    slides, given = tmp_path / "slides", tmp_path / "given"
    paths = write_all(slides, "case", tissue)
    given.mkdir()
    day = Day(tmp_path / "day")
    day.does("run", slides, "--out", day.results, "--model", BASE)
    draw(day)
    day.sign()
    patients = labels(given / "patients.csv", read_table(day.results).rows)
    day.does("learn", day.results, "--slides", slides, "--out", day.root / "learned", "--patients", patients)
    retrain(day, given)
    # The learning set holds the names of patients that were given, as docs/learning.md says; nothing else does.
    told = telling_files(day.root, of_labels(paths))
    assert {name.split("/")[0] for name in told} == {"learned"}
    assert {name.rsplit(".", 1)[-1] for name in told} <= {"csv", "json", "jsonl", "geojson"}


@pytest.mark.slow
def test_nor_do_names_of_cases_files_and_folders_under_pseudonyms(tmp_path, tissue):
    slides, given, key = tmp_path / f"{CANARY} ward", tmp_path / f"{CANARY} given", tmp_path / "key"
    paths = write_all(slides / CANARY, CANARY, tissue)
    given.mkdir()
    day = Day(tmp_path / "day")
    listed = manifest(given / f"{CANARY}.csv", paths)
    day.does("run", "--manifest", listed, "--out", day.results, "--model", DEMO_MODEL, "--pseudonymize", key)
    day.does("suggest", day.results)
    draw(day)
    day.sign()

    formats, at_hand = "json,csv,geojson,fhir,parquet,qupath", ("--slides", slides / CANARY)
    day.does("report", day.results, "--out", day.root / "reports", "--format", formats, *at_hand)
    day.does("report", day.results, "--by-case", "--out", day.root / "cases", "--format", "html,pdf,json")
    assert len(list((day.root / "cases").glob("*.pdf"))) == 3
    day.does("drift", day.results, "--metrics", day.root / "drift.prom")
    day.does("learn", day.results, *at_hand, "--out", day.root / "learned", "--json")
    day.does("review", "list", day.results)
    day.does("review", "export", day.results, "--out", day.root / "review.json")
    commission(day, given, slides, [path.relative_to(slides) for path in paths], "--pseudonymize", key)

    assert telling_files(day.root, of_labels(paths)) == []
    assert CANARY in key.with_name("key.map.csv").read_text()
