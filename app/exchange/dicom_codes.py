"""The coded words of DICOM objects: SNOMED CT where it has the term, else codes of our own (99PULMO)."""

from __future__ import annotations

from pydicom.sr.coding import Code

from app.presentation.words import class_title

_OURS = "99PULMO"
_KNOWN = {
    "adenocarcinoma": Code("35917007", "SCT", "Adenocarcinoma"),
    "squamous_cell_carcinoma": Code("28899001", "SCT", "Squamous cell carcinoma"),
    "normal": Code("17621005", "SCT", "Normal"),
}
VERDICT = Code("verdict", _OURS, "Decision of a person on the call")
CALL_OF_PERSON = Code("call-of-person", _OURS, "Call of a person")
STATEMENT = Code("statement", _OURS, "Decision, signature and digests in words")
CALL = Code("call", _OURS, "Call of the slide")
SCORE = Code("score", _OURS, "Score of the class")
CONFIDENCE = Code("confidence", _OURS, "Confidence of the call")
REASON = Code("review-reason", _OURS, "Reason to look again")
TISSUE = Code("tissue", _OURS, "Area of tissue")
PROBABILITY = Code("probability", _OURS, "Calibrated probability of a class in a cell")
ABNORMAL = Code("49755003", "SCT", "Morphologically abnormal structure")
OF_TISSUE = Code("85756007", "SCT", "Tissue")
NO_UNITS = Code("1", "UCUM", "no units")
MM2 = Code("mm2", "UCUM", "square millimeter")
PROCEDURE = Code("reading", _OURS, "Reading of a lung whole-slide image")


def of_output(name: str) -> Code:
    """A class or a kind of tissue."""
    return _KNOWN.get(name) or ours(name, class_title(name))


def ours(value: str, meaning: str) -> Code:
    """A code of ours; a value has 16 characters at most, a meaning 64."""
    return Code(value[:16], _OURS, meaning[:64])
