"""A run that is told cases: what it writes down of them, where it does not, and that results are as without them."""

import csv
import shutil

import pytest
from click.testing import CliRunner

from aggregate import store
from app.batch.manifest import read_manifest
from app.cli import cli
from app.ledger.cases.members import read_members
from classifier.model_folder.find import DEMO_MODEL
from wsi.errors import UsageError

CASE = "S26-Miller-77"


@pytest.fixture(scope="module")
def slides(ready_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    for name in ("one", "two", "three"):
        shutil.copy(ready_slide.path, folder / f"{name}.svs")
    (folder / "broken.svs").write_bytes(b"no slide")
    return folder


def manifest(folder, *lines, name="slides.csv"):
    path = folder / name
    path.write_text("slide,case,block\n" + "\n".join(lines) + "\n")
    return path


def run(listed, out, *more):
    arguments = ["run", "--manifest", str(listed), "--out", str(out), "--model", DEMO_MODEL, *map(str, more)]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.exception is None, done.exception
    return done.output


def told_anywhere(out, output):
    """All that is told but in the two files that are there for it."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name not in ("slide-cases.csv", "cases.csv")]
    return output.encode() + b"".join(path.read_bytes() for path in files)


def test_a_run_writes_down_its_cases_in_two_files_and_nowhere_else(slides, tmp_path):
    lines = [f"one.svs,{CASE},A1", f"two.svs,{CASE},B1", f"broken.svs,{CASE},C1", "three.svs,,"]
    out = tmp_path / "out"
    output = run(manifest(slides, *lines), out, "--json")
    assert {slide: (one.case, one.block) for slide, one in read_members(out).items()} == {
        "one": (CASE, "A1"),
        "two": (CASE, "B1"),
        "broken": (CASE, "C1"),
    }
    with (out / "cases.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["case"], row["slides"], row["failed"]) == (CASE, "3", "1") and "slide-failed" in row["review_reasons"]
    assert b"Miller" not in told_anywhere(out, output)
    plain = tmp_path / "plain"
    run(manifest(slides, "one.svs,,", name="plain.csv"), plain)
    assert not (plain / "slide-cases.csv").exists() or read_members(plain) == {}
    assert not (plain / "cases.csv").exists()
    assert store.committed_digest(plain / "one.zarr") == store.committed_digest(out / "one.zarr")
    run(manifest(slides, "one.svs,,", f"two.svs,{CASE},"), out)  # kept; one leaves the case
    assert {slide: one.block for slide, one in read_members(out).items()} == {"two": "", "broken": "C1"}


def rows_of(out):
    with (out / "cases.csv").open(newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("hidden", [False, True])
def test_each_part_of_a_batch_names_what_its_cases_miss_and_the_last_one_nothing(slides, tmp_path, hidden):
    listed = manifest(slides, *(f"{name}.svs,{CASE},A1" for name in ("one", "two", "three")), name="parts.csv")
    out, key = tmp_path / "out", ("--pseudonymize", tmp_path / "key") if hidden else ()
    still = []
    for part in (2, 3, 1):
        run(listed, out, "--shard", f"{part}/3", *key)
        [row] = rows_of(out).values()
        still.append(set(filter(None, row["missing"].split(";"))))
        assert (row["slides"], int(row["failed"])) == ("3", len(still[-1]))
        assert ("slide-failed" in row["review_reasons"]) == bool(still[-1])
    done = {path.name.removesuffix(".zarr") for path in out.glob("*.zarr")}
    assert [len(one) for one in still] == [2, 1, 0] and still[0] > still[1] and still[0] < done
    whole = tmp_path / "whole"
    run(listed, whole, *key)
    assert rows_of(whole) == rows_of(out)


def test_under_a_key_cases_have_pseudonyms_too(slides, tmp_path):
    out = tmp_path / "out"
    lines = [f"one.svs,{CASE},A1", f"two.svs,{CASE},{CASE}-B"]
    output = run(manifest(slides, *lines), out, "--pseudonymize", tmp_path / "key")
    members = read_members(out)
    [case] = {one.case for one in members.values()}
    blocks = sorted(one.block for one in members.values())
    assert case.startswith("case-") and blocks[0] == "A1" and blocks[1].startswith("block-")
    assert b"Miller" not in told_anywhere(out, output)
    assert "Miller" not in (out / "slide-cases.csv").read_text() + (out / "cases.csv").read_text()
    again = tmp_path / "again"
    run(manifest(slides, lines[0]), again, "--pseudonymize", tmp_path / "key")
    assert {one.case for one in read_members(again).values()} == {case}  # one key, one pseudonym


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["one.svs,A,1", "one.svs,B,1"], "lines 2 and 3: two cases for one slide"),
        (["one.svs,A,1", "one.svs,A,2"], "lines 2 and 3: two blocks for one slide"),
        (["one.svs," + "x" * 65 + ","], "line 2: not a case"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_told_with_its_line(slides, lines, words):
    with pytest.raises(UsageError) as told:
        read_manifest(manifest(slides, *lines))
    assert words in str(told.value) and "x" * 65 not in str(told.value)


def test_a_manifest_without_the_column_says_nothing_of_cases(slides):
    path = slides / "bare.csv"
    path.write_text("slide\none.svs\n")
    [job] = read_manifest(path)
    assert job.case is None
    [job] = read_manifest(manifest(slides, "one.svs, S1 ,B", name="b.csv"))
    assert (job.case, job.block) == ("S1", "B")
