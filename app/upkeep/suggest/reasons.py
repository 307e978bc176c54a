"""Why a slide or a region is worth looking at, each as a code for programs and a sentence for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregate.result import UNDETERMINED
from app.presentation.words import class_title
from app.review.records import OTHER, ReviewState, ReviewStatus, Verdict
from app.upkeep.suggest.regions import Regions

# Below these a figure is no reason, only a fact.
_UNSURE, _UNLIKE, _FAR = 0.35, 0.25, 1.0
_CONSENSUS = "consensus"


@dataclass(frozen=True)
class Reason:
    """`code` is one of uncertain, unfamiliar, disagreeing, like-corrected, different, representative."""

    code: str
    words: str

    def to_dict(self) -> dict[str, str]:
        return {"code": self.code, "words": self.words}


_REPRESENTATIVE = Reason("representative", "the model is sure of it; it stands for tissue that nobody has signed")


def of_slide(summary: Mapping[str, Any], state: ReviewState) -> tuple[Reason, ...]:
    """Who disagrees about the whole slide: the rule and a slide model, the model and a reader, or two readers."""
    found, call = [], str(summary["call"])
    opinion = summary.get("slide_model")
    if opinion and opinion["call"] and call != UNDETERMINED and opinion["call"] != call:
        found.append(f"the slide model says {_title(opinion['call'])}, the tiles say {_title(call)}")
    if state.status is ReviewStatus.DECIDED and state.verdict == Verdict.CHANGED:
        found.append(f"a reader decided on {_title(state.call)}, the model on {_title(call)}; it is not signed yet")
    if state.awaits == _CONSENSUS:
        found.append("two readers signed different calls")
    return tuple(Reason("disagreeing", words) for words in found)


def of_region(regions: Regions, index: int, outputs: Sequence[str], far: float | None) -> tuple[Reason, ...]:
    """What speaks for a region; `far` is its distance from all that is signed or suggested before, in medians."""
    found = []
    if regions.unsure[index] >= _UNSURE:
        found.append(Reason("uncertain", _between(regions.told[index], outputs)))
    if (unlike := regions.unlike[index]) >= _UNLIKE:
        found.append(Reason("unfamiliar", f"{unlike:.0%} of its tiles are unlike what the model learned from"))
    if far is not None and far >= _FAR:
        found.append(Reason("different", "unlike what was signed, and unlike what is suggested before it"))
    return tuple(found) or (_REPRESENTATIVE,)


def like_corrected(slide_id: str) -> Reason:
    """Its look is that of a slide that a reader signed otherwise than it was called."""
    return Reason("like-corrected", f"its look is that of {slide_id}, which was signed otherwise than called")


def _between(told: NDArray[np.float32], outputs: Sequence[str]) -> str:
    first, second = (int(i) for i in np.argsort(-told, kind="stable")[:2])
    return (
        f"between {class_title(outputs[first])} ({told[first]:.2f}) and {class_title(outputs[second])} "
        f"({told[second]:.2f})"
    )


def _title(call: str) -> str:
    if call == UNDETERMINED:
        return "no call"
    return "another diagnosis" if call == OTHER else class_title(call)
