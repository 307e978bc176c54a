"""Whether a stored result still stands for a slide, and whether all that it tells is still so.

`app.config` says which options change a result and which only how fast it comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aggregate import store
from aggregate.provenance import Provenance
from aggregate.result import SlideResult
from app.batch.job import SlideJob
from app.config import RunConfig
from app.ledger.audit import AuditLog
from classifier.model import TileModel
from wsi import open_slide
from wsi.files.fingerprint import fingerprint
from wsi.metadata import public_label
from wsi.spacing import MPP_OTHERWISE, FillIn


def what_changed(target: Path, job: SlideJob, config: RunConfig, model: TileModel) -> tuple[str, ...] | None:
    """Why a stored result does not stand for this slide, model and configuration; empty where it does.

    `program`: it was made by other rules than this program's (`app.config.METHODS`).
    None where there is no result yet. Raises UnreadableFileError where the slide cannot be read.
    """
    if not target.exists():
        return None
    # Every byte is read; that the arrays hold what was found was seen when it was stored, and costs ten times as much.
    if store.altered(target):
        return ("damage",)
    summary = store.load_summary(target)
    provenance = Provenance.from_dict(summary["provenance"])
    differs = config.differs_in(job.mpp, provenance.config, provenance.config_sha256, job.mask_sha256)
    same = {
        "slide": summary["slide"]["sha256"] == fingerprint(job.path),
        "model": provenance.model.sha256 == model.card.digest,
        "program": "program" not in differs,
        "configuration": "configuration" not in differs
        and provenance.model.runtime == model.runtime
        and _same_mpp(summary, job, config),
        "reader": _same_reader(summary, config.reader),
    }
    return tuple(name for name, is_same in same.items() if not is_same)


def told_otherwise(target: Path, job: SlideJob, config: RunConfig, model: TileModel) -> dict[str, Any]:
    """What the stored result only tells and would tell otherwise now, by name: the manifest's label, and the dossier
    that covers this run. A run that is held to none leaves the one that a result tells: it was covered when made.
    """
    told = store.load_summary(target)["provenance"]
    now: dict[str, Any] = {"label": public_label(job.label, model.card.classes)}
    now |= {"dossier": config.dossier_sha256} if config.dossier_sha256 else {}
    return {name: value for name, value in now.items() if told.get(name, "") != value}


def tell_anew(target: Path, job: SlideJob, config: RunConfig, model: TileModel) -> tuple[str, ...]:
    """Rewrites what a result only tells, where it is another thing now, and gives the names of that.

    A word that somebody took out of the manifest must leave the store. Nothing is computed: the digest stays. The
    caller holds the slide's lock. Raises StoreError.
    """
    anew = told_otherwise(target, job, config, model)
    if not anew:
        return ()
    result = store.load(target)
    provenance = replace(result.provenance, **anew, absent=result.provenance.absent - anew.keys())
    save_announced(replace(result, provenance=provenance), config)
    return tuple(anew)


def save_announced(result: SlideResult, config: RunConfig) -> None:
    """Stores a result, once the audit log knows of it. Raises OutputUnwritableError."""
    audit = AuditLog(config.out, config.who, config.run_id)
    facts = {
        "slide_sha256": result.slide.sha256,
        "model_sha256": result.provenance.model.sha256,
        "config_sha256": result.provenance.config_sha256,
    }
    store.save(
        result,
        config.out,
        announce=lambda digests: audit.record("run", result.slide_id, {**facts, **digests}, durable=True),
    )


def _same_mpp(summary: Mapping[str, Any], job: SlideJob, config: RunConfig) -> bool:
    """Whether an mpp that was given was used as it would be now: filled in, or in the place of the slide's own.

    The digest of the configuration holds the figure alone. Raises SlideError.
    """
    if job.mpp is None:
        return True
    slide = summary["slide"]
    if not isinstance(job.mpp, FillIn):
        return bool(slide["mpp_source"] == "given")
    if slide["mpp_source"] != "given":
        return True
    if "reader" in summary["provenance"]:
        return MPP_OTHERWISE not in slide["metadata"]
    # Stored before contradictions were told: the slide itself says whether it would be filled in.
    with open_slide(job.path, mpp=job.mpp, reader=config.reader) as opened:
        return opened.spacing.source == "given"


def _same_reader(summary: Mapping[str, Any], asked: str) -> bool:
    """Whether the reader asked for is that of the result. One that was stored before readers were told is taken to be
    of `auto`, unless it was read by the very reader that is asked for now."""
    before = summary["provenance"].get("reader")
    return asked == (before or "auto") or (before is None and asked == summary["slide"]["backend"])
