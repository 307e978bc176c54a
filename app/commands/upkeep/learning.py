"""`learn`, `retrain`, `gate`, `promote`: from signed regions to a model that counts, each step a person's."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.upkeep.candidate.registry import Entry, open_registry
from app.upkeep.learning.learn import learn, withdraw
from app.upkeep.learning.learning_set import LearningSet
from app.upkeep.learning.take_over import take_over
from wsi.errors import UsageError
from wsi.files.reading import read_regular
from wsi.files.writing import write_out

if TYPE_CHECKING:
    from app.upkeep.candidate.gate import GateReport
    from classifier.dataset.tile_list import TileSet

_MOST_PASSED = 20
_MAX_BYTES = 64 << 20


def take_in(
    *,
    results: Sequence[Path],
    out: Path,
    slides: Sequence[Path],
    patients: Path | None,
    site_name: str | None,
    withdraw_slide: str | None,
    withdraw_patient: str | None,
    other: Path | None,
    database: str | None,
) -> tuple[dict[str, Any], list[str]]:
    """(facts, lines) of one change of a learning set. Raises as `learn`, `withdraw` and `take_over` do."""
    if sum(map(bool, (results, withdraw_slide or withdraw_patient, other))) > 1:
        raise UsageError("results, withdrawing and another set are three things", hint="do one after the other")
    if other:
        came = take_over(out, other)
        return asdict(came), [f"{came.regions} regions taken over, {came.tiles} tiles; {came.withdrawn} withdrawn"]
    if withdraw_slide or withdraw_patient:
        count, models = withdraw(out, slide=withdraw_slide or "", patient=withdraw_patient or "")
        lines = [f"{count} regions withdrawn, their tiles deleted"]
        lines += [f"a model that saw them: {model}" for model in models] or ["no model was trained on them"]
        return {"withdrawn": count, "models": list(models)}, lines
    if not results:
        raise UsageError("no results are given", hint="give folders that `pulmoscope run` wrote to")
    named = read_patients(patients) if patients else {}
    done = learn(results, slides, out, database=database, patients=named, site=site_name or "")
    facts = {
        "regions": done.regions,
        "tiles": done.tiles,
        "withdrawn": done.withdrawn,
        "passed": [{"slide_id": slide_id, "why": why} for slide_id, why in done.passed],
    }
    lines = [f"{done.regions} regions learned, {done.tiles} tiles; {done.withdrawn} withdrawn"]
    lines += [f"passed over: {slide_id}: {why}" for slide_id, why in done.passed[:_MOST_PASSED]]
    if len(done.passed) > _MOST_PASSED:
        lines.append(f"and {len(done.passed) - _MOST_PASSED} more")
    return facts, lines


def read_patients(path: Path) -> dict[str, str]:
    """Slide id -> patient. Raises UsageError."""
    try:
        reader = csv.DictReader(io.StringIO(read_regular(path, _MAX_BYTES).decode("utf-8-sig")), strict=True)
        rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(
            f"{path.name} cannot be read as a table", hint="a CSV with the columns slide,patient"
        ) from error
    if not {"slide", "patient"} <= set(reader.fieldnames or ()):
        raise UsageError(f"{path.name} has no columns slide and patient")
    return {row["slide"]: row["patient"].strip() for row in rows if row["slide"] and (row["patient"] or "").strip()}


def train_candidate(
    say: Callable[[str], None],
    *,
    base: str,
    learning: Path,
    replay: Path | None,
    out: Path,
    name: str | None,
    seed: int | None,
) -> None:
    """Raises as `retrain` does."""
    from app.commands.terminal.options import model_name
    from app.commands.train import accuracy_line, shown
    from app.upkeep.candidate.retrain import RetrainRequest, retrain

    asked = RetrainRequest(model_name(base), learning, replay, out, name or "", seed)
    card = retrain(asked, shown(), warn=lambda text: say(f"note: {text}"))
    say(f"{card.name} {card.digest[:12]} written to {out}")
    say(accuracy_line(card))
    say(f"next: pulmoscope gate {out} --base {base} --locked TILES --learning {learning} --out gate.json")


def judge_candidate(
    *, candidate: Path, base: str, locked: Path, learning: Path, out: Path, looked_at: str | None = None
) -> GateReport:
    """Judges, and writes the report. Raises ModelError, DatasetError, UsageError, StoreError, OutputUnwritableError."""
    from app.commands.terminal.options import model_name
    from app.commands.train import shown
    from app.upkeep.candidate.contradicted import contradicted_check
    from app.upkeep.candidate.gate import gate_bytes, judge
    from classifier.dataset.split import TEST
    from classifier.dataset.tile_list import read_tile_set
    from classifier.model import load_model

    models = load_model(model_name(base)), load_model(str(candidate))
    with LearningSet(learning).writing() as writing:
        listed = writing.list_tiles()
        regions = LearningSet(learning).standing().regions.values()
    learned = read_tile_set(listed, fewest_classes=1)
    report = judge(*models, _judging(read_tile_set(locked)), learned.of_split(TEST), shown())
    doubts = contradicted_check(models[1], learned, regions, looked_at or "")
    report = replace(report, checks=(*report.checks, doubts))
    write_out(out, gate_bytes(report))
    return report


def _judging(listed: TileSet) -> TileSet:
    """Of a list with splits what is there to judge: `test`, else `val`; of another all."""
    for split in ("test", "val"):
        if len(part := listed.of_split(split)):
            return part
    return listed


def change_registry(
    *,
    candidate: Path | None,
    gate_report: Path | None,
    base: str | None,
    roll_back: str | None,
    by: str | None,
    registry: Path | None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """(facts, lines) of what counts afterwards. Raises as `Registry` does."""
    models = open_registry(registry)
    if candidate is not None and roll_back is not None:
        raise UsageError("promote or roll back, not both at once")
    if candidate is not None:
        if gate_report is None:
            raise UsageError("no candidate is promoted without its gate", hint="give --gate FILE")
        entries = [models.promote(candidate, gate_report, by or "", base=base)]
    elif roll_back is not None:
        entries = [models.roll_back(roll_back, by or "")]
    else:
        known = {entry.name: entry for entry in models.entries()}
        entries = [known[name] for name in sorted(known)]
    return [_facts(entry) for entry in entries], [_line(entry) for entry in entries] or ["nothing was promoted yet"]


def _facts(entry: Entry) -> dict[str, Any]:
    return {
        "model": f"{entry.name}@{entry.version}",
        "event": entry.event,
        "sha256": entry.model_sha256,
        "by": entry.by,
        "at": entry.at,
    }


def _line(entry: Entry) -> str:
    how = "promoted" if entry.event == "promoted" else "rolled back to"
    return f"{entry.name}@{entry.version} counts ({entry.model_sha256[:12]}), {how} by {entry.by} on {entry.at[:16]}"
