"""Whether a candidate may take the place of its base: nowhere worse beyond what chance explains, and better where it
was corrected. A report either way; it promotes nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.review.canonical import digest
from classifier.dataset.predict import as_shown, judge_tiles, told_as
from classifier.dataset.tile_list import TileSet
from classifier.evaluation.intervals import Figure, difference
from classifier.evaluation.laboratories import by_kind, laboratory_battery
from classifier.familiarity import not_turned_away
from classifier.model import TileModel
from classifier.progress import ProgressCallback, quiet
from wsi.errors import DatasetError, UsageError
from wsi.files.reading import parse_json, read_regular

SCHEMA = 1
# What the lower end of the difference on the locked tiles may reach: as a non-inferiority margin is set, beforehand.
LOCKED_MARGIN = 0.02
# Of a class, and of the mean over laboratories, in share of tiles.
CLASS_MARGIN, LABORATORY_MARGIN = 0.05, {"mild": 0.02, "strong": 0.04}
# How much more of good tissue may go unrecognised.
REFUSED_MARGIN = 0.05
_MAX_BYTES = 16 << 20


@dataclass(frozen=True)
class Check:
    """One thing that a candidate must not fail at. `figure` is candidate less base, as a share of tiles."""

    name: str
    words: str
    passed: bool
    base: float
    candidate: float
    figure: Figure

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "words": self.words,
            "passed": self.passed,
            "base": _finite(self.base),
            "candidate": _finite(self.candidate),
            "difference": self.figure.to_dict(),
        }


@dataclass(frozen=True)
class GateReport:
    """`locked_sha256` is the digest of the tiles that judged, `corrected_sha256` of those that were corrected."""

    base: str
    base_sha256: str
    candidate: str
    candidate_sha256: str
    locked_sha256: str
    corrected_sha256: str
    at: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """With a digest of all the rest, so that a change of the file shows."""
        told: dict[str, Any] = {
            "schema": SCHEMA,
            "passed": self.passed,
            "base": {"name": self.base, "sha256": self.base_sha256},
            "candidate": {"name": self.candidate, "sha256": self.candidate_sha256},
            "locked_sha256": self.locked_sha256,
            "corrected_sha256": self.corrected_sha256,
            "at": self.at,
            "checks": [check.to_dict() for check in self.checks],
        }
        return {**told, "sha256": digest(told)}

    def lines(self) -> list[str]:
        """For a person: each check, then what follows."""
        lines = [f"{'ok  ' if check.passed else 'FAIL'}  {check.words}" for check in self.checks]
        verdict = "may take the place of" if self.passed else "must not take the place of"
        return [*lines, f"{self.candidate} {self.candidate_sha256[:12]} {verdict} {self.base} {self.base_sha256[:12]}"]


@dataclass(frozen=True)
class Judged:
    """Which of n tiles a model tells as what they are, and which it recognises."""

    right: NDArray[np.bool_]
    known: NDArray[np.bool_]


def judge(
    base: TileModel,
    candidate: TileModel,
    locked: TileSet,
    corrected: TileSet,
    progress: ProgressCallback = quiet,
) -> GateReport:
    """Both models on the same tiles. `locked` are set aside for this and learned from by neither, `corrected` those of
    the learning set's judging groups. Raises DatasetError, UsageError (models that tell different things apart)."""
    if base.card.outputs != candidate.card.outputs:
        raise UsageError("the two models tell different things apart", hint="retrain keeps the outputs of its base")
    if base.card.digest == candidate.card.digest:
        raise UsageError("the candidate is the base")
    checks = (
        *_on_locked(base, candidate, locked),
        *_in_laboratories(base, candidate, locked, progress),
        _where_corrected(base, candidate, corrected),
    )
    return GateReport(
        base=base.card.name,
        base_sha256=base.card.digest,
        candidate=candidate.card.name,
        candidate_sha256=candidate.card.digest,
        locked_sha256=locked.digest(),
        corrected_sha256=corrected.digest(),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        checks=checks,
    )


def read_gate(path: Path) -> dict[str, Any]:
    """The facts of a gate's report. Raises UsageError where it is none, or was altered."""
    try:
        told = parse_json(read_regular(path, _MAX_BYTES))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path.name} is no report of a gate", hint="`pulmoscope gate` writes one") from error
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise UsageError(f"{path.name} is no report of a gate", hint="`pulmoscope gate` writes one")
    if digest({name: value for name, value in told.items() if name != "sha256"}) != told.get("sha256"):
        raise UsageError(f"{path.name} was altered since the gate wrote it", hint="judge the candidate again")
    return told


def gate_bytes(report: GateReport) -> bytes:
    return (json.dumps(report.to_dict(), indent=1) + "\n").encode()


def _on_locked(base: TileModel, candidate: TileModel, locked: TileSet) -> Iterator[Check]:
    both_know = candidate.card.knows_familiarity and base.card.knows_familiarity
    before, after = _right(base, locked), _right(candidate, locked)
    yield from locked_checks(before, after, locked.label_names, locked.groups, both_know=both_know)


def locked_checks(
    before: Judged, after: Judged, labels: Sequence[str], groups: NDArray[np.str_], *, both_know: bool = True
) -> Iterator[Check]:
    """What a candidate must not lose on tiles of these classes (n,) and source groups (n,): in all, of each class, and,
    where `both_know` what they recognise, of that."""
    whole = difference(after.right, before.right, groups)
    worse = not (_low(whole) >= -LOCKED_MARGIN)
    words = f"locked tiles, {len(groups)} of {len(set(groups.tolist()))} groups"
    yield _check("locked", words, not worse, before, after, whole)
    names = np.array(labels)
    for name in sorted(set(labels)):
        of_class = names == name
        figure = difference(after.right[of_class], before.right[of_class], groups[of_class])
        failed = figure.high < 0 or figure.value < -CLASS_MARGIN
        yield _check(f"class:{name}", f"{name}", not failed, before, after, figure, of_class)
    if both_know:
        figure = difference(after.known, before.known, groups)
        then, now = float(before.known.mean()), float(after.known.mean())
        words = _words("locked tiles recognised", then, now, figure)
        yield Check("recognised", words, figure.value >= -REFUSED_MARGIN, then, now, figure)


def _in_laboratories(
    base: TileModel, candidate: TileModel, locked: TileSet, progress: ProgressCallback
) -> Iterator[Check]:
    """The mean over whole laboratories that show the locked tiles each in their way."""
    ordered = in_order(candidate, locked)
    before = by_kind(laboratory_battery(base, ordered, progress))
    after = by_kind(laboratory_battery(candidate, ordered, progress))
    for kind in after:
        then = float(np.mean([one.accuracy.value for one in before[kind]]))
        now = float(np.mean([one.accuracy.value for one in after[kind]]))
        figure = Figure(now - then)
        words = _words(f"{len(after[kind])} {kind} laboratories", then, now, figure)
        yield Check(f"laboratories:{kind}", words, now - then >= -LABORATORY_MARGIN[kind], then, now, figure)


def _where_corrected(base: TileModel, candidate: TileModel, corrected: TileSet) -> Check:
    if not len(corrected):
        nothing = Figure(math.nan)
        return Check(
            "corrected",
            "corrected tiles: none of the signed groups was kept to judge, so nothing shows that it is better",
            False,
            math.nan,
            math.nan,
            nothing,
        )
    return corrected_check(_right(base, corrected), _right(candidate, corrected), corrected.groups)


def corrected_check(before: Judged, after: Judged, groups: NDArray[np.str_]) -> Check:
    """Whether more of the corrected tiles (n,) of these source groups are right."""
    figure = difference(after.right, before.right, groups)
    better = figure.value > 0 and not figure.high <= 0
    words = f"corrected tiles, {len(groups)} of {len(set(groups.tolist()))} groups"
    return _check("corrected", words, better, before, after, figure)


def _right(model: TileModel, tiles: TileSet) -> Judged:
    ordered = in_order(model, tiles)
    predictions = judge_tiles(model, as_shown(model, ordered))
    told = told_as(model, ordered, predictions)
    known = not_turned_away(predictions.familiarity, model.card.familiarity_threshold)
    return Judged(told.probabilities.argmax(axis=1) == ordered.labels, np.asarray(known, np.bool_))


def in_order(model: TileModel, tiles: TileSet) -> TileSet:
    """The list in the order of the model's outputs; without its tissues where the list knows none. Raises
    DatasetError."""
    card, named = model.card, set(tiles.label_names)
    order = card.outputs if named & set(card.tissues) else card.classes
    if strange := sorted(named - set(order)):
        raise DatasetError(f"{card.name} knows no {', '.join(strange)}", hint="judge on tiles of its classes")
    return replace(tiles, classes=order)


def _check(
    name: str,
    words: str,
    passed: bool,
    before: Judged,
    after: Judged,
    figure: Figure,
    among: Sequence[bool] | NDArray[np.bool_] | None = None,
) -> Check:
    chosen = slice(None) if among is None else np.asarray(among)
    then, now = float(before.right[chosen].mean()), float(after.right[chosen].mean())
    return Check(name, _words(words, then, now, figure), passed, then, now, figure)


def _words(what: str, then: float, now: float, figure: Figure) -> str:
    ends = "" if math.isnan(figure.low) else f" ({100 * figure.low:+.1f} to {100 * figure.high:+.1f})"
    return f"{what}: {then:.3f} -> {now:.3f}, {100 * figure.value:+.1f} points{ends}"


def _low(figure: Figure) -> float:
    """Where too few groups give no interval, the figure itself."""
    return figure.value if math.isnan(figure.low) else figure.low


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)
