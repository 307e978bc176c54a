"""The store as other tools see it: OME-Zarr 0.5, in the right place in um."""

import numpy as np
import pytest

from aggregate import store
from tests.results import make_result

models = pytest.importorskip("ome_zarr_models")
ome_zarr = pytest.importorskip("ome_zarr.reader")


@pytest.fixture(params=[(0, 0), (1234, 567)], ids=["origin", "bounds"])
def stored(request, tmp_path):
    result = make_result("slide-1", origin_px=request.param, cell_px=448.5, mpp=0.499)
    return result, store.save(result, tmp_path)


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ("", "Image"),
        ("heatmap", "Image"),
        ("heatmap/labels", "Labels"),
        ("heatmap/labels/call", "ImageLabel"),
        ("heatmap/labels/tissue", "ImageLabel"),
    ],
)
def test_ome_zarr_models_accepts_it(stored, part, kind):
    import zarr

    _, path = stored
    group = zarr.open_group(path / part, mode="r")
    model = getattr(models.v05, kind)
    assert model.from_zarr(group).attributes.ome.version == "0.5"


@pytest.mark.parametrize("part", ["", "heatmap"])
def test_ome_zarr_opens_it_and_gives_the_physical_place(stored, part):
    from ome_zarr.io import parse_url

    result, path = stored
    node = next(iter(ome_zarr.Reader(parse_url(str(path / part)))()))
    assert np.array_equal(np.asarray(node.data[0]), result.heatmap.probabilities, equal_nan=True)
    assert node.metadata["channel_names"] == list(result.classes)
    scale, translation = (
        next(t[kind] for t in node.metadata["coordinateTransformations"][0] if t["type"] == kind)
        for kind in ("scale", "translation")
    )
    # The centre of cell (2, 3) by the file's words, and by the level-0 px of that cell.
    found = [scale[1] * 2 + translation[1], scale[2] * 3 + translation[2]]
    x0, y0 = result.heatmap.origin_px
    expected = [(y0 + 2.5 * 448.5) * 0.499, (x0 + 3.5 * 448.5) * 0.499]
    assert found == pytest.approx(expected)


def test_every_level_covers_the_same_ground(tmp_path):
    cells = "\n".join("0" * 600 for _ in range(300))
    path = store.save(make_result("large", cells=cells, cell_px=448.0, mpp=0.5), tmp_path)
    import zarr

    for part in ("heatmap", "heatmap/labels/call"):
        group = zarr.open_group(path / part, mode="r")
        edges = set()
        for dataset in group.attrs["ome"]["multiscales"][0]["datasets"]:
            scale, translation = (t[t["type"]] for t in dataset["coordinateTransformations"])
            rows, columns = group[dataset["path"]].shape[-2:]
            edges.add((translation[-2] - scale[-2] / 2, translation[-1] - scale[-1] / 2))
            assert rows * scale[-2] >= 300 * 224 and columns * scale[-1] >= 600 * 224
        assert edges == {(0.0, 0.0)}
