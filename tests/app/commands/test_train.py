"""`pulmoscope evaluate` as a person and a program meet it: a few lines, one JSON object, and its options."""

import json

import pytest
from click.testing import CliRunner

from app.cli import cli
from tests.classifier.tiles import CLASSES, tiny_model, tiny_tiles, write_csv
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
