"""How a run was asked to work. Frozen, picklable, and told apart: what changes a result, and what only changes how
fast it comes."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aggregate.thresholds import DecisionRules
from app.ledger.audit import current_user


@dataclass(frozen=True)
class RunConfig:
    """`model_sha256`, where given, is the digest that the model must have wherever it is loaded: on another machine the
    same name may stand for another model. `who` and `run_id` are what the audit log says of this run.
    """

    out: Path
    model: str
    overlap: float = 0.0
    min_tissue: float = 0.0
    reader: str = "auto"
    runtime: str = "auto"
    rules: DecisionRules = field(default_factory=DecisionRules)
    overwrite: bool = False
    threads: int = 2
    memory_gb: float = 4.0
    slide_timeout_s: float = 3600.0
    model_sha256: str = ""
    who: str = field(default_factory=current_user)
    run_id: str = field(default_factory=lambda: secrets.token_hex(4))

    def scientific(self, mpp: float | None) -> dict[str, Any]:
        """What the result depends on, besides the slide and the model; `mpp` is what was given for this slide."""
        return {
            "mpp": mpp,
            "overlap": self.overlap,
            "min_tissue": self.min_tissue,
            "runtime": self.runtime,
            "rules": self.rules.to_dict(),
        }

    def sha256(self, mpp: float | None) -> str:
        text = json.dumps(self.scientific(mpp), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
