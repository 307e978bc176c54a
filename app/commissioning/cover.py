"""What `run --commissioned` asks: does this dossier, passed and not lapsed, cover what is to be run. Loads no NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from app.commissioning.seal import read_sealed
from app.config import METHODS, RunConfig
from app.ledger.audit import audit_key
from wsi import __version__
from wsi.errors import DossierError, NotCommissionedError

PASSED, FAILED = "passed", "failed"
_COMMISSION = "make a dossier of it with `pulmoscope commission`"


def covers_of(config: RunConfig, model: Mapping[str, str]) -> dict[str, Any]:
    """What a dossier of a run under `config` covers; `model`: name, version and sha256 of its card."""
    return {
        "pulmoscope": __version__,
        "methods": METHODS,
        "model": dict(model),
        "site_sha256": config.site_sha256,
        "slide_model_sha256": config.slide_model_sha256,
        "settings": config.settings,
    }


def covering_dossier(folder: Path, config: RunConfig, today: date | None = None) -> str:
    """The digest of the dossier in `folder`, which covers a run under `config` (with its model's and site's digests).

    Raises DossierError, DossierAlteredError, NotCommissionedError, UsageError (an audit key that is none).
    """
    told, digest = read_sealed(folder, audit_key())
    try:
        covers, verdict = told["covers"], told["verdict"]
        model, valid_until = covers["model"], date.fromisoformat(told["valid_until"])
        asked = [
            ("version", covers["pulmoscope"], __version__),
            ("methods", covers["methods"], METHODS),
            ("model", model["sha256"], config.model_sha256),
            ("site profile", covers["site_sha256"], config.site_sha256),
            ("slide model", covers["slide_model_sha256"], config.slide_model_sha256),
            ("settings", covers["settings"], config.settings),
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DossierError("dossier.json lacks what it covers", hint=_COMMISSION) from error
    if verdict != PASSED:
        raise NotCommissionedError("the dossier did not meet its criteria", hint="see its page 1, and mend what failed")
    if (today or datetime.now(UTC).date()) > valid_until:
        raise NotCommissionedError(f"the dossier lapsed on {valid_until}", hint=_COMMISSION)
    for what, there, here in asked:
        if there != here:
            raise NotCommissionedError(f"the dossier covers {_words(what, there, here)}", hint=_COMMISSION)
    return digest


def _words(what: str, there: object, here: object) -> str:
    if what == "version":
        return f"pulmoscope {there}, this is {here}"
    if what == "methods":
        return "another way to read and judge slides than this program's"
    return f"{what} {_short(there)}, not {_short(here)}"


def _short(digest: object) -> str:
    return str(digest)[:12] or "none"
