"""A laboratory's proof, step by step: what is asked is read and checked, the plan written down, the slides run, the
figures made and judged, the dossier written and sealed. How slides are run and shown is the caller's affair."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.batch.ids import settle_ids
from app.batch.inputs import collect_jobs
from app.batch.job import SlideJob
from app.batch.pseudonyms import pseudonymize
from app.commissioning.cover import PASSED
from app.commissioning.dossier import Proof, document_of, to_json
from app.commissioning.findings import find
from app.commissioning.given.criteria import read_criteria
from app.commissioning.given.labels import Label, match, read_labels
from app.commissioning.outcomes import Outcome, outcome_of, patients
from app.commissioning.pages.dossier_pdf import render_pdf
from app.commissioning.pages.instructions import render_instructions
from app.commissioning.plan import RESULTS, Plan, order_of, settle
from app.commissioning.readers import ReadingsFile, Ways, beside_model, compare_ways, read_readings
from app.commissioning.seal import CRITERIA, DOSSIER_JSON, DOSSIER_PDF, INSTRUCTIONS, SEAL, seal_files
from app.config import RunConfig
from app.ledger.audit import AUDIT, AuditLog, audit_key, check_chain
from app.ledger.records import SlideRow
from classifier.evaluation.readers.study import ReaderStudy
from classifier.model_folder.card import ModelCard
from classifier.site.files import read_site
from wsi.errors import StoreError, UsageError
from wsi.spacing import FillIn

RunSlides = Callable[[Sequence[SlideJob], RunConfig, ModelCard], Sequence[SlideRow] | None]
"""Runs jobs and gives a row each; None where somebody stopped it."""


@dataclass(frozen=True)
class Request:
    """What a laboratory gives: slides, its files, and where the dossier is to lie."""

    inputs: tuple[Path, ...]
    labels: Path
    criteria: Path
    out: Path
    readers: Path | None = None
    key_file: Path | None = None
    mpp: float | None = None


@dataclass(frozen=True)
class Made:
    """A dossier that was written: what it says, and its digest."""

    document: dict[str, Any]
    sha256: str

    @property
    def passed(self) -> bool:
        return bool(self.document["verdict"] == PASSED)


def plan_of(request: Request, card: ModelCard, config: RunConfig) -> Plan:
    """Everything that was given, read and found to make sense. Raises UsageError, SiteError."""
    labels = read_labels(request.labels, card.classes)
    criteria = read_criteria(request.criteria, card.classes, card.background)
    readings = None
    if request.readers:
        readings = read_readings(request.readers, card.classes, [row.slide for row in labels.rows])
    mpp = None if request.mpp is None else FillIn(request.mpp)
    jobs = collect_jobs(request.inputs, None, mpp=mpp, skip=request.out)
    material = match(labels, jobs, request.labels.parent)
    config = replace(config, out=(request.out / RESULTS).absolute())
    return Plan(criteria, material, labels.sha256, readings, card, config, _site_slides(config))


def _site_slides(config: RunConfig) -> frozenset[str]:
    """Fingerprints of the slides that made the site profile."""
    return frozenset(read_site(Path(config.site)).made.slide_sha256) if config.site else frozenset()


def prove(plan: Plan, request: Request, run: RunSlides) -> Made | None:
    """Runs the plan and writes its dossier; None where somebody stopped the run: give the same again to go on.

    Raises UsageError, ModelError, SiteError, StoreError, OutputUnwritableError.
    """
    key = audit_key()
    if (request.out / SEAL).exists():
        raise UsageError(f"{request.out} holds a dossier already", hint="choose another --out")
    settle(plan, request.out)
    jobs = _with_ids(plan, request.key_file)
    rows = run(jobs, plan.config, plan.card)
    if rows is None:
        return None
    outcomes = _outcomes(plan, jobs, rows)
    proof = _proof(plan, outcomes, sealed=key is not None)
    document = document_of(proof)
    content = to_json(document)
    contents = {
        DOSSIER_JSON: content,
        DOSSIER_PDF: render_pdf(document),
        CRITERIA: plan.criteria.content,
        INSTRUCTIONS: render_instructions(document, plan.card, hashlib.sha256(content).hexdigest()),
    }
    digest = seal_files(request.out, contents, key)
    AuditLog(plan.config.out, plan.config.who, plan.config.run_id).record(
        "dossier", "", {"dossier_sha256": digest}, durable=True
    )
    return Made(document, digest)


def _with_ids(plan: Plan, key_file: Path | None) -> list[SlideJob]:
    """In the order of the labels."""
    if key_file:
        return pseudonymize(plan.material.jobs, key_file, plan.config.out)
    return settle_ids(plan.material.jobs, plan.config.out)


def _outcomes(plan: Plan, jobs: Sequence[SlideJob], rows: Sequence[SlideRow]) -> tuple[Outcome, ...]:
    row_of = {row.slide_id: row for row in rows}
    missing = [job.slide_id for job in jobs if job.slide_id not in row_of]
    if missing:
        raise StoreError(f"{len(missing)} slides came to no end ({missing[0]}, ...)", hint="give the same again")
    labelled = zip(jobs, plan.material.labels, strict=True)
    return tuple(outcome_of(row_of[job.slide_id], label, plan.config.out, plan.card.classes) for job, label in labelled)


def _proof(plan: Plan, outcomes: tuple[Outcome, ...], *, sealed: bool) -> Proof:
    chain = check_chain(plan.config.out / AUDIT, audit_key())
    if chain.problems:
        raise StoreError(f"the dossier's audit log: {chain.problems[0]}", hint="begin again with another --out")
    study, ways = _readers(plan, outcomes)
    return Proof(
        plan=plan,
        outcomes=outcomes,
        findings=find(outcomes, plan.card.classes, plan.criteria.positive),
        study=study,
        ways=ways,
        order=order_of(plan.config.out),
        head=chain.head,
        sealed=sealed,
        made=datetime.now(UTC),
    )


def _readers(plan: Plan, outcomes: Sequence[Outcome]) -> tuple[ReaderStudy | None, Ways | None]:
    if plan.readings is None:
        return None, None
    both = list(zip(plan.material.labels, outcomes, strict=True))
    return _beside(plan.readings, both, plan.card.classes), compare_ways(
        plan.readings,
        {label.slide: label.label in plan.criteria.positive for label, _ in both},
        {label.slide: one.patient for label, one in both},
    )


def _beside(
    readings: ReadingsFile, both: Sequence[tuple[Label, Outcome]], classes: Sequence[str]
) -> ReaderStudy | None:
    judged = [(label, one) for label, one in both if one.judged]
    return beside_model(
        readings,
        [label.slide for label, _ in judged],
        [one.call for _, one in judged],
        [label.label for label, _ in judged],
        classes,
        patients([one for _, one in judged]),
    )
