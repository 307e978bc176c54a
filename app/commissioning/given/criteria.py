"""What a laboratory asks of the tool, written down beforehand in TOML: read, checked, and held against figures.

Nothing is judged that cannot be: a figure that is not defined, or has no interval where an end of it is asked for, does
not meet its criterion.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wsi.errors import UsageError
from wsi.files.reading import read_regular
from wsi.text import plain, visible

FORMAT = 1
# Of a figure's own number, or of an end of its interval.
ENDS = ("value", "low", "high")
SUBGROUPS = ("scanner", "stain")
# Figures by name; those of one class are `sensitivity:<class>`.
FIGURES = (
    *("slides", "patients", "positives", "negatives"),
    *("agreement", "agreement_of_all", "kappa"),
    *("sensitivity", "specificity", "sensitivity_of_all", "specificity_of_all", "auc", "auc_bootstrap"),
    *("refused_share", "failed_share", "review_share"),
    *("ece", "brier", "ece_calibrated", "brier_calibrated", "coverage_90", "coverage_95"),
    *("median_seconds", "longest_seconds"),
    *("slide_model_agreement", "slide_model_sensitivity", "slide_model_specificity", "slide_model_auc"),
    *("slide_model_auc_minus_rule", "slide_model_refused_share", "slide_model_coverage_95"),
)
OF_CLASS = ("sensitivity", "specificity")
OF_SUBGROUP = ("slides", "positives", "sensitivity", "specificity", "auc")
_MAX_BYTES = 1 << 20
_MOST = 200
_DAYS = (1, 3660)
_DEFAULT_DAYS = 365
_MAX_TEXT = 300


@dataclass(frozen=True)
class Criterion:
    """`figure` (its own number, or the `end` of its 95% interval) must be `at_least` or `at_most` this; `scanner` and
    `stain` ask it of those slides alone."""

    figure: str
    at_least: float | None = None
    at_most: float | None = None
    end: str = "value"
    scanner: str = ""
    stain: str = ""


@dataclass(frozen=True)
class Criteria:
    """`positive` are the classes that count as what is looked for; empty: every class but the background."""

    criteria: tuple[Criterion, ...]
    sha256: str
    content: bytes = field(repr=False)
    title: str = ""
    valid_days: int = _DEFAULT_DAYS
    positive: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A criterion, what was `found` (NaN where that is not defined), and whether it is met; `why` it could not be."""

    criterion: Criterion
    found: float
    met: bool
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        found = None if math.isnan(self.found) else self.found
        return {**asdict(self.criterion), "found": found, "met": self.met, "why": self.why}


def read_criteria(path: Path, classes: Sequence[str], background: str) -> Criteria:
    """The criteria of a TOML file for a model of these `classes`. Raises UsageError with what is wrong."""
    try:
        content = read_regular(path, _MAX_BYTES)
        told = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise UsageError(
            f"{visible(str(path))} cannot be read: {error.strerror}", hint="give criteria in TOML"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path.name} is not TOML: {plain(str(error), 120)}", hint="docs/commissioning.md") from error
    wrong = _wrong(told, classes, background)
    if wrong:
        raise UsageError(f"{path.name}: {wrong}", hint="docs/commissioning.md has an example")
    return Criteria(
        criteria=tuple(Criterion(**one) for one in told["criterion"]),
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
        title=plain(told.get("title", ""), _MAX_TEXT),
        valid_days=told.get("valid_days", _DEFAULT_DAYS),
        positive=tuple(told.get("positive", ())) or tuple(name for name in classes if name != background),
    )


def judge(criterion: Criterion, found: Mapping[str, float] | None) -> Judged:
    """`found`: the figure's value and ends by their names; None where there is no such figure, or no such slides."""
    if found is None:
        return Judged(criterion, math.nan, False, "there is no such figure")
    number = found.get(criterion.end, math.nan)
    if math.isnan(number):
        why = "it is not defined for these slides" if criterion.end == "value" else "it has no interval"
        return Judged(criterion, math.nan, False, why)
    enough = criterion.at_least is None or number >= criterion.at_least
    return Judged(criterion, number, enough and (criterion.at_most is None or number <= criterion.at_most))


def _wrong(told: Mapping[str, Any], classes: Sequence[str], background: str) -> str:
    """What is wrong with the file as a whole, or with its first wrong criterion; "" where nothing is."""
    known = {"format", "title", "valid_days", "positive", "criterion"}
    if told.get("format") != FORMAT:
        return f"it says no `format = {FORMAT}`"
    if further := sorted(set(told) - known):
        return f"it has {plain(further[0], 40)!r}, which means nothing here"
    days = told.get("valid_days", _DEFAULT_DAYS)
    if not _is_whole(days) or not _DAYS[0] <= days <= _DAYS[1]:
        return f"valid_days is no number from {_DAYS[0]} to {_DAYS[1]}"
    if not isinstance(told.get("title", ""), str):
        return "the title is no text"
    positive = told.get("positive", [])
    if not isinstance(positive, list) or not set(map(str, positive)) <= set(classes) - {background}:
        return f"positive is no list of the model's classes without {background}"
    criteria = told.get("criterion")
    if not isinstance(criteria, list) or not 0 < len(criteria) <= _MOST:
        return f"it has no [[criterion]], or more than {_MOST}"
    return next((f"criterion {i}: {wrong}" for i, one in enumerate(criteria, 1) if (wrong := _flaw(one, classes))), "")


def _flaw(one: Any, classes: Sequence[str]) -> str:
    known = set(Criterion.__dataclass_fields__)
    if not isinstance(one, dict) or not set(one) <= known:
        return f"it has a name that means nothing here; known are {', '.join(Criterion.__dataclass_fields__)}"
    figure, _, of = str(one.get("figure", "")).partition(":")
    if figure not in FIGURES or (of and (figure not in OF_CLASS or of not in classes)):
        return f"there is no such figure; known are {', '.join(FIGURES)}, and sensitivity:<class>, specificity:<class>"
    limits = [one[name] for name in ("at_least", "at_most") if name in one]
    if not limits or not all(_is_number(limit) for limit in limits):
        return "it needs at_least or at_most, a number"
    if one.get("end", "value") not in ENDS:
        return f"end is none of {', '.join(ENDS)}"
    subgroup = [name for name in SUBGROUPS if name in one]
    if not all(isinstance(one[name], str) and one[name] for name in subgroup):
        return "scanner and stain are texts, as the labels write them"
    if len(subgroup) > 1 or (subgroup and (of or figure not in OF_SUBGROUP)):
        return f"of one scanner or one stain it can ask {', '.join(OF_SUBGROUP)}"
    return ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
