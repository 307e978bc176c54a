"""An evaluation's page: it stands alone, shows what was found, and takes hostile names as text."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from app.reports.evaluation import write_evaluation
from app.reports.evaluation.page import report_html
from classifier.evaluation.evaluate import EvaluationPlan, evaluate
from classifier.evaluation.shifts import worst_shift
from classifier.model import load_model
from tests.classifier.evaluation.test_evaluate import NO_SHIFTS, evaluate_everything, with_columns
from tests.classifier.tiles import tiny_model, tiny_tiles, write_csv
from wsi.errors import OutputUnwritableError


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    return evaluate_everything(tmp_path_factory.mktemp("evaluation"))


class Page(HTMLParser):
    """Tags with their attributes, and the text of the page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "rect", "line", "circle", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"{tag} closes something else"

    def handle_data(self, text):
        self.text.append(text)


def test_the_report_stands_alone(evaluated):
    page = Page(report_html(evaluated))
    tags = [tag for tag, _ in page.tags]
    assert not {"script", "link", "img", "iframe", "a"} & set(tags) and page.open == []
    loaded = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert loaded == [] and "http" not in " ".join(page.text)
    identities = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identities) == len(set(identities)) and tags.count("svg") == 5


def test_the_report_shows_every_section_and_its_main_figures(evaluated):
    evaluation = evaluated
    page = report_html(evaluation)
    headings = re.findall("<h2>(.*?)</h2>", page)
    assert headings == [*evaluation.sections, "Reporting guidelines"]
    worst = worst_shift(evaluation.shifts)
    for text in ("Research use only", str(evaluation.figures["accuracy"]), worst.title, str(evaluation.readers.fleiss)):
        assert text in page
    assert not re.search(r"\bnan\b", page)


def test_what_was_not_asked_for_is_not_in_the_report(tmp_path):
    evaluation = evaluate(tiny_tiles(), load_model(tiny_model()), tmp_path, NO_SHIFTS)
    page = report_html(evaluation)
    assert re.findall("<h2>(.*?)</h2>", page) == [*evaluation.sections, "Reporting guidelines"]
    assert "When stain and scanner change" not in page and "Readers" not in page


def test_the_page_says_what_the_intervals_are_drawn_over_and_names_no_patient(tmp_path):
    tiles = with_columns(tmp_path, patient=lambda group, split: f"Jane Doe {split} {group[-1]}")
    plan = EvaluationPlan(interval_over="patient", shifts=False)
    page = report_html(evaluate(tiles, load_model(tiny_model()), tmp_path / "out", plan))
    assert "bootstrap over patients (2)" in page and "Doe" not in page


def test_hostile_names_stay_text(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / name)
    rows = [("a.png", "checks", "<script>alert(1)</script>"), ("b.png", "dots", "g")]
    tiles = write_csv(tmp_path / "t.csv", ("file", "class", "source_group"), rows)
    assert "<script>" not in report_html(evaluate(tiles, load_model(tiny_model()), tmp_path / "out", NO_SHIFTS))


def test_an_output_that_cannot_be_written(tmp_path, evaluated):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputUnwritableError):
        write_evaluation(evaluated, tmp_path / "file" / "out")
