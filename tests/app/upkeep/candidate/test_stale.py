"""`run --stale`: what a promoted model may change is done anew, what it says the same of stays with its model."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from aggregate.provenance import Provenance
from aggregate.result_folder import load_summary, result_path
from app.cli import cli
from app.review.canonical import digest
from app.upkeep.candidate.registry import REGISTRY_VARIABLE, Registry
from app.upkeep.candidate.stale import find_stale
from classifier.model_folder.arrays import pack_arrays, unpack_arrays
from classifier.model_folder.files import read_card, read_folder, write_folder
from classifier.model_folder.find import DEFAULT_MODEL, find_model
from classifier.training.packaged.replay.head import BIAS, KERNEL, with_last_layer
from wsi.errors import UsageError
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide


def retold(folder, out, change):
    """A model whose last layer alone is another: what `change` makes of (kernel, bias)."""
    base = read_folder(folder)
    weights = unpack_arrays(base.contents["weights.npz"], "weights.npz")
    kernel, bias = change(weights[KERNEL], weights[BIAS])
    layer = {KERNEL: kernel.astype(np.float32), BIAS: bias.astype(np.float32)}
    contents = {
        **base.contents,
        "weights.npz": pack_arrays({**weights, **layer}),
        "litert-int8.tflite": with_last_layer(base.contents["litert-int8.tflite"], weights, layer),
    }
    return write_folder(out, base.card, contents)


def promoted(registry, candidate, stands, tmp_path):
    told = {
        "schema": 1,
        "passed": True,
        "base": {"name": "lung-v2", "sha256": read_card(stands).digest},
        "candidate": {"name": "lung-v2", "sha256": read_card(candidate).digest},
    }
    gate = tmp_path / f"{candidate.name}.json"
    gate.write_text(json.dumps({**told, "sha256": digest(told)}))
    Registry(registry).promote(candidate, gate, "Anna Reader")


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    for number in range(2):
        section = SyntheticRegion(Rectangle((60.0, 50.0), (1000.0, 800.0)), "adenocarcinoma" if number else "normal")
        write_synthetic_slide(
            folder / f"slide-{number}.svs", regions=(section,), mpp=0.7, size_um=(1200, 1000), seed=number
        )
    return folder


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """lung-v2@2 is the same but for a hair, @3 calls everything otherwise."""
    folder = tmp_path_factory.mktemp("registry")
    registry, first = folder / "registry", find_model(DEFAULT_MODEL)
    retold(first, folder / "hair", lambda kernel, bias: (kernel * 1.0001, bias))
    retold(first, folder / "other", lambda kernel, bias: (kernel, np.roll(bias, 3) * 5))
    promoted(registry, folder / "hair", first, folder)
    promoted(registry, folder / "other", folder / "hair", folder)
    return registry


def run(registry, slides, out, model, *more, monkeypatch):
    monkeypatch.setenv(REGISTRY_VARIABLE, str(registry))
    words = ["run", slides, "--out", out, "--model", model, *more]
    return CliRunner().invoke(cli, list(map(str, words)), standalone_mode=False)


def made_by(out):
    return {
        name: Provenance.from_dict(load_summary(result_path(out, name))["provenance"]).model.sha256
        for name in ("slide-0", "slide-1")
    }


def called(out, name):
    summary = load_summary(result_path(out, name))
    return summary["call"], {key: p if p is None else round(p, 1) for key, p in summary["probabilities"].items()}


def digest_of(registry, version):
    return read_card(registry / f"lung-v2@{version}").digest


def test_what_it_says_the_same_of_stays_and_the_rest_is_done_anew(registry, slides, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert run(registry, slides, out, "lung-v2@1", monkeypatch=monkeypatch).return_value == 0
    before = made_by(out)
    hair = run(registry, slides, out, "lung-v2@2", "--stale", monkeypatch=monkeypatch)
    assert hair.return_value == 0 and made_by(out) == before, hair.output
    assert "0 results of earlier versions are done anew, 2 stay" in hair.output
    other = run(registry, slides, out, "lung-v2@3", "--stale", monkeypatch=monkeypatch)
    assert other.return_value == 0, other.output
    anew = {name for name, sha256 in made_by(out).items() if sha256 == digest_of(registry, 3)}
    assert anew and f"{len(anew)} results of earlier versions are done anew" in other.output
    # What stayed is what the new version says of the slide: it may recognise nothing on a drawn one.
    whole = tmp_path / "whole"
    run(registry, slides, whole, "lung-v2@3", monkeypatch=monkeypatch)
    for name in ("slide-0", "slide-1"):
        assert called(out, name) == called(whole, name)


def test_slides_without_a_result_are_told_and_not_done(registry, slides, tmp_path, monkeypatch):
    out = tmp_path / "out"
    run(registry, slides / "slide-0.svs", out, "lung-v2@1", monkeypatch=monkeypatch)
    told = run(registry, slides, out, "lung-v2@2", "--stale", monkeypatch=monkeypatch)
    assert "1 slides have no result of any version" in told.output
    assert not result_path(out, "slide-1").exists()


def test_a_damaged_result_is_done_anew(registry, slides, tmp_path, monkeypatch):
    out = tmp_path / "out"
    run(registry, slides, out, "lung-v2@1", monkeypatch=monkeypatch)
    shutil.rmtree(result_path(out, "slide-0") / "tiles" / "features")
    stale = find_stale(out, ["slide-0", "slide-1"], registry / "lung-v2@2")
    assert (stale.anew, stale.stay) == ({"slide-0"}, {"slide-1"})


def test_a_model_that_nobody_promoted_makes_nothing_stale(registry, slides, tmp_path, monkeypatch):
    done = run(registry, slides, tmp_path / "out", "lung-v2", "--stale", monkeypatch=monkeypatch)
    assert isinstance(done.exception, UsageError) and "no promoted model" in str(done.exception)
