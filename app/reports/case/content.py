"""What the report of a case says, in words: drawn up once, laid out by HTML, PDF and JSON. All has passed `plain`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from aggregate.result import UNDETERMINED, SlideResult, SlideStatus
from app.ledger.cases.rows import CaseMember, CaseRow
from app.presentation import case_words, figures, words
from app.presentation.language import forms, tell
from app.presentation.words import Reason
from app.reports.content.options import ReportOptions
from app.reports.content.reviewed import ReviewContent, describe_review
from app.reports.content.slide import MAX_CASE, date_in_words, synthetic_in_words
from app.reports.pictures.heatmap import draw_heatmap
from app.review.records import SlideRecord
from wsi.text import plain

FORMATS = ("html", "pdf", "json")


@dataclass(frozen=True)
class CaseSlideTold:
    """One slide of a case. `picture` is its heatmap as PNG with its width and height in px, empty where there is none;
    `review` is whether a person signed the slide itself."""

    slide_id: str
    block: str
    role: str
    call: str
    score: str
    tumour: str
    reasons: tuple[str, ...]
    review: str
    picture: bytes = b""
    picture_px: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class CaseContent:
    """`slide_id` is the case: what stands at the head and the foot of each page, so that `case` is empty there."""

    language: str
    slide_id: str
    case: str
    written: str
    synthetic: str
    call: str
    origin: str
    reasons: tuple[tuple[str, Reason], ...]
    slides: tuple[CaseSlideTold, ...]
    review: ReviewContent
    research_use: str
    note: str


@dataclass
class Pictures:
    """What is taken of the results of a case's slides, one at a time: small heatmaps, and whether one is synthetic."""

    heatmaps: dict[str, tuple[bytes, tuple[int, int]]] = field(default_factory=dict)
    synthetic: set[tuple[bool, bool]] = field(default_factory=set)

    def take(self, result: SlideResult) -> None:
        drawn = draw_heatmap(result)
        self.heatmaps[result.slide_id] = (drawn.png, (drawn.pixels.shape[1], drawn.pixels.shape[0]))
        self.synthetic.add((result.slide.synthetic, result.provenance.model.synthetic))


def describe_case(
    row: CaseRow,
    pictures: Pictures,
    record: SlideRecord | None,
    signed: Mapping[str, str],
    options: ReportOptions,
) -> CaseContent:
    """The content of one case's report in the language that is spoken. `record` is what people decided on the case,
    `signed` on its slides, in words by slide id."""
    told, count = row.told, len(row.members)
    name = plain(row.case, MAX_CASE)
    return CaseContent(
        language=forms().code,
        slide_id=tell("Case {case}", case=name),
        case="",
        written=date_in_words(options),
        synthetic=synthetic_in_words(*(any(pair[at] for pair in pictures.synthetic) for at in (0, 1))),
        call=case_words.case_title(told, count),
        origin=case_words.origin_in_words(told, count),
        reasons=tuple((code, case_words.case_reason(code)) for code in told.review_reasons),
        slides=tuple(_slide(row, one, pictures, signed.get(one.row.slide_id, "")) for one in row.members),
        review=describe_review(record),
        research_use=tell(words.RESEARCH_USE),
        note=tell(
            "A case is what a manifest says: which slides belong together is known from nothing else. The score is the "
            "probability of any tumour at the most suspicious spot of a slide."
        ),
    )


def _slide(row: CaseRow, member: CaseMember, pictures: Pictures, signed: str) -> CaseSlideTold:
    slide, one = member.slide, member.row
    failed = one.status is SlideStatus.FAILED
    call = "" if failed else tell(words.CANNOT_TELL) if slide.call == UNDETERMINED else words.class_title(slide.call)
    reasons = tuple(words.reason(code).title for code in slide.review_reasons)
    picture, size = pictures.heatmaps.get(one.slide_id, (b"", (1, 1)))
    return CaseSlideTold(
        plain(one.slide_id),
        plain(member.block),
        case_words.role_in_words(row.told, one.slide_id),
        call or tell("No result"),
        figures.percent(slide.tumour_score) if slide.is_judged else figures.MISSING,
        figures.area(math.nan if failed else slide.tumour_mm2),
        (plain(f"{one.error_code}: {one.message}", 300),) if failed else reasons,
        signed or tell("unsigned"),
        picture,
        size,
    )
