"""The store: what is saved is what is loaded, half a result is never seen, every changed byte shows."""

import errno
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from aggregate import commit, store
from tests.results import CLASSES, make_result
from wsi.errors import OutputUnwritableError, ResultAlteredError, StoreError


@pytest.fixture
def saved(tmp_path):
    result = make_result("slide-1")
    return result, store.save(result, tmp_path)


def assert_equal(a, b):
    for name in ("xy", "probabilities", "familiarity", "quality", "features", "tissue_fraction", "votes"):
        left, right = getattr(a.tiles, name), getattr(b.tiles, name)
        assert left.dtype == right.dtype and np.array_equal(left, right)
    for name in ("probabilities", "call", "tissue"):
        left, right = getattr(a.heatmap, name), getattr(b.heatmap, name)
        assert left.dtype == right.dtype and np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
    assert (a.heatmap.origin_px, a.heatmap.cell_px, a.heatmap.cell_um) == (
        b.heatmap.origin_px,
        b.heatmap.cell_px,
        b.heatmap.cell_um,
    )
    assert (a.slide, a.classes, a.background, a.slide_id) == (b.slide, b.classes, b.background, b.slide_id)
    assert a.decision == b.decision and a.qc == b.qc and a.status == b.status


def test_what_is_saved_is_what_is_loaded(saved):
    result, path = saved
    assert_equal(store.load(path), result)
    assert store.verify(path) == []
    assert store.stored_results(path.parent) == [path]


def test_the_contract_of_paths_and_types(saved):
    result, path = saved
    root = zarr.open_group(path, mode="r", zarr_format=3)
    n, c = result.tiles.probabilities.shape
    rows, columns = result.heatmap.call.shape
    expected = {
        "heatmap/0": ((c, rows, columns), np.float32),
        "heatmap/labels/call/0": ((rows, columns), np.uint8),
        "heatmap/labels/tissue/0": ((rows, columns), np.uint8),
        "tiles/xy": ((n, 2), np.int32),
        "tiles/probabilities": ((n, c), np.float32),
        "tiles/familiarity": ((n,), np.float32),
        "tiles/quality": ((n,), np.uint8),
        "tiles/features": ((n, result.tiles.features.shape[1]), np.float16),
    }
    for name, (shape, dtype) in expected.items():
        assert root[name].shape == shape and root[name].dtype == dtype
    attributes = dict(root.attrs)["pulmoscope"]
    assert attributes["classes"] == list(CLASSES)
    assert attributes["call"] == result.decision.call
    assert (path / "commit.json").is_file()


def test_undetermined_numbers_survive(tmp_path):
    nan = float("nan")
    result = make_result("cannot-tell", call="undetermined", probabilities=(nan, nan, nan), reasons=("undetermined",))
    loaded = store.load(store.save(result, tmp_path))
    assert np.isnan(loaded.decision.probabilities).all()
    text = (tmp_path / "cannot-tell.zarr" / "zarr.json").read_text()
    json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))


def test_saving_again_replaces_and_leaves_no_staging(saved):
    _, path = saved
    other = make_result("slide-1", call="normal", probabilities=(0.1, 0.8, 0.1))
    assert store.save(other, path.parent) == path
    assert store.load(path).decision.call == "normal"
    assert list((path.parent / store.STAGING).iterdir()) == []


def test_the_digest_tells_what_was_found_not_when(tmp_path):
    first = make_result("a", provenance={"seconds": 1.0, "started": "x", "model": {"name": "m"}})
    later = make_result("a", provenance={"seconds": 9.0, "started": "y", "model": {"name": "m"}})
    other = make_result("a", provenance={"seconds": 1.0, "started": "x", "model": {"name": "n"}})
    assert store.result_digest(first) == store.result_digest(later) != store.result_digest(other)
    assert store.result_digest(store.load(store.save(first, tmp_path))) == store.result_digest(first)


def test_200_flipped_bits_are_each_named(saved, tmp_path):
    _, path = saved
    rng = random.Random(0)
    files = sorted(p for p in path.rglob("*") if p.is_file())
    for _ in range(200):
        victim = rng.choice(files)
        original = victim.read_bytes()
        at, bit = rng.randrange(len(original)), rng.randrange(8)
        victim.write_bytes(original[:at] + bytes([original[at] ^ (1 << bit)]) + original[at + 1 :])
        problems = store.verify(path)
        assert problems and victim.relative_to(path).as_posix() in problems[0]
        with pytest.raises(ResultAlteredError):
            store.load(path)
        victim.write_bytes(original)
    assert store.verify(path) == []


def test_each_missing_or_added_file_is_named(saved):
    _, path = saved
    for victim in sorted(p for p in path.rglob("*") if p.is_file()):
        name, content = victim.relative_to(path).as_posix(), victim.read_bytes()
        victim.unlink()
        assert name in store.verify(path)[0]
        victim.write_bytes(content)
    (path / "tiles" / "extra").write_text("x")
    assert store.verify(path) == ["tiles/extra was added"]


def test_a_link_in_a_result_is_not_followed(saved, tmp_path):
    _, path = saved
    (path / "heatmap" / "away").symlink_to(tmp_path)
    assert store.verify(path) == ["heatmap/away was added"]


def test_without_commit_it_is_no_result(saved):
    _, path = saved
    (path / "commit.json").unlink()
    assert store.stored_results(path.parent) == []
    with pytest.raises(StoreError, match="never completed"):
        store.load(path)


def test_a_committed_digest_of_other_arrays_is_told(saved):
    """Someone who rewrites an array and its file digest still has to match the result's digest."""
    _, path = saved
    root = zarr.open_group(path, mode="r+")
    root["tiles/familiarity"][:] = 1.0
    files = {p.relative_to(path).as_posix(): commit._sha256(p) for p in commit._files(path) if p.name != "commit.json"}
    old = commit.read(path)
    body = {"format": 1, "files": files, "result_sha256": old["result_sha256"]}
    (path / "commit.json").write_bytes(commit._canonical(body))
    assert store.verify(path) == ["the arrays do not give the digest that was committed"]


@pytest.mark.parametrize("fail_at", range(1, 60, 4))
def test_a_disk_that_fills_up_at_any_write_leaves_the_old_result(saved, monkeypatch, fail_at):
    """Every write call from the nth on fails, as on a full disk."""
    _, path = saved
    calls = 0
    original = Path.open

    def full(self, mode="r", *args, **kwargs):
        nonlocal calls
        if any(letter in mode for letter in "wax+"):
            calls += 1
            if calls >= fail_at:
                raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    other = make_result("slide-1", call="normal", probabilities=(0.1, 0.8, 0.1))
    try:
        store.save(other, path.parent)
        failed = False
    except OutputUnwritableError as error:
        assert "No space left" in str(error)
        failed = True
    monkeypatch.undo()
    assert failed or calls < fail_at
    assert store.verify(path) == []
    assert store.load(path).decision.call == ("adenocarcinoma" if failed else "normal")
    assert list((path.parent / store.STAGING).iterdir()) == []


def test_a_large_heatmap_has_a_pyramid_of_means():
    rng = np.random.default_rng(0)
    p = rng.random((2, 301, 517)).astype(np.float32)
    p[:, :10] = np.nan
    levels = store.pyramid(p)
    assert [level.shape for level in levels] == [(2, 301, 517), (2, 151, 259), (2, 76, 130)]
    assert levels[1][0, 20, 30] == pytest.approx(np.mean(p[0, 40:42, 60:62]), abs=1e-6)
    assert np.isnan(levels[1][0, 4]).all()
    assert levels[1][1, 150, 258] == pytest.approx(p[1, 300, 516])


def test_clear_staging_takes_only_that_slides_leftovers(tmp_path):
    for name in ("a~1-x", "a~2-y", "ab~1-x"):
        (tmp_path / store.STAGING / name / "tiles").mkdir(parents=True)
    store.clear_staging(tmp_path, "a")
    assert [p.name for p in (tmp_path / store.STAGING).iterdir()] == ["ab~1-x"]


def test_a_result_moves_with_its_folder(saved, tmp_path):
    result, path = saved
    elsewhere = tmp_path / "elsewhere" / "slide-1.zarr"
    shutil.copytree(path, elsewhere)
    assert_equal(store.load(elsewhere), result)
