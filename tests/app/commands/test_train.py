"""`pulmoscope evaluate` as a person and a program meet it: a few lines, one JSON object, and its options."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from app.cli import cli
from app.commands.train import accuracy_line, train_model
from classifier.model_folder.files import read_card
from classifier.training.request import TrainRequest
from tests.classifier.tiles import CLASSES, TINY, tiny_model, tiny_tiles, write_csv
from wsi.errors import DatasetError


def evaluate(out, *options):
    arguments = ["evaluate", str(tiny_tiles()), "--model", str(tiny_model()), "--out", str(out), *map(str, options)]
    return CliRunner().invoke(cli, arguments)


@pytest.fixture
def readers(tmp_path):
    calls = [(f"{label}{i}", reader, label) for label in CLASSES for i in (6, 7) for reader in ("R1", "R2")]
    return write_csv(tmp_path / "readers.csv", ("case", "reader", "call"), calls)


def test_the_terminal_says_the_main_figures_and_where_the_report_is(tmp_path, readers):
    done = evaluate(tmp_path / "out", "--readers", readers)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert any(line.startswith("tiny-model on 30 tiles of 6 source groups (val)") for line in lines)
    for name in ("accuracy", "calibration error", "surest ", "not recognised", "worst shift", "reader R2"):
        assert [line for line in lines if line.startswith(f"  {name}")], name
    assert lines[-1] == f"report   {tmp_path / 'out' / 'report.html'}" and len(lines) < 30
    assert (tmp_path / "out" / "report.html").exists()


def test_a_program_gets_one_json_object(tmp_path):
    done = evaluate(tmp_path, "--no-shifts", "--json")
    told = json.loads(done.stdout)
    assert told["shifts"] == [] and told["tiles"] == 30
    assert told == json.loads((tmp_path / "metrics.json").read_text())


def test_a_wrong_option_is_one_line(tmp_path):
    assert evaluate(tmp_path, "--interval-over", "colour").exit_code == 2
    for options in (
        ("--interval-over", "site"),
        ("--readers", tmp_path / "none.csv"),
        ("--foreign", tmp_path / "none"),
    ):
        error = evaluate(tmp_path, "--no-shifts", *options).exception
        assert isinstance(error, DatasetError) and error.hint


def test_few_groups_give_a_figure_without_an_interval_and_a_note(tmp_path):
    """Six groups that were all called rightly: "1.000 (1.000 to 1.000)" would say what nobody knows."""
    said = []
    train_model(TrainRequest(tiny_tiles(), tmp_path / "m", TINY), said.append)
    assert said[-1].startswith("accuracy ") and said[-1].endswith(
        "(no interval: only 6 groups) on 30 validation tiles of 6 source groups"
    )
    assert "note: Only 6 groups were judged, too few for any interval" in "\n".join(said[:-2])
    done = evaluate(tmp_path / "out", "--no-shifts")
    assert "(no interval: only 6 groups)" in done.stdout and "too few for any interval" in done.stdout
    page = (tmp_path / "out" / "report.html").read_text()
    assert "accuracy, no interval: only 6 groups" in page and "1.000 to 1.000" not in page


def test_many_groups_that_are_all_right_give_the_exact_bound():
    """Without a training: the line that is told of a card."""
    card = read_card(tiny_model())
    figures = {"accuracy": {"value": 1.0, "low": 0.741134, "high": 1.0, "groups": 10}}
    judged = {"figures": figures, "tiles": 40, "groups": 10}
    told = accuracy_line(replace(card, metrics={"val": judged}))
    assert told == "accuracy 1.000 (at least 0.741) on 40 validation tiles of 10 source groups"
    assert accuracy_line(replace(card, metrics={})).startswith("not measured")
