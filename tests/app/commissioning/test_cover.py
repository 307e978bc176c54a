"""A dossier holds its runs to what it covers; damage, another key, lapse and failure are each refused in one line."""

import hashlib
import json
import os
from datetime import date, timedelta

import pytest

from app.commissioning.cover import covering_dossier, covers_of
from app.commissioning.seal import CRITERIA, DOSSIER_JSON, DOSSIER_PDF, INSTRUCTIONS, SEAL, read_sealed, seal_files
from app.config import RunConfig
from app.ledger.audit import KEY_VARIABLE
from tests.test_architecture import modules_after
from wsi.errors import DossierAlteredError, DossierError, NotCommissionedError

MODEL = {"name": "lung", "version": "1.0.0", "sha256": "ab" * 32}
TODAY = date(2026, 11, 29)


@pytest.fixture
def config(tmp_path):
    return RunConfig(tmp_path / "out", "lung", model_sha256=MODEL["sha256"], site_sha256="cd" * 32)


@pytest.fixture
def sealed(tmp_path, config):
    """`sealed(key, **otherwise)` writes a dossier that covers `config`, and gives its folder."""

    def write(key=None, **otherwise):
        told = {
            "schema": "pulmoscope-dossier",
            "schema_version": 1,
            "verdict": "passed",
            "valid_until": "2027-11-29",
            "covers": covers_of(config, MODEL),
            **otherwise,
        }
        contents = {DOSSIER_JSON: json.dumps(told).encode(), DOSSIER_PDF: b"%PDF", CRITERIA: b"format = 1"}
        contents[INSTRUCTIONS] = b"<p>look</p>"
        seal_files(tmp_path / "dossier", contents, key)
        return tmp_path / "dossier"

    return write


def test_what_it_covers_runs_and_its_digest_is_given(sealed, config):
    folder = sealed()
    digest = hashlib.sha256((folder / DOSSIER_JSON).read_bytes()).hexdigest()
    assert covering_dossier(folder, config, TODAY) == digest


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model_sha256": "ef" * 32}, "the dossier covers model abababababab, not efefefefefef"),
        ({"site_sha256": ""}, "site profile cdcdcdcdcdcd, not none"),
        ({"slide_model_sha256": "12" * 32}, "slide model none, not 121212121212"),
        ({"overlap": 0.5}, "covers settings "),
    ],
)
def test_another_model_site_or_setting_is_refused(sealed, config, change, told):
    from dataclasses import replace

    with pytest.raises(NotCommissionedError, match=told) as error:
        covering_dossier(sealed(), replace(config, **change), TODAY)
    assert error.value.exit_code == 2 and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("pulmoscope", "0.0.9", "covers pulmoscope 0.0.9, this is "), ("methods", {"reading": 1}, "another way to read")],
)
def test_another_version_is_refused(sealed, config, name, value, told):
    folder = sealed(covers={**covers_of(config, MODEL), name: value})
    with pytest.raises(NotCommissionedError, match=told):
        covering_dossier(folder, config, TODAY)


def test_a_failed_and_a_lapsed_one_are_refused(sealed, config):
    with pytest.raises(NotCommissionedError, match="did not meet its criteria"):
        covering_dossier(sealed(verdict="failed"), config, TODAY)
    folder, last = sealed(), date(2027, 11, 29)
    assert covering_dossier(folder, config, last)
    with pytest.raises(NotCommissionedError, match="lapsed on 2027-11-29"):
        covering_dossier(folder, config, last + timedelta(days=1))


@pytest.mark.parametrize("name", [DOSSIER_JSON, DOSSIER_PDF, CRITERIA, INSTRUCTIONS])
def test_each_altered_or_missing_file_is_found(sealed, config, name):
    folder = sealed()
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(DossierAlteredError, match=f"{name} is not as it was sealed"):
        covering_dossier(folder, config, TODAY)
    (folder / name).unlink()
    with pytest.raises(DossierAlteredError, match=f"{name} is missing"):
        covering_dossier(folder, config, TODAY)


def test_a_dossier_that_was_sealed_before_there_were_instructions_still_counts(sealed, config):
    folder = sealed()
    files = json.loads((folder / SEAL).read_text())["files"]
    del files[INSTRUCTIONS]
    (folder / INSTRUCTIONS).unlink()
    (folder / SEAL).write_text(json.dumps({"format": 1, "files": files}))
    assert covering_dossier(folder, config, TODAY)
    # What is left out of a seal of today is no such dossier.
    (folder / SEAL).write_text(json.dumps({"format": 2, "files": files}))
    with pytest.raises(DossierAlteredError, match="is no seal"):
        covering_dossier(folder, config, TODAY)


@pytest.mark.parametrize("seal", ["", "[]", '{"format": 1}', '{"format": 1, "files": {"dossier.json": 3}}', "{" * 9999])
def test_a_seal_that_is_none_is_told(sealed, config, seal):
    folder = sealed()
    (folder / SEAL).write_text(seal)
    with pytest.raises(DossierAlteredError, match=r"seal\.json is no seal"):
        covering_dossier(folder, config, TODAY)


def test_with_a_key_only_its_own_seal_counts(sealed, config, tmp_path, monkeypatch):
    key = tmp_path / "key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o600)
    folder = sealed(key.read_bytes())
    assert covering_dossier(folder, config, TODAY)  # who has no key can still use it
    monkeypatch.setenv(KEY_VARIABLE, str(key))
    assert covering_dossier(folder, config, TODAY)
    with pytest.raises(DossierAlteredError, match="sealed with another key"):
        read_sealed(folder, b"x" * 32)
    # Whoever writes it anew with its digests has no key to seal it with.
    with pytest.raises(DossierAlteredError, match="not sealed with a key"):
        covering_dossier(sealed(), config, TODAY)


@pytest.mark.parametrize("covers", [None, {}, {"model": "x"}, []])
def test_a_dossier_that_lacks_something_is_told(sealed, config, covers):
    with pytest.raises(DossierError, match="lacks what it covers"):
        covering_dossier(sealed(covers=covers), config, TODAY)


def test_of_another_schema_or_none_at_all(sealed, config, tmp_path):
    with pytest.raises(DossierError, match="another version"):
        covering_dossier(sealed(schema_version=2), config, TODAY)
    with pytest.raises(DossierError, match="holds no sealed dossier"):
        covering_dossier(tmp_path / "nothing", config, TODAY)


def test_a_run_that_asks_for_a_dossier_loads_no_numpy_for_it():
    loaded = modules_after("import app.commissioning.cover")
    assert "app" in loaded and "numpy" not in loaded
