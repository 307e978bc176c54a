"""Results that come from anybody: refused with one line before they take memory, time, or anything outside."""

import json
import os
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.codecs import ZstdCodec

from aggregate import store
from aggregate.layout import commit
from tests.results import make_result
from wsi.errors import StoreError


@pytest.fixture
def saved(tmp_path):
    return store.save(make_result("slide-1"), tmp_path)


def reseal(path):
    """What the folder's owner can do: every digest in commit.json made anew."""
    files = {p.relative_to(path).as_posix(): commit._sha256(p) for p in commit._files(path) if p.name != "commit.json"}
    body = {"format": 1, "files": files, "result_sha256": commit.read(path)["result_sha256"]}
    (path / "commit.json").write_bytes(commit._canonical(body))


def refused(path):
    problems = store.verify(path)
    assert problems and all(len(line) < 300 and "\n" not in line for line in problems)
    with pytest.raises(StoreError):
        store.load(path)
    return problems[0]


@pytest.mark.parametrize("name", ["commit.json", "zarr.json", "tiles/xy/zarr.json", "heatmap/0/c/0/0/0"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_a_pipe_a_device_or_a_folder_in_the_place_of_a_file(saved, name, make):
    (saved / name).unlink()
    make(saved / name)
    refused(saved)


def change(path, **values):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **values}))


@pytest.mark.parametrize(
    "values",
    [
        {"shape": [10**11, 3]},
        {"shape": [-1, 3]},
        {"shape": [True, 3]},
        {"shape": [49.0, 3]},
        {"shape": "x"},
        {"data_type": "float64"},
        {"data_type": {"name": "numpy.object"}},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [10**10, 3]}}},
        {"codecs": []},
        {"codecs": [{"name": "sharding_indexed", "configuration": {}}]},
        {"storage_transformers": [{"name": "x"}]},
        {"fill_value": 10**400},
        {"fill_value": 1e308},
        {"fill_value": "Infinity"},
        {"fill_value": None},
        {"fill_value": []},
    ],
)
def test_metadata_that_asks_for_too_much_is_refused_before_memory_is_asked_for(saved, values):
    change(saved / "tiles" / "probabilities" / "zarr.json", **values)
    reseal(saved)
    tracemalloc.start()
    refused(saved)
    with pytest.raises(StoreError):
        store.load_tiles(saved)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20


@pytest.mark.parametrize("name", ["tiles/xy", "tiles/quality", "heatmap/labels/call/0"])
@pytest.mark.parametrize("value", [10**400, -(2**31) - 1, 2.5, "0xff"])
def test_a_fill_value_that_its_type_cannot_hold_is_refused(saved, name, value):
    change(saved / name / "zarr.json", fill_value=value)
    reseal(saved)
    assert "cannot be read" in refused(saved)
    if name.startswith("heatmap"):
        with pytest.raises(StoreError):
            store.load_map(saved)


def test_a_bomb_is_not_let_off(saved):
    """A chunk that says it is far larger than the array's metadata has it."""
    n = len(store.load(saved).tiles.xy)
    other = zarr.create_array(
        saved.parent / "bomb", shape=(1 << 26,), chunks=(1 << 26,), dtype="uint8", compressors=ZstdCodec()
    )
    other[...] = np.ones(1, np.uint8)
    (saved / "tiles" / "quality" / "c" / "0").write_bytes((saved.parent / "bomb" / "c" / "0").read_bytes())
    assert n < 1 << 20
    reseal(saved)
    assert "cannot be read" in refused(saved)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r'"tissue_mm2": [0-9.e-]+', '"tissue_mm2": 1e999'),
        (r'"tissue_mm2": [0-9.e-]+', '"tissue_mm2": NaN'),
        (r'"tissue_mm2": [0-9.e-]+', '"tissue_mm2": ' + "9" * 5000),
        (r'"mpp": 0.499', '"mpp": "0.499"'),
        (r'"mpp": 0.499', '"mpp": 0'),
        (r'"slide_id": "slide-1"', '"slide_id": "../victim"'),
        (r'"slide_id": "slide-1"', '"slide_id": ".staging"'),
        (r'"slide_id": "slide-1"', '"slide_id": 7'),
        (r'"status": "done"', '"status": "failed"'),
        (r'"status": "done"', '"status": ["done"]'),
        (r'"call": "adenocarcinoma"', '"call": "harmless"'),
        (r'"review_reasons": \[\]', '"review_reasons": "pen"'),
        (r'"review_reasons": \[\]', '"review_reasons": [{}]'),
        (r'"cell_px": [0-9.]+', '"cell_px": 0'),
        (r'"cell_px": [0-9.]+', '"cell_px": 1' + "0" * 400),
        (r'"cell_um": [0-9.]+', '"cell_um": 1' + "0" * 400),
        (r'"seconds": 12.4', '"seconds": "x"'),
        (r'"synthetic": false', '"synthetic": null'),
    ],
)
def test_an_attribute_of_another_kind_is_named_and_no_more(saved, old, new):
    text = (saved / "zarr.json").read_text()
    changed = re.sub(old, lambda _: new, text, count=1)
    assert changed != text
    (saved / "zarr.json").write_text(changed)
    reseal(saved)
    refused(saved)
    with pytest.raises(StoreError):
        store.load_summary(saved)


@pytest.mark.parametrize(
    "content", ["[" * 200_000, '{"a":' * 100_000, "", "7", '{"files": 7}', '{"files": {"a": 7}}', "\ud800"]
)
@pytest.mark.parametrize("name", ["commit.json", "zarr.json"])
def test_deep_or_odd_json(saved, name, content):
    (saved / name).write_bytes(content.encode("utf-8", "surrogatepass"))
    refused(saved)
    with pytest.raises(StoreError):
        store.load_summary(saved) if name == "zarr.json" else store.committed_digests(saved)


def test_a_linked_result_is_none_of_this_folder(saved, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "slide-2.zarr").symlink_to(saved)
    assert store.stored_results(tmp_path / "other") == []
    assert store.verify(tmp_path / "other" / "slide-2.zarr") == ["is not a folder"]


def test_a_linked_staging_folder_is_not_written_to_or_cleared(saved, tmp_path):
    other = tmp_path / "other"
    (other / "slide-1~1-x").mkdir(parents=True)
    out = tmp_path / "out"
    out.mkdir()
    (out / store.STAGING).symlink_to(other)
    store.clear_staging(out, "slide-1")
    with pytest.raises(StoreError):
        store.save(make_result("slide-1"), out)
    assert [path.name for path in other.iterdir()] == ["slide-1~1-x"]


def test_a_link_in_a_results_place_is_moved_away_and_what_it_led_to_stays(saved, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "slide-1.zarr").symlink_to(saved)
    before = sorted(saved.rglob("*"))
    store.save(make_result("slide-1"), out)
    assert store.verify(out / "slide-1.zarr") == [] and not (out / "slide-1.zarr").is_symlink()
    assert sorted(saved.rglob("*")) == before and list((out / store.STAGING).iterdir()) == []
