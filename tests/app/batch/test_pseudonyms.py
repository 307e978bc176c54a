"""Under pseudonyms nothing in the output, on the terminal or in a message tells a slide's name."""

import csv
import shutil
import stat

import pytest

from app.batch.inputs import collect_jobs
from app.batch.pseudonyms import map_path, pseudonymize
from tests.faults.common import start_run, table
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
