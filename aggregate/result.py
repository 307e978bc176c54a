"""One slide's result, in memory. The store writes it, the viewer and every report read it; nothing here does I/O.

Arrays are named in types alone: who only asks how a slide ended loads no NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from aggregate.provenance import Provenance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNDETERMINED = "undetermined"
# The class of models that know tumours besides those they have names for.
OTHER_TUMOUR = "other_tumour"


class SlideStatus(StrEnum):
    """How a slide ended. The text is what stands in tables, logs and results."""

    DONE = "done"
    REVIEW = "review"  # done, and a person should look
    FAILED = "failed"

    @property
    def needs_look(self) -> bool:
        return self is not SlideStatus.DONE

    @property
    def reading_order(self) -> int:
        """What a person should look at first comes first: 0, 1, 2."""
        return (SlideStatus.REVIEW, SlideStatus.FAILED, SlideStatus.DONE).index(self)


@dataclass(frozen=True)
class SlideRecord:
    """What a result keeps of the slide: nothing that `wsi.metadata` does not allow."""

    file: str  # file name, without its folder
    size_px: tuple[int, int]  # (width, height) of level 0
    mpp: float
    mpp_source: str
    sha256: str  # wsi.files.fingerprint
    backend: str
    synthetic: bool
    metadata: Mapping[str, str | float | int | bool]
    bounds_px: tuple[int, int, int, int] | None = None  # (x, y, width, height) of the scanned part, if not the whole


@dataclass(frozen=True)
class TileTable:
    """n tiles, c outputs (classes, then tissues), d features. A tile votes where `votes` is True."""

    xy: NDArray[np.int32]  # (n, 2) level-0 px, top-left, (x, y)
    probabilities: NDArray[np.float32]  # (n, c) calibrated
    familiarity: NDArray[np.float32]  # (n,) 0 to 1
    quality: NDArray[np.uint8]  # (n,) tiler.TileQuality
    features: NDArray[np.float16]  # (n, d)
    tissue_fraction: NDArray[np.float32]  # (n,) 0 to 1
    votes: NDArray[np.bool_]  # (n,) recognised and of good quality
    attention: NDArray[np.float32] | None = None  # (n,) of a slide model, see `SlideOpinion`


@dataclass(frozen=True)
class Heatmap:
    """Grid cells of the slide, (rows, columns). Cell (r, c) is `cell_px` level-0 px wide, from `origin_px` on."""

    probabilities: NDArray[np.float32]  # (c, rows, columns) of the outputs, NaN where no tile voted
    call: NDArray[np.uint8]  # (rows, columns) output index + 1; 0 where there is none
    tissue: NDArray[np.uint8]  # (rows, columns) 1 where the cell holds tissue; tissue and no call: not recognised
    origin_px: tuple[int, int]  # (x, y) level-0 px of the top-left corner of cell (0, 0)
    cell_px: float
    cell_um: float

    @property
    def translation_um(self) -> tuple[float, float]:
        """(y, x) of the centre of cell (0, 0) from the slide's top-left corner, in um."""
        um_per_px = self.cell_um / self.cell_px
        x, y = self.origin_px
        return (y * um_per_px + self.cell_um / 2, x * um_per_px + self.cell_um / 2)


@dataclass(frozen=True)
class Decision:
    """The slide-level call. `call` is a class name or `undetermined`; probabilities follow the classes' order.

    `confidence` is 1 - H(p) / log(c), 0 to 1 (H: entropy); `margin` the distance of the two largest probabilities.
    Both are NaN where there is no call. The probabilities are then those of the tiles that voted, NaN if none did.
    A call of high confidence needs a leading probability of `sure_from`, which the model's held-out tiles gave.
    A `negative` calls the background; it holds for the `judged_share` of the tissue, 0 to 1 (None: not known).
    """

    call: str
    probabilities: tuple[float, ...]
    confidence: float
    margin: float
    review_reasons: tuple[str, ...]
    negative: bool = False
    judged_share: float | None = None
    sure_from: float = 0.0


@dataclass(frozen=True)
class SlideOpinion:
    """What a slide model says beside the rule; it changes nothing of the rule's call.

    `call` is the likeliest of its `classes`, "" where the slide was refused; probabilities are then NaN. `sets` holds
    by level ("0.95") the classes that cannot be left out, the likeliest first. `outcome` is of the 0.95 set:
    ``single``, ``several``, ``none`` (the slide is unlike each class) or ``refused``. `attention` (n,) says
    how much each of the slide's tiles counted: it sums to 1, and is NaN for tiles that took no part, or where the model
    has none.
    """

    name: str
    version: str
    sha256: str
    classes: tuple[str, ...]
    call: str
    probabilities: tuple[float, ...]
    sets: Mapping[str, tuple[str, ...]]
    outcome: str
    attention: NDArray[np.float32] | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without the attention; what is no number is null."""
        return {
            "name": self.name,
            "version": self.version,
            "sha256": self.sha256,
            "classes": list(self.classes),
            "call": self.call,
            "probabilities": {
                name: float(p) if p == p else None for name, p in zip(self.classes, self.probabilities, strict=True)
            },
            "sets": {level: list(names) for level, names in self.sets.items()},
            "outcome": self.outcome,
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any], attention: NDArray[np.float32] | None) -> SlideOpinion:
        """Reads what `to_dict` gives, once `aggregate.layout.attributes` has checked it; `attention` is (n,)."""
        given = (told["probabilities"][name] for name in told["classes"])
        return cls(
            **{name: told[name] for name in ("name", "version", "sha256", "call", "outcome")},
            classes=tuple(told["classes"]),
            probabilities=tuple(float("nan") if p is None else float(p) for p in given),
            sets={level: tuple(names) for level, names in told["sets"].items()},
            attention=attention,
        )


@dataclass(frozen=True)
class SlideResult:
    slide_id: str
    classes: tuple[str, ...]
    background: str  # the class that is not a tumour
    slide: SlideRecord
    decision: Decision
    qc: Mapping[str, float]  # areas (mm2), shares (0 to 1) and counts behind the review reasons
    tiles: TileTable
    heatmap: Heatmap
    provenance: Provenance = field(default_factory=Provenance)
    tissues: tuple[str, ...] = ()  # further kinds of tissue without tumour, told of tiles and cells alone
    opinion: SlideOpinion | None = None  # of a slide model, where there is one; tiles.attention is set then

    @property
    def outputs(self) -> tuple[str, ...]:
        """What tiles and cells are told as, in the order of their probabilities: the classes, then the tissues."""
        return self.classes + self.tissues

    @property
    def tumour_outputs(self) -> tuple[bool, ...]:
        """(c,) which outputs are a tumour."""
        return tuple(name in self.classes and name != self.background for name in self.outputs)

    @property
    def tile_side_px(self) -> float:
        """Side of a tile in level-0 px: a whole number of heatmap cells."""
        return self.heatmap.cell_px * self.provenance.tile.cells_per_side

    @property
    def status(self) -> SlideStatus:
        """``review`` where a person should look, else ``done``."""
        return SlideStatus.REVIEW if self.decision.review_reasons else SlideStatus.DONE
