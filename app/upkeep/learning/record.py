"""One region that was learned from, as it is kept: what it says, who signed it, and the tiles cut from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aggregate.layout.attributes import is_slide_id
from app.review.canonical import canonical
from app.review.records import Rings
from classifier.dataset.split import TEST, TRAIN

SCHEMA = 1
# One group in so many judges.
JUDGING = 5
_TEXTS = (
    "slide_id",
    "slide_sha256",
    "result_sha256",
    "signature_sha256",
    "reviewer",
    "signed_at",
    "region_id",
    "label",
)


@dataclass(frozen=True)
class LearnedTile:
    """`sha256` is that of the PNG `tiles/<sha256>.png`; `xy` its top-left corner, level-0 px."""

    sha256: str
    xy: tuple[int, int]


@dataclass(frozen=True)
class LearnedRegion:
    """`label` is the class or tissue that a reviewer signed for; `patient` and `site` group tiles and may be empty.
    Tiles are `size_px` px at `mpp` um per px; `corrects` where the region is called otherwise than the reviewer
    says."""

    slide_id: str
    slide_sha256: str
    result_sha256: str
    signature_sha256: str
    reviewer: str
    signed_at: str
    region_id: str
    label: str
    rings: Rings
    size_px: int
    mpp: float
    tiles: tuple[LearnedTile, ...]
    patient: str = ""
    site: str = ""
    corrects: bool = False

    def content(self) -> bytes:
        """As its file holds it; its name is the SHA-256 of this."""
        return canonical({"schema": SCHEMA, **asdict(self)}).encode()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content()).hexdigest()

    @property
    def group(self) -> str:
        """What must not be parted between training and judging: a patient, or else a slide."""
        return self.patient or self.slide_sha256[:16]

    @property
    def split(self) -> str:
        """`test` for a fifth of the groups, for ever: those that judge what was learned from the others; else
        `train`."""
        number = int(hashlib.sha256(self.group.encode()).hexdigest()[:8], 16)
        return TEST if number % JUDGING == 0 else TRAIN

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> LearnedRegion:
        """Raises ValueError, KeyError or TypeError for what `content` cannot have written."""
        if facts["schema"] != SCHEMA or not all(isinstance(facts[name], str) for name in _TEXTS):
            raise ValueError("no region that was learned")
        if not is_slide_id(facts["slide_id"]):
            raise ValueError("a slide id that is none")
        told = {name: value for name, value in facts.items() if name not in ("schema", "tiles", "rings")}
        tiles = tuple(
            LearnedTile(_hex(one["sha256"]), (int(one["xy"][0]), int(one["xy"][1]))) for one in facts["tiles"]
        )
        rings = tuple(tuple((float(x), float(y)) for x, y in ring) for ring in facts["rings"])
        return cls(tiles=tiles, rings=rings, **told)


def _hex(text: object) -> str:
    if not isinstance(text, str) or len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise ValueError("a digest that is none")
    return text
