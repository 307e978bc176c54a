"""Provenance goes to JSON and back without a change, whatever version wrote it; what is malformed is refused."""

import json

import pytest

from aggregate.provenance import ModelRecord, Provenance, TileRecord
from tests.results import make_result

STORED = {
    "pulmoscope": "0.1.0",
    "model": {
        "name": "m",
        "version": "1",
        "sha256": "ab" * 32,
        "runtime": "litert-int8",
        "synthetic": False,
        "intended_use": "",
        "limits": ["a", "b"],
        "never_shown": [],
        # Whole numbers must not come back as floats: the digest would change.
        "familiarity_threshold": 0,
        "training": {"groups": 3, "tiles": {"normal": 1}},
    },
    "config": {"mpp": None, "overlap": 0.0},
    "config_sha256": "cd" * 32,
    "label": "",
    "libraries": {"numpy": "2"},
    "python": "3.12.1",
    "started": "2026-11-22T20:31:05+00:00",
    "seconds": 3,
    "tile": {"size_px": 224, "mpp": 1, "effective_mpp": 1.011, "level": 1, "read_px": 224, "overlap": 0.5},
}


def text(values):
    return json.dumps(values, sort_keys=True)


@pytest.mark.parametrize(
    "stored",
    [
        STORED,
        {},
        {"model": {}, "tile": {}},
        {key: value for key, value in STORED.items() if key not in ("label", "seconds")},
        {**STORED, "model": {"name": "older"}, "tile": {"overlap": 0.0}},
        {**STORED, "site": {"new": [1, None]}, "model": {**STORED["model"], "colour": "newer"}},
    ],
)
def test_what_was_read_is_what_is_written(stored):
    assert text(Provenance.from_dict(stored).to_dict()) == text(stored)


def test_the_digest_hangs_on_model_settings_and_tiles_alone():
    read = Provenance.from_dict(STORED)
    assert text(read.scientific()) == text({key: STORED[key] for key in ("model", "config_sha256", "tile")})
    assert Provenance.from_dict({"seconds": 1.0}).scientific() == {}


def test_what_is_missing_is_neutral():
    read = Provenance.from_dict({})
    assert read.model == ModelRecord(absent=read.model.absent) and read.seconds is None
    assert read.tile.cells_per_side == 1 and read.model.name == ""


def test_fields_are_read_as_what_they_are():
    read = Provenance.from_dict(STORED)
    assert read.model.limits == ("a", "b") and read.tile.cells_per_side == 2 and read.seconds == 3
    assert make_result().provenance.model.name == "lung-v1"


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        None,
        {"model": "m"},
        {"model": {"name": 3}},
        {"model": {"limits": "one"}},
        {"model": {"limits": [1]}},
        {"model": {"synthetic": 1}},
        {"model": {"training": []}},
        {"seconds": "3"},
        {"seconds": True},
        {"seconds": float("inf")},
        {"tile": {"level": 1.5}},
        {"tile": {"overlap": 1.0}},
        {"tile": {"overlap": -0.1}},
        {"tile": {"overlap": None}},
        {"started": 5},
    ],
)
def test_what_is_malformed_is_refused(wrong):
    with pytest.raises(ValueError):
        Provenance.from_dict(wrong)


def test_a_tile_is_a_whole_number_of_cells():
    assert [TileRecord(overlap=overlap).cells_per_side for overlap in (0.0, 0.5, 2 / 3, 0.75)] == [1, 2, 3, 4]
