"""No lower bound and no lock admits a version with a hole that is known here; the check finds one shown to it."""

from __future__ import annotations

import json
import shutil

import pytest
from packaging.version import Version

from benchmarks.advisories import is_affected, main, read_advisories, versions_in_use
from tests.conftest import REPOSITORY

# First version without the hole. All of these were admitted once.
MENDED = {
    "starlette": ("0.49.1", "CVE-2025-62727"),
    "pydicom": ("3.0.2", "CVE-2026-32711"),
    "jinja2": ("3.1.6", "CVE-2025-27516"),
    "pillow": ("12.1.1", "CVE-2026-25990"),
    "opencv-python-headless": ("4.12", "CVE-2025-53644"),
    "cryptography": ("46.0.5", "CVE-2026-26007"),
}


def advisory(name, fixed, known="CVE-0", **more):
    events = [{"introduced": "0"}, {"fixed": fixed}]
    affected = {"package": {"ecosystem": "PyPI", "name": name}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    return {"id": known, "affected": [{**affected, **more}]}


@pytest.fixture
def folder(tmp_path):
    for name, (fixed, known) in MENDED.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(advisory(name, fixed, known)))
    return tmp_path


def test_no_version_that_we_admit_or_lock_has_a_hole_known_here(folder, capsys):
    assert main(folder) == 0, capsys.readouterr().out
    assert f"{len(MENDED)} advisories" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(MENDED))
def test_a_bound_that_admits_a_hole_is_found(name, tmp_path):
    for file in ("requirements.lock", "requirements-test.lock", "setup.cfg"):
        shutil.copy(REPOSITORY / file, tmp_path)
    text = (tmp_path / "setup.cfg").read_text()
    assert f"{name}>={MENDED[name][0]}" in text
    (tmp_path / "setup.cfg").write_text(
        text.replace(f"{name}>={MENDED[name][0]}", f"{name}>=1.0" if name != "starlette" else "starlette>=0.46")
    )
    lowered = [
        key for key, where in versions_in_use(tmp_path).items() if key[0] == name and "lowest of setup.cfg" in where
    ]
    assert any(is_affected(advisory(name, MENDED[name][0]), *key) for key in lowered)


def test_ranges_are_read_as_the_format_says(tmp_path):
    events = [{"introduced": "1.0"}, {"last_affected": "1.4"}, {"introduced": "2.0"}, {"fixed": "2.3"}]
    told = {
        "id": "X",
        "affected": [
            {"package": {"ecosystem": "PyPI", "name": "A_b"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
        ],
    }
    found = [
        version for version in ("0.9", "1.0", "1.4", "1.5", "2.0", "2.3") if is_affected(told, "a-b", Version(version))
    ]
    assert found == ["1.0", "1.4", "2.0"] and not is_affected(told, "other", Version("1.0"))
    (tmp_path / "PYSEC-1.yaml").write_text(
        "id: PYSEC-1\naffected:\n- package: {ecosystem: PyPI, name: a-b}\n  versions: ['3.1']\n"
    )
    (tmp_path / "elsewhere.json").write_text(
        json.dumps({"id": "N", "affected": [{"package": {"ecosystem": "npm", "name": "a-b"}}]})
    )
    [read] = read_advisories(tmp_path, {"a-b"})
    assert read["id"] == "PYSEC-1" and is_affected(read, "a-b", Version("3.1"))
