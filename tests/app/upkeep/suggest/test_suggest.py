"""`pulmoscope suggest` over stored results and what people signed of them."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from aggregate.result_folder import committed_digest, result_path
from aggregate.store import load, save
from app.cli import cli
from app.review.people import Person
from app.review.records import Case, Verdict
from app.review.reviews import open_reviews
from app.upkeep.suggest.suggest import suggest
from tests.results import make_result

CELLS = "\n".join(["00000"] * 5)
SURE, TORN = (0.98, 0.01, 0.01), (0.5, 0.05, 0.45)


def store(folder, slide_id, told=SURE, look=0.0, known=0.9, **changes):
    """A slide of 25 tiles that are all told alike and look alike (`look`)."""
    made = make_result(slide_id, cells=CELLS, cell_px=100.0)
    features = np.full((25, 4), look, np.float16)
    tiles = replace(
        made.tiles,
        probabilities=np.tile(np.array(told, np.float32), (25, 1)),
        familiarity=np.full(25, known, np.float32),
        features=features,
    )
    slide = replace(made.slide, sha256=hashlib.sha256(slide_id.encode()).hexdigest())
    made = replace(made, tiles=tiles, slide=slide, **changes)
    model = replace(made.provenance.model, familiarity_threshold=0.5, absent=frozenset())
    save(replace(made, provenance=replace(made.provenance, model=model)), folder)


def sign(folder, slide_id, call="", *, signed=True):
    path = result_path(folder, slide_id)
    reviews, case, who = open_reviews(folder), Case.of(load(path), committed_digest(path)), Person("Anna Reader")
    reviews.decide(case, Verdict.CHANGED if call else Verdict.AGREE, who, call=call)
    if signed:
        reviews.sign(case, who, content_sha256=reviews.record(slide_id).final.content_sha256, screen={})


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    store(folder, "sure")
    store(folder, "torn", TORN, look=2.0)
    store(folder, "foreign", look=5.0, known=0.1)
    return folder


def named(told):
    return [one.slide_id for one in told.suggestions]


def codes(told, slide_id):
    [one] = [one for one in told.suggestions if one.slide_id == slide_id]
    return {reason.code for reason in (*one.reasons, *(reason for place in one.places for reason in place.reasons))}


def test_what_is_torn_or_foreign_comes_before_what_is_sure(results):
    told = suggest([results], 3)
    assert set(named(told)[:2]) == {"torn", "foreign"} and named(told)[2] == "sure"
    assert codes(told, "torn") == {"uncertain"} and codes(told, "foreign") == {"unfamiliar"}
    assert codes(told, "sure") == {"representative"}


def test_a_signed_slide_is_left_out_and_compared_with(results):
    store(results, "torn-again", TORN, look=2.0)
    sign(results, "torn")
    told = suggest([results], 4)
    assert told.signed == 1 and "torn" not in named(told) and named(told)[0] == "foreign"


def test_a_slide_like_one_that_was_corrected_says_so(results):
    store(results, "torn-again", TORN, look=2.0)
    sign(results, "torn", "normal")
    assert "like-corrected" in codes(suggest([results], 4), "torn-again")


def test_who_disagrees_is_told(results):
    sign(results, "sure", "normal", signed=False)
    told = suggest([results], 3)
    assert "disagreeing" in codes(told, "sure")
    [one] = [one for one in told.suggestions if one.slide_id == "sure"]
    assert "a reader decided on Normal, the model on Adenocarcinoma" in one.reasons[0].words


def test_a_decision_on_an_older_result_says_nothing_of_this_one(results):
    sign(results, "sure", "normal")
    store(results, "sure", (0.9, 0.05, 0.05))
    assert suggest([results], 3).signed == 0


def test_the_same_results_give_the_same_answer_in_any_order(results, tmp_path):
    other = tmp_path / "other"
    store(other, "further", TORN, look=3.0)
    assert named(suggest([results, other], 4)) == named(suggest([other, results], 4))


def test_results_of_another_model_take_no_part(results):
    provenance = make_result().provenance
    store(results, "strange", TORN, provenance=replace(provenance, model=replace(provenance.model, sha256="ab" * 32)))
    told = suggest([results], 9)
    assert told.other_model == 1 and "strange" not in named(told)


def run(*words):
    done = CliRunner().invoke(cli, ["suggest", *map(str, words)], standalone_mode=False)
    assert done.exception is None, done.exception
    return done.output


def test_the_command_says_where_and_why(results):
    told = run(results, "--count", 1)
    assert told.startswith("1. ") and "at 250, 250 px" in told and "3 slides were compared" in told
    facts = json.loads(run(results, "--json"))
    assert facts["looked_at"] == 3 and facts["suggestions"][0]["regions"][0]["box_px"] == [0, 0, 500, 500]


def test_a_folder_without_results_is_wrong_usage(tmp_path):
    done = CliRunner().invoke(cli, ["suggest", str(tmp_path)], standalone_mode=False)
    assert "holds no results" in str(done.exception)


def test_it_needs_no_tensorflow(results):
    code = f"import sys\nfrom app.cli import main\ntry: main(['suggest', {str(results)!r}])\nexcept SystemExit: pass\n"
    told = subprocess.run(
        [sys.executable, "-c", code + "print('HEAVY', {'tensorflow', 'keras', 'streamlit'} & set(sys.modules))"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.stdout.rstrip().endswith("HEAVY set()"), told.stderr
