"""One slide, one id, for ever in one output: whatever arrives later, moves, or is called like another one's id."""

import json
import shutil
import subprocess
import sys

import pytest

from aggregate import store
from app.batch.engines.local import LocalEngine
from app.batch.ids import path_key, settle_ids
from app.batch.inputs import collect_jobs, shard
from app.batch.run_batch import Tally, run_batch
from app.config import RunConfig
from app.ledger.slide_ids import SLIDE_IDS, read_slide_ids
from app.ledger.verify import report_of, verify_results
from classifier.model_folder.find import DEMO_MODEL
from tests.app.batch.test_run_batch import CLASSES, draw
from tests.conftest import REPOSITORY
from tests.faults.common import flaws
from wsi.errors import OutputUnwritableError


def ids(out, *inputs):
    return {str(job.path): job.slide_id for job in settle_ids(collect_jobs(inputs, None), out)}


@pytest.fixture
def files(tmp_path):
    def make(*names):
        for name in names:
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
        return [tmp_path / "in" / name for name in names]

    return make


def test_a_slide_that_comes_later_changes_no_id_and_takes_none(files, tmp_path):
    first, second, third = files("one/case.tif", "two/case.tif", "three/CASE.svs")
    out = tmp_path / "out"
    seen = ids(out, first)
    assert seen == {str(first): "case"}
    for inputs in ((second,), (third,), (first, second), (second, third, first), (tmp_path / "in",)):
        new = ids(out, *inputs)
        assert new.items() >= {path: seen[path] for path in new if path in seen}.items()
        seen |= new
    assert len({slide_id.casefold() for slide_id in seen.values()}) == 3


def test_a_slide_alone_again_keeps_its_tail(files, tmp_path):
    one, two = files("one/case.tif", "two/case.tif")
    both = ids(tmp_path / "out", one, two)
    assert ids(tmp_path / "out", two)[str(two)] == both[str(two)] != "case"


@pytest.mark.parametrize("digits", [8, 16])
def test_a_slide_called_like_anothers_id_gets_one_of_its_own(files, tmp_path, digits):
    one, two = files("one/x.tif", "two/x.tif")
    [named] = files(f"x-{path_key(one)[:digits]}.tif")
    [odd] = files(f"X-{path_key(two)[:8]}.svs")
    for inputs in ((one, two, named, odd), (named, odd), (one, two)):
        found = ids(tmp_path / "out", *inputs)
        assert len({slide_id.casefold() for slide_id in found.values()}) == len(inputs)
    # The other way round: the names come after the tails were given out.
    ids(tmp_path / "later", one, two)
    found = ids(tmp_path / "later", named, odd, one, two)
    assert len({slide_id.casefold() for slide_id in found.values()}) == 4


def test_all_parts_of_a_batch_agree(files, tmp_path):
    files("one/case.tif", "two/case.tif", "other.tif")
    jobs = [settle_ids(collect_jobs([tmp_path / "in"], None), tmp_path / "out") for _ in range(3)]
    parts = [job.slide_id for i in range(3) for job in shard(jobs[i], f"{i + 1}/3")]
    assert sorted(parts) == sorted(job.slide_id for job in jobs[0]) and len(set(parts)) == 3


def test_what_is_written_down_tells_no_name_and_nonsense_in_it_is_passed_over(files, tmp_path):
    [secret] = files("Mustermann.tif")
    out = tmp_path / "out"
    ids(out, secret)
    book = out / SLIDE_IDS
    assert b"in/" not in book.read_bytes() and list(read_slide_ids(out).values()) == [path_key(secret)]
    key = path_key(secret)
    book.write_text(
        "\n".join(["[]", "{", "[" * 100_000, '"x"', json.dumps({"slide_id": "../../x", "path_sha256": key}), "\udce9"]),
        errors="surrogateescape",
    )
    assert ids(out, secret) == {str(secret): "Mustermann"}
    book.unlink()
    book.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputUnwritableError, match="ids"):
        ids(out, secret)
    assert not (tmp_path / "elsewhere").exists()


def test_runs_that_start_at_once_give_out_no_id_twice(files, tmp_path):
    slides = files(*(f"{i}/case.tif" for i in range(6)))
    code = (
        "import sys; from pathlib import Path; from app.batch.ids import settle_ids;"
        "from app.batch.inputs import collect_jobs;"
        "sys.stdin.read(1);"
        "print(*(j.slide_id for j in settle_ids(collect_jobs([Path(sys.argv[1])], None), Path(sys.argv[2]))))"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, slide, tmp_path / "out"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for slide in slides
    ]
    for process in runs:
        process.stdin.write("x")
        process.stdin.flush()
    given = [process.communicate(timeout=120)[0].strip() for process in runs]
    assert len(set(given)) == 6 and "case" in given


def batch(out, *inputs):
    tally = Tally()
    jobs = settle_ids(collect_jobs(inputs, None), out)
    list(run_batch(jobs, RunConfig(out=out, model=DEMO_MODEL), CLASSES, engine=LocalEngine(1), tally=tally))
    return tally


def test_nothing_is_overwritten_and_a_slide_that_moved_keeps_its_result(tmp_path):
    for folder, kind in (("one", "normal"), ("two", "adenocarcinoma")):
        (tmp_path / folder).mkdir()
        draw(tmp_path / folder / "case.tif", kind)
    out = tmp_path / "out"
    batch(out, tmp_path / "one")
    digest = store.committed_digest(out / "case.zarr")
    (out / SLIDE_IDS).unlink()  # as a run of before this list left it
    batch(out, tmp_path / "two")
    assert store.committed_digest(out / "case.zarr") == digest and len(store.stored_results(out)) == 2
    # A copy elsewhere is a slide of its own while the first one is there.
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    assert ids(out, tmp_path / "copy")[str(tmp_path / "copy" / "case.tif")] != "case"
    (tmp_path / "one").rename(tmp_path / "moved")
    tally = batch(out, tmp_path / "moved", tmp_path / "two")
    assert tally.kept == 2 and len(store.stored_results(out)) == 2 and flaws(out) == []
    # Gone, and another slide of its name in a third place: that is another slide.
    (tmp_path / "moved").rename(tmp_path / "away")
    (tmp_path / "third").mkdir()
    draw(tmp_path / "third" / "case.tif", "squamous_cell_carcinoma")
    batch(out, tmp_path / "third")
    assert store.committed_digest(out / "case.zarr") == digest and len(store.stored_results(out)) == 3


def test_verify_tells_the_slides_of_a_part_that_was_not_run(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "in" / f"{name}.svs").touch()
    out = tmp_path / "out"
    jobs = settle_ids(collect_jobs([tmp_path / "in"], None), out)
    for part in ("1/3", "3/3"):
        list(run_batch(shard(jobs, part), RunConfig(out=out, model=DEMO_MODEL), CLASSES, tally=Tally()))
    found = verify_results(out)
    assert found.missing == ("b",) and found.is_whole
    assert "1 slides were asked for and are not in slides.csv yet: b" in report_of(found, [], as_json=False)
    list(run_batch(shard(jobs, "2/3"), RunConfig(out=out, model=DEMO_MODEL), CLASSES, tally=Tally()))
    assert verify_results(out).missing == ()
