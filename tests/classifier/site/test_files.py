"""A site profile is hostile until checked: each way to tamper with one ends in one clear line."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from classifier.colour.look import Correction
from classifier.model_folder.arrays import pack_arrays
from classifier.site.files import is_site, read_site, write_site
from classifier.site.profile import Made, SiteProfile
from wsi.errors import SiteError, SiteModelError, SiteNotFoundError, UsageError

MADE = Made("lung", "1.0.0", "ab" * 32, ("01" * 32, "23" * 32, "45" * 32), 900, "2026-11-29", "0.1.0")
PROFILE = SiteProfile(
    made=MADE,
    correction=Correction((240.0, 230.0, 244.0), (244.0, 244.0, 244.0)),
    stains=((0.6, 0.7, 0.4), (0.2, 0.9, 0.3)),
    densities=(0.3, 0.6, 0.3),
    known_share=0.5,
    false_alarm_rate=0.02,
    threshold_distance=150.0,
    model_threshold_distance=130.0,
    limit_distance=200.0,
    figures={"not_recognised_before": 0.9, "not_recognised_after": 0.4},
    shift=np.arange(8, dtype=np.float32),
)


@pytest.fixture
def folder(tmp_path):
    write_site(tmp_path / "site", PROFILE)
    return tmp_path / "site"


def refused(folder, kind=SiteError):
    with pytest.raises(kind) as caught:
        read_site(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(folder, change):
    values = json.loads((folder / "profile.json").read_text())
    change(values)
    (folder / "profile.json").write_text(json.dumps(values))


def test_a_profile_survives_a_round_trip(folder):
    written, again = replace(PROFILE, statistics_sha256=read_site(folder).statistics_sha256), read_site(folder)
    assert is_site(folder) and len(again.digest) == 64
    assert replace(again, shift=PROFILE.shift, digest="") == replace(written, shift=PROFILE.shift)
    assert np.array_equal(again.shift, PROFILE.shift)


def test_the_same_profile_is_the_same_bytes(folder, tmp_path):
    assert write_site(tmp_path / "other", PROFILE).digest == read_site(folder).digest


def test_a_folder_that_holds_something_is_never_written_into(folder):
    with pytest.raises(UsageError, match="not empty"):
        write_site(folder, PROFILE)


def test_what_is_no_profile_is_told(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        assert "adapt" in refused(path, SiteNotFoundError)


@pytest.mark.parametrize("name", ["evil.pkl", "slide.svs", ".hidden", "notes\n.txt"])
def test_a_stranger_in_the_folder_is_refused(folder, name):
    (folder / name).write_bytes(b"payload")
    refused(folder)


@pytest.mark.parametrize("name", ["profile.json", "statistics.npz"])
def test_a_link_a_pipe_and_a_giant_are_refused(folder, name, tmp_path):
    path, aside = folder / name, tmp_path / "aside"
    path.rename(aside)
    path.symlink_to(aside)
    refused(folder)
    path.unlink()
    os.mkfifo(path)
    refused(folder)
    path.unlink()
    path.write_bytes(b"0" * ((1 << 20) + 1))
    refused(folder)


def test_altered_statistics_are_refused_before_parsing(folder, monkeypatch):
    content = bytearray((folder / "statistics.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "statistics.npz").write_bytes(content)
    monkeypatch.setattr(np, "load", lambda *a, **k: pytest.fail("a parser saw an altered file"))
    assert "statistics.npz" in refused(folder)


@pytest.mark.parametrize(
    "shift",
    [
        np.full(8, np.nan, np.float32),
        np.full(8, 1e6, np.float32),
        np.zeros((2, 8), np.float32),
        np.zeros(8, np.float64),
        np.zeros(8, np.complex64),
        np.array(["a"]),
    ],
)
def test_statistics_that_are_no_shift_are_refused(folder, shift):
    import hashlib

    content = pack_arrays({"shift": shift})
    (folder / "statistics.npz").write_bytes(content)
    edit(folder, lambda values: values.update(statistics_sha256=hashlib.sha256(content).hexdigest()))
    refused(folder)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"a":NaN}', b"[" * 100_000, b'{"format":2}']
)
def test_json_that_is_none_of_ours_is_refused(folder, content):
    (folder / "profile.json").write_bytes(content)
    refused(folder)


def changed(*path, to):
    def change(values):
        for step in path[:-1]:
            values = values[step]
        values[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change",
    [
        changed("statistics_sha256", to="../x"),
        changed("made", to=None),
        changed("made", "model", to="../../etc"),
        changed("made", "model", to="a\nb"),
        changed("made", "model_sha256", to="0" * 63),
        changed("made", "slide_sha256", to=[]),
        changed("made", "slide_sha256", to=["case-1 of Jane Doe"]),
        changed("made", "slide_sha256", to=["0" * 64] * 1001),
        changed("made", "tiles", to=-1),
        changed("made", "created", to="yesterday"),
        changed("made", "pulmoscope", to="\x1b[2J"),
        changed("correction", "glass", to=[0, 0, 0]),
        changed("correction", "white", to=[1e9, 1, 1]),
        changed("correction", "white", to=[1, 1]),
        changed("correction", "glass", to="white"),
        changed("threshold_distance", to=1e300),
        changed("threshold_distance", to=1.0),
        changed("threshold_distance", to=True),
        changed("model_threshold_distance", to=0),
        changed("limit_distance", to=-1),
        changed("known_share", to=0),
        changed("known_share", to=2),
        changed("false_alarm_rate", to=1),
        changed("figures", to={"accuracy": 1.0}),
        changed("figures", to={"not_recognised_before": 7}),
        changed("stains", to=[[1, 1, 1]] * 9),
        changed("densities", to=None),
    ],
)
def test_a_value_outside_its_bounds_is_refused(folder, change):
    edit(folder, change)
    refused(folder)


def test_a_profile_for_another_model_is_refused_in_one_line(folder):
    from classifier.model import load_model
    from classifier.model_folder.find import DEMO_MODEL

    with pytest.raises(SiteModelError, match="adapt") as caught:
        read_site(folder).laid_over(load_model(DEMO_MODEL))
    assert "\n" not in str(caught.value) and "lung 1.0.0" in str(caught.value)


def test_a_profile_whose_features_are_not_the_models_is_refused():
    from classifier.model import load_model
    from classifier.model_folder.find import DEMO_MODEL
    from wsi.errors import ModelError

    model = load_model(DEMO_MODEL)
    with pytest.raises(ModelError):
        replace(PROFILE, made=replace(MADE, model_sha256=model.card.digest)).laid_over(model)
