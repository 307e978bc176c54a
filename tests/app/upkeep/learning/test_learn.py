"""From a signed region to labelled tiles, over a real run of a drawn slide; and back, where it is taken back."""

import csv
import json
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
from app.upkeep.learning.learn import learn, withdraw
from app.upkeep.learning.learning_set import LearningSet
from app.upkeep.learning.take_over import TakenOver, take_over
from wsi import open_slide
from wsi.errors import StoreError, UsageError
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


@pytest.fixture
def learned(results, slides, tmp_path):
    """A set of another machine: a region of each of two slides."""
    for slide_id in ("slide-0", "slide-1"):
        draw(results, slide_id)
        sign(results, slide_id)
    learn([results], [slides], tmp_path / "theirs", patients={"slide-0": "P 1"})
    return tmp_path / "theirs"


def test_outlines_lie_beside_the_tiles_as_geojson(learned):
    collection = json.loads((learned / "regions.geojson").read_text())
    standing = LearningSet(learned).standing()
    assert [one["properties"]["metadata"]["region"] for one in collection["features"]] == list(standing.regions)
    for feature, region in zip(collection["features"], standing.regions.values(), strict=True):
        (ring,) = feature["geometry"]["coordinates"]
        assert ring[0] == ring[-1] and [tuple(corner) for corner in ring[:-1]] == list(region.rings[0])
        assert feature["properties"]["metadata"]["slide_id"] == region.slide_id
        assert feature["properties"]["classification"]["name"] == "Adenocarcinoma"
        assert feature["properties"]["measurements"]["Tiles"] == len(region.tiles)


def test_another_set_is_taken_over_with_its_signatures_and_only_once(learned, tmp_path):
    theirs = LearningSet(learned).standing()
    came = take_over(tmp_path / "ours", learned)
    assert came == TakenOver(2, len(rows(learned)), 0)
    assert dict(LearningSet(tmp_path / "ours").standing().regions) == dict(theirs.regions)
    assert rows(tmp_path / "ours") == rows(learned)
    assert take_over(tmp_path / "ours", learned) == TakenOver(0, 0, 0)


def test_what_was_withdrawn_on_either_side_does_not_stand(learned, tmp_path):
    take_over(tmp_path / "ours", learned)
    withdraw(tmp_path / "ours", slide="slide-1")
    withdraw(learned, patient="P 1")
    assert take_over(tmp_path / "ours", learned) == TakenOver(0, 0, 1)
    assert LearningSet(tmp_path / "ours").standing().regions == {} and rows(tmp_path / "ours") == []
    assert list((tmp_path / "ours" / "tiles").iterdir()) == []


def test_a_set_that_was_altered_is_not_taken_over(learned, tmp_path):
    first = next(iter((learned / "tiles").iterdir()))
    first.write_bytes(b"another picture")
    with pytest.raises(StoreError, match="was altered"):
        take_over(tmp_path / "ours", learned)
    first.unlink()
    with pytest.raises(StoreError, match="is missing"):
        take_over(tmp_path / "ours", learned)
    with pytest.raises(UsageError, match="itself"):
        take_over(learned, learned)
    with pytest.raises(UsageError, match="no learning set"):
        take_over(tmp_path / "ours", tmp_path / "nothing")


def test_the_command_takes_over_and_does_one_thing_at_a_time(learned, tmp_path):
    words = ["learn", "--out", str(tmp_path / "ours"), "--take-over", str(learned)]
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    assert done.output.startswith("2 regions taken over, ") and done.output.endswith("; 0 withdrawn\n")
    both = CliRunner().invoke(cli, [*words, "--withdraw-slide", "slide-0"], standalone_mode=False)
    assert isinstance(both.exception, UsageError) and "three things" in str(both.exception)
