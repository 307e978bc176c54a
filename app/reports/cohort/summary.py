"""What can be told of many slides together: counts, spreads, failures by kind, how far people agree with the model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aggregate.result import UNDETERMINED, SlideStatus
from app.ledger.records import SlideRow
from app.presentation import figures, words
from app.presentation.language import tell
from app.review import words as review_words
from app.review.records import ReviewState, ReviewStatus
from wsi.text import plain

FEWEST_SIGNED = 20
"""Of fewer signed slides no kappa is told: it would be mostly chance."""
_BINS = (0.0, 0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class Count:
    """How many slides are so; `fraction` is of those that the list is about, for a bar."""

    title: str
    count: int
    fraction: float


@dataclass(frozen=True)
class Agreement:
    """Model and people on the signed slides. `table` has a row a call of the model, its cells a call of a person each,
    in the order of `columns`; `words` tell share and kappa, or why there is none."""

    signed: int
    words: str
    columns: tuple[str, ...]
    table: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Summary:
    calls: tuple[Count, ...]
    confidence: tuple[Count, ...]
    reasons: tuple[Count, ...]
    failures: tuple[Count, ...]
    spreads: tuple[tuple[str, str], ...]
    agreement: Agreement


def summarise(
    rows: Sequence[SlideRow], states: Mapping[str, ReviewState], cases: Mapping[str, str] | None = None
) -> Summary:
    """All of it, in the language that is spoken; `states` is how far people are and `cases` which case it is, by slide
    id."""
    finished = [row for row in rows if row.status is not SlideStatus.FAILED]
    failed = [row for row in rows if row.status is SlideStatus.FAILED]
    reasons = [words.reason(code).title for row in finished for code in row.review_reasons]
    return Summary(
        calls=_counts((_call(row.call) for row in finished), len(finished)),
        confidence=_confidence(finished),
        reasons=_counts(reasons, len(finished)),
        failures=_counts((plain(row.error_code) for row in failed), len(failed)),
        spreads=tuple(_spreads(finished)),
        agreement=_agreement(finished, states, cases or {}),
    )


def _call(call: str) -> str:
    return tell(words.CANNOT_TELL) if call == UNDETERMINED else words.class_title(call)


def _counts(titles: Iterable[str], of: int) -> tuple[Count, ...]:
    """The most frequent first."""
    found = sorted(Counter(titles).items(), key=lambda item: (-item[1], item[0]))
    return tuple(Count(title, count, count / max(1, of)) for title, count in found)


def _confidence(rows: Sequence[SlideRow]) -> tuple[Count, ...]:
    known = [row.confidence for row in rows if row.confidence is not None]
    if not known:
        return ()
    bins = Counter(sum(value >= start for start in _BINS) - 1 for value in known)
    ends = [*_BINS, 1.0]
    return tuple(
        Count(
            tell("{low} to {high}", low=figures.number(f"{ends[at]:.1f}"), high=figures.number(f"{ends[at + 1]:.1f}")),
            bins[at],
            bins[at] / len(known),
        )
        for at in range(len(_BINS))
    )


def _spreads(rows: Sequence[SlideRow]) -> Iterable[tuple[str, str]]:
    """(what, ``median 8.2 s, half of them 6.1 s to 11 s, all 200 s``) of what every finished slide has."""
    seconds = [row.seconds for row in rows if row.seconds is not None]
    for title, values, written in (
        (tell("Time a slide"), seconds, figures.duration),
        (tell("Tissue a slide"), [row.tissue_mm2 for row in rows if row.tissue_mm2 is not None], figures.area),
        (tell("Tiles a slide"), [float(row.tiles) for row in rows if row.tiles is not None], figures.count),
    ):
        if values:
            low, median, high = (written(_quantile(sorted(values), at)) for at in (0.25, 0.5, 0.75))
            yield title, tell("median {median}, half of them {low} to {high}", median=median, low=low, high=high)
    if seconds:
        yield tell("Time of all slides together"), figures.duration(sum(seconds))


def _quantile(ordered: Sequence[float], at: float) -> float:
    """By linear interpolation (Hyndman and Fan's type 7, NumPy's default)."""
    place = at * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _agreement(rows: Sequence[SlideRow], states: Mapping[str, ReviewState], cases: Mapping[str, str]) -> Agreement:
    signed = [
        (row, state)
        for row in rows
        if (state := states.get(row.slide_id)) and state.status is ReviewStatus.SIGNED and row.call and state.call
    ]
    pairs = [(_call(row.call), review_words.call_of_a_person(state.call)) for row, state in signed]
    # Slides of one case are read alike: the interval draws cases whole.
    groups = [f"case {cases[row.slide_id]}" if row.slide_id in cases else row.slide_id for row, _ in signed]
    if not pairs:
        return Agreement(0, tell("No slide is signed."), (), ())
    counts = Counter(pairs)
    columns = tuple(sorted({person for _, person in pairs}))
    table = tuple(
        (model, tuple(counts[model, person] for person in columns)) for model in sorted({model for model, _ in pairs})
    )
    return Agreement(len(pairs), _agreement_in_words(pairs, groups), columns, table)


def _agreement_in_words(pairs: Sequence[tuple[str, str]], groups: Sequence[str]) -> str:
    same = sum(model == person for model, person in pairs)
    told = tell(
        "Model and person say the same on {same} of {signed} signed slides.",
        same=figures.count(same),
        signed=figures.count(len(pairs)),
    )
    if len(pairs) < FEWEST_SIGNED:
        few = tell("Of fewer than {fewest} signed slides no kappa is told.", fewest=FEWEST_SIGNED)
        return f"{told} {few}"
    return f"{told} {_kappa_in_words(pairs, groups)} " + tell(
        "People signed with the model's call in sight: the agreement reads higher than that of a blind reading."
    )


def _kappa_in_words(pairs: Sequence[tuple[str, str]], groups: Sequence[str]) -> str:
    import numpy as np

    from classifier.evaluation.readers.agreement import cohen_kappa

    names = sorted({name for pair in pairs for name in pair})
    first, second = (np.array([names.index(pair[side]) for pair in pairs]) for side in (0, 1))
    kappa = cohen_kappa(first, second, len(names), np.array(groups))
    if math.isnan(kappa.value):
        return tell("Cohen's kappa is not defined: all gave one and the same call.")
    value = figures.index(kappa.value)
    if math.isnan(kappa.low) or math.isnan(kappa.high):
        return tell("Cohen's kappa {value}, n = {n}.", value=value, n=len(pairs))
    ends = tell("{low} to {high}", low=figures.index(kappa.low), high=figures.index(kappa.high))
    return tell("Cohen's kappa {value} (95% interval {ends}), n = {n}.", value=value, ends=ends, n=len(pairs))
