"""The page of what is worth a look: what it names, where it leads, and that a blind reader learns nothing by it."""

from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from aggregate import store
from aggregate.result_folder import committed_digest, result_path
from app.ledger.records import SlideRow, write_rows
from app.review.people import Person
from app.review.records import Case, Verdict
from app.review.reviews import open_reviews
from app.viewer import site as viewer_site
from app.viewer.gate.visitors import THE_ONE
from app.viewer.pages.worklist.worth import worth_a_look
from app.viewer.server import SCRIPT
from app.viewer.site import Site
from tests.results import CLASSES, make_result

CELLS = "\n".join(["00000"] * 5)


@pytest.fixture
def results(tmp_path):
    for number, (name, told) in enumerate({"sure": (0.98, 0.01, 0.01), "torn": (0.5, 0.05, 0.45)}.items()):
        made = make_result(name, cells=CELLS, cell_px=100.0)
        tiles = replace(
            made.tiles,
            probabilities=np.tile(np.array(told, np.float32), (25, 1)),
            features=np.full((25, 4), number, np.float16),
        )
        store.save(replace(made, tiles=tiles, slide=replace(made.slide, sha256=f"{number:064x}")), tmp_path)
    rows = [SlideRow(name, f"/gone/{name}.svs", "done", "adenocarcinoma", confidence=0.5) for name in ("sure", "torn")]
    write_rows(tmp_path / "slides.csv", rows, CLASSES)
    viewer_site.install(Site(tmp_path))
    return tmp_path


def page():
    test = AppTest.from_file(str(SCRIPT), default_timeout=60)
    test.query_params["page"] = "worth"
    return test.run()


def decide(results, slide_id, who, call, *, double=False, sign=True):
    path = result_path(results, slide_id)
    reviews = open_reviews(results, second_reading=double)
    case = Case.of(store.load(path), committed_digest(path))
    reviews.decide(case, Verdict.CHANGED, who, call=call)
    if sign:
        content = reviews.record(slide_id).final.content_sha256
        reviews.sign(case, who, content_sha256=content, screen={})


def test_the_page_names_slides_and_leads_to_the_place(results):
    test = page()
    assert not test.exception
    told = " ".join(element.proto.body for element in test.get("html"))
    assert told.index("1. torn") < told.index("2. sure")
    assert "etween Adenocarcinoma (0.50) and Squamous cell carcinoma (0.45)" in told
    test.button(key="worth-1-0").click().run()
    assert test.query_params["slide"] == "torn" and test.query_params["x"] == "250.0"


def test_what_was_signed_meanwhile_is_gone(results):
    site = viewer_site.current()
    assert {one.slide_id for one in worth_a_look(site, THE_ONE).suggestions} == {"sure", "torn"}
    decide(results, "torn", Person("Anna Reader"), "normal")
    assert [one.slide_id for one in worth_a_look(site, THE_ONE).suggestions] == ["sure"]


def test_a_second_reader_who_is_blind_learns_nothing_of_the_first(results):
    blind = Site(results, second_reading=True)
    before = worth_a_look(blind, THE_ONE).to_dict()
    decide(results, "torn", Person("Anna Reader"), "normal", double=True)
    assert worth_a_look(blind, THE_ONE).to_dict() == before
