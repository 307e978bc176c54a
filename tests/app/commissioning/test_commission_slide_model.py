"""`commission --slide-model` from slides to dossier: a slide model is trained on drawn slides and proved on others, and
runs are held to it. Its figures are counted again from the stored results."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from aggregate.result_folder import load_summary, stored_results
from aggregate.slide_model.card import SlideModelCard
from aggregate.slide_model.fit import SlideRecipe
from aggregate.slide_model.train import SlideTraining, train_slides
from app.commissioning.pages.dossier_pdf import render_pdf
from classifier.model_folder.find import DEMO_MODEL
from tests.app.commissioning.drawn import draw_slides, write_criteria
from tests.app.commissioning.test_commission import SCHEMA, text_of
from tests.app.test_cli import is_one_clear_line, pulmoscope

# The demo model has a third class, which no slide of these has: a slide model need not know it.
CLASSES = ("adenocarcinoma", "normal")
RECIPE = SlideRecipe(
    parameters={"width": 16, "gate": 8}, folds=2, epochs=30, min_steps=0, learning_rate=1e-2, batch_bags=4
)
CRITERIA = """
format = 1
title = "Drawn lungs, slide model"

[[criterion]]
figure = "slide_model_agreement"
at_least = 0.5

[[criterion]]
figure = "slide_model_auc_minus_rule"
at_least = -1.0
"""


@dataclass(frozen=True)
class Proved:
    """The proof of a slide model, and what it took."""

    slides: Path
    model: Path
    card: SlideModelCard
    dossier: Path
    said: Any

    @property
    def document(self):
        return json.loads((self.dossier / "dossier.json").read_text())

    def run(self, out, *more):
        held = ("--commissioned", self.dossier)
        return pulmoscope("run", self.slides / "s1.svs", "--out", out, "--model", DEMO_MODEL, *held, *more)


def train(folder):
    """A slide model of eight drawn slides, as `train-slides` makes it, with a recipe for few of them."""
    slides = folder / "to-train"
    slides.mkdir()
    labels = draw_slides(slides, 8, CLASSES, seed=100)
    done = pulmoscope("run", slides, "--out", folder / "results", "--model", DEMO_MODEL)
    assert done.returncode == 0, done.stderr
    rows = [row.split(",")[:3] for row in labels.read_text().splitlines()]
    (folder / "slides.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    return train_slides(SlideTraining(folder / "slides.csv", (folder / "results",), folder / "model", RECIPE))


@pytest.fixture(scope="module")
def proved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slide-model")
    card = train(folder)
    slides = folder / "slides"
    slides.mkdir()
    labels, criteria = draw_slides(slides, 4, CLASSES), write_criteria(slides, CRITERIA)
    given = ("--labels", labels, "--criteria", criteria, "--slide-model", folder / "model", "--json")
    said = pulmoscope("commission", slides, *given, "--out", folder / "dossier", "--model", DEMO_MODEL)
    return Proved(slides, folder / "model", card, folder / "dossier", said)


def opinions(proved):
    """{slide: what the slide model said}, from the stored results."""
    told = [load_summary(path) for path in stored_results(proved.dossier / "results")]
    return {one["slide_id"]: one["slide_model"] for one in told}


@pytest.mark.slow
def test_the_dossier_tells_the_slide_models_figures_beside_the_rules(proved):
    assert proved.said.returncode == 0, proved.said.stdout + proved.said.stderr
    document = proved.document
    jsonschema.validate(document, SCHEMA)
    assert document["covers"]["slide_model_sha256"] == proved.card.digest
    found = opinions(proved)
    labels = {f"s{i}": CLASSES[i % 2] for i in range(4)}
    assert set(found) == set(labels)
    right = [found[name]["call"] == label for name, label in labels.items()]
    held = [label in found[name]["sets"]["0.95"] for name, label in labels.items()]
    figures = document["figures"]
    assert figures["slide_model_agreement"]["value"] == pytest.approx(sum(right) / 4)
    assert figures["slide_model_coverage_95"]["value"] == pytest.approx(sum(held) / 4)
    p = {name: found[name]["probabilities"]["adenocarcinoma"] for name in labels}
    pairs = [(p[a], p[b]) for a in labels for b in labels if (labels[a], labels[b]) == CLASSES]
    area = sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs)
    assert figures["slide_model_auc"]["value"] == pytest.approx(area)
    assert figures["slide_model_auc_minus_rule"]["value"] == pytest.approx(area - figures["auc"]["value"])
    assert figures["slide_model_refused_share"]["value"] == 0.0


@pytest.mark.slow
def test_the_pages_name_the_slide_model_and_its_criteria(proved):
    text = text_of(render_pdf(proved.document))
    assert "Slide model: agreement with the labels: at least 50.0%" in text
    assert proved.card.digest in text


@pytest.mark.slow
def test_runs_are_held_to_the_very_slide_model(proved, tmp_path):
    assert proved.run(tmp_path / "same", "--slide-model", proved.model).returncode == 0
    without = proved.run(tmp_path / "without")
    assert without.returncode == 2 and is_one_clear_line(without, "not-commissioned")
    assert f"slide model {proved.card.digest[:12]}, not none" in without.stderr
    other = tmp_path / "other"
    shutil.copytree(proved.model, other)
    card = json.loads((other / "slide_model.json").read_text())
    (other / "slide_model.json").write_text(json.dumps({**card, "version": "9"}))
    refused = proved.run(tmp_path / "other-out", "--slide-model", other)
    assert refused.returncode == 2 and is_one_clear_line(refused, "not-commissioned")
    assert not (tmp_path / "other-out").exists() and not (tmp_path / "without").exists()
