"""What a proof is settled to be before any slide is read: criteria, labels, model, settings, by their digests; written
down, and entered into the audit log of the dossier's results as its first line."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.commissioning.given.criteria import Criteria
from app.commissioning.given.labels import Material
from app.commissioning.readers import ReadingsFile
from app.config import RunConfig
from app.ledger.audit import AUDIT, AuditLog
from app.ledger.lines import numbered_lines
from app.ledger.prepare import prepare_output
from classifier.model_folder.card import ModelCard
from wsi.errors import UsageError
from wsi.files.reading import parse_json, read_regular
from wsi.files.writing import write_out

PLAN, RESULTS = "plan.json", "results"
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Plan:
    """Everything that a proof rests on. `config` has the dossier's results folder as its output, and the digests of
    model and site profile; `site_slides` are the fingerprints of the slides that made the profile."""

    criteria: Criteria
    material: Material
    labels_sha256: str
    readings: ReadingsFile | None
    card: ModelCard
    config: RunConfig
    site_slides: frozenset[str] = frozenset()

    def to_dict(self) -> dict[str, Any]:
        """What makes it this proof and no other: digests, and settings."""
        return {
            "criteria_sha256": self.criteria.sha256,
            "labels_sha256": self.labels_sha256,
            "readers_sha256": self.readings.sha256 if self.readings else "",
            "model_sha256": self.card.digest,
            "site_sha256": self.config.site_sha256,
            "slide_model_sha256": self.config.slide_model_sha256,
            "settings": self.config.settings,
            "slides": len(self.material.jobs),
        }


@dataclass(frozen=True)
class Order:
    """Lines of the audit log: where the plan was entered, where the first result or failure, and how many there are."""

    plan: int
    first_result: int
    lines: int


def settle(plan: Plan, folder: Path) -> bool:
    """Writes the plan down before the first slide; whether it had been before, by a run that did not come to its end.

    Raises UsageError where the folder holds another proof or something else, OutputUnwritableError.
    """
    told = plan.to_dict()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if _written(folder) != told:
            raise UsageError(
                f"{folder} holds something else, or a proof by other criteria, labels, model or settings",
                hint="choose another --out: a proof is never continued under another plan",
            )
        prepare_output(plan.config.out)
        if not order_of(plan.config.out).lines:  # it ended between the two
            _enter(plan, hashlib.sha256(read_regular(folder / PLAN, _MAX_BYTES)).hexdigest())
        return True
    results = plan.config.out
    text = (json.dumps(told, indent=2, sort_keys=True) + "\n").encode()
    write_out(folder / PLAN, text)
    prepare_output(results)
    _enter(plan, hashlib.sha256(text).hexdigest())
    return False


def _enter(plan: Plan, sha256: str) -> None:
    facts = {name: str(value) for name, value in plan.to_dict().items()} | {"plan_sha256": sha256}
    log = AuditLog(plan.config.out, plan.config.who, plan.config.run_id)
    log.record("commission", "", facts, durable=True)


def order_of(results: Path) -> Order:
    """Where the audit log says what; 0 for what it does not hold, or where there is none. Raises OSError."""
    plan = first = lines = 0
    if not (results / AUDIT).exists():
        return Order(0, 0, 0)
    for number, raw in numbered_lines(results / AUDIT):
        try:
            event = parse_json(raw).get("event")
        except (ValueError, AttributeError):
            continue
        plan = plan or (number if event == "commission" else 0)
        first = first or (number if event in ("run", "kept", "failed") else 0)
        lines = number
    return Order(plan, first, lines)


def _written(folder: Path) -> Any:
    try:
        return parse_json(read_regular(folder / PLAN, _MAX_BYTES))
    except (OSError, ValueError):
        return None
