"""Plain words for the call of a case and the reasons to look at it again: the same in the viewer and the reports."""

from __future__ import annotations

from aggregate.case.rule import CaseCall
from aggregate.result import UNDETERMINED
from app.presentation.language import tell, tell_count
from app.presentation.words import CANNOT_TELL, Reason, class_title
from wsi.text import plain

CASE_REASONS: dict[str, Reason] = {
    UNDETERMINED: Reason(
        "No slide of the case has a call",
        "Every slide failed, or the model cannot tell what it shows. The model says nothing about this case.",
        "Read the case without the model.",
    ),
    "slides-disagree": Reason(
        "Slides of one case are called different tumours",
        "The call is that of the slide with most tumour; at least one other slide is called another tumour. Two "
        "tumours in one patient exist, and so do errors of the model, and slides under a wrong case number.",
        "Look at the slides side by side, and check that they are of one patient.",
    ),
    "tumour-on-one-slide": Reason(
        "Tumour on one slide alone",
        "Of several slides that could be judged a single one is called a tumour, and the case with it. The more slides "
        "a case has, the more often one of them is called wrongly.",
        "Look at that slide first.",
    ),
    "slide-failed": Reason(
        "A slide of the case has no result",
        "It failed, or was not run yet. The call says nothing about it.",
        "Read that slide without the model, or run it again.",
    ),
    "slide-undetermined": Reason(
        "A slide of the case has no call",
        "The model cannot tell what it shows. The call of the case says nothing about it.",
        "Read that slide without the model.",
    ),
    "slide-to-review": Reason(
        "A slide is to be looked at again",
        "At least one slide has reasons of its own; they stand beside it.",
        "Look at these slides before trusting the call of the case.",
    ),
}


def case_reason(code: str) -> Reason:
    """The words for a reason; a code of another version still gets a line of its own."""
    known = CASE_REASONS.get(code)
    if known is None:
        unknown = tell("This version has no explanation for this reason.")
        return Reason(plain(code), unknown, tell("Look at the case with care."))
    return Reason(tell(known.title), tell(known.explanation), tell(known.what_to_do))


def case_title(told: CaseCall, slides: int) -> str:
    """The call as a heading: ``Adenocarcinoma``, ``Normal on the 3 of 4 slides that could be judged``."""
    if told.call == UNDETERMINED:
        return tell(CANNOT_TELL)
    title, judged = class_title(told.call), slides - len(told.silent)
    if not told.negative or judged == slides:
        return title
    far = tell("on the {judged} of {slides} slides that could be judged", judged=judged, slides=slides)
    return f"{title} {far}"


def origin_in_words(told: CaseCall, slides: int) -> str:
    """From which slide the call is taken, and why from that."""
    if not told.origin:
        return tell("No slide of the case could be judged.")
    if slides == 1:
        return tell("The case has one slide, {slide}.", slide=plain(told.origin))
    return _no_tumour_in_words(told, slides) if told.negative else _tumour_in_words(told, slides)


def _no_tumour_in_words(told: CaseCall, slides: int) -> str:
    judged = slides - len(told.silent)
    if judged < slides:
        return tell(
            "No tumour was found on the {judged} of {slides} slides that could be judged; slide {slide} is the most "
            "suspicious of them.",
            judged=judged, slides=slides, slide=plain(told.origin),
        )  # fmt: skip
    count = tell_count("{count} slide", "{count} slides", slides, count=slides)
    return tell(
        "No tumour was found on {slides}; slide {slide} is the most suspicious of them.",
        slides=count, slide=plain(told.origin),
    )  # fmt: skip


def _tumour_in_words(told: CaseCall, slides: int) -> str:
    if slides - len(told.silent) - len(told.without_tumour) == 1:
        return tell(
            "The call is that of slide {slide}, the only one of {slides} that is called a tumour.",
            slide=plain(told.origin), slides=slides,
        )  # fmt: skip
    count = tell_count("{count} slide", "{count} slides", slides, count=slides)
    return tell(
        "The call is that of slide {slide}, which has most of the tumour; the case has {slides}.",
        slide=plain(told.origin), slides=count,
    )  # fmt: skip


def role_in_words(told: CaseCall, slide_id: str) -> str:
    """What a slide is to the call of its case."""
    if slide_id == told.origin:
        return tell("highest score") if told.negative else tell("slide of origin")
    if slide_id in told.discordant:
        return tell("another tumour")
    if slide_id in told.without_tumour:
        return tell("no tumour called")
    return tell("no call") if slide_id in told.silent else tell("agrees")
