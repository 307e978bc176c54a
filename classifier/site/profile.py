"""A site profile as data: what it holds, its bounds, and how it is laid over a model. Opens no file.

It is made without labels, so it never changes what a class means: the network, its classes and their calibration stay.
It says how the glass is corrected before the network sees a tile, and what counts as known afterwards.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.colour.look import Correction
from classifier.familiarity import Alignment
from classifier.model import TileModel
from classifier.model_folder.card import ModelCard
from wsi.errors import SiteError, SiteModelError

PROFILE_FORMAT = 1
PROFILE_FILE = "profile.json"
STATISTICS_FILE = "statistics.npz"
WHAT_IT_CHANGES = (
    "Made without labels: it changes the white point of tiles, and what counts as known tissue. It never "
    "changes what a class means. For research use only."
)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+!_-]{0,63}")
MOST_SLIDES, MOST_TILES = 1000, 1_000_000
_FIGURES = frozenset({"not_recognised_before", "not_recognised_after", "not_recognised_left_out"})
# A shift of more is none that a stain or scanner makes; it would bring any picture to tissue.
_MOST_SHIFT = 1e3


@dataclass(frozen=True)
class Made:
    """Of what, for which model and when: no name of a slide, and nothing of a patient."""

    model: str
    model_version: str
    model_sha256: str
    slide_sha256: tuple[str, ...]
    tiles: int
    created: str  # a day, ISO 8601
    pulmoscope: str


@dataclass(frozen=True)
class SiteProfile:
    """`threshold_distance` is the site's, `model_threshold_distance` the model's, `limit_distance` what plainly is no
    tissue allows. `known_share` of the site's tissue was taken to be known, of which `false_alarm_rate` is refused.

    `stains` (2 x 3) and `densities` (3) are told, and only told. `figures` are shares of tiles not recognised.
    `shift` is (d,). Raises SiteError where a value is outside its bounds.
    """

    made: Made
    correction: Correction
    stains: tuple[tuple[float, float, float], ...]
    densities: tuple[float, float, float]
    known_share: float
    false_alarm_rate: float
    threshold_distance: float
    model_threshold_distance: float
    limit_distance: float
    figures: Mapping[str, float]
    shift: NDArray[np.float32]
    statistics_sha256: str = ""
    digest: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        _check_made(self.made)
        glass, white = (np.array(values) for values in asdict(self.correction).values())
        _check(bool((glass >= 1).all() and (glass <= 255).all()), "the glass is no colour")
        _check(bool((white >= 1).all() and (white <= 340).all()), "the white is no colour")
        _check(0.0 < self.known_share <= 1.0, "the known share is outside 0 to 1")
        _check(0.0 <= self.false_alarm_rate < 1.0, "the false alarm rate is outside 0 to 1")
        _check(0.0 < self.model_threshold_distance <= self.threshold_distance < 1e9, "the threshold is implausible")
        _check(self.limit_distance >= 0.0, "the limit is implausible")
        _check(set(self.figures) <= _FIGURES and all(0 <= one <= 1 for one in self.figures.values()), "odd figures")
        odd = self.shift.ndim != 1 or self.shift.dtype != np.float32 or not np.isfinite(self.shift).all()
        _check(not odd and float(np.linalg.norm(self.shift)) <= _MOST_SHIFT, "the shift is implausible")

    def laid_over(self, model: TileModel) -> TileModel:
        """The same network, classes and calibration under this site's correction and familiarity.

        Raises SiteModelError where the profile was made for another model.
        """
        self.check_model(model.card)
        return model.of_site(self.correction.table(), Alignment(self.shift, self.threshold_distance), self.digest)

    def check_model(self, card: ModelCard) -> None:
        """Raises SiteModelError where the profile was made for another model than this card's."""
        if card.digest != self.made.model_sha256:
            raise SiteModelError(
                f"the site profile was made for {self.made.model} {self.made.model_version} "
                f"({self.made.model_sha256[:12]}), not for {card.name} {card.version} ({card.digest[:12]})",
                hint="make one for this model with `pulmoscope adapt`",
            )

    def to_json(self) -> str:
        values = {name: value for name, value in asdict(self).items() if name not in ("digest", "shift")}
        told = {"format": PROFILE_FORMAT, "what_it_changes": WHAT_IT_CHANGES, **values}
        return json.dumps(told, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_dict(cls, values: object, shift: NDArray[Any], digest: str) -> SiteProfile:
        """Reads what `to_json` wrote. Raises SiteError naming what is at fault, never anything else."""
        told = read_mapping(values)
        made, look = read_mapping(told.get("made")), read_mapping(told.get("correction"))
        return cls(
            made=Made(
                **{
                    name: _text(made, name)
                    for name in ("model", "model_version", "model_sha256", "created", "pulmoscope")
                },
                slide_sha256=_texts(made, "slide_sha256"),
                tiles=int(_number(made, "tiles")),
            ),
            correction=Correction(*(_three(look, name) for name in ("glass", "white"))),
            stains=_rows(told, "stains"),
            densities=_three(told, "densities"),
            figures={str(name): _finite(value, "figures") for name, value in read_mapping(told.get("figures")).items()},
            shift=shift,
            statistics_sha256=_text(told, "statistics_sha256"),
            digest=digest,
            **{name: _number(told, name) for name in _NUMBERS},
        )


_NUMBERS = ("known_share", "false_alarm_rate", "threshold_distance", "model_threshold_distance", "limit_distance")


def read_mapping(value: object) -> Mapping[str, Any]:
    """`value` where it is a JSON object. Raises SiteError."""
    if not isinstance(value, Mapping):
        raise SiteError(f"{PROFILE_FILE} lacks a part", hint=_AGAIN)
    return value


def statistics_digest(values: object) -> str:
    """The SHA-256 that the JSON names for the statistics. Raises SiteError; also for another format."""
    told = read_mapping(values)
    if told.get("format") != PROFILE_FORMAT:
        raise SiteError(f"{PROFILE_FILE} is not of format {PROFILE_FORMAT}", hint="update pulmoscope, or adapt again")
    sha256 = _text(told, "statistics_sha256")
    _check(bool(_SHA256.fullmatch(sha256)), "the SHA-256 of the statistics is malformed")
    return sha256


_AGAIN = "make it again with `pulmoscope adapt`"


def _check_made(made: Made) -> None:
    _check(bool(_NAME.fullmatch(made.model) and _NAME.fullmatch(made.model_version)), "the model's name is odd")
    _check(bool(_SHA256.fullmatch(made.model_sha256)), "the model's SHA-256 is malformed")
    _check(0 < len(made.slide_sha256) <= MOST_SLIDES, "the number of slides is implausible")
    _check(all(_SHA256.fullmatch(one) for one in made.slide_sha256), "a slide's SHA-256 is malformed")
    _check(0 < made.tiles <= MOST_TILES, "the number of tiles is implausible")
    _check(bool(_DATE.fullmatch(made.created)), "the date is malformed")
    _check(bool(_VERSION.fullmatch(made.pulmoscope)), "the version is malformed")


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise SiteError(f"{PROFILE_FILE}: {what}", hint=_AGAIN)


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    _check(isinstance(value, str), f"{key} is no text")
    return str(value)


def _texts(values: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = values.get(key)
    _check(isinstance(value, list) and all(isinstance(one, str) for one in value), f"{key} is no list of texts")
    return tuple(value or ())


def _finite(value: object, key: str) -> float:
    _check(isinstance(value, int | float) and not isinstance(value, bool), f"{key} is no number")
    number = float(value)  # type: ignore[arg-type]
    _check(math.isfinite(number), f"{key} is not finite")
    return number


def _number(values: Mapping[str, Any], key: str) -> float:
    return _finite(values.get(key), key)


def _three(values: Mapping[str, Any], key: str) -> tuple[float, float, float]:
    return _triple(values.get(key), key)


def _triple(value: object, key: str) -> tuple[float, float, float]:
    _check(isinstance(value, list) and len(value) == 3, f"{key} is no list of three numbers")
    red, green, blue = (_finite(one, key) for one in value)  # type: ignore[attr-defined]
    return red, green, blue


def _rows(values: Mapping[str, Any], key: str) -> tuple[tuple[float, float, float], ...]:
    rows = values.get(key)
    _check(isinstance(rows, list) and len(rows) <= 2, f"{key} is no list of two")
    return tuple(_triple(row, key) for row in rows or ())
