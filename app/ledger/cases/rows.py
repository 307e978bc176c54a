"""One row a case: its slides as they are now in an output, and what the rule makes of them. Reads no array."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aggregate.case.rule import CaseCall, CaseSlide, call_case
from aggregate.result import SlideStatus
from aggregate.result_folder import committed_digest, load_summary, result_path
from app.ledger.cases.members import Member, read_members
from app.ledger.locks import lock
from app.ledger.records import SlideRow
from app.ledger.table import read_table
from wsi.errors import StoreError
from wsi.files.csv_cells import csv_line, inert
from wsi.files.writing import unwritable, write_file

CASES_CSV = "cases.csv"
# A case must not be called by the slides that happen to be done: one that is not counts as failed.
NOT_RUN = "not-run"
_NOT_RUN = "this slide was told of the case and was not run yet"


@dataclass(frozen=True)
class CaseMember:
    """One slide of a case. The digests are its result's, empty where it has none."""

    row: SlideRow
    block: str
    slide: CaseSlide
    classes: tuple[str, ...] = ()
    result_sha256: str = ""
    slide_sha256: str = ""
    model_sha256: str = ""

    @property
    def is_missing(self) -> bool:
        """Told of the case and without a row yet: another part of the batch has it, or nobody ran it."""
        return self.row.error_code == NOT_RUN


@dataclass(frozen=True)
class CaseRow:
    """A case with its members, by block and id."""

    case: str
    token: str
    members: tuple[CaseMember, ...]
    told: CaseCall

    @property
    def origin(self) -> CaseMember | None:
        return next((one for one in self.members if one.row.slide_id == self.told.origin), None)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for one in self.members for name in one.classes))

    @property
    def judged(self) -> int:
        return sum(one.slide.is_judged for one in self.members)

    @property
    def failed(self) -> int:
        return sum(one.row.status is SlideStatus.FAILED for one in self.members)

    def cells(self, classes: Sequence[str]) -> dict[str, str]:
        """Column name -> text, inert for a spreadsheet; probabilities and confidence are the slide of origin's."""
        origin = self.origin
        probabilities = origin.slide.probabilities if origin else {}
        calls = Counter(one.slide.call or str(one.row.status) for one in self.members)
        return {
            "case": inert(self.case),
            "blocks": inert(";".join(dict.fromkeys(one.block for one in self.members if one.block))),
            "slides": str(len(self.members)),
            "judged": str(self.judged),
            "failed": str(self.failed),
            "missing": inert(";".join(one.row.slide_id for one in self.members if one.is_missing)),
            "status": str(self.told.status),
            "call": inert(self.told.call),
            "origin_slide": inert(self.told.origin),
            "origin_block": inert(origin.block if origin else ""),
            **{f"p_{name}": _number(probabilities.get(name)) for name in classes},
            "confidence": _number(origin.slide.confidence if origin else None),
            "review_reasons": ";".join(self.told.review_reasons),
            "slide_calls": inert(";".join(f"{call} {count}" for call, count in calls.most_common())),
        }


def case_rows(out: Path, rows: Mapping[str, SlideRow] | None = None, token: str = "") -> list[CaseRow]:
    """Every case that was told of an output, by its name, or the one of `token`; empty where none was.

    `rows`, by slide id, stand in for the output's table. A slide that was told and has no row is missing, not left out.
    """
    members = {name: one for name, one in read_members(out).items() if token in ("", one.token)}
    if rows is None:
        rows = read_table(out).rows if members else {}
    by_case: dict[tuple[str, str], list[CaseMember]] = {}
    for slide_id, member in members.items():
        row = rows.get(slide_id) or SlideRow(slide_id, "", SlideStatus.FAILED, error_code=NOT_RUN, message=_NOT_RUN)
        by_case.setdefault((member.case, member.token), []).append(_member(out, row, member))
    return [case_of(case, token, found) for (case, token), found in sorted(by_case.items())]


def case_of(case: str, token: str, members: Iterable[CaseMember]) -> CaseRow:
    """The case of these slides, one at least."""
    ordered = tuple(sorted(members, key=lambda one: (one.block, one.row.slide_id)))
    return CaseRow(case, token, ordered, call_case([one.slide for one in ordered]))


def cases_bytes(rows: Sequence[CaseRow], further: Mapping[str, Mapping[str, str]] | None = None) -> bytes:
    """The table of cases as the bytes of its file; `further` are more columns, by the case's token."""
    classes = tuple(dict.fromkeys(name for row in rows for name in row.classes))
    known = further or {}
    lines = [{**row.cells(classes), **known.get(row.token, {})} for row in rows]
    header = tuple(dict.fromkeys(name for line in lines for name in line))
    cells = [[line.get(name, "") for name in header] for line in lines]
    return "".join(map(csv_line, (header, *cells))).encode("utf-8", "backslashreplace")


def write_cases(out: Path) -> bool:
    """Brings `OUT/cases.csv` up to date, where there are cases; whether there are. Of several runs that end at once
    the last one to write has seen what all did. Raises OutputUnwritableError."""
    try:
        with lock(out, CASES_CSV):
            if rows := case_rows(out):
                write_file(out / CASES_CSV, cases_bytes(rows))
    except OSError as error:
        raise unwritable(str(out / CASES_CSV), error) from error
    return bool(rows)


def _member(out: Path, row: SlideRow, member: Member) -> CaseMember:
    """A slide whose last run failed is failed, though an older result may lie there."""
    path = result_path(out, row.slide_id)
    if row.status is not SlideStatus.FAILED:
        with contextlib.suppress(StoreError, KeyError, TypeError, ValueError):
            return _finished(row, member, load_summary(path), committed_digest(path))
    return CaseMember(row, member.block, CaseSlide(row.slide_id, SlideStatus.FAILED))


def _finished(row: SlideRow, member: Member, summary: Mapping[str, Any], result_sha256: str) -> CaseMember:
    slide = CaseSlide(
        row.slide_id,
        SlideStatus(summary["status"]),
        summary["call"],
        summary["background"],
        {name: p for name, p in summary["probabilities"].items() if p is not None},
        _float(summary["confidence"]),
        tuple(summary["review_reasons"]),
        _float(summary["qc"].get("tumour_mm2")),
    )
    model = summary["provenance"].get("model", {})
    return CaseMember(
        row,
        member.block,
        slide,
        tuple(summary["classes"]),
        result_sha256,
        summary["slide"]["sha256"],
        str(model.get("sha256", "")),
    )


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.6f}"
