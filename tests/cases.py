"""A made cohort of 30 cases of 1 to 5 slides whose answer is known, as `run` leaves it; no slide is read."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

from aggregate import store
from aggregate.result import SlideResult
from app.ledger.cases.members import note_members
from app.ledger.cases.rows import write_cases
from app.ledger.prepare import prepare_output
from app.ledger.records import SlideRow, write_rows
from tests.results import CLASSES, make_result

AD, NORMAL, SCC = CLASSES
# Probabilities in the order of CLASSES, and cells of so much tumour.
_LOOKS = {
    AD: ((0.93, 0.03, 0.04), "000011 000111 111111"),
    SCC: ((0.02, 0.05, 0.93), "222211 222111 111111"),
    NORMAL: ((0.02, 0.96, 0.02), "111111 111111 111111"),
    "small": ((0.70, 0.25, 0.05), "111111 111001 111001"),
}


@dataclass(frozen=True)
class MadeCase:
    """`slides` are what each slide is made as: a call, ``small`` (a small adenocarcinoma) or ``failed``; `call` is the
    case's, `reasons` those that it must have."""

    name: str
    slides: tuple[str, ...]
    call: str
    reasons: tuple[str, ...] = ()

    def slide_id(self, at: int) -> str:
        return f"{self.name.replace('/', '-')}-{chr(ord('A') + at)}"


def made_cases() -> list[MadeCase]:
    """Two with one small tumour on one slide of several, two discordant, one with a failed slide; 25 clear ones."""
    special = [
        MadeCase("26/0001", (NORMAL, NORMAL, "small", NORMAL, NORMAL), AD, ("tumour-on-one-slide",)),
        MadeCase("26/0002", (NORMAL, "small"), AD, ("tumour-on-one-slide",)),
        MadeCase("26/0003", (AD, AD, SCC), AD, ("slides-disagree",)),
        MadeCase("26/0004", (SCC, SCC, AD, NORMAL), SCC, ("slides-disagree",)),
        MadeCase("26/0005", (NORMAL, "failed", NORMAL), NORMAL, ("slide-failed",)),
    ]
    rng = random.Random(5)
    clear = []
    for number in range(6, 31):
        call = rng.choice((AD, SCC, NORMAL))
        clear.append(MadeCase(f"26/{number:04d}", (call,) * rng.randint(1, 5), call))
    return special + clear


def made_result(slide_id: str, kind: str, tumour_mm2: float = 40.0) -> SlideResult:
    probabilities, cells = _LOOKS[kind]
    call = AD if kind == "small" else kind
    area = 0.0 if kind == NORMAL else 0.4 if kind == "small" else tumour_mm2
    result = make_result(slide_id, call=call, probabilities=probabilities, cells=cells, file=f"{slide_id}.svs")
    return replace(result, qc={**result.qc, "tumour_mm2": area})


def write_cohort(out: Path, cases: list[MadeCase] | None = None) -> list[MadeCase]:
    """The results, `slides.csv`, `slide-cases.csv` and `cases.csv` of the made cases in `out`."""
    cases = made_cases() if cases is None else cases
    prepare_output(out)
    rows, members = [], {}
    for case in cases:
        for at, kind in enumerate(case.slides):
            slide_id = case.slide_id(at)
            members[slide_id] = (case.name, f"{chr(ord('A') + at)}1")
            if kind == "failed":
                rows.append(SlideRow(slide_id, f"/gone/{slide_id}.svs", "failed", error_code="corrupt-slide",
                                     message="it broke off"))  # fmt: skip
                continue
            # Of two types on one case the more frequent has more tumour.
            result = made_result(slide_id, kind, 40.0 if case.slides.count(kind) > 1 else 5.0)
            store.save(result, out)
            rows.append(SlideRow.of_result(result))
    write_rows(out / "slides.csv", sorted(rows, key=lambda row: row.slide_id), CLASSES)
    note_members(out, members)
    write_cases(out)
    return cases
