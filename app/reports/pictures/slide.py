"""Pictures of the tissue from the slide file, as a report shows them; or one line that says why there are none.

A file that is not the very one that was run gives none: a picture of another slide is worse than no picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aggregate.result import SlideResult
from app.presentation.language import tell
from app.reports.pictures.heatmap import shown_part
from app.slides.guarded import shared_slides
from app.slides.question import SlideAddress
from app.slides.views import report_views
from wsi.errors import PulmoscopeError
from wsi.files.fingerprint import fingerprint
from wsi.slide import COLOURS_RIGHTED

Place = tuple[float, float]
Ask = Callable[..., tuple[Any, bytes]]


@dataclass(frozen=True)
class TissuePictures:
    """JPEGs. `overview` shows `shown_part`, empty where there is none; `fields` are by their places, level-0 px (x, y);
    `absence` says in words why there are none."""

    overview: bytes = b""
    fields: Mapping[Place, bytes] = field(default_factory=dict)
    absence: str = ""


def take_pictures(
    result: SlideResult, file: Path | None, places: Sequence[Place], ask: Ask | None = None
) -> TissuePictures:
    """The overview and a field around each place, read in a process of its own."""
    if file is None:
        return TissuePictures(absence=tell("The slide file was not at hand, so there are no pictures of the tissue."))
    try:
        if fingerprint(file) != result.slide.sha256:
            return TissuePictures(
                absence=tell("The file at hand is not the slide that was run: no pictures were taken from it.")
            )
        wanted = list(dict.fromkeys(places))
        ask = ask or shared_slides().ask
        righted = str(result.slide.metadata.get(COLOURS_RIGHTED, ""))
        address = SlideAddress(file, result.slide.mpp, righted=righted)
        told, body = ask(report_views, address, shown_part(result), wanted)
        return _cut(told, body, wanted)
    except PulmoscopeError as error:
        return TissuePictures(
            absence=tell("The slide file could not be read ({code}), so there are no pictures.", code=error.code)
        )


def _cut(told: Mapping[str, Any], body: bytes, places: Sequence[Place]) -> TissuePictures:
    at, cut = 0, list[bytes]()
    for length in (told["overview"], *told["fields"]):
        cut.append(body[at : at + length])
        at += length
    return TissuePictures(cut[0], dict(zip(places, cut[1:], strict=True)))
