"""`run --tissue-mask`: which mask is which slide's, what it makes of a result, and that without one nothing changes."""

import json
import shutil

import pytest
from click.testing import CliRunner

from aggregate import store
from app.batch.job import SlideJob
from app.batch.masks import with_masks
from app.cli import cli
from app.config import RunConfig
from app.ledger.records import read_rows
from app.pipeline import run_slide
from classifier.model import load_model
from classifier.model_folder.find import DEMO_MODEL
from tests.tiler.given.test_mask import feature
from tiler.given.mask import read_given
from wsi.errors import UsageError

# 250 by 200 um of the island of tumour of `ready_slide`, in its px of 0.5 um.
INSIDE = [(700.0, 500.0), (1200.0, 500.0), (1200.0, 900.0), (700.0, 900.0)]


def job(path, slide_id=""):
    return SlideJob(path, str(path), slide_id or path.stem)


def masks(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, features in files.items():
        (folder / f"{name}.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return folder


def run(*arguments):
    done = CliRunner().invoke(cli, ["run", *map(str, arguments), "--model", DEMO_MODEL], standalone_mode=False)
    assert done.exception is None, done.exception
    return done


@pytest.mark.parametrize("name", ["s-1", "a", "a.svs"])
def test_a_mask_is_a_slide_s_by_its_id_or_its_name(tmp_path, name):
    folder = masks(tmp_path / "masks", **{name: []})
    [found] = with_masks([job(tmp_path / "a.svs", "s-1")], folder)
    assert found.mask == folder / f"{name}.geojson"


def test_a_name_that_two_slides_share_is_neither_s_but_an_id_is(tmp_path):
    folder = masks(tmp_path / "masks", a=[], **{"a-2": []})
    jobs = [job(tmp_path / "x" / "a.svs", "a-1"), job(tmp_path / "y" / "a.svs", "a-2")]
    assert [one.mask for one in with_masks(jobs, folder)] == [None, folder / "a-2.geojson"]


def test_two_masks_of_a_slide_and_no_folder_are_wrong_usage(tmp_path):
    folder = masks(tmp_path / "masks", a=[])
    (folder / "a.png").write_bytes(b"")
    with pytest.raises(UsageError, match="one slide's masks"):
        with_masks([job(tmp_path / "a.svs")], folder)
    with pytest.raises(UsageError, match="is not a folder"):
        with_masks([job(tmp_path / "a.svs")], tmp_path / "none")


def test_the_mask_is_the_tissue_and_its_digest_is_in_the_provenance(ready_slide, tmp_path):
    folder = masks(tmp_path / "masks", ready=[feature(INSIDE)])
    given = read_given(folder / "ready.geojson")
    config = RunConfig(out=tmp_path, model=DEMO_MODEL, tissue_mask=str(folder))
    result = run_slide(ready_slide.path, "ready", load_model(DEMO_MODEL), config, given=given)
    assert result.qc["tissue_mm2"] == pytest.approx(0.25 * 0.2, rel=0.07)
    assert (result.qc["mask_regions"], result.qc["mask_repaired"]) == (1, 0)
    x, y = result.tiles.xy.T
    side = result.tile_side_px
    assert (x + side > 700).all() and (x < 1200).all() and (y + side > 500).all() and (y < 900).all()
    assert result.provenance.config["tissue_mask"] == given.sha256
    assert result.provenance.settings == config.settings != RunConfig(out=tmp_path, model=DEMO_MODEL).settings
    assert result.provenance.config_sha256 == config.sha256(None, given.sha256) != config.sha256(None)


def test_a_run_with_masks_tells_each_slide_and_without_them_is_as_before(ready_slide, tmp_path):
    slides, out = tmp_path / "in", tmp_path / "out"
    slides.mkdir()
    for name in ("good", "unmasked", "other"):
        shutil.copy(ready_slide.path, slides / f"{name}.svs")
    far = [(x + 90_000, y) for x, y in INSIDE]
    folder = masks(tmp_path / "masks", good=[feature(INSIDE)], other=[feature(far)])
    masks(folder, nobody=[feature(INSIDE)])
    told = run(slides, "--out", out, "--tissue-mask", folder)
    assert "1 of 3 files in --tissue-mask are no slide's of this run" in told.output
    rows = {row.slide_id: row for row in read_rows(out / "slides.csv")}
    assert rows["unmasked"].error_code == "mask-missing" and "unmasked.geojson" in rows["unmasked"].message
    assert rows["other"].error_code == "bad-mask" and "of another slide?" in rows["other"].message
    first = store.committed_digest(out / "good.zarr")
    run(slides / "good.svs", "--out", out, "--tissue-mask", folder)  # kept
    assert store.committed_digest(out / "good.zarr") == first
    masks(folder, good=[feature(INSIDE), feature(INSIDE[:3])])
    done = run(slides / "good.svs", "--out", out, "--tissue-mask", folder, "--json")
    assert '"configuration"' in done.output and store.committed_digest(out / "good.zarr") != first
    run(slides / "good.svs", "--out", tmp_path / "plain")
    plain = run_slide(slides / "good.svs", "good", load_model(DEMO_MODEL), RunConfig(out=tmp_path, model=DEMO_MODEL))
    assert store.committed_digest(tmp_path / "plain" / "good.zarr") == store.result_digest(plain)
    assert not [name for name in plain.qc if name.startswith("mask_")] and "tissue_mask" not in plain.provenance.config


def test_under_a_pseudonym_no_message_names_the_mask(ready_slide, tmp_path):
    slide = tmp_path / "in" / "Miller-Anna.svs"
    slide.parent.mkdir()
    shutil.copy(ready_slide.path, slide)
    folder = masks(tmp_path / "masks", **{"Miller-Anna": []})
    done = run(slide, "--out", tmp_path / "out", "--tissue-mask", folder, "--pseudonymize", tmp_path / "key")
    [row] = read_rows(tmp_path / "out" / "slides.csv")
    assert row.error_code == "bad-mask"
    told = done.output + "".join(path.read_text() for path in (tmp_path / "out").glob("*.*") if path.is_file())
    assert "Miller" not in told
