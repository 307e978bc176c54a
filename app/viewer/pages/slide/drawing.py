"""Regions that a person draws on the slide: kept as they come from the browser, and told to it as they stand.

A browser sends each act under an id of its own until it was answered, so that none is lost and none is kept twice. What
it draws with is `component/drawing/`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from aggregate.result import SlideResult
from aggregate.result_folder import committed_digests
from app.presentation import colours
from app.presentation.figures import moment
from app.review import words
from app.review.coverage import FIGURE_STEP, STEPS, grid_of, replayed, runs_of, stored
from app.review.geojson import parse_drawn, take_in
from app.review.people import Person
from app.review.records import Case, ReadingName, Region, Shape, SlideRecord
from app.review.reviews import Reviews
from app.viewer.pages import people
from app.viewer.pages.slide import own
from wsi.errors import PulmoscopeError, UsageError

_ANSWERS = "drawn-answers"
# A browser sends what is not answered yet: a handful.
_MOST_ACTS = 100
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAMELESS = "Tell your name beside the slide, and what you drew is kept"
_LOCKED = "This slide is signed, and its regions are locked. What comes later is an addendum."
_LOOKS_ONLY = "Your role looks and does not draw."
_ANYBODY = Person("")


def case_of(result: SlideResult, path: Path) -> Case:
    """What is decided on and drawn: the result at `path`. Raises PulmoscopeError."""
    return Case.of(result, committed_digests(path)["result_sha256"])


@dataclass(frozen=True, eq=False)
class Board:
    """Where regions of one result are drawn."""

    reviews: Reviews
    case: Case
    result: SlideResult
    who: Person | None
    """For whom the page was drawn."""
    coverage: bool = True
    """Whether what was on the screen is kept with a signature."""

    def keep(self, told: object) -> None:
        """Keeps what `told` (the element's own state) holds and was not answered yet; waits for who has no name."""
        who = self.who or people.current()
        if who is None:
            return
        answers = st.session_state.setdefault(_ANSWERS, {})
        for act in acts(told, self.case.slide_id):
            if act["id"] not in answers:
                answers[act["id"]] = self._kept(act, who)
                own.fall_behind()

    def facts(self, told: object) -> Mapping[str, Any]:
        """What the browser is told: the regions as this person may see them, and which acts were answered with what
        (empty: kept)."""
        who, answers = self.who, st.session_state.get(_ANSWERS, {})
        sent = [str(act["id"]) for act in acts(told, self.case.slide_id)]
        answered = {name: answers[name] for name in sent if name in answers}
        facts = {
            "answered": answered,
            "classes": _classes(self.result),
            "nameless": "" if who else _NAMELESS,
            "may": False,
            "why": "",
            "regions": [],
        }
        try:
            kept = self.reviews.record(self.case.slide_id, self.case.result_sha256)
        except PulmoscopeError as error:
            return {**facts, "why": error.detail}
        turn = self.reviews.turn(kept, who or _ANYBODY)
        why = "" if turn else _LOCKED if kept.final and kept.final.signature else _LOOKS_ONLY
        regions = list(_regions(self.reviews.seen_by(kept, who), turn))
        return {**facts, "may": turn is not None, "why": why, "regions": regions}

    def coverage_facts(self) -> Mapping[str, Any] | None:
        """What the browser is told of the cells that it counts what was on the screen in, and what was signed of it;
        None where nothing is counted: switched off, or not theirs to sign."""
        grid = grid_of(self.result) if self.coverage else None
        try:
            kept = self.reviews.record(self.case.slide_id, self.case.result_sha256)
        except PulmoscopeError:
            return None
        turn, final = self.reviews.turn(kept, self.who or _ANYBODY), self.reviews.seen_by(kept, self.who).final
        told = stored(final.signature.screen) if turn is None and final and final.signature else None
        signed = replayed(told, self.result) if told else None
        if grid is None or (turn is None and signed is None):
            return None
        return {
            **asdict(grid),
            "steps": STEPS,
            "figure": FIGURE_STEP,
            "of": self.case.result_sha256[:16],
            "reader": hashlib.sha256(repr(self.who.key).encode()).hexdigest()[:16] if self.who else "",
            "signed": {"runs": runs_of(signed.seen)} if signed else None,
        }

    def _kept(self, act: Mapping[str, Any], who: Person) -> str:
        """Empty, or why it was not kept."""
        try:
            people.check_still(who)
            for region in self._keep(act, who):
                own.remember(self.case, region)
        except PulmoscopeError as error:
            return error.detail
        return ""

    def _keep(self, act: Mapping[str, Any], who: Person) -> list[Region]:
        match act:
            case {"act": "remove", "region": str(name), "seen": int(seen)}:
                return [self.reviews.remove_region(self.case, who, name, seen=seen)]
            case {"act": "bring", "text": str(text)}:
                return self._bring(text.encode("utf-8", "replace"), who)
            case {
                "act": "keep",
                "region": str(name),
                "seen": int(seen),
                "shape": "polygon" | "rectangle" as shape,
                "rings": list(rings),
                "name": str(title),
                "comment": str(comment),
            } if _ID.fullmatch(name) or seen:
                add = partial(self.reviews.add_region, region_id=name, seen=seen)
                drawn = _listed(rings)
                return [add(self.case, who, Shape(shape), drawn, class_name=title, comment_text=comment)]
        raise UsageError("what the page sent is no region", hint="reload it")

    def _bring(self, content: bytes, who: Person) -> list[Region]:
        """The regions of a GeoJSON file, as QuPath exports them; those of the heatmap are our own."""
        from app.reports.geojson_report import render_geojson, scanned_part

        ours = [feature["id"] for feature in json.loads(render_geojson(self.result))["features"]]
        corner_px, outputs = scanned_part(self.result)[:2], self.result.outputs
        drawn, no_area = parse_drawn(content, "this file", corner_px, ours, outputs)
        if not drawn:
            raise UsageError(f"this file holds no new region ({no_area} of its features are no area)")
        return take_in(self.reviews, self.case, who, drawn)


def acts(told: object, slide_id: str) -> list[Mapping[str, Any]]:
    """The acts that a browser sent for this slide; what is none is passed over."""
    match told:
        case {"view": view, "acts": list(sent)} if view == slide_id:
            known = (one for one in sent[:_MOST_ACTS] if isinstance(one, Mapping))
            return [one for one in known if _ID.fullmatch(str(one.get("id")))]
    return []


def _listed(rings: list[Any]) -> Sequence[Any]:
    if not all(isinstance(ring, list) for ring in rings):
        raise UsageError("a region is a list of rings")
    return rings


def _classes(result: SlideResult) -> list[dict[str, str]]:
    palette = colours.class_colours(result.classes, result.background, result.tissues)
    titles = {name: words.call_of_a_person(name) for name in (*result.classes, *result.tissues)}
    return [{"name": name, "title": title, "colour": palette[name]} for name, title in titles.items()]


def _regions(record: SlideRecord, turn: ReadingName | None) -> Iterator[dict[str, Any]]:
    for reading in record.readings:
        mine = reading.name is turn and reading.signature is None
        for region in reading.regions:
            yield {
                "id": region.region_id,
                "version": region.version,
                "shape": str(region.shape),
                "rings": region.rings,
                "name": region.class_name,
                "comment": region.comment,
                "by": f"{words.reading_title(reading.name)}, {region.by.name}, {moment(region.at)}",
                "mine": mine,
            }
