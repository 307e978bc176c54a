"""Where a result comes from: program, model, tiles, settings, times. Frozen records that go to JSON and back.

A stored result may be older or newer than this program: `from_dict` takes what it does not know along, and `to_dict`
gives back the very dictionary that was read, so that its digest stays what it was.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from tiler.spec import cells_per_side

_BOOKKEEPING = ("absent", "further")
_CHANNELS = ("red", "green", "blue")


@dataclass(frozen=True)
class _Record:
    """`absent` names the fields that a stored record lacks (they hold neutral values), `further` holds unknown ones."""

    absent: frozenset[str] = field(default=frozenset(), kw_only=True, repr=False)
    further: Mapping[str, Any] = field(default_factory=dict, kw_only=True, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold; lists for tuples."""
        names = [name for name in _field_names(type(self)) if name not in self.absent]
        return {**{name: _plain(getattr(self, name)) for name in names}, **self.further}

    @classmethod
    def from_dict(cls, values: object) -> Self:
        """The record that gave this dictionary. Raises ValueError where a value is not of its field's kind."""
        if not isinstance(values, Mapping):
            raise ValueError(f"{cls.__name__} is not a mapping")
        names = _field_names(cls)
        neutral = cls()
        known = {name: _checked(name, values[name], getattr(neutral, name)) for name in names if name in values}
        return cls(
            **known,
            absent=frozenset(names) - values.keys(),
            further={key: value for key, value in values.items() if key not in names},
        )


@dataclass(frozen=True)
class ModelRecord(_Record):
    """The tile model that was run, in the words of its card."""

    name: str = ""
    version: str = ""
    sha256: str = ""
    runtime: str = ""
    synthetic: bool = False
    intended_use: str = ""
    limits: tuple[str, ...] = ()
    never_shown: tuple[str, ...] = ()
    familiarity_threshold: float = 0.0
    sure_from: float = 0.0
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TileRecord(_Record):
    """How tiles were asked for (`size_px`, `mpp`, `overlap`) and read (`effective_mpp`, `level`, `read_px`). `white`
    is the slide's, red, green and blue, where that was set before the model saw the tiles; else it is empty."""

    size_px: int = 0
    mpp: float = 0.0
    effective_mpp: float = 0.0
    level: int = 0
    read_px: int = 0
    overlap: float = 0.0
    white: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0.0 <= self.overlap < 1.0:
            raise ValueError("the overlap of the tiles is outside 0 to 1")
        if self.white and not (
            self.white.keys() == set(_CHANNELS)
            and all(isinstance(value, int | float) and 1 <= value <= 255 for value in self.white.values())
        ):
            raise ValueError("the white of the slide is no colour")

    @property
    def white_point(self) -> tuple[float, float, float] | None:
        """The slide's white; None where colours were left as they are."""
        if not self.white:
            return None
        red, green, blue = (float(self.white[name]) for name in _CHANNELS)
        return red, green, blue

    @property
    def cells_per_side(self) -> int:
        """Heatmap cells that one tile covers along a side."""
        return cells_per_side(self.overlap)


@dataclass(frozen=True)
class Provenance(_Record):
    """All of it. `label` is the manifest's, if the model knows the class; `dossier` the SHA-256 of the proof that
    covered the run, if it was held to one; `reader` is what was asked for, `auto` or a name; `started` is ISO 8601 in
    UTC."""

    pulmoscope: str = ""
    model: ModelRecord = field(default_factory=ModelRecord)
    config: Mapping[str, Any] = field(default_factory=dict)
    config_sha256: str = ""
    label: str = ""
    dossier: str = ""
    reader: str = ""
    libraries: Mapping[str, Any] = field(default_factory=dict)
    python: str = ""
    started: str = ""
    seconds: float | None = None
    tile: TileRecord = field(default_factory=TileRecord)

    @property
    def model_words(self) -> str:
        """Name and short digest of the model, for tables; empty where it is not known."""
        return f"{self.model.name} {self.model.sha256[:12]}".strip()

    @property
    def settings(self) -> str:
        """`settings_digest` of what the result was made under."""
        return settings_digest(self.config, self.reader)

    def scientific(self) -> dict[str, Any]:
        """What the result depends on: it is in the result's digest. When, how fast and on what machine are not."""
        stored = self.to_dict()
        return {name: stored[name] for name in ("model", "config_sha256", "tile") if name in stored}


def settings_digest(config: Mapping[str, Any], reader: str) -> str:
    """Short digest of all that changes results, beside slide and model: of `config` without the slide's own pixel size
    and mask (but that there is one), and of the reader asked for. Results of one table should share it."""
    settings = {**config, "mpp": None, "reader": reader or "auto"}
    if "tissue_mask" in settings:
        settings["tissue_mask"] = "given"
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _field_names(cls: type[_Record]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(cls) if f.name not in _BOOKKEEPING)


def _plain(value: Any) -> Any:
    if isinstance(value, _Record):
        return value.to_dict()
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _checked(name: str, value: Any, neutral: object) -> Any:
    """`value` where it is of the kind of `neutral`, unchanged: a digest must not hang on how a number is written."""
    if isinstance(neutral, _Record):
        return type(neutral).from_dict(value)
    if isinstance(neutral, tuple):
        fits = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
        value = tuple(value) if fits else value
    elif isinstance(neutral, Mapping | str | bool):
        fits = isinstance(value, Mapping if isinstance(neutral, Mapping) else type(neutral))
    elif neutral is None and value is None:
        fits = True
    else:
        kinds = (int,) if isinstance(neutral, int) else (int, float)
        fits = isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)
    if not fits:
        raise ValueError(f"{name} of the provenance is malformed")
    return value
