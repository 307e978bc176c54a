"""Feature files of others: what TRIDENT, CLAM and STAMP write is read, and what is none of these is refused."""

import math
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from aggregate.slide_model.hdf5 import read_features
from tests.aggregate.slide_model.features import write_clam, write_stamp, write_trident
from wsi.errors import DatasetError

FEATURES = np.random.default_rng(1).normal(size=(9, 5))


@pytest.mark.parametrize(
    ("write", "layout", "side", "encoder", "second"),
    [
        (write_clam, "clam", math.nan, "", (512, 0)),
        (write_trident, "trident", 512.0, "", (512, 0)),
        (write_stamp, "stamp", 256.0, "uni2", (256, 0)),
    ],
)
def test_each_layout_is_read(tmp_path, write, layout, side, encoder, second):
    write(tmp_path / "slide.h5", FEATURES)
    found = read_features(tmp_path / "slide.h5")
    assert (found.layout, found.encoder) == (layout, encoder)
    assert found.side == side or (math.isnan(side) and math.isnan(found.side))
    assert np.allclose(found.features.astype(float), FEATURES, atol=2e-3) and found.features.shape == (9, 5)
    assert tuple(found.places[1]) == second and found.places.shape == (9, 2)


def _plain(file, features=FEATURES, coords=None):
    file["features"] = features
    file["coords"] = np.zeros((len(features), 2)) if coords is None else coords


def not_finite(path):
    with h5py.File(path, "w") as file:
        _plain(file, np.where(np.eye(9, 5), np.nan, 1.0))


def far_places(path):
    with h5py.File(path, "w") as file:
        _plain(file, coords=np.full((9, 2), 1e12))


def infinite_places(path):
    with h5py.File(path, "w") as file:
        _plain(file, coords=np.full((9, 2), np.inf))


def other_count(path):
    with h5py.File(path, "w") as file:
        _plain(file, coords=np.zeros((8, 2)))


def three_axes(path):
    with h5py.File(path, "w") as file:
        _plain(file, np.zeros((9, 5, 2)))


def empty(path):
    with h5py.File(path, "w") as file:
        _plain(file, np.zeros((0, 5)))


def no_coords(path):
    with h5py.File(path, "w") as file:
        file["features"] = FEATURES


def texts(path):
    with h5py.File(path, "w") as file:
        _plain(file)
        del file["features"]
        file.create_dataset("features", (9, 5), h5py.string_dtype())


def compound(path):
    with h5py.File(path, "w") as file:
        _plain(file, np.zeros((9, 5), [("a", "f4"), ("b", "f4")]))


def a_group(path):
    with h5py.File(path, "w") as file:
        _plain(file)
        del file["features"]
        file.create_group("features")


def external_link(path):
    write_clam(path.with_name("other.h5"), FEATURES)
    with h5py.File(path, "w") as file:
        file["coords"] = np.zeros((9, 2))
        file["features"] = h5py.ExternalLink(str(path.with_name("other.h5")), "/features")


def soft_link(path):
    with h5py.File(path, "w") as file:
        _plain(file)
        file["loop"] = h5py.SoftLink("/loop")


def external_storage(path):
    path.with_name("secret.bin").write_bytes(bytes(9 * 5 * 4))
    with h5py.File(path, "w") as file:
        file["coords"] = np.zeros((9, 2))
        file.create_dataset("features", (9, 5), "f4", external=[(str(path.with_name("secret.bin")), 0, 180)])


def virtual(path):
    write_clam(path.with_name("other.h5"), FEATURES)
    layout = h5py.VirtualLayout((9, 5), "f4")
    layout[...] = h5py.VirtualSource(str(path.with_name("other.h5")), "features", (9, 5))
    with h5py.File(path, "w") as file:
        file["coords"] = np.zeros((9, 2))
        file.create_virtual_dataset("features", layout)


def never_written(path):
    with h5py.File(path, "w") as file:
        file["coords"] = np.zeros((1_000_000, 2), np.int8)
        file.create_dataset("features", (1_000_000, 500), "f4", chunks=(100, 500))


def a_bomb(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("coords", data=np.zeros((200_000, 2)), compression="gzip")
        file.create_dataset("features", data=np.zeros((200_000, 64)), compression="gzip", compression_opts=9)


def huge_chunks(path):
    with h5py.File(path, "w") as file:
        file["coords"] = np.zeros((9, 2))
        file.create_dataset("features", (9, 5), "f4", chunks=(1 << 24, 5), maxshape=(None, 5))


def own_filter(path):
    with h5py.File(path, "w") as file:
        file["coords"] = np.zeros((9, 2))
        file.create_dataset("features", data=FEATURES, compression="lzf")


def too_wide(path):
    with h5py.File(path, "w") as file:
        _plain(file, np.zeros((9, 10_000), np.float16))


def huge_attribute(path):
    write_trident(path, FEATURES)
    with h5py.File(path, "a") as file:
        file["coords"].attrs["patch_size_level0"] = np.zeros(5000)


def no_length(path):
    write_trident(path, FEATURES)
    with h5py.File(path, "a") as file:
        file["coords"].attrs["patch_size_level0"] = -1


def another_unit(path):
    write_stamp(path, FEATURES)
    with h5py.File(path, "a") as file:
        file.attrs["unit"] = "px"


def many_objects(path):
    with h5py.File(path, "w") as file:
        _plain(file)
        for number in range(70):
            file.create_group(f"g{number}")


def torn(path):
    write_clam(path, FEATURES)
    path.write_bytes(path.read_bytes()[:700])


def no_hdf5(path):
    path.write_bytes(b"not a file of features" * 100)


def a_link(path):
    write_clam(path.with_name("other.h5"), FEATURES)
    path.symlink_to(path.with_name("other.h5"))


def a_pipe(path):
    os.mkfifo(path)


HOSTILE = [
    (not_finite, "no finite numbers"),
    (far_places, "no place"),
    (infinite_places, "no place"),
    (other_count, "do not fit together"),
    (three_axes, "two axes"),
    (empty, "empty"),
    (no_coords, "no features and coords"),
    (texts, "no plain numbers"),
    (compound, "no plain numbers"),
    (a_group, "no array"),
    (external_link, "leads elsewhere"),
    (soft_link, "leads elsewhere"),
    (external_storage, "other files"),
    (virtual, "other files"),
    (never_written, "far more numbers"),
    (a_bomb, "far more numbers"),
    (huge_chunks, "pieces larger"),
    (own_filter, "library of its own"),
    (too_wide, "too many"),
    (huge_attribute, "larger than it can be"),
    (no_length, "no length"),
    (another_unit, "unit is not um"),
    (many_objects, "more than 64 objects"),
    (torn, "HDF5"),
    (no_hdf5, "HDF5"),
    (a_link, "HDF5"),
    (a_pipe, "HDF5"),
]


@pytest.mark.parametrize(("write", "words"), HOSTILE, ids=[write.__name__ for write, _ in HOSTILE])
def test_a_hostile_file_is_refused_in_one_line(tmp_path: Path, write, words):
    write(tmp_path / "slide.h5")
    with pytest.raises(DatasetError) as raised:
        read_features(tmp_path / "slide.h5")
    line = str(raised.value)
    assert words in line and line.startswith("dataset-invalid: slide.h5") and "\n" not in line and len(line) < 300


def test_the_same_file_without_the_fault_is_read(tmp_path):
    with h5py.File(tmp_path / "slide.h5", "w") as file:
        _plain(file)
    assert read_features(tmp_path / "slide.h5").features.shape == (9, 5)


def test_a_file_that_ends_its_reader_ends_only_that(tmp_path, monkeypatch):
    write_clam(tmp_path / "slide.h5", FEATURES)
    monkeypatch.setattr("aggregate.slide_model.hdf5.__name__", "tests.aggregate.slide_model.dying")
    with pytest.raises(DatasetError, match="ended the process that read it"):
        read_features(tmp_path / "slide.h5")
