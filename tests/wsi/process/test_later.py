"""Rooms whose modules are loaded when something of them is first asked for."""

import importlib
import sys

import pytest

from tests.test_architecture import all_modules_after
from wsi.process.later import from_homes


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A package `shed` whose `spade` is in the module `tools`."""
    (tmp_path / "shed").mkdir()
    (tmp_path / "shed" / "tools.py").write_text("spade = 'a spade'\n")
    (tmp_path / "shed" / "__init__.py").write_text(
        "from wsi.process.later import from_homes\n__getattr__ = from_homes(__name__, {'spade': 'tools'})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("shed")
    for name in ("shed", "shed.tools"):
        sys.modules.pop(name, None)


def test_a_name_is_loaded_when_it_is_asked_for(room):
    assert "shed.tools" not in sys.modules
    assert room.spade == "a spade" and "shed.tools" in sys.modules


def test_another_name_is_none(room):
    with pytest.raises(AttributeError, match=r"module 'shed' has no attribute 'rake'"):
        room.rake  # noqa: B018
    assert not hasattr(room, "tool") and "shed.tools" not in sys.modules


def test_a_home_that_lost_its_name_is_told():
    with pytest.raises(AttributeError):
        from_homes("wsi", {"open_a_slide": "registry"})("open_a_slide")


@pytest.mark.parametrize("room", ["wsi", "wsi.readers.dicom", "tiler", "tiler.given", "app.ledger.cases"])
def test_every_name_of_such_a_room_is_there(room):
    loaded = all_modules_after(f"import {room} as room\nfound = [getattr(room, name) for name in room.__all__]")
    assert room in loaded
