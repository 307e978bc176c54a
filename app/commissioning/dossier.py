"""The dossier of a proof as one JSON document: what was asked, found and judged, and everything that it rests on.

`docs/dossier.schema.json` is its JSON Schema. No patient's name and no path of a slide stands in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aggregate.result import UNDETERMINED, SlideStatus
from app.commissioning.cover import FAILED as VERDICT_FAILED
from app.commissioning.cover import PASSED, covers_of
from app.commissioning.findings import FAILED, Findings
from app.commissioning.given.criteria import Judged, judge
from app.commissioning.outcomes import Outcome
from app.commissioning.plan import Order, Plan
from app.commissioning.readers import Ways, ways_to_dict
from app.commissioning.reporting_items import READERS, SECTIONS, answered, left
from app.commissioning.seal import SCHEMA, SCHEMA_VERSION
from app.presentation.words import RESEARCH_USE
from classifier.evaluation.intervals import FEW_GROUPS, MIN_GROUPS, Figure
from classifier.evaluation.readers.study import ReaderStudy

# Evans et al. 2022 (doi 10.5858/arpa.2020-0723-CP): one application of a whole slide imaging system.
CAP_CASES = 60


@dataclass(frozen=True)
class Proof:
    """Everything that was found. `head` is the audit log's after the run, `sealed` whether it is sealed with a key."""

    plan: Plan
    outcomes: tuple[Outcome, ...]
    findings: Findings
    study: ReaderStudy | None
    ways: Ways | None
    order: Order
    head: str
    sealed: bool
    made: datetime

    @property
    def judged(self) -> tuple[Judged, ...]:
        return tuple(judge(one, self.findings.asked(one)) for one in self.plan.criteria.criteria)

    @property
    def verdict(self) -> str:
        return PASSED if all(one.met for one in self.judged) else VERDICT_FAILED


def document_of(proof: Proof) -> dict[str, Any]:
    plan, findings = proof.plan, proof.findings
    card, classes = plan.card, plan.card.classes
    model = {"name": card.name, "version": card.version, "sha256": card.digest}
    sections = frozenset(SECTIONS) - (frozenset() if proof.study else {READERS})
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "research_use": RESEARCH_USE,
        "title": plan.criteria.title,
        "verdict": proof.verdict,
        "made": proof.made.astimezone(UTC).isoformat(timespec="seconds"),
        "valid_until": (proof.made + timedelta(days=plan.criteria.valid_days)).date().isoformat(),
        "who": plan.config.who,
        "covers": covers_of(plan.config, model),
        "synthetic": card.synthetic,
        "classes": list(classes),
        "positive": list(plan.criteria.positive),
        "criteria": [one.to_dict() for one in proof.judged],
        "notes": list(notes_of(proof)),
        "pinned": {**plan.to_dict(), **_pinned(proof)},
        "slides": [_slide(one) for one in proof.outcomes],
        "figures": {name: one.to_dict() for name, one in findings.figures.items()},
        "confusion": {
            "labels": list(classes),
            "calls": [*classes, UNDETERMINED, FAILED],
            "counts": [list(row) for row in findings.confusion],
        },
        "subgroups": [_plain(one) for one in findings.subgroups],
        "calibration": {"told": findings.calibration.told},
        "coverage": [_plain(one) for one in findings.coverage],
        "roc": [list(point) for point in findings.roc],
        "net_benefit": [asdict(one) for one in findings.net_benefit],
        "readers": proof.study.to_dict() if proof.study else None,
        "ways": ways_to_dict(proof.ways) if proof.ways else None,
        "review_reasons": dict(findings.reasons),
        "errors": dict(findings.errors),
        "reporting": {
            "answered": [asdict(one) for one in answered(sections)],
            "left": [asdict(one) for one in left(sections)],
        },
    }


def to_json(document: Mapping[str, Any]) -> bytes:
    """ASCII, so that every reader takes it; a number that is not defined is null."""
    return (json.dumps(_without_nan(document), indent=2, allow_nan=False) + "\n").encode("ascii")


def notes_of(proof: Proof) -> tuple[str, ...]:
    """What whoever reads the figures must know first."""
    return tuple(_notes_on_size(proof)) + tuple(_notes_on_method(proof))


def _notes_on_size(proof: Proof) -> list[str]:
    slides, patients = (int(proof.findings.figures[name].value) for name in ("slides", "patients"))
    notes = []
    if slides < CAP_CASES:
        notes.append(
            f"{slides} slides: fewer than the {CAP_CASES} cases that the College of American Pathologists asks for "
            "where viewing on a screen is validated. Others of your slides may give other figures."
        )
    if patients < MIN_GROUPS:
        notes.append(f"{patients} patients: under {MIN_GROUPS} no interval is told.")
    elif patients < FEW_GROUPS:
        notes.append(f"{patients} patients: under {FEW_GROUPS} intervals tend to be too narrow.")
    if not all(label.patient for label in proof.plan.material.labels):
        notes.append(
            "The labels tell no patient for some slides; each counts as a patient of its own. If it is not, intervals "
            "are too narrow."
        )
    if any(label.by_case for label in proof.plan.material.labels):
        notes.append(
            "The labels tell the case and no patient for some slides; each case counts as a patient. Where a patient "
            "has several, intervals are too narrow."
        )
    return notes


def _notes_on_method(proof: Proof) -> list[str]:
    notes = []
    if proof.plan.card.synthetic:
        notes.append("SYNTHETIC model: it learned from drawings. These figures say nothing of real lungs.")
    order = proof.order
    if 0 < order.plan < (order.first_result or order.lines + 1):
        notes.append(
            f"The criteria's digest stands in line {order.plan} of the audit log, before the first slide (line "
            f"{order.first_result}). That shows that they were there when the slides were run for this dossier, not "
            "that nobody had run them elsewhere before."
        )
    else:
        notes.append("The audit log does not show that the criteria were there before the first slide.")
    shared = sum(one.sha256 in proof.plan.site_slides for one in proof.outcomes)
    if shared:
        notes.append(f"{shared} of the slides also made the site profile (without labels): figures may read too high.")
    if proof.plan.material.unlabelled:
        notes.append(f"{proof.plan.material.unlabelled} slides were found without a label and left out.")
    if not proof.sealed:
        notes.append("Sealed without an audit key: the seal shows damage, not who made the dossier.")
    return notes


def _pinned(proof: Proof) -> dict[str, Any]:
    return {
        "runtimes": sorted({one.runtime for one in proof.outcomes if one.runtime}),
        "audit": {"head": proof.head, "lines": proof.order.lines, "plan_line": proof.order.plan},
        "sealed_with_key": proof.sealed,
    }


def _slide(one: Outcome) -> dict[str, Any]:
    return {
        "slide_id": one.slide_id,
        "sha256": one.sha256,
        "label": one.label,
        "call": one.call if one.judged else (FAILED if one.status is SlideStatus.FAILED else UNDETERMINED),
        "status": str(one.status),
        "probabilities": dict(one.probabilities),
        "scanner": one.scanner,
        "stain": one.stain,
        "review_reasons": list(one.reasons),
        "seconds": one.seconds,
        "error_code": one.error_code,
    }


def _plain(record: Any) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in record.__dataclass_fields__}
    return {name: value.to_dict() if isinstance(value, Figure) else value for name, value in values.items()}


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
