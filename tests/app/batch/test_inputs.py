"""From names to jobs: every slide once, with an id of its own, nothing outside the folder."""

import inspect
import os
import sys
from pathlib import Path

import pytest

from app.batch.inputs import collect_jobs, shard
from app.batch.search import PassedOver, slides_of_input
from wsi.errors import UsageError
from wsi.text import escape, unescape


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
    assert "circle" in job.problem


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


def test_the_tiles_of_a_deep_zoom_picture_are_no_slides(tmp_path):
    for name in ("a_files/9/0_0.jpeg", "a_files/10/0_1.jpeg", "b_files/1.svs", "_files/2.svs", "a.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    every = ["_files/2.svs", "a.tif", "a_files/10/0_1.jpeg", "a_files/9/0_0.jpeg", "b_files/1.svs"]
    assert files(collect_jobs([tmp_path], None), tmp_path) == every
    (tmp_path / "a.dzi").write_bytes(b"<Image/>")
    passed = PassedOver()
    assert files(collect_jobs([tmp_path], None, passed=passed), tmp_path) == ["_files/2.svs", "a.tif", "b_files/1.svs"]
    assert passed.endings == {".dzi": 1}
    assert len(collect_jobs([tmp_path / "a_files"], None)) == 2  # who names them means them


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
        ("slide\n,\n", "no slide found"),
        ("slide,mpp\n,0.5\n", "line 2"),
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


def test_a_manifest_of_more_than_256_mib_is_not_read(tmp_path):
    manifest = tmp_path / "m.csv"
    manifest.write_text("slide\na.svs\n")
    os.truncate(manifest, (256 << 20) + 1)
    with pytest.raises(UsageError, match="larger than"):
        collect_jobs([], manifest)


def test_a_name_with_nul_is_wrong_usage(tmp_path):
    (tmp_path / "m.csv").write_text("slide\na\0b.svs\n")
    with pytest.raises(UsageError, match="line 2"):
        collect_jobs([], tmp_path / "m.csv")


@pytest.mark.parametrize("mpp", ["-0.5", "0", "inf", "-inf", "nan", "1000", "1e9", "0,5"])
def test_an_mpp_that_no_pixel_has_is_wrong_usage(tmp_path, mpp):
    (tmp_path / "m.csv").write_text(f'slide,mpp\na.svs,0.25\nb.svs,"{mpp}"\n')
    with pytest.raises(UsageError, match="line 3"):
        collect_jobs([], tmp_path / "m.csv")


def test_results_are_not_searched(tree):
    (tree / "x.zarr").mkdir()
    (tree / "x.zarr" / "inside.tif").touch()
    assert not any("inside" in job.file for job in collect_jobs([tree], None))


# --- nothing passed over without a word


def test_what_an_input_does_not_give_is_told(tree, tmp_path):
    (tmp_path / "empty").mkdir()
    inputs = [tree / "a.svs", tmp_path / "empty", tmp_path / "none" / "*.svs", tmp_path / "lost[1].svs"]
    jobs = {job.path: job.problem for job in collect_jobs(inputs, None)}
    assert jobs == {
        tree / "a.svs": "",
        tmp_path / "empty": "holds no slide",
        tmp_path / "none" / "*.svs": "matches no slide",
        tmp_path / "lost[1].svs": "matches no slide",
    }
    with pytest.raises(UsageError, match="no slide found"):
        collect_jobs(inputs[1:], None)


@pytest.mark.parametrize("folder", ["[batch 1] 2024", "what?", "a*b", "[x", "deep/[y]/z"])
def test_wild_marks_in_a_folders_own_name(tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "s1.svs").touch()
    (tmp_path / folder / "s2.svs").touch()
    for pattern in ("*.svs", "s[12].svs", "**/s?.svs"):
        assert len(collect_jobs([tmp_path / folder / pattern], None)) == 2


def test_a_slide_is_known_by_its_first_bytes(tmp_path):
    starts = {
        "a.qptiff": b"II*\0", "b.btf": b"II+\0", "c.tf8": b"MM\0+", "no-ending": b"MM\0*", "IM01": b"\0" * 128 + b"DICM"
    }  # fmt: skip
    for name, start in {**starts, "DICOMDIR": starts["IM01"], "notes.txt": b"II*", "x": b""}.items():
        (tmp_path / name).write_bytes(start)
    os.mkfifo(tmp_path / "pipe")
    passed = PassedOver()
    assert {job.path.name for job in collect_jobs([tmp_path], None, passed=passed)} == set(starts)
    assert passed.in_words() == "4 files of other kinds (no ending 3, .txt 1)"
    assert {job.path.name for job in collect_jobs([tmp_path / "*"], None)} == set(starts)


def test_linked_folders_and_broken_links_are_named_or_only_counted(tree, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tree / "linked\x1b").symlink_to(tmp_path / "elsewhere")
    (tree / "broken").symlink_to(tmp_path / "nothing")
    (tree / "round").symlink_to(tree)
    passed = PassedOver()
    collect_jobs([tree], None, passed=passed)
    words = passed.in_words()
    assert "2 links" in words and r"linked\x1b" in words and "broken" in words and "round" not in words
    assert passed.in_words(names=False) == "1 files of other kinds; 2 links"


def test_links_in_circles_and_over_long_names_are_rows(tmp_path):
    (tmp_path / "one.tif").symlink_to("two.tif")
    (tmp_path / "two.tif").symlink_to("one.tif")
    long = [tmp_path / ("n" * 300 + ".tif"), tmp_path / ("d/" * 3000 + "x.tif")]
    jobs = collect_jobs([tmp_path, *long, tmp_path / "one.tif" / "deep.tif"], None)
    assert [job.problem for job in jobs if job.path.parent == tmp_path and len(job.path.name) < 10] == [
        "is a link in a circle"
    ] * 2
    assert len(jobs) == 5 and all(len(job.slide_id) < 120 for job in jobs)


def test_a_deep_folder_is_searched_without_recursion(tmp_path):
    folder = tmp_path
    for _ in range(60):
        folder = folder / "d"
        folder.mkdir()
    (folder / "s.svs").touch()
    depth = len(inspect.stack(0))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 55)
    try:
        passed = list(slides_of_input(tmp_path, None, PassedOver()))
    finally:
        sys.setrecursionlimit(limit)
    assert [job.path for job in passed] == [folder / "s.svs"]


def test_a_folder_that_cannot_be_searched_is_a_row(tree, monkeypatch):
    listed = Path.iterdir

    def closed(path):
        if path == tree / "two":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", closed)
    [problem] = [job for job in collect_jobs([tree], None) if job.problem]
    assert (problem.path.name, problem.problem) == ("two", "cannot be searched (Permission denied)")


# --- manifests


def jobs_of(folder, text, **how):
    manifest = folder / "m.csv"
    manifest.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [(job.path.name, job.mpp, job.label) for job in collect_jobs([], manifest, **how)]


def test_rows_and_columns_that_a_spreadsheet_leaves_empty_are_passed_over(tmp_path):
    text = "slide,mpp,label,,\r\n,,,,\r\na.svs,0.5,x,,\r\n , ,,,\r\n,,,,,,\r\n"
    assert jobs_of(tmp_path, text) == [("a.svs", 0.5, "x")]
    assert jobs_of(tmp_path, " Slide , MPP\na.svs,0.5\n") == [("a.svs", 0.5, "")]


def test_line_ends_in_a_name_are_part_of_it(tmp_path):
    names = ["a\nb.svs", "a\rb.svs", "a\r\nb.svs", "a\u2028b.svs", "a\x85b.svs", "a\x0cb.svs", "ab.svs"]
    found = jobs_of(tmp_path, "slide,mpp\n" + "".join(f'"{name}",0.5\n' for name in names))
    assert sorted(name for name, _, _ in found) == sorted(names)


def test_a_manifest_names_a_slide_as_the_table_tells_it_or_as_windows_does(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    files = [tmp_path / os.fsdecode(b"caf\xe9.svs"), tmp_path / "sub" / "b.svs", tmp_path / "home.svs"]
    for file in files:
        file.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "m.csv").write_text("slide\n" + escape(files[0].name) + "\nsub\\b.svs\n~/home.svs\n")
    assert {job.path for job in collect_jobs([], tmp_path / "m.csv")} == set(files)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("slide,mpp\na.tif,0.25\n./a.tif,0.5\n", "lines 2 and 3: two mpps"),
        ('slide,label\n"b\n.tif",x\na.tif,normal\nb.tif,\nsub/../a.tif,other\n', "lines 4 and 6: two labels"),
        ("slide,slide\na.tif,b.tif\n", "'slide' twice"),
        ("slide,mpp, MPP \na.tif,1,2\n", "'mpp' twice"),
        ("slide;mpp\na.tif;1\n", "the columns 'slide;mpp'"),
        ('slide,mpp\n"a.tif,0.5\nb.tif,0.5\nc.tif,0.5\n', "line 2: a quote that is not closed"),
        ('slide,mpp\na.tif,0.5\nb.tif,0.5\nc.tif,"0.5\n', "line 4: a quote that is not closed"),
        ('slide,mpp\n"a".tif,0.5\n', "line 2: a quote that is not closed, or stands inside"),
        ('"slide,mpp\na.tif,0.5\n', "line 1: a quote that is not closed"),
        ("slide,mpp\na.tif,1_0\n", "line 2: mpp '1_0' is no pixel size"),
        ("slide,mpp\na.tif,0.25um\n", "line 2: mpp '0.25um' is no pixel size"),
        ("slide,mpp,who\na.tif,1,x\n", "the columns 'slide', 'mpp', 'who'"),
        ("slide,label\na.tif," + "x" * 140_000 + "\n", "line 2: field larger"),
        ("slide\na.tif\n".encode("utf-16"), "not UTF-8"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_one_usage_line(tmp_path, text, match):
    (tmp_path / "sub").mkdir()
    with pytest.raises(UsageError, match=match) as told:
        jobs_of(tmp_path, text)
    assert len(str(told.value)) < 600 and str(told.value).isprintable()


def test_the_same_slide_twice_without_a_contradiction_is_one(tmp_path):
    text = "slide,mpp,label\na.tif,0.5,\n./a.tif,,normal\na.tif,0.50,\n"
    assert jobs_of(tmp_path, text) == [("a.tif", 0.5, "normal")]
