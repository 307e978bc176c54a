"""What a laboratory gives is read strictly: each wrong file gets its line, and no cell of it is repeated."""

import math
from pathlib import Path

import pytest

from app.batch.search import make_job
from app.commissioning.given.criteria import Criterion, judge, read_criteria
from app.commissioning.given.labels import match, read_labels
from app.commissioning.readers import compare_ways, read_readings
from tests.app.commissioning.drawn import CRITERIA, write_criteria
from wsi.errors import UsageError

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")


def labels(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return read_labels(path, CLASSES)


def test_labels_are_read_with_all_that_they_tell(tmp_path):
    rows = "a.svs,normal,P1,GT450,H&E,0.25\n\nb.svs,normal,,,,\n"
    read = labels(tmp_path, f"slide,label,patient,scanner,stain,mpp\n{rows}")
    first, second = read.rows
    assert (first.slide, first.patient, first.scanner, first.mpp, first.row) == ("a.svs", "P1", "GT450", 0.25, 2)
    assert (second.patient, second.mpp, second.row) == ("", None, 4) and not read.tell_patients


def test_a_case_stands_for_the_patient_where_none_is_told(tmp_path):
    rows = "a.svs,normal,P1,C1\nb.svs,normal,,C1\nc.svs,normal,,P1\nd.svs,normal,,\n"
    first, second, third, fourth = labels(tmp_path, f"slide,label,patient,case\n{rows}").rows
    assert (first.patient, first.by_case) == ("P1", False)
    assert (second.patient, second.by_case) == ("case C1", True)
    assert third.patient not in (first.patient, second.patient)  # a case called like a patient is none
    assert (fourth.patient, fourth.by_case) == ("", False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("slide,label\na.svs,Muster Erika\n", "row 2 has a label that the model does not know"),
        ("slide\na.svs\n", "has no column label"),
        ("slide,label,label\na,normal,normal\n", "a column twice"),
        ("slide,label,born\na,normal,1950\n", "one that is not known"),
        ("slide,label\n,normal\n", "row 2 names no slide"),
        ("slide,label,scanner\na,normal,=cmd()\n", "row 2 has a scanner that is too long or odd"),
        ("slide,label,mpp\na,normal,none\n", "row 2 has an mpp that is no pixel size"),
        ("slide,label\na,normal,more\n", "row 2 has not as many cells"),
        ('slide,label\n"a,normal\n', "is not a CSV"),
        ("slide,label\n", "holds no row"),
    ],
)
def test_a_wrong_table_is_told_with_its_row(tmp_path, text, told):
    with pytest.raises(UsageError, match=told) as error:
        labels(tmp_path, text)
    assert "Erika" not in str(error.value)


def test_each_label_has_its_slide(tmp_path):
    jobs = [make_job(tmp_path / "one" / "a.svs"), make_job(tmp_path / "two" / "a.svs"), make_job(tmp_path / "b.svs")]
    found = match(labels(tmp_path, "slide,label\none/a.svs,normal\nelsewhere/b.svs,normal\n"), jobs, tmp_path)
    assert [job.path for job in found.jobs] == [jobs[0].path, jobs[2].path] and found.unlabelled == 1
    assert [job.label for job in found.jobs] == ["normal", "normal"]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("a.svs,normal", "row 2: several slides have that name"),
        ("c.svs,normal", "row 2: no such slide was found"),
        ("b.svs,normal\nx/b.svs,normal", "row 3 is a second one"),
    ],
)
def test_a_label_without_a_slide_of_its_own_is_refused(tmp_path, rows, told):
    jobs = [make_job(tmp_path / "one" / "a.svs"), make_job(tmp_path / "two" / "a.svs"), make_job(tmp_path / "b.svs")]
    with pytest.raises(UsageError, match=told):
        match(labels(tmp_path, f"slide,label\n{rows}\n"), jobs, tmp_path)


def test_a_label_of_a_slide_that_cannot_be_tried_says_why(tmp_path):
    jobs = [make_job(tmp_path / "a.svs"), make_job(tmp_path / "b.svs", problem="is a link that leads out")]
    with pytest.raises(UsageError, match="row 3: the slide is a link that leads out"):
        match(labels(tmp_path, "slide,label\na.svs,normal\nb.svs,normal\n"), jobs, tmp_path)
    assert match(labels(tmp_path, "slide,label\na.svs,normal\n"), jobs, tmp_path).unlabelled == 0


def test_criteria_are_read_with_their_digest(tmp_path):
    read = read_criteria(write_criteria(tmp_path), CLASSES, "normal")
    assert read.criteria == (Criterion("sensitivity", at_least=0.5), Criterion("failed_share", at_most=0.0))
    assert read.positive == ("adenocarcinoma", "squamous_cell_carcinoma") and read.valid_days == 365
    other = read_criteria(write_criteria(tmp_path, CRITERIA + "# a word more\n"), CLASSES, "normal")
    assert other.sha256 != read.sha256


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("format = 1\n[[criterion]]\nfigure = 'beauty'\nat_least = 1\n", "no such figure"),
        ("format = 1\n[[criterion]]\nfigure = 'auc'\n", "needs at_least or at_most"),
        ("format = 1\n[[criterion]]\nfigure = 'auc'\nat_least = nan\n", "needs at_least or at_most"),
        ("format = 1\n[[criterion]]\nfigure = 'auc'\nat_least = true\n", "needs at_least or at_most"),
        ("format = 1\n[[criterion]]\nfigure = 'auc'\nat_least = 0.9\nend = 'middle'\n", "end is none of"),
        ("format = 1\n[[criterion]]\nfigure = 'kappa'\nat_least = 0.9\nscanner = 'A'\n", "of one scanner"),
        ("format = 1\n[[criterion]]\nfigure = 'auc:normal'\nat_least = 0.9\n", "no such figure"),
        ("format = 1\n[[criterion]]\nfigure = 'auc'\nleast = 0.9\n", "means nothing here"),
        ("format = 1\npositive = ['normal']\n[[criterion]]\nfigure = 'auc'\nat_least = 0.9\n", "positive is no list"),
        ("format = 1\nvalid_days = 0\n[[criterion]]\nfigure = 'auc'\nat_least = 0.9\n", "valid_days"),
        ("format = 1\ntypo = 1\n[[criterion]]\nfigure = 'auc'\nat_least = 0.9\n", "'typo', which means nothing"),
        ("format = 2\n", "no `format = 1`"),
        ("format = 1\n", r"no \[\[criterion\]\]"),
        ("= [", "is not TOML"),
    ],
)
def test_a_wrong_criterion_is_told(tmp_path, text, told):
    with pytest.raises(UsageError, match=told):
        read_criteria(write_criteria(tmp_path, text), CLASSES, "normal")


@pytest.mark.parametrize(
    ("criterion", "met"),
    [
        (Criterion("auc", at_least=0.9), True),
        (Criterion("auc", at_least=0.901), False),
        (Criterion("auc", at_most=0.9), True),
        (Criterion("auc", at_most=0.899), False),
        (Criterion("auc", at_least=0.8, end="low"), True),
        (Criterion("auc", at_least=0.801, end="low"), False),
        (Criterion("auc", at_least=0.5, at_most=0.6), False),
    ],
)
def test_a_criterion_is_met_at_its_very_edge(criterion, met):
    assert judge(criterion, {"value": 0.9, "low": 0.8, "high": 0.95}).met is met


def test_what_cannot_be_judged_is_not_met():
    asked = Criterion("auc", at_least=0.0, end="low")
    assert judge(asked, {"value": 1.0, "low": math.nan, "high": math.nan}).why == "it has no interval"
    assert judge(Criterion("auc", at_least=0.0), {"value": math.nan}).why.startswith("it is not defined")
    assert not judge(asked, None).met


def readings(tmp_path, text, slides=("a", "b", "c", "d")):
    path = tmp_path / "readers.csv"
    path.write_text(text)
    return read_readings(path, CLASSES, slides)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("x,R1,normal", "row 2 is of a slide without a label"),
        ("a,R1,normal\na,R1,normal", "row 3 is a second call"),
        ("a,R1,benign", "row 2 has a call that the model does not know"),
        ("a,,normal", "an empty slide or reader"),
    ],
)
def test_a_wrong_reading_is_told(tmp_path, rows, told):
    with pytest.raises(UsageError, match=told):
        readings(tmp_path, f"slide,reader,call\n{rows}\n")


def test_two_ways_of_two_readers_are_a_study_and_one_is_none(tmp_path):
    rows = [
        f"{slide},{reader},normal,{way},{score}"
        for way, shift in (("without", 0), ("with", 1))
        for reader, bias in (("R1", 0), ("R2", 2))
        for slide, score in zip("abcd", (1 + bias, 5 + shift, 2, 4), strict=True)
    ]
    file = readings(tmp_path, "slide,reader,call,way,score\n" + "\n".join(rows) + "\n")
    positive = {"a": False, "b": True, "c": False, "d": True}
    found = compare_ways(file, positive, dict(zip("abcd", "abcd", strict=True)))
    assert (found.names, found.readers, found.slides) == (("without", "with"), 2, 4)
    assert found.study.means[0].value == 1.0
    alone = readings(tmp_path, "slide,reader,call,way,score\n" + "\n".join(rows[:4]) + "\n")
    assert compare_ways(alone, positive, dict(zip("abcd", "abcd", strict=True))) is None


def test_a_link_is_no_table(tmp_path):
    (tmp_path / "real.csv").write_text("slide,label\na,normal\n")
    (tmp_path / "labels.csv").symlink_to(tmp_path / "real.csv")
    with pytest.raises(UsageError, match="cannot be read"):
        read_labels(Path(tmp_path / "labels.csv"), CLASSES)
