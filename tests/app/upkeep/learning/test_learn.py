"""From a signed region to labelled tiles, over a real run of a drawn slide; and back, where it is taken back."""

import csv
import shutil

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from aggregate.result_folder import committed_digest, result_path
from aggregate.store import load
from app.cli import cli
from app.review.drawing import rectangle
from app.review.people import Person
from app.review.records import Case, Shape, Verdict
from app.review.reviews import open_reviews
from app.upkeep.learning.learn import learn
from app.upkeep.learning.learning_set import LearningSet
from wsi import open_slide
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

ANNA = Person("Anna Reader")
DRAWN = rectangle(500.0, 500.0, 1000.0, 700.0)


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    section = SyntheticRegion(Rectangle((300.0, 300.0), (2400.0, 1900.0)), "normal")
    for number in range(2):
        path = folder / f"slide-{number}.svs"
        write_synthetic_slide(path, regions=(section,), mpp=1.0, size_um=(3000, 2600), seed=number)
    return folder


@pytest.fixture(scope="module")
def run(slides, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "out"
    done = CliRunner().invoke(
        cli, ["run", str(slides), "--out", str(out), "--model", "demo-synthetic"], standalone_mode=False
    )
    assert done.return_value == 0, done.output
    return out


@pytest.fixture
def results(run, tmp_path):
    return shutil.copytree(run, tmp_path / "results")


def case(results, slide_id):
    path = result_path(results, slide_id)
    return Case.of(load(path), committed_digest(path))


def draw(results, slide_id, class_name="adenocarcinoma", rings=DRAWN):
    open_reviews(results).add_region(case(results, slide_id), ANNA, Shape.RECTANGLE, rings, class_name=class_name)


def sign(results, slide_id, call="adenocarcinoma"):
    reviews, of = open_reviews(results), case(results, slide_id)
    verdict = Verdict.AGREE if call == of.call else Verdict.CHANGED
    reviews.decide(of, verdict, ANNA, call="" if verdict is Verdict.AGREE else call)
    content = reviews.record(slide_id).final.content_sha256
    reviews.sign(of, ANNA, content_sha256=content, screen={})


def rows(folder):
    with (folder / "tiles.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_signed_region_becomes_tiles_of_the_very_pixels(results, slides, tmp_path):
    draw(results, "slide-0")
    sign(results, "slide-0")
    done = learn([results], [slides], tmp_path / "set", patients={"slide-0": "P 1"}, site="north")
    result = load(result_path(results, "slide-0"))
    (region,) = LearningSet(tmp_path / "set").standing().regions.values()
    assert (done.regions, done.tiles) == (1, len(region.tiles)) and done.tiles >= 20
    assert region.corrects and (region.reviewer, region.patient, region.site) == ("Anna Reader", "P 1", "north")
    listed = rows(tmp_path / "set")
    assert {row["class"] for row in listed} == {"adenocarcinoma"} and len(listed) == done.tiles
    with open_slide(slides / "slide-0.svs") as slide:
        for tile in region.tiles[:3]:
            stored = cv2.cvtColor(cv2.imread(str(tmp_path / "set/tiles" / f"{tile.sha256}.png")), cv2.COLOR_BGR2RGB)
            side = round(result.tile_side_px)
            np.testing.assert_array_equal(stored, slide.read_region(tile.xy, 0, (side, side)))
            assert 500 - side / 4 <= tile.xy[0] <= 1500 - 3 * side / 4


def test_what_is_not_signed_teaches_nothing(results, slides, tmp_path):
    draw(results, "slide-0")
    assert learn([results], [slides], tmp_path / "set").regions == 0
    assert not (tmp_path / "set" / "tiles.csv").exists()


def test_learning_twice_changes_nothing(results, slides, tmp_path):
    draw(results, "slide-0")
    sign(results, "slide-0")
    learn([results], [slides], tmp_path / "set")
    before = LearningSet(tmp_path / "set").standing()
    again = learn([results], [slides], tmp_path / "set")
    assert (again.regions, again.withdrawn) == (0, 0) and LearningSet(tmp_path / "set").standing() == before


def test_an_addendum_with_another_call_takes_it_back(results, slides, tmp_path):
    draw(results, "slide-0")
    sign(results, "slide-0")
    learn([results], [slides], tmp_path / "set")
    reviews = open_reviews(results)
    reviews.add_addendum(case(results, "slide-0"), ANNA, "I was wrong", call="normal")
    done = learn([results], [slides], tmp_path / "set")
    assert done.withdrawn == 1 and rows(tmp_path / "set") == []
    assert list((tmp_path / "set" / "tiles").iterdir()) == []


def test_what_gives_no_tile_is_told(results, slides, tmp_path):
    draw(results, "slide-0", rings=rectangle(600.0, 600.0, 20.0, 20.0))
    sign(results, "slide-0")
    draw(results, "slide-1")
    sign(results, "slide-1")
    done = learn([results], [], tmp_path / "set")
    told = dict(done.passed)
    assert "no whole tile" in told["slide-0"] and done.regions in (0, 1)  # the table names the second slide's file
    if done.regions == 0:
        assert "not at hand" in told["slide-1"]


def test_the_command_tells_what_it_did(results, slides, tmp_path):
    draw(results, "slide-0")
    sign(results, "slide-0")
    patients = tmp_path / "patients.csv"
    patients.write_text("slide,patient\nslide-0,P 1\n")
    words = ["learn", results, "--slides", slides, "--out", tmp_path / "set", "--patients", patients]
    done = CliRunner().invoke(cli, list(map(str, words)), standalone_mode=False)
    assert done.output.startswith("1 regions learned, "), done.output
    taken = CliRunner().invoke(
        cli, ["learn", "--out", str(tmp_path / "set"), "--withdraw-patient", "P 1"], standalone_mode=False
    )
    assert "1 regions withdrawn" in taken.output and "no model was trained on them" in taken.output
