"""One case: its slides side by side, one call with its slide of origin, why to look again, and the decision on it."""

from __future__ import annotations

import time
from collections.abc import Mapping

import streamlit as st

from aggregate.case.rule import CaseCall
from aggregate.result import UNDETERMINED, SlideStatus
from app.ledger.cases.rows import CaseMember, CaseRow
from app.presentation import case_words, figures, words
from app.presentation.colours import NOT_RECOGNISED, class_colours
from app.review import words as review_words
from app.review.cases import case_to_decide
from app.review.records import ReviewState, ReviewStatus
from app.viewer.pages import parts, people
from app.viewer.pages.slide import decision, own
from app.viewer.pages.worklist.feed import LIST_GRANT
from app.viewer.site import MOUNT, Site
from app.viewer.tiles.pictures import PICTURES_ROUTE
from wsi.errors import ReviewError

_STYLE = """
<style>
.ps-case { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 14px; }
.ps-case a { display: block; padding: .6rem; border: 1px solid var(--ps-line, #D5DCE4); border-radius: 8px;
  color: inherit; text-decoration: none; overflow-wrap: anywhere; }
.ps-case a:is(:hover, :focus-visible) { border-color: currentColor; }
/* Thicker outwards: what stands in the cards stays on one line. */
.ps-case a.ps-origin { border-color: var(--ps-accent, #1F5F8B); box-shadow: 0 0 0 1px var(--ps-accent, #1F5F8B); }
.ps-case a.ps-odd { border-color: #B4690E; box-shadow: 0 0 0 1px #B4690E; }
.ps-case a.ps-silent { border-style: dashed; border-color: var(--ps-edge, #B4BFCA); }
.ps-case .ps-two { display: flex; gap: 6px; height: 98px; margin-bottom: .4rem; }
.ps-case img { max-width: calc(50% - 3px); max-height: 96px; object-fit: contain; image-rendering: pixelated; }
.ps-case b, .ps-case small, .ps-case em { display: block; }
.ps-case em { font-style: normal; font-weight: 600; }
.ps-case em i { display: inline-block; width: .72em; height: .72em; margin-right: .4em; border-radius: 2px; }
.ps-case :is(.ps-origin, .ps-odd) small:first-of-type { font-weight: 600; }
</style>
"""
_TO_LIST = '<p class="ps-note"><a href="/?page=cases" target="_self" data-testid="cases">The list of cases</a></p>'


def show(site: Site, token: str) -> None:
    """Draws the page of a case; one line where there is none."""
    own.drawn_anew()
    row = next(iter(site.cases(people.asking(), token)), None)
    if row is None:
        parts.show_error("There is no case of this address among the results", "choose one from the list of cases")
        return
    # No number of a case in a title: browsers keep them.
    st.set_page_config(page_title="Case - pulmoscope")
    st.html(_STYLE)
    states = _states(site, row)
    slides, panel = st.columns([2, 1], gap="medium")
    with slides:
        st.html(_TO_LIST)
        _show_slides(site, row, states)
    with panel:
        _show_call(row)
        decision.show(site, case_to_decide(row), screen=lambda: _screen(row))


def _screen(row: CaseRow) -> Mapping[str, object]:
    """What was on the screen when the case was signed: its slides, each with the result that was shown."""
    return {"page": "case", "slides": {one.row.slide_id: one.result_sha256 for one in row.members}}


def _show_call(row: CaseRow) -> None:
    count = len(row.members)
    st.html(
        f'<div class="ps-slide">Case {parts.safe(row.case)} &nbsp;{parts.chip(row.told.status)}</div>'
        f'<p class="ps-call" data-testid="case-call">{parts.safe(case_words.case_title(row.told, count))}</p>'
        f'<p class="ps-confidence">{parts.safe(case_words.origin_in_words(row.told, count))}</p>'
    )
    reasons = [case_words.case_reason(code) for code in row.told.review_reasons]
    if reasons:
        st.html(
            parts.section("Please look again, because")
            + "".join(
                f'<div class="ps-reason"><b>{parts.safe(one.title)}</b>{parts.safe(one.explanation)}'
                f"<em>{parts.safe(one.what_to_do)}</em></div>"
                for one in reasons
            )
        )


def _show_slides(site: Site, row: CaseRow, states: Mapping[str, ReviewState]) -> None:
    pictures = f"{MOUNT}{PICTURES_ROUTE}/{site.signer.sign(LIST_GRANT, time.time())}"
    cards = "".join(_card(row, one, pictures, states.get(one.row.slide_id)) for one in row.members)
    count = len(row.members)
    title = "One slide" if count == 1 else f"{count} slides, side by side"
    st.html(f'{parts.section(title)}<div class="ps-case">{cards}</div>')


def _card(row: CaseRow, member: CaseMember, pictures: str, state: ReviewState | None) -> str:
    slide_id, slide = member.row.slide_id, member.slide
    # Without words of its own a picture that is not at hand shows nothing.
    shown = "".join(
        f'<img src="{pictures}/{kind}/{parts.safe(slide_id)}" alt="{meaning}" loading="lazy">'
        for kind, meaning in (("slide", ""), ("map", "Its heatmap"))
        if member.result_sha256
    )
    said = [case_words.role_in_words(row.told, slide_id)]
    if slide.is_judged:
        said.append(f"score {figures.percent(slide.tumour_score)}, tumour {figures.area(slide.tumour_mm2)}")
    said += [words.reason(code).title for code in slide.review_reasons]
    failed = member.row.status is SlideStatus.FAILED
    said.append(member.row.message if failed else _signed(member, state))
    return (
        f'<a class="{_look(row.told, slide_id)}" href="/?slide={parts.safe(slide_id)}" target="_self" '
        f'data-testid="case-slide" data-slide-id="{parts.safe(slide_id)}"><span class="ps-two">{shown}</span>'
        f"<b>{parts.safe(f'{member.block} {slide_id}'.strip())}</b><em>{_call(member)}</em>"
        f"{''.join(f'<small>{parts.safe(line)}</small>' for line in said if line)}</a>"
    )


def _look(told: CaseCall, slide_id: str) -> str:
    if slide_id == told.origin:
        return "ps-origin"
    return "ps-odd" if slide_id in told.discordant else "ps-silent" if slide_id in told.silent else ""


def _call(member: CaseMember) -> str:
    """HTML: the call in words beside its colour, which is that of the heatmap."""
    if member.row.status is SlideStatus.FAILED:
        return parts.safe(f"No result: {member.row.error_code}")
    slide = member.slide
    if slide.call == UNDETERMINED:
        return parts.safe(words.CANNOT_TELL)
    colour = class_colours(member.classes, slide.background).get(slide.call, NOT_RECOGNISED)
    return f'<i style="background:{colour}"></i>{parts.safe(words.class_title(slide.call))}'


def _signed(member: CaseMember, state: ReviewState | None) -> str:
    known = state and state.result_sha256 == member.result_sha256 and state.status is ReviewStatus.SIGNED
    return f"slide signed: {review_words.call_of_a_person(state.call)}" if known and state else "slide unsigned"


def _states(site: Site, row: CaseRow) -> Mapping[str, ReviewState]:
    """How far people are with the slides; nothing of it where the records cannot be read: the panel tells that."""
    try:
        return site.reviews.states([one.row.slide_id for one in row.members], seen_by=people.current())
    except ReviewError:
        return {}
