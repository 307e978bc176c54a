"""The decision beside a slide: agree, change the call, cannot tell, a comment; then the signature, and what was added.

A press is kept at once. What a press means is bound when the page is drawn, to the version that was on the screen:
where somebody decided meanwhile, the person is told instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any
from urllib.parse import parse_qsl

import streamlit as st

from aggregate.result import UNDETERMINED, SlideResult
from aggregate.result_folder import committed_digests
from app.review import coverage, words
from app.review.canonical import MAX_COMMENT
from app.review.people import Person, Role
from app.review.records import OTHER, Case, Decision, Reading, ReadingName, SlideRecord, Verdict
from app.review.reviews import Reviews
from app.viewer.catalog import Entry
from app.viewer.pages import parts, people
from app.viewer.pages.assets import asset
from app.viewer.pages.slide import own
from app.viewer.pages.slide.signed import show_readings
from app.viewer.site import Site
from wsi.errors import PulmoscopeError

_TROUBLE, _CHANGING, _PENDING = (f"decision-{name}" for name in ("trouble", "changing", "pending"))
_ADDED, _ADDED_CALL = "addendum-text", "addendum-call"
_ADDRESS, _MAX_ADDRESS = "screen-address", 2000
_ANYBODY = Person("")

Screen = Callable[[], Mapping[str, Any]]
"""Tells what is on the screen at the moment of signing: layer, settings, viewport."""


@dataclass(frozen=True)
class _Desk:
    """What one drawing of the panel is about: fixed when it is drawn, so that a press means what was seen."""

    reviews: Reviews
    case: Case
    who: Person | None
    record: SlideRecord
    turn: ReadingName | None
    screen: Screen
    result: SlideResult | None

    @property
    def reading(self) -> Reading:
        return self.record.reading(self.turn or ReadingName.FIRST)


def show(site: Site, case: Case, result: SlideResult | None = None, *, screen: Screen | None = None) -> None:
    """Draws the panel. A signature keeps what the address tells of the view and, with the `result`, what of its tissue
    was on the screen before, where the browser tells that and the viewer keeps it. What is no slide tells its own
    `screen`."""
    _panel(site.reviews, case, result, screen or partial(_screen, result if site.coverage else None))


def remembered(site: Site, entry: Entry) -> Callable[[], SlideRecord | None]:
    """What people decided on the result, when it is asked for, as this session's person may see it. Raises
    PulmoscopeError when it is asked: a report must not call a signed result unsigned."""
    who, slide_id = people.current(), entry.row.slide_id

    def ask() -> SlideRecord | None:
        digest = committed_digests(entry.result_path)["result_sha256"]
        return site.reviews.seen_by(site.reviews.record(slide_id, digest), who)

    return ask


@st.fragment
def _panel(reviews: Reviews, case: Case, result: SlideResult | None, screen: Screen) -> None:
    st.html(parts.section("Decision"))
    who = people.show()
    _keep_pending(case, who)
    if st.session_state.pop(people.NEW, False) or own.is_behind():
        st.rerun()  # the whole page: what else it shows depends on who looks, and on what is locked
    try:
        kept = reviews.record(case.slide_id, case.result_sha256)
    except PulmoscopeError as error:
        parts.show_error(str(error))
        return
    # Who has no name yet sees the buttons of whoever comes; what they press waits for the name.
    turn = reviews.turn(kept, who or _ANYBODY)
    desk = _Desk(reviews, case, who, reviews.seen_by(kept, who), turn, screen, result)
    if trouble := st.session_state.pop(_TROUBLE, ""):
        parts.show_error(trouble)
    if desk.turn is not None:
        _show_choice(desk)
    _show_signature(desk)
    show_readings(desk.record, desk.result)
    if desk.who is not None and desk.who.role is not Role.READER and _has_signed(desk):
        _show_addendum_form(desk)


def _show_choice(desk: _Desk) -> None:
    """The three buttons, the other calls, the comment, and the button that signs."""
    decision = desk.reading.decision
    if note := _note(desk):
        st.caption(note)
    chosen = decision.verdict if decision else None
    changing = st.session_state.get(_CHANGING) == desk.case.slide_id
    with st.container(horizontal=True, key="decision"):
        _choice("Agree", "decide-agree", chosen is Verdict.AGREE and not changing, _decide, (desk, Verdict.AGREE, ""))
        _choice("Change", "decide-change", changing or chosen is Verdict.CHANGED, _start_changing, (desk,))
        _choice("Cannot tell", "decide-cannot-tell", chosen is Verdict.CANNOT_TELL and not changing, _decide,
                (desk, Verdict.CANNOT_TELL, ""))  # fmt: skip
    if changing or chosen is Verdict.CHANGED:
        _show_calls(desk)
    _show_comment(desk)
    name = desk.who.name if desk.who else ""
    st.button(
        f"Sign as {parts.unmarked(name)}" if name else "Sign",
        type="primary",
        disabled=decision is None or changing,
        on_click=_sign,
        args=(desk,),
        key="sign",
        width="stretch",
    )
    _watch_address()


def _choice(title: str, key: str, chosen: bool, press: Callable[..., None], args: tuple[Any, ...]) -> None:
    st.button(title, key=key, type="primary" if chosen else "secondary", on_click=press, args=args)


def _show_calls(desk: _Desk) -> None:
    decision = desk.reading.decision
    now = decision.call if decision and decision.verdict is Verdict.CHANGED else ""
    if not now:
        st.caption("To which call? By key: 1, 2 and so on.")
    with st.container(horizontal=True, key="calls"):
        for call in (*(name for name in desk.case.classes if name != desk.case.call), OTHER):
            title = words.call_of_a_person(call)
            _choice(title, f"call-{call}", call == now, _decide, (desk, Verdict.CHANGED, call))


def _watch_address() -> None:
    """The view moves in the browser, and asks nobody: its address is told at the moment of signing."""
    _address_element()(key=_ADDRESS, default={"screen": None}, on_screen_change=lambda: None, height=1)


def _show_comment(desk: _Desk) -> None:
    """The comment is kept with the decision as soon as the field is left, or with the next press."""
    decision = desk.reading.decision
    key = _comment_key(desk.case)
    if key not in st.session_state:
        st.session_state[key] = decision.comment if decision else ""
    st.text_area(
        "Comment",
        max_chars=MAX_COMMENT,
        height=68,
        placeholder="In your own words; no patient's name",
        key=key,
        on_change=_keep_comment,
        args=(desk,),
    )


def _show_signature(desk: _Desk) -> None:
    final = desk.reading if desk.turn is not None else desk.record.final
    line = words.status_in_words(final)
    look = "ps-signed" if final and final.signature else "ps-unsigned"
    # Keys press the buttons above while this tells the slide that is shown.
    st.html(
        f'<p class="ps-signature {look}" data-testid="signature" role="status" '
        f'data-ps-of="{parts.safe(desk.case.slide_id)}">{parts.safe(line)}</p>'
    )
    for signature in desk.record.earlier:
        before = parts.unmarked(words.signed_in_words(signature))
        st.caption(f"An earlier result was {before}. The result is another one since, with other findings.")


def _show_addendum_form(desk: _Desk) -> None:
    with st.expander("Add an addendum", key="addendum"), st.form("addendum-form", border=False, clear_on_submit=True):
        st.text_area("What is to be added", max_chars=MAX_COMMENT, height=68, key=_ADDED)
        calls = ["", *desk.case.classes, UNDETERMINED, OTHER]
        st.selectbox("The call", calls, format_func=_addendum_call, key=_ADDED_CALL)
        st.form_submit_button("Add and sign", on_click=_add, args=(desk,), key="add-addendum")


def _add(desk: _Desk) -> None:
    text, call = str(st.session_state.get(_ADDED) or ""), str(st.session_state.get(_ADDED_CALL) or "")
    _kept(desk, lambda who: desk.reviews.add_addendum(desk.case, who, text, call=call))


def _addendum_call(call: str) -> str:
    return words.call_of_a_person(call) if call else "stays as it is"


def _note(desk: _Desk) -> str:
    if desk.turn is ReadingName.CONSENSUS:
        return "The two readings differ. What you decide and sign now is the consensus."
    if desk.turn is ReadingName.SECOND:
        return "Second reading: what the first reader decided is hidden until you have signed."
    return ""


def _has_signed(desk: _Desk) -> bool:
    return desk.turn is None and desk.record.final is not None and desk.record.final.signature is not None


def _start_changing(desk: _Desk) -> None:
    st.session_state[_CHANGING] = desk.case.slide_id


def _decide(desk: _Desk, verdict: Verdict, call: str) -> None:
    st.session_state.pop(_CHANGING, None)
    text = str(st.session_state.get(_comment_key(desk.case), ""))
    shown = _shown(desk)
    decision = shown.decision
    if decision and (decision.verdict, decision.comment) == (verdict, text) and call in ("", decision.call):
        return
    desk_case, seen = desk.case, shown.version
    kept = _kept(desk, lambda who: desk.reviews.decide(
        desk_case, verdict, who, call=call, comment_text=text, seen=seen))  # fmt: skip
    if isinstance(kept, Decision):
        own.remember(desk.case, kept)


def _keep_comment(desk: _Desk) -> None:
    if decision := _shown(desk).decision:
        call = decision.call if decision.verdict is Verdict.CHANGED else ""
        _decide(desk, decision.verdict, call)


def _sign(desk: _Desk) -> None:
    # Who writes a comment and presses the button at once has both in one message: the comment is kept first.
    _keep_comment(desk)
    if _TROUBLE not in st.session_state:
        seen = _shown(desk).content_sha256
        if _kept(desk, lambda who: desk.reviews.sign(desk.case, who, content_sha256=seen, screen=desk.screen())):
            own.fall_behind()


def _shown(desk: _Desk) -> Reading:
    """The reading as it was drawn, and what this session itself kept since: no conflict with oneself."""
    return own.with_own(desk.reading, desk.case)


def _kept(desk: _Desk, keep: Callable[[Person], object]) -> object:
    """What was kept; or None, and the line why that the next drawing shows."""
    if desk.who is None:
        st.session_state[_PENDING] = (desk.case, keep)
        st.session_state[_TROUBLE] = "Tell your name, and it is kept"
        return None
    return _attempt(keep, desk.who)


def _keep_pending(case: Case, who: Person | None) -> None:
    """What was pressed before the name was told."""
    pending = st.session_state.get(_PENDING)
    if pending is None or (who is None and pending[0] == case):
        return
    del st.session_state[_PENDING]
    if who is not None and pending[0] == case:
        _attempt(pending[1], who)


def _attempt(keep: Callable[[Person], object], who: Person) -> object:
    try:
        people.check_still(who)
        return keep(who)
    except PulmoscopeError as error:
        st.session_state[_TROUBLE] = error.detail
        return None


def _comment_key(case: Case) -> str:
    return f"comment-{case.slide_id}"


def _screen(result: SlideResult | None = None) -> dict[str, Any]:
    """What the page's address told of the view when the button was pressed: place, magnification, layer, opacity; and
    what of the `result` had been on the screen."""
    told = dict(st.session_state.get(_ADDRESS) or {}).get("screen")
    told = told if isinstance(told, Mapping) else {}
    words = parse_qsl(str(told.get("address") or "").lstrip("?")[:_MAX_ADDRESS]) or list(st.query_params.items())
    screen: dict[str, Any] = {name: value for name, value in words if name not in ("slide", "token", coverage.KEY)}
    seen = coverage.taken_in(told.get("coverage"), result) if result else None
    return screen if seen is None else {**screen, coverage.KEY: seen}


@lru_cache
def _address_element() -> Any:
    return st.components.v2.component("pulmoscope_screen", html="<span></span>", js=asset("screen.js"))
