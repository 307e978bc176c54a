"""A made reader study whose figures libraries give too, and every way in which its CSV can be wrong."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from classifier.dataset.tile_list import TileRecord, TileSet
from classifier.evaluation.readers.calls import NOT_READ, SOURCE_GROUPS, TILES, read_readings
from classifier.evaluation.readers.study import study_readers
from tests.classifier.tiles import write_csv
from wsi.errors import DatasetError

CLASSES = ("adeno", "normal", "squamous")
GROUPS = 30
HEADER = ("case", "reader", "call")


def tile_set(tiles_a_group=3):
    """GROUPS groups of one class each; group 0 to 2 are adeno, normal, squamous, and so on."""
    records = [
        TileRecord(Path(f"{g}-{i}.png"), f"{g}-{i}.png", CLASSES[g % 3], f"group {g}", "", None, patient=f"P{g // 2}")
        for g in range(GROUPS)
        for i in range(tiles_a_group)
    ]
    return TileSet(tuple(records), CLASSES)


def made_calls(seed=0):
    """(GROUPS, 3) calls of three readers, right in 95, 85 and 70 of 100."""
    rng = np.random.default_rng(seed)
    truth = np.arange(GROUPS) % 3
    right = rng.random((GROUPS, 3)) < [0.95, 0.85, 0.7]
    return np.where(right, truth[:, None], (truth[:, None] + rng.integers(1, 3, (GROUPS, 3))) % 3)


def write_calls(path, calls, case="group {}"):
    rows = [
        (case.format(g), f"R{r + 1}", CLASSES[call])
        for g, of_case in enumerate(calls)
        for r, call in enumerate(of_case)
        if call != NOT_READ
    ]
    return write_csv(path, HEADER, rows)


def made_probabilities(tiles, seed=5):
    rng = np.random.default_rng(seed)
    powers = np.exp(rng.normal(size=(len(tiles), 3)) + 1.5 * np.eye(3)[tiles.labels])
    return powers / powers.sum(axis=1, keepdims=True)


def test_three_readers_get_the_kappas_of_scikit_learn_and_statsmodels(tmp_path):
    tiles, calls = tile_set(), made_calls()
    probabilities = made_probabilities(tiles)
    readings = read_readings(write_calls(tmp_path / "readers.csv", calls), tiles)
    study = study_readers(readings, probabilities, tiles.labels, tiles.groups)
    truth = np.arange(GROUPS) % 3
    model = probabilities.reshape(GROUPS, 3, 3).mean(axis=1).argmax(axis=1)

    assert (study.kind, study.cases, study.complete_cases, study.left_out) == (SOURCE_GROUPS, GROUPS, GROUPS, 0)
    assert study.model_accuracy.value == pytest.approx(accuracy_score(truth, model))
    assert study.model_kappa_reference.value == pytest.approx(cohen_kappa_score(truth, model))
    for column, result in enumerate(study.readers):
        own = calls[:, column]
        assert result.reader == f"R{column + 1}" and result.cases == GROUPS
        assert result.accuracy.value == pytest.approx(accuracy_score(truth, own))
        assert result.kappa_reference.value == pytest.approx(cohen_kappa_score(truth, own))
        assert result.kappa_model.value == pytest.approx(cohen_kappa_score(model, own))
        assert result.model_minus_reader.value == pytest.approx((model == truth).mean() - (own == truth).mean())
        assert result.only_model_right == ((model == truth) & (own != truth)).sum()
        assert result.only_reader_right == ((model != truth) & (own == truth)).sum()
    for pair, (i, j) in zip(study.pairs, ((0, 1), (0, 2), (1, 2)), strict=True):
        assert (pair.first, pair.second) == (f"R{i + 1}", f"R{j + 1}")
        assert pair.kappa.value == pytest.approx(cohen_kappa_score(calls[:, i], calls[:, j]))
    counts, _ = aggregate_raters(calls, n_cat=3)
    assert study.fleiss.value == pytest.approx(fleiss_kappa(counts, method="fleiss"))


def test_cases_that_a_reader_left_out(tmp_path):
    tiles, calls = tile_set(), made_calls(1)
    calls[:6, 2] = NOT_READ
    readings = read_readings(write_calls(tmp_path / "readers.csv", calls), tiles)
    study = study_readers(readings, made_probabilities(tiles), tiles.labels, tiles.groups)
    assert (study.complete_cases, study.left_out) == (GROUPS - 6, 6)
    assert [result.cases for result in study.readers] == [GROUPS, GROUPS, GROUPS - 6]
    assert [pair.cases for pair in study.pairs] == [GROUPS, GROUPS - 6, GROUPS - 6]
    counts, _ = aggregate_raters(calls[6:], n_cat=3)
    assert study.fleiss.value == pytest.approx(fleiss_kappa(counts, method="fleiss"))
    assert study.pairs[1].kappa.value == pytest.approx(cohen_kappa_score(calls[6:, 0], calls[6:, 2]))


def test_readers_may_call_tiles(tmp_path):
    tiles = tile_set()
    path = write_csv(tmp_path / "r.csv", HEADER, [("1-0.png", "R1", "normal"), ("0-2.png", "R1", "squamous")])
    readings = read_readings(path, tiles)
    assert readings.kind == TILES and [one.tolist() for one in readings.tiles_of] == [[3], [2]]
    probabilities = np.eye(3)[tiles.labels]
    study = study_readers(readings, probabilities, tiles.labels, tiles.units("patient"))
    assert study.model_accuracy.value == 1.0 and study.readers[0].accuracy.value == 0.5
    assert np.isnan(study.fleiss.value) and np.isnan(study.readers[0].accuracy.low)  # both tiles are of one patient


def test_the_model_calls_a_group_by_its_mean_and_not_by_votes(tmp_path):
    tiles = TileSet(tile_set().records[:3], CLASSES)
    probabilities = np.array([[0.0, 1.0, 0.0], [0.51, 0.49, 0.0], [0.51, 0.49, 0.0]])
    path = write_csv(tmp_path / "r.csv", HEADER, [("group 0", "R1", "adeno")])
    study = study_readers(read_readings(path, tiles), probabilities, tiles.labels, tiles.groups)
    assert study.model_accuracy.value == 0.0


def test_a_case_of_two_patients_has_no_unit(tmp_path):
    tiles = tile_set()
    path = write_csv(tmp_path / "r.csv", HEADER, [("group 0", "R1", "adeno")])
    units = np.arange(len(tiles)).astype(str)
    with pytest.raises(DatasetError, match="several of the units"):
        study_readers(read_readings(path, tiles), made_probabilities(tiles), tiles.labels, units)


GOOD = ("group 1", "R1", "normal")


@pytest.mark.parametrize(
    ("header", "rows", "says"),
    [
        (("case", "reader"), [("group 1", "R1")], "no column call"),
        (HEADER, [], "holds no call"),
        (HEADER, [GOOD, ("group 77", "R1", "normal")], "the case of row 3 is none of the tiles judged"),
        (HEADER, [GOOD, ("1-0.png", "R1", "normal")], "the case of row 3 is no case like those before it"),
        (HEADER, [GOOD, ("group 2", "R1", "moss")], "row 3 has a call that is none of the classes"),
        (HEADER, [GOOD, GOOD], "row 3 is a second call of R1"),
        (HEADER, [GOOD, ("group 2", "=1+1", "normal")], "row 3 has a reader's name"),
        (HEADER, [GOOD, ("group 2", "@SUM(A1)", "normal")], "row 3 has a reader's name"),
        (HEADER, [GOOD, ("group 2", "<b>", "normal")], "row 3 has a reader's name"),
        (HEADER, [GOOD, ("group 2", "R" * 41, "normal")], "row 3 has a reader's name"),
        (HEADER, [GOOD, ('=HYPERLINK("x")', "R1", "normal")], "the case of row 3 is none"),
        (HEADER, [GOOD, ("group 2", "R1", "=normal")], "row 3 has a call that is none"),
        (HEADER, [GOOD, ("group 2", "", "normal")], "row 3 has an empty"),
        (HEADER, [GOOD, ("group 2", "R1", "normal", "more")], "row 3 has more cells"),
        (HEADER, [("group 1", f"R{i}", "normal") for i in range(51)], "names 51 readers"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_row(tmp_path, header, rows, says):
    path = write_csv(tmp_path / "readers.csv", header, rows)
    with pytest.raises(DatasetError) as caught:
        read_readings(path, tile_set())
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith("dataset-invalid: ") and "; " in str(caught.value)


def test_a_message_never_repeats_the_name_of_a_case(tmp_path):
    path = write_csv(tmp_path / "readers.csv", HEADER, [("Jane Doe 1950-01-01", "R1", "normal")])
    with pytest.raises(DatasetError) as caught:
        read_readings(path, tile_set())
    assert "Doe" not in str(caught.value)


def test_what_is_no_csv(tmp_path):
    (tmp_path / "bytes.csv").write_bytes(b"case,reader,call\n\xff\xfe,R1,normal\n")
    for path, says in (("bytes.csv", "not a CSV in UTF-8"), ("none.csv", "cannot be read"), (".", "cannot be read")):
        with pytest.raises(DatasetError, match=says):
            read_readings(tmp_path / path, tile_set())


def test_a_group_of_two_classes_has_no_right_call(tmp_path):
    records = tile_set().records
    mixed = TileSet((*records[:3], TileRecord(Path("x"), "x", "normal", "group 0", "", None)), CLASSES)
    path = write_csv(tmp_path / "readers.csv", HEADER, [("group 0", "R1", "adeno")])
    with pytest.raises(DatasetError, match="tiles of several classes"):
        read_readings(path, mixed)


@pytest.mark.parametrize("header", ["case,reader,call,call", "case,case,reader,call", "case,reader,reader,call"])
def test_a_column_twice_is_refused_before_calls_are_swapped(tmp_path, header):
    (tmp_path / "r.csv").write_text(f"{header}\ngroup 0,R1,normal,adeno\n")
    with pytest.raises(DatasetError, match="twice"):
        read_readings(tmp_path / "r.csv", tile_set())


def test_rows_of_commas_are_passed_over_and_an_open_quote_is_refused(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("case,reader,call\ngroup 0,R1,normal\n,,\n,,\n")
    assert read_readings(path, tile_set()).readers == ("R1",)
    path.write_text('case,reader,call\n"group 0,R1,normal\ngroup 1,R1,normal\n')
    with pytest.raises(DatasetError, match="CSV"):
        read_readings(path, tile_set())
