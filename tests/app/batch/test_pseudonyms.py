"""Under pseudonyms nothing in the output, on the terminal or in a message tells a slide's name."""

import csv
import fcntl
import hmac
import os
import shutil
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from aggregate import store
from app.batch import pseudonyms
from app.batch.inputs import collect_jobs
from app.batch.pseudonyms import map_path, pseudonymize
from tests.conftest import REPOSITORY
from tests.faults.common import start_run, table
from tests.results import make_result
from wsi.errors import UsageError


@pytest.fixture
def named(tmp_path, ready_slide):
    folder = tmp_path / "Muster Station"
    folder.mkdir()
    shutil.copy(ready_slide.path, folder / "Mustermann_Erika  1950.svs")
    (folder / "Mustermann_Max.svs").write_text("not a slide")
    (folder / "Mustermann-empty.svs").touch()
    (folder / "Mustermann-short.svs").write_bytes(ready_slide.path.read_bytes()[:5000])
    (folder / "Mustermann-folder.svs").mkdir()
    (folder / "Mustermann-away.svs").symlink_to("/etc/hostname")
    return folder


def test_no_original_name_is_left_anywhere(named, tmp_path):
    out, key = tmp_path / "out", tmp_path / "keys" / "key"
    key.parent.mkdir()
    options = ("--pseudonymize", str(key))
    for extra in ((), ("--json",), ("--overwrite", "--slide-timeout", "1")):
        text, _ = start_run(named, out, *options, *extra).communicate(timeout=120)
        assert "muster" not in text.lower() and "6 slides" in text
    assert len(table(out)) == 6
    for path in out.rglob("*"):
        assert "muster" not in path.name.lower()
        if path.is_file():
            assert b"muster" not in path.read_bytes().lower(), path
    with map_path(key).open(newline="") as file:
        originals = {row["original"]: row["pseudonym"] for row in csv.DictReader(file)}
    assert sorted(originals) == sorted(str(path) for path in named.iterdir())
    assert set(originals.values()) == set(table(out))
    assert {stat.S_IMODE(path.stat().st_mode) for path in (key, map_path(key))} == {0o600}


def test_one_key_gives_one_pseudonym_and_another_key_another(named, tmp_path):
    jobs = collect_jobs([named], None)
    first, again, other = (
        [job.slide_id for job in pseudonymize(jobs, tmp_path / key, tmp_path / "out")] for key in ("k1", "k1", "k2")
    )
    assert first == again and not set(first) & set(other)
    assert len(map_path(tmp_path / "k1").read_text().splitlines()) == 7


def test_an_unsafe_key_is_refused(named, tmp_path):
    jobs = collect_jobs([named], None)
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="keep the key apart"):
        pseudonymize(jobs, tmp_path / "out" / "key", tmp_path / "out")
    (tmp_path / "open").write_text("00" * 32)
    (tmp_path / "open").chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        pseudonymize(jobs, tmp_path / "open", tmp_path / "out")
    (tmp_path / "short").write_text("00")
    (tmp_path / "short").chmod(0o600)
    with pytest.raises(UsageError, match="is no key"):
        pseudonymize(jobs, tmp_path / "short", tmp_path / "out")


# --- each of these tests lets one wrong line of the module not live


@pytest.fixture
def jobs(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.svs", "b.tif", "c.mustermann"):
        (folder / name).write_bytes(b"x")
    return collect_jobs([folder / name for name in ("a.svs", "b.tif", "c.mustermann")], None)


def key_in(tmp_path, text="5a" * 32, mode=0o600):
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o666])
def test_a_key_or_a_map_that_anyone_else_may_touch_is_refused(jobs, tmp_path, mode):
    key = key_in(tmp_path, mode=mode)
    with pytest.raises(UsageError, match="chmod 600"):
        pseudonymize(jobs, key, tmp_path / "out")
    assert not map_path(key).exists()
    key.chmod(0o600)
    map_path(key).write_text("pseudonym,original\n")
    map_path(key).chmod(mode)
    with pytest.raises(UsageError, match="chmod 600"):
        pseudonymize(jobs, key, tmp_path / "out")
    assert map_path(key).read_text() == "pseudonym,original\n"


@pytest.mark.parametrize(("digits", "ok"), [(62, False), (63, False), (64, True), (80, True)])
def test_a_key_of_less_than_32_bytes_is_none(jobs, tmp_path, digits, ok):
    key = key_in(tmp_path, "a" * digits)
    if ok:
        assert len(pseudonymize(jobs, key, tmp_path / "out")) == 3
    else:
        with pytest.raises(UsageError, match="is no key"):
            pseudonymize(jobs, key, tmp_path / "out")


def test_key_and_map_are_made_for_their_owner_alone(jobs, tmp_path):
    before = os.umask(0)
    try:
        pseudonymize(jobs, tmp_path / "key", tmp_path / "out")
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("key", "key.map.csv")} == {0o600}


def test_a_key_in_the_output_is_refused_through_links_too(jobs, tmp_path):
    (tmp_path / "out" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "out" / "deep")
    (tmp_path / "out-link").symlink_to(tmp_path / "out")
    (tmp_path / "key-link").symlink_to(tmp_path / "out" / "key")
    for key, out in (("link/key", "out"), ("out/key", "out-link"), ("key-link", "out")):
        with pytest.raises(UsageError, match="keep the key apart"):
            pseudonymize(jobs, tmp_path / key, tmp_path / out)
    assert not list(tmp_path.rglob("key"))


def test_a_map_that_is_a_link_is_not_followed(jobs, tmp_path):
    key = key_in(tmp_path)
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "elsewhere").chmod(0o600)
    map_path(key).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="cannot write the map"):
        pseudonymize(jobs, key, tmp_path / "out")
    assert (tmp_path / "elsewhere").read_text() == ""


def test_a_pseudonym_is_20_digits_of_the_hmac_and_tells_a_known_ending_only(jobs, tmp_path):
    hidden = pseudonymize(jobs, key_in(tmp_path), tmp_path / "out")
    expected = {
        f"ps-{hmac.new(bytes.fromhex('5a' * 32), job.slide_id.encode(), 'sha256').hexdigest()[:20]}": job.path.suffix
        for job in jobs
    }
    assert {job.slide_id: Path(job.file).suffix or ".mustermann" for job in hidden} == expected
    assert all(job.file.removesuffix(Path(job.file).suffix) == job.slide_id and job.pseudonymous for job in hidden)


def test_the_order_of_the_jobs_tells_nothing_of_the_names(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(20):
        (folder / f"{i:02}.svs").touch()
    hidden = pseudonymize(collect_jobs([folder], None), key_in(tmp_path), tmp_path / "out")
    assert [job.slide_id for job in hidden] == sorted(job.slide_id for job in hidden)
    assert [job.path.name for job in hidden] != sorted(job.path.name for job in hidden)


def test_key_and_map_last_before_a_slide_is_read_and_the_map_is_locked(jobs, tmp_path, monkeypatch):
    calls = []
    fsync, flock = os.fsync, fcntl.flock

    def seen(handle):
        return Path(f"/proc/self/fd/{handle}").readlink().name

    def watched_fsync(handle):
        calls.append(("fsync", seen(handle), os.fstat(handle).st_size))
        fsync(handle)

    def watched_flock(file, how):
        calls.append(("flock", seen(file.fileno()), how))
        flock(file, how)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(fcntl, "flock", watched_flock)
    pseudonymize(jobs, tmp_path / "key", tmp_path / "out")
    size = map_path(tmp_path / "key").stat().st_size
    assert calls == [
        ("fsync", "key", 65),
        ("flock", "key.map.csv", fcntl.LOCK_EX),
        ("fsync", "key.map.csv", size),
    ]


def test_runs_that_race_make_one_key_and_one_map(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(40):
        (tmp_path / "in" / f"{i:02}.svs").touch()
    code = (
        "import sys; from pathlib import Path; from app.batch.inputs import collect_jobs;"
        "from app.batch.pseudonyms import pseudonymize; folder = Path(sys.argv[1]);"
        "jobs = collect_jobs([folder / 'in'], None); sys.stdin.read(1);"
        "pseudonymize(jobs, folder / 'key', folder / 'out')"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=REPOSITORY, stdin=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in runs:
        process.stdin.write(b"x")
        process.stdin.close()
    assert [process.wait(timeout=120) for process in runs] == [0, 0, 0, 0]
    rows = map_path(tmp_path / "key").read_text().splitlines()
    assert rows[0] == "pseudonym,original" and len(rows) == len(set(rows)) == 41


def test_a_run_waits_for_the_map(jobs, tmp_path):
    """A held lock holds a second run up: nothing is written until it falls."""
    key = key_in(tmp_path)
    map_path(key).touch(mode=0o600)
    with map_path(key).open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        run = threading.Thread(target=pseudonymize, args=(jobs, key, tmp_path / "out"), daemon=True)
        run.start()
        run.join(0.5)
        assert run.is_alive() and map_path(key).read_text() == ""
    run.join(60)
    assert len(map_path(key).read_text().splitlines()) == 4


def test_two_slides_of_one_name_never_share_a_pseudonym_whenever_they_come(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "case.svs").write_text(folder)
    key, out = key_in(tmp_path), tmp_path / "out"

    def names(*folders):
        jobs = collect_jobs([tmp_path / folder for folder in folders], None)
        return {job.path.parent.name: job.slide_id for job in pseudonymize(jobs, key, out)}

    one, two = names("one"), names("two")
    assert one["one"] != two["two"] and names("one", "two") == one | two
    (tmp_path / "one").rename(tmp_path / "moved")
    assert names("moved")["moved"] == one["one"]


def test_lines_of_the_map_that_are_none_are_passed_over(jobs, tmp_path):
    """Whatever a person left there by hand: the pseudonyms that are in it are kept."""
    key = key_in(tmp_path)
    first = [job.slide_id for job in pseudonymize(jobs, key, tmp_path / "out")]
    text = map_path(key).read_text()
    map_path(key).write_text(f"note\n\n{text}one,two,three\n")
    assert [job.slide_id for job in pseudonymize(jobs, key, tmp_path / "out")] == first
    assert map_path(key).read_text() == f"note\n\n{text}one,two,three\n"


def test_a_map_that_is_no_table_is_told(jobs, tmp_path):
    key = key_in(tmp_path)
    map_path(key).write_bytes(b"a,\x00b\r\rc" + b"x" * 200_000)
    map_path(key).chmod(0o600)
    with pytest.raises(UsageError, match="is no table of ours"):
        pseudonymize(jobs, key, tmp_path / "out")


def test_two_slides_of_one_id_in_one_run_get_two_pseudonyms_and_one_slide_one_line(jobs, tmp_path):
    """Ids of one run are unique; were they not, one slide's results must not go under another's name."""
    same = [replace(job, slide_id="case") for job in (*jobs, jobs[0])]
    hidden = pseudonymize(same, key_in(tmp_path), tmp_path / "out")
    assert len({job.slide_id for job in hidden}) == 3 == len({(job.slide_id, job.path) for job in hidden})
    assert len(map_path(tmp_path / "key").read_text().splitlines()) == 4


def test_who_lost_the_map_gets_the_pseudonyms_again_also_of_a_slide_that_was_scanned_anew(jobs, tmp_path):
    key, out = key_in(tmp_path), tmp_path / "out"
    out.mkdir()
    first = [job.slide_id for job in pseudonymize(jobs, key, out)]
    store.save(make_result(first[0]), out)  # of other bytes than the slide has today
    map_path(key).unlink()
    assert [job.slide_id for job in pseudonymize(jobs, key, out)] == first


def test_a_map_of_before_told_paths_as_they_were_named(jobs, tmp_path, monkeypatch):
    key = key_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    [job] = collect_jobs([Path("in/a.svs")], None)
    [hidden] = pseudonymize([job], key, tmp_path / "out")
    map_path(key).write_text(f"pseudonym,original\n{hidden.slide_id},in/a.svs\n")
    [again] = pseudonymize([job], key, tmp_path / "out")
    assert again.slide_id == hidden.slide_id


def test_a_key_that_another_run_has_just_begun_is_waited_for(jobs, tmp_path, monkeypatch):
    key, naps = key_in(tmp_path, ""), []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 15:
            key.write_text("5a" * 32)

    monkeypatch.setattr(pseudonyms.time, "sleep", nap)
    assert len(pseudonymize(jobs, key, tmp_path / "out")) == 3 and len(naps) == 15
    key.write_text("")
    naps[:] = [0.0] * 20
    with pytest.raises(UsageError, match="is no key"):
        pseudonymize(jobs, key, tmp_path / "out")


def test_a_key_that_cannot_be_written_or_read_is_told(jobs, tmp_path):
    (tmp_path / "key").mkdir(mode=0o700)
    with pytest.raises(UsageError, match=r"key: Is a directory"):
        pseudonymize(jobs, tmp_path / "key", tmp_path / "out")
    with pytest.raises(UsageError, match=r"--pseudonymize .*: No such file"):
        pseudonymize(jobs, tmp_path / "nowhere" / "key", tmp_path / "out")
    with pytest.raises(UsageError, match="is no key"):
        pseudonymize(jobs, key_in(tmp_path / "in", "no hex at all"), tmp_path / "out")


def test_an_ending_tells_the_format_and_nothing_else(tmp_path):
    (tmp_path / "in").mkdir()
    names = ("a.SVS", "b.ndpi", "c.erika", "d")
    for name in names:
        (tmp_path / "in" / name).write_bytes(b"x")
    jobs = collect_jobs([tmp_path / "in" / name for name in names], None)
    told = {job.path.name: Path(job.file).suffix for job in pseudonymize(jobs, key_in(tmp_path), tmp_path / "out")}
    assert told == {"a.SVS": ".svs", "b.ndpi": ".ndpi", "c.erika": "", "d": ""}
