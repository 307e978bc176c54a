"""From names to jobs: every slide once, with an id of its own, nothing outside the folder."""

import os
from pathlib import Path

import pytest

from app.batch.inputs import collect_jobs, shard
from wsi.errors import UsageError
from wsi.text import unescape


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "in"
    for name in ("a.svs", "one/b.tiff", "one/two/c.ndpi", "one/a.svs", "one/notes.txt", "two/.hidden.svs"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def files(jobs, root):
    return [os.path.relpath(job.file, root) for job in jobs]


def test_a_pattern_finds_slides_and_folders_of_slides(tmp_path):
    for name in ("a/1.svs", "a/2.tif", "b/deep/3.svs", "a/notes.txt", ".hidden/4.svs", "a/[x].svs"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def found(pattern):
        return [job.path.relative_to(tmp_path).as_posix() for job in collect_jobs([tmp_path / pattern], None)]

    assert found("*/*.svs") == ["a/1.svs", "a/[x].svs"]
    assert found("**/*.svs") == ["a/1.svs", "a/[x].svs", "b/deep/3.svs"]
    assert found("[ab]") == ["a/1.svs", "a/2.tif", "a/[x].svs", "b/deep/3.svs"]
    assert found("a/[x].svs") == ["a/[x].svs"]  # a file of that very name is no pattern
    with pytest.raises(UsageError, match="no slide found"):
        found("*/*.txt")


def test_links_in_a_circle_are_slides_that_cannot_be_read(tmp_path):
    (tmp_path / "round.svs").symlink_to(tmp_path / "round.svs")
    [job] = collect_jobs([tmp_path], None)
    assert "leads out" in job.problem


def test_a_folder_is_searched_recursively_for_slides(tree):
    assert files(collect_jobs([tree], None), tree) == ["a.svs", "one/a.svs", "one/b.tiff", "one/two/c.ndpi"]


def test_slides_of_the_same_name_stay_apart(tree):
    ids = [job.slide_id for job in collect_jobs([tree], None)]
    assert len(set(ids)) == 4
    assert ids[2:] == ["b", "c"]
    assert all(i.startswith("a-") and len(i) == 10 for i in ids[:2])


def test_ids_do_not_depend_on_how_the_folder_was_named(tree, monkeypatch):
    absolute = [job.slide_id for job in collect_jobs([tree], None)]
    monkeypatch.chdir(tree.parent)
    assert [job.slide_id for job in collect_jobs([Path("in")], None)] == absolute
    assert [job.slide_id for job in collect_jobs([Path("in/one/..")], None)] == absolute


def test_names_that_differ_only_in_case_or_in_odd_letters_stay_apart(tmp_path):
    for name in ("S1.svs", "s1.tiff", "Ä b.svs", "Ö b.svs", "..svs.svs", "x" * 200 + ".svs"):
        (tmp_path / name).write_bytes(b"x")
    jobs = collect_jobs([tmp_path], None)
    ids = [job.slide_id.casefold() for job in jobs]
    assert len(set(ids)) == len(ids) == 5  # "..svs.svs" is hidden
    assert all(len(i) < 120 and i.isascii() and "/" not in i and not i.startswith(".") for i in ids)


def test_a_slide_named_twice_is_one_job(tree):
    jobs = collect_jobs([tree, tree / "a.svs", tree / "one" / ".." / "a.svs"], None)
    assert len(jobs) == 4


def test_a_named_file_is_a_job_whatever_it_is(tmp_path):
    [job] = collect_jobs([tmp_path / "missing.svs"], None)
    assert job.slide_id == "missing"


def test_a_folder_with_a_slides_name_is_one_job_and_not_searched(tree):
    (tree / "fake.svs").mkdir()
    (tree / "fake.svs" / "inner.svs").write_bytes(b"x")
    assert "fake.svs" in files(collect_jobs([tree], None), tree)
    assert not any("inner" in job.file for job in collect_jobs([tree], None))


def test_links_out_of_the_folder_are_told_not_followed(tree, tmp_path):
    secret = tmp_path / "elsewhere"
    secret.mkdir()
    (secret / "s.svs").write_bytes(b"x")
    (tree / "link.svs").symlink_to(secret / "s.svs")
    (tree / "folder").symlink_to(secret)
    (tree / "inside.svs").symlink_to(tree / "a.svs")
    (tree / "loop").symlink_to(tree)
    jobs = {os.path.relpath(job.file, tree): job for job in collect_jobs([tree], None)}
    assert "leads out" in jobs["link.svs"].problem
    assert jobs["inside.svs"].problem == ""
    assert len(jobs) == 6


def test_the_output_folder_is_not_searched(tree):
    (tree / "out" / "uploads").mkdir(parents=True)
    (tree / "out" / "uploads" / "u.png").write_bytes(b"x")
    assert len(collect_jobs([tree], None)) == 5
    assert len(collect_jobs([tree], None, skip=tree / "out")) == 4


def test_a_folder_without_a_slide_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="no slide found"):
        collect_jobs([tmp_path], None)


def test_a_manifest_names_slides_relative_to_itself(tree):
    manifest = tree / "slides.csv"
    manifest.write_text("slide,mpp,label\na.svs,0.25,normal\none/b.tiff,,\n", encoding="utf-8-sig")
    jobs = collect_jobs([], manifest, mpp=0.5)
    assert [(job.path.name, job.mpp, job.label) for job in jobs] == [("a.svs", 0.25, "normal"), ("b.tiff", 0.5, "")]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "columns"),
        ("file,mpp\na.svs,1\n", "columns"),
        ("slide,mpp\na.svs,half\n", "line 2"),
        ("slide\n,\n", "line 2"),
        ("slide,mpp\na.svs,0.5,extra\n", "line 2"),
        ("slide\n", "no slide found"),
    ],
)
def test_a_wrong_manifest_is_told_with_its_line(tree, text, match):
    manifest = tree / "m.csv"
    manifest.write_text(text)
    with pytest.raises(UsageError, match=match):
        collect_jobs([], manifest)


def test_a_manifest_that_is_not_there_or_not_text(tree, tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        collect_jobs([], tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"slide\n\xff\xfe\x00")
    with pytest.raises(UsageError, match="UTF-8"):
        collect_jobs([], tmp_path / "binary.csv")


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_shards_cover_every_slide_once(tree, n):
    jobs = collect_jobs([tree], None)
    parts = [shard(jobs, f"{i}/{n}") for i in range(1, n + 1)]
    assert sorted(job.file for part in parts for job in part) == [job.file for job in jobs]


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_a_wrong_shard_is_wrong_usage(text):
    with pytest.raises(UsageError):
        shard([], text)


def test_names_that_no_table_holds_are_told_reversibly(tmp_path):
    for name in (b"caf\xe9.tif", b"a\rb.tif", b"a\nb.tif", b"\x1b[2J.tif", b"lone\xed\xa0\x80.tif", b"back\\x0d.tif"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    jobs = collect_jobs([tmp_path], None)
    assert len({job.file for job in jobs}) == len({job.slide_id for job in jobs}) == len(list(tmp_path.iterdir())) == 6
    for job in jobs:
        assert Path(unescape(job.file)) == job.path
        assert job.file.encode().decode().isprintable()
