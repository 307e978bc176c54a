"""What is watched of a stored result: numbers a slide, each telling of what comes in, of the model, or of the
readers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from aggregate.layout.attributes import is_slide_id
from aggregate.provenance import Provenance
from app.presentation.language import said

Summary = Mapping[str, Any]

UNKNOWN_MAKER = "unknown maker"


class Kind(StrEnum):
    """Of what a signal tells."""

    INPUT = "input"  # glass, stain, focus, tissue: no model has a part in it
    MODEL = "model"  # what the model makes of it, without anybody saying what is right
    READERS = "readers"  # signed decisions against calls


@dataclass(frozen=True)
class Signal:
    """`of` gives a slide's number, None where the result does not tell it; `words` say it to a person."""

    name: str
    kind: Kind
    words: str
    of: Callable[[Summary], float | None]


@dataclass(frozen=True)
class WatchedSlide:
    """One result in the stream. `sha256` is the slide's, `model` what made the result, `values` by signal's name."""

    slide_id: str
    sha256: str
    when: datetime
    scanner: str
    model: str
    values: Mapping[str, float]

    @property
    def week(self) -> str:
        """ISO week, as 2026-W48."""
        year, week, _ = self.when.isocalendar()
        return f"{year}-W{week:02d}"


def _figure(name: str, kind: Kind, words: str) -> Signal:
    return Signal(name, kind, words, lambda summary: _finite(summary["qc"].get(name)))


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _called_tumour(summary: Summary) -> float | None:
    return None if summary["call"] not in summary["classes"] else float(summary["call"] != summary["background"])


def _undetermined(summary: Summary) -> float:
    return float(summary["call"] not in summary["classes"])


_GLASS = {"red": said("glass, red"), "green": said("glass, green"), "blue": said("glass, blue")}
_STAIN = {
    "red": said("stain in red light"),
    "green": said("stain in green light"),
    "blue": said("stain in blue light"),
}
SIGNALS = (
    *(_figure(f"glass_{channel}", Kind.INPUT, words) for channel, words in _GLASS.items()),
    *(_figure(f"density_{channel}", Kind.INPUT, words) for channel, words in _STAIN.items()),
    _figure("detail", Kind.INPUT, said("finest detail (focus)")),
    _figure("share_blur", Kind.INPUT, said("share out of focus")),
    _figure("share_pen", Kind.INPUT, said("share under pen")),
    _figure("tissue_mm2", Kind.INPUT, said("tissue a slide, mm2")),
    _figure("unlike_slide", Kind.MODEL, said("unlike the training slides")),
    _figure("share_unfamiliar", Kind.MODEL, said("share not recognised")),
    Signal("confidence", Kind.MODEL, said("confidence"), lambda summary: _finite(summary.get("confidence"))),
    Signal("called_tumour", Kind.MODEL, said("called a tumour"), _called_tumour),
    Signal("undetermined", Kind.MODEL, said("without a call"), _undetermined),
)
# Told by what people signed, not by the result.
AGREEMENT = Signal("agreement", Kind.READERS, said("signed as the model called it"), lambda summary: None)


def watched_slide(summary: Summary) -> WatchedSlide | None:
    """A stored result as the watch sees it (`load_summary`'s attributes); None where it does not tell when it was
    made."""
    when = _moment(summary["provenance"].get("started"))
    if when is None or not is_slide_id(summary["slide_id"]):
        return None
    provenance = Provenance.from_dict(summary["provenance"])
    told = {signal.name: value for signal in SIGNALS if (value := signal.of(summary)) is not None}
    return WatchedSlide(
        slide_id=summary["slide_id"],
        sha256=str(summary["slide"]["sha256"]),
        when=when,
        scanner=_scanner(summary["slide"]),
        model=f"{provenance.model_words}, settings {provenance.settings}",
        values=told,
    )


def _scanner(slide: Summary) -> str:
    """Maker and pixel size: what the allowed metadata tells scanners apart by."""
    return f"{slide['metadata'].get('vendor') or UNKNOWN_MAKER}, {slide['mpp']:.2f} um/px"


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
