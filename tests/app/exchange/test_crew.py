"""Reports of many slides on several cores: the same files, whatever becomes of the helpers."""

import shutil
from pathlib import Path

import pytest

from aggregate.result_folder import result_path
from aggregate.store import load
from app.commands.report import write_reports
from app.exchange import crew
from app.exchange.export import Export, Wanted
from app.ledger.table import read_table
from app.reports import Asked
from app.review.reviews import open_reviews
from tests.app.ledger.test_forgery import fill

FORMATS = ("html", "json", "csv", "geojson", "fhir")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("many") / "out", [f"slide-{number}" for number in range(7)])


def written(results, out, monkeypatch, helpers):
    """Every file by its name, and the lines told, with so many helpers."""
    monkeypatch.setattr("app.commands.report.helpers_for", lambda slides: helpers)
    paths, problems = write_reports(results, out, FORMATS, asked=Asked())
    return [(path.name, path.read_bytes()) for path in paths], problems


def test_helpers_write_the_same_bytes_in_the_same_order(results, tmp_path, monkeypatch):
    alone = written(results, tmp_path / "alone", monkeypatch, 0)
    assert len(alone[0]) > len(FORMATS) and alone == written(results, tmp_path / "helped", monkeypatch, 2)


def test_a_result_that_cannot_be_read_is_told_as_without_helpers(results, tmp_path, monkeypatch):
    broken = shutil.copytree(results, tmp_path / "broken")
    first = sorted(broken.glob("*.zarr"))[0]
    (first / "commit.json").write_text("{}")
    alone = written(broken, tmp_path / "alone", monkeypatch, 0)
    assert alone == written(broken, tmp_path / "helped", monkeypatch, 2)


def test_a_result_under_another_name_writes_over_nothing(results, tmp_path, monkeypatch):
    copied = shutil.copytree(results, tmp_path / "copied")
    first = sorted(copied.glob("*.zarr"))[0]
    shutil.copytree(first, copied / "zz-copy.zarr")
    files, problems = written(copied, tmp_path / "helped", monkeypatch, 2)
    assert any("zz-copy.zarr holds the result of slide" in line for line in problems)
    assert (files, problems) == written(copied, tmp_path / "alone", monkeypatch, 0)


@pytest.mark.parametrize("when", ["before", "amid"])
def test_helpers_that_are_killed_cost_nothing(results, tmp_path, monkeypatch, when):
    alone = written(results, tmp_path / "alone", monkeypatch, 0)
    started = []

    def start(function):
        started.append(crew_start(function))
        if when == "before":
            started[-1].process.kill()
        return started[-1]

    crew_start = crew.start_child
    monkeypatch.setattr(crew, "start_child", start)
    if when == "amid":
        answer, asked = crew._answer, []

        def last_words(child):
            asked.append(child)
            if len(asked) == 3:
                for one in started:
                    one.process.kill()
                    one.process.wait()
            return answer(child)

        monkeypatch.setattr(crew, "_answer", last_words)
    assert written(results, tmp_path / "helped", monkeypatch, 2) == alone
    assert started and all(one.process.poll() is not None for one in started)


def test_each_slide_comes_once_and_in_order_and_the_helpers_go(results):
    slides = [(result_path(results, name), row) for name, row in read_table(results).rows.items() if row.call]
    order = crew.Order(Wanted(("json",)), results, None)
    for helpers in (1, 3):
        done = list(crew.rendered(order, slides, helpers))
        assert [path for path, _ in done] == [path for path, _ in slides]
        assert all(one is not None and [Path(name).suffix for name, _ in one.files] == [".json"] for _, one in done)


def test_few_slides_or_one_core_have_no_helpers(monkeypatch):
    monkeypatch.setattr(crew, "usable_cores", lambda: 64)
    assert (crew.helpers_for(crew.LEAST_SLIDES - 1), crew.helpers_for(1000)) == (0, crew.MOST_HELPERS)
    monkeypatch.setattr(crew, "usable_cores", lambda: 1)
    assert crew.helpers_for(1000) == 0


def test_what_was_decided_on_an_older_result_is_not_told_of_the_new_one(results):
    [row] = [row for row in read_table(results).rows.values() if row.call][:1]
    export = Export(Wanted(("json",)), open_reviews(results, None), {row.slide_id: row})
    export._states = {row.slide_id: object()}
    helper = Export(Wanted(("json",)), open_reviews(results, None), {row.slide_id: row})
    path = result_path(results, row.slide_id)
    list(export.take(helper.rendered(load(path), path)))
    assert export.states == {}
