"""How a run was asked to work. Frozen, picklable, and told apart: what changes a result, and what only changes how
fast it comes."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aggregate.provenance import settings_digest
from aggregate.thresholds import DecisionRules
from app.ledger.audit import current_user

# Every field of RunConfig is in one group. What a result depends on is digested: a stored one stands only for the same.
# The reader is compared by name, since the digests of older stores must stay. A manifest's mpp is digested too; its
# label is only told in the result, and told anew where it is another one now (`app.batch.kept`).
CHANGES_RESULT = (
    *("overlap", "min_tissue", "runtime", "rules", "reader", "icc"),
    *("model", "site_sha256", "slide_model_sha256"),
)
ONLY_HOW_FAST = ("threads", "memory_gb", "slide_timeout_s", "cache")
ONLY_THIS_RUN = (
    *("out", "overwrite", "require_deidentified", "model_sha256", "site", "slide_model", "tissue_mask"),
    *("dossier_sha256", "who", "run_id"),
)

# What this program does with a slide, by number. Raised by whoever changes what comes out of the same slide, model and
# options: which pixels are read, what is tissue and a usable tile, how a call is reached. Stored results of other
# numbers are done anew (`tests/app/test_methods.py` notices a change without one).
METHODS = {"reading": 7, "tissue": 1, "call": 2}


@dataclass(frozen=True)
class RunConfig:
    """`model_sha256`, where given, is the digest that the model must have wherever it is loaded: on another machine the
    same name may stand for another model. `site` is the folder of a site profile, and `site_sha256` its
    digest: wherever it lies, it must be that one; likewise `slide_model`. `dossier_sha256` is of the dossier that
    covers the run. `tissue_mask` is a folder of people's masks: which one is a slide's, and its digest, is in the job.
    `icc`: slides' colour profiles are applied. `cache` is where slides are copied to ahead of need. `who` and `run_id`
    are what the audit log says of this run.
    """

    out: Path
    model: str
    overlap: float = 0.0
    min_tissue: float = 0.0
    reader: str = "auto"
    icc: bool = False
    runtime: str = "auto"
    rules: DecisionRules = field(default_factory=DecisionRules)
    overwrite: bool = False
    require_deidentified: bool = False
    threads: int = 2
    memory_gb: float = 4.0
    slide_timeout_s: float = 3600.0
    cache: Path | None = None
    model_sha256: str = ""
    site: str | None = None
    site_sha256: str = ""
    dossier_sha256: str = ""
    slide_model: str | None = None
    slide_model_sha256: str = ""
    tissue_mask: str | None = None
    who: str = field(default_factory=current_user)
    run_id: str = field(default_factory=lambda: secrets.token_hex(4))

    def scientific(self, mpp: float | None, mask_sha256: str = "") -> dict[str, Any]:
        """What the result depends on, besides the slide and the model; `mpp` and the mask are what was given for this
        slide.

        A site profile, a slide model, a mask and colour profiles are told where they are asked for: the digests of
        results without stay what they were.
        """
        optional: dict[str, str | bool] = {
            "site": self.site_sha256,
            "slide_model": self.slide_model_sha256,
            "tissue_mask": mask_sha256,
            "icc": self.icc,
        }
        return {
            "mpp": mpp,
            "overlap": self.overlap,
            "min_tissue": self.min_tissue,
            "runtime": self.runtime,
            "rules": self.rules.to_dict(),
            "methods": METHODS,
            **{name: value for name, value in optional.items() if value},
        }

    @property
    def settings(self) -> str:
        """As tables tell it: see `aggregate.provenance.settings_digest`."""
        return settings_digest(self.scientific(None, "given" if self.tissue_mask else ""), self.reader)

    def sha256(self, mpp: float | None, mask_sha256: str = "") -> str:
        return _digest(self.scientific(mpp, mask_sha256))

    def differs_in(
        self, mpp: float | None, stored: Mapping[str, Any], sha256: str, mask_sha256: str = ""
    ) -> tuple[str, ...]:
        """What of `program` and `configuration` is another thing than in a result of the configuration `stored`, whose
        digest is `sha256`. Results of before METHODS tell none."""
        now = self.scientific(mpp, mask_sha256)
        then = {**now, "methods": stored["methods"]} if "methods" in stored else _without(now, "methods")
        program = ("program",) if then != now else ()
        return program if sha256 == _digest(then) else (*program, "configuration")


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def _digest(scientific: Mapping[str, Any]) -> str:
    text = json.dumps(scientific, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
