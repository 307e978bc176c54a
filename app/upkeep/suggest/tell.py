"""Suggestions as lines for a person."""

from __future__ import annotations

from app.upkeep.suggest.suggest import Place, Suggested, Suggestion


def suggestion_lines(told: Suggested) -> list[str]:
    """The slides in order, under each where to look and why; then what was left out."""
    lines = [line for number, one in enumerate(told.suggestions, 1) for line in _of_slide(number, one)]
    return [
        *(lines or ["nothing to suggest: no slide that is not signed has tissue of good quality"]),
        *_left_out(told),
    ]


def _of_slide(number: int, one: Suggestion) -> list[str]:
    said = "; ".join(reason.words for reason in one.reasons)
    return [f"{number}. {one.slide_id}{f': {said}' if said else ''}", *map(_of_place, one.places)]


def _of_place(place: Place) -> str:
    x, y = place.centre
    return f"   at {x:,.0f}, {y:,.0f} px: {'; '.join(reason.words for reason in place.reasons)}"


def _left_out(told: Suggested) -> list[str]:
    lines = [f"{told.looked_at} slides were compared; {told.signed} are signed and left out"]
    if told.other_model:
        lines.append(f"{told.other_model} results of another model took no part: `run` redoes them")
    if told.unread:
        lines.append(f"{len(told.unread)} results could not be read: `pulmoscope verify` tells more")
    return lines
