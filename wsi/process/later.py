"""Rooms whose modules are loaded when something of them is first asked for: what few slides or commands need costs the
others nothing. Such a room names its `homes`; who uses it imports the room, and asks it by attribute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def from_homes(room: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of the package `room`: `homes` says by name which of its modules has it. The function raises
    AttributeError for any other name."""

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(import_module(f"{room}.{homes[name]}"), name)

    return load
