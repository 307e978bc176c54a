"""What the watch over a laboratory says, as the cohort's page tells it. What watches hands it in: it stands above."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.presentation import figures
from app.presentation.language import tell
from wsi.text import plain


@dataclass(frozen=True)
class Changed:
    """One signal of one stream in alarm: texts that `said` marks, and the ISO week since about when."""

    signal: str
    meaning: str
    stream: str
    week: str


@dataclass(frozen=True)
class Watched:
    """`judged` signals of `slides` slides, `waiting` for more slides; at most one false alarm in `once_in` slides."""

    slides: int
    judged: int
    waiting: int
    once_in: int
    changed: tuple[Changed, ...] = ()


def watched_words(watched: Watched | None) -> tuple[str, ...]:
    """Sentences for the page; none where nobody watched."""
    return tuple(_sentences(watched)) if watched is not None else ()


def _sentences(watched: Watched) -> Iterator[str]:
    for one in watched.changed:
        where = {"signal": tell(one.signal), "stream": plain(one.stream), "week": one.week}
        told = tell("{signal}, since about {week} [{stream}]", **where)
        yield f"{_begun(tell(one.meaning))}: {told}."
    if watched.judged and not watched.changed:
        yield tell("No alarm in {count} signals.", count=figures.count(watched.judged))
    if watched.waiting:
        yield tell("{count} signals have too few slides to be judged yet.", count=figures.count(watched.waiting))
    yield tell(
        "A laboratory that stays as it is sees at most one false alarm in {count} slides.",
        count=figures.count(watched.once_in),
    )


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]
