"""One call of a case from its slides, and the reasons why a person should look at it again. Loads no NumPy.

`docs/design/2026-11-29-cases.md` argues the rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aggregate.result import UNDETERMINED, SlideStatus


@dataclass(frozen=True)
class CaseSlide:
    """What the rule asks of a slide. `background` is the class that is no tumour; `tumour_mm2` the area of its tumour
    neighbourhoods; a slide that failed has no call."""

    slide_id: str
    status: SlideStatus
    call: str = ""
    background: str = ""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    confidence: float = math.nan
    review_reasons: tuple[str, ...] = ()
    tumour_mm2: float = 0.0

    @property
    def is_judged(self) -> bool:
        return self.status is not SlideStatus.FAILED and self.call not in ("", UNDETERMINED)

    @property
    def is_tumour(self) -> bool:
        return self.is_judged and self.call != self.background

    @property
    def tumour_score(self) -> float:
        """The probability of any tumour: of the most suspicious neighbourhood."""
        return 1.0 - self.probabilities.get(self.background, 1.0)


@dataclass(frozen=True)
class CaseCall:
    """`origin` is the slide that the call is taken from, "" where there is none; `discordant` are slides called another
    tumour than the case, `silent` those that failed or are undetermined. Slides are told by id."""

    call: str
    origin: str = ""
    discordant: tuple[str, ...] = ()
    without_tumour: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    negative: bool = False
    review_reasons: tuple[str, ...] = ()

    @property
    def status(self) -> SlideStatus:
        return SlideStatus.REVIEW if self.review_reasons else SlideStatus.DONE


def call_case(slides: Sequence[CaseSlide]) -> CaseCall:
    """The call of the slides of one case, of one at least.

    A tumour on any slide is the case's: of several, that of the slide with most of it. A case without one is negative
    for the slides that could be judged, by the most suspicious of them; without any such slide it is `undetermined`.
    """
    judged = [slide for slide in slides if slide.is_judged]
    tumours = [slide for slide in judged if slide.is_tumour]
    origin = _most(tumours, "tumour_mm2") or _most(judged, "tumour_score")
    call = origin.call if origin else UNDETERMINED
    discordant = [slide for slide in tumours if slide.call != call]
    failed = [slide for slide in slides if slide.status is SlideStatus.FAILED]
    reasons: Mapping[str, bool] = {
        UNDETERMINED: origin is None,
        "slides-disagree": bool(discordant),
        "tumour-on-one-slide": len(tumours) == 1 < len(judged),
        "slide-failed": bool(failed),
        "slide-undetermined": len(judged) + len(failed) < len(slides),
        "slide-to-review": any(slide.review_reasons for slide in slides if slide.is_judged),
    }
    return CaseCall(
        call,
        origin.slide_id if origin else "",
        tuple(slide.slide_id for slide in discordant),
        tuple(slide.slide_id for slide in judged if tumours and not slide.is_tumour),
        tuple(slide.slide_id for slide in slides if not slide.is_judged),
        negative=origin is not None and not tumours,
        review_reasons=tuple(code for code, applies in reasons.items() if applies),
    )


def _most(slides: Sequence[CaseSlide], figure: str) -> CaseSlide | None:
    """The slide with the largest figure; of equals the more suspicious, then the first by id."""
    ordered = sorted(slides, key=lambda slide: (-_finite(getattr(slide, figure)), -slide.tumour_score, slide.slide_id))
    return ordered[0] if ordered else None


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0
