"""The store: what is saved is what is loaded, half a result is never seen, every changed byte shows."""

import errno
import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from aggregate import result_folder, store
from aggregate.layout import commit
from aggregate.result import TileTable
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


def test_the_digest_knows_the_heatmap(tmp_path):
    result = make_result("a")
    other = replace(result, heatmap=replace(result.heatmap, probabilities=result.heatmap.probabilities * 0.5))
    assert store.result_digest(other) != store.result_digest(result)


def test_the_table_of_tiles_alone_is_proved_and_nothing_else(saved):
    result, path = saved
    (path / "heatmap" / "0" / "c" / "0" / "0" / "0").write_bytes(b"")
    assert np.array_equal(store.load_tiles(path).xy, result.tiles.xy)
    (path / "tiles" / "quality" / "c" / "0").write_bytes(b"")
    with pytest.raises(ResultAlteredError, match="tiles/quality/c/0 was altered"):
        store.load_tiles(path)


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


def test_places_numbers_and_bounds_come_back_each_in_its_own(tmp_path):
    result = make_result("a", origin_px=(111, 222), cell_px=448.5, bounds_px=(1, 2, 3, 4), qc={"share_voting": 0.25})
    loaded = store.load(store.save(result, tmp_path))
    assert_equal(loaded, result)
    assert loaded.heatmap.origin_px == (111, 222) and loaded.slide.bounds_px == (1, 2, 3, 4)
    assert loaded.slide.size_px == result.slide.size_px and loaded.slide.size_px[0] != loaded.slide.size_px[1]
    assert loaded.decision.judged_share == 0.25 and not loaded.decision.negative
    normal = make_result("b", call="normal", probabilities=(0.1, 0.8, 0.1))
    assert store.load(store.save(normal, tmp_path)).decision.negative


def test_a_slide_without_tiles_is_stored_and_read(tmp_path):
    result = make_result("empty", cells="...\n...", call="undetermined", probabilities=(float("nan"),) * 3)
    assert len(store.load(store.save(result, tmp_path)).tiles.xy) == 0


def test_arrays_are_laid_out_as_readers_of_every_version_expect(tmp_path):
    path = store.save(make_result("a"), tmp_path)
    root = zarr.open_group(path, mode="r", zarr_format=3)
    told = {name: json.loads((path / name / "zarr.json").read_text()) for name in ("tiles/xy", "heatmap/0")}
    assert told["tiles/xy"]["fill_value"] == 0 and told["heatmap/0"]["fill_value"] == "NaN"
    assert told["heatmap/0"]["dimension_names"] == ["c", "y", "x"]
    assert root["heatmap/labels/call/0"].metadata.dimension_names == ("y", "x")
    assert dict(root["heatmap/labels"].attrs)["ome"] == {"version": "0.5", "labels": ["call", "tissue"]}
    assert root["heatmap/0"].chunks == root["heatmap/0"].shape
    assert {name for name, _ in root["heatmap"].attrs.items()} == {"ome"}
    images = [dict(group.attrs)["ome"]["multiscales"][0] for group in (root, root["heatmap"])]
    assert [image["datasets"][0]["path"] for image in images] == ["heatmap/0", "0"]


def test_rows_of_a_large_table_share_chunks_of_65536(tmp_path):
    result = make_result("large")
    tiles = TileTable(
        **{
            name: None if column is None else np.resize(column, (70_000, *column.shape[1:]))
            for name, column in vars(result.tiles).items()
        }
    )
    path = store.save(replace(result, tiles=tiles), tmp_path)
    few = zarr.open_group(store.save(result, tmp_path / "few"), mode="r", zarr_format=3)["tiles/xy"]
    many = zarr.open_group(path, mode="r", zarr_format=3)
    assert many["tiles/xy"].chunks == (65_536, 2) and few.chunks == few.shape
    assert many["tiles/features"].chunks[0] == 65_536 and np.array_equal(many["tiles/xy"][...], tiles.xy)


def test_a_stamp_changes_when_a_result_is_written_again(saved, tmp_path):
    _, path = saved
    first = store.stamp(path)
    assert first == (path / "commit.json").stat().st_mtime_ns and store.stamp(tmp_path / "none.zarr") == 0
    store.save(make_result("slide-1", call="normal"), path.parent)
    assert store.stamp(path) != first


def test_results_are_those_that_were_committed_under_a_slides_name(saved, tmp_path):
    _, path = saved
    shutil.copytree(path, tmp_path / "~other.zarr")
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "file.zarr").touch()
    store.save(make_result("a"), tmp_path)
    assert [one.name for one in store.stored_results(tmp_path)] == ["a.zarr", "slide-1.zarr"]
    assert store.stored_results(tmp_path / "nowhere") == store.stored_results(tmp_path / "file.zarr") == []


def test_digests_of_what_was_never_completed_are_told_as_such(saved, tmp_path):
    _, path = saved
    digests = store.committed_digests(path)
    assert digests == {"result_sha256": store.committed_digest(path), "commit_sha256": commit.fingerprint(path)}
    for read in (store.committed_digest, store.committed_digests):
        with pytest.raises(StoreError, match=r"none\.zarr was never completed"):
            read(tmp_path / "none.zarr")
    (path / "commit.json").write_text('{"files": {}}')
    with pytest.raises(StoreError, match="never completed"):
        store.committed_digest(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "is no pulmoscope result"),
        ('{"attributes": {"pulmoscope": 7}}', "written by another version"),
        ('{"attributes": {"pulmoscope": {"schema": 2}}}', "written by another version"),
        ('{"attributes": {"pulmoscope": {"schema": 1}}}', "is no whole result"),
    ],
)
def test_attributes_that_are_none_of_ours_are_told(saved, content, said):
    _, path = saved
    (path / "zarr.json").write_text(content)
    with pytest.raises(StoreError, match=said):
        store.load_summary(path)


def test_attributes_of_more_than_16_mb_are_not_read(saved):
    _, path = saved
    text = (path / "zarr.json").read_bytes()
    (path / "zarr.json").write_bytes(text + b" " * ((16 << 20) - len(text)))
    assert store.load_summary(path)["slide_id"] == "slide-1"
    with (path / "zarr.json").open("ab") as file:
        file.write(b" ")
    with pytest.raises(StoreError, match="is no pulmoscope result"):
        store.load_summary(path)


def test_staged_folders_are_folders_with_a_tail(tmp_path):
    home = tmp_path / store.STAGING
    for name in ("b~1-x", "a~2-y", "plain"):
        (home / name).mkdir(parents=True)
    (home / "file~1-x").touch()
    (home / "link~1-x").symlink_to(tmp_path)
    assert [path.name for path in store.staged_folders(tmp_path)] == ["a~2-y", "b~1-x"]


def test_the_call_map_alone_is_that_of_the_whole_result(tmp_path):
    result = replace(make_result("a", origin_px=(30, 70), size_px=(5000, 3000)), tissues=("stroma",))
    path = store.save(widened(result), tmp_path)
    stored, told = store.load(path), store.load_map(path)
    assert np.array_equal(told.call, stored.heatmap.call) and np.array_equal(told.tissue, stored.heatmap.tissue)
    assert not np.array_equal(told.call, told.tissue)
    assert (told.classes, told.tissues, told.background) == (CLASSES, ("stroma",), "normal")
    assert (told.size_px, told.origin_px, told.cell_px) == ((5000, 3000), (30, 70), result.heatmap.cell_px)


def widened(result):
    """With probabilities of one output more, 0 throughout."""
    p, of_cells = result.tiles.probabilities, result.heatmap.probabilities
    tiles = replace(result.tiles, probabilities=np.concatenate([p, np.zeros((len(p), 1), np.float32)], axis=1))
    wide = np.concatenate([of_cells, np.zeros((1, *of_cells.shape[1:]), np.float32)])
    return replace(result, tiles=tiles, heatmap=replace(result.heatmap, probabilities=wide))


@pytest.mark.parametrize("label", ["call", "tissue"])
def test_a_call_map_that_was_altered_or_is_of_another_shape_is_refused(saved, monkeypatch, label):
    _, path = saved
    image = path / "heatmap" / "labels" / label / "0"
    metadata = json.loads((image / "zarr.json").read_text())
    (image / "zarr.json").write_text(json.dumps({**metadata, "shape": [3, 5]}))
    with pytest.raises(ResultAlteredError, match=rf"heatmap/labels/{label}/0/zarr\.json was altered"):
        store.load_map(path)
    monkeypatch.setattr(store.commit, "verify", lambda *_: [])  # as if sealed anew by who altered it
    with pytest.raises(StoreError, match="cannot be read as a result"):
        store.load_map(path)


def test_what_was_never_written_of_an_array_reads_as_none(saved):
    """NaN in figures, 0 in counts and classes: what other programs show where a chunk is missing."""
    _, path = saved
    root = zarr.open_group(path, mode="r")
    fills = {name: array.fill_value for name, array in root["tiles"].arrays()}
    assert all(np.isnan(fills[name]) for name in ("probabilities", "familiarity", "features", "tissue_fraction"))
    assert all(fills[name] == 0 for name in ("xy", "quality", "votes"))
    assert root["heatmap/labels/call/0"].fill_value == 0 and np.isnan(root["heatmap/0"].fill_value)


def test_the_format_of_a_result_is_the_first(saved):
    assert store.load_summary(saved[1])["schema"] == 1


def test_what_went_away_while_it_was_to_be_cleared_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(result_folder, "staged_folders", lambda _: [tmp_path / "a~1-x"])
    result_folder.clear_staging(tmp_path, "a")


def test_a_quick_look_tells_each_file_that_is_amiss_and_what_the_result_says_of_itself(saved):
    _, path = saved
    assert result_folder.look_over(path) == []
    (path / "zarr.json").write_text('{"attributes": {}}')
    assert result_folder.look_over(path) == ["zarr.json was altered"]
    (path / commit.COMMIT).unlink()
    commit.seal(path, result_sha256="0")  # whoever commits it anew does not make it a result
    assert result_folder.look_over(path) == ["slide-1.zarr is no pulmoscope result"]
