"""Dates of a DICOM slide moved back by the same number of days in all slides of a patient, so that what lies between
two of them stays (PS3.15, Retain Longitudinal Temporal Information Modified Dates Option).

The days are a keyed digest of the patient: who has no key cannot undo it. Times of day go, and so does the birth date.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import date, timedelta
from typing import Any

METHOD = "113107"
DATES = frozenset(("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "AcquisitionDateTime"))
"""Of the instance itself; dates inside sequences go."""
_MOST_DAYS = 3650
_DAY_AND_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})\d{0,6}(?:\.\d{1,6})?(?:[+-]\d{4})?")
_WHOLE = re.compile(r"\d{8}")


def patient_of(dataset: Any) -> str:
    """What a patient is known by in their own house; empty where nothing tells."""
    told = str(dataset.get("PatientID") or "").strip()
    return f"{dataset.get('IssuerOfPatientID') or ''}\0{told}" if told else ""


def pseudonym(secret: bytes, patient: str) -> str:
    """The same for all slides of a patient."""
    return "pt-" + _digest(secret, b"patient", patient).hex()[:20]


def days_back(secret: bytes, patient: str) -> int:
    """How far a patient's dates are moved: 1 to 3650 days."""
    return 1 + int.from_bytes(_digest(secret, b"days", patient)[:8], "big") % _MOST_DAYS


def moved(text: str, days: int) -> str:
    """The day that a date, or a date with a time, tells, moved back; empty for what is no date."""
    found = _DAY_AND_TIME.fullmatch(text)
    if found is None:
        return ""
    year, month, day = map(int, found.groups())
    try:
        return f"{date(year, month, day) - timedelta(days=days):%Y%m%d}".rjust(8, "0")
    except (ValueError, OverflowError):
        return ""


def are_moved(dataset: Any) -> bool:
    """Whether the instance says of itself that its dates were moved. Nobody can tell from the dates."""
    codes = {str(item.get("CodeValue", "")) for item in dataset.get("DeidentificationMethodCodeSequence") or ()}
    said = str(dataset.get("LongitudinalTemporalInformationModified", ""))
    return METHOD in codes and said == "MODIFIED" and str(dataset.get("PatientIdentityRemoved", "")) == "YES"


def is_day(text: str) -> bool:
    return _WHOLE.fullmatch(text) is not None


def _digest(secret: bytes, what: bytes, patient: str) -> bytes:
    return hmac.new(secret, what + b"\0" + patient.encode("utf-8", "backslashreplace"), hashlib.sha256).digest()
