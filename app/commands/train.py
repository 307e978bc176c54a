"""`pulmoscope train`, `import-model` and `evaluate`: the classifier's work, shown on a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.presentation.figures import share
from classifier.progress import Progress, ProgressCallback
from wsi.text import escape, plain

if TYPE_CHECKING:
    from classifier.evaluation.evaluate import EvaluationPlan
    from classifier.evaluation.findings import Evaluation
    from classifier.model_folder.card import ModelCard
    from classifier.training.encoder.request import ImportRequest
    from classifier.training.request import TrainRequest

Say = Callable[[str], None]
# Lines in a log, not one a batch.
_LINE_EVERY_S = 20.0


def train_model(request: TrainRequest, say: Say) -> None:
    """Trains a model; goes on where a killed training of the same recipe stopped.

    Raises DatasetError, UsageError, OutputUnwritableError.
    """
    from classifier.training.train import train

    card = train(request, shown(), warn=lambda text: say(f"note: {text}"))
    say(f"{card.name} {card.version} written to {escape(str(request.out))} (sha256 {card.digest[:12]})")
    say(accuracy_line(card))


def accuracy_line(card: ModelCard) -> str:
    """How right a model was on the tiles held back from its training, and how much that is worth."""
    from classifier.evaluation.intervals import Figure

    judged = card.metrics.get("val")
    if not judged:
        return "not measured: the list has no tiles of the split val"
    accuracy = Figure.from_dict(judged["figures"]["accuracy"])
    return f"accuracy {accuracy} on {judged['tiles']:,} validation tiles of {judged['groups']:,} source groups"


def import_network(request: ImportRequest, say: Say) -> None:
    """Makes a model folder of a network from elsewhere. Raises ModelError, UsageError, OutputUnwritableError."""
    from classifier.model_folder.card import ModelCard
    from classifier.training.encoder.import_model import import_model

    card = import_model(request, warn=lambda text: say(f"note: {text}"))
    where = escape(str(request.out))
    if isinstance(card, ModelCard):
        kind, figures = f"a model of {len(card.outputs)} classes", card.training
        after = f"next: pulmoscope evaluate TILES --model {where} --out DIR"
    else:
        kind, figures = f"an encoder of {card.network.features} features", card.figures
        after = f"next: pulmoscope train TILES --encoder {where} --out MODEL_DIR"
    say(f"{card.name}: {kind}, written to {where} (sha256 {card.digest[:12]})")
    cost = f"{figures['parameters']:,} parameters, {1000 * figures['cpu_seconds_a_tile']:,.0f} ms of CPU a tile here"
    say(f"tiles of {card.tile.size_px} px at {card.tile.mpp:g} um/px; {cost}")
    say(after)


def evaluate_model(tiles: Path, model_name: str, out: Path, *, plan: EvaluationPlan, as_json: bool, say: Say) -> None:
    """Judges a model on labelled tiles and writes the evaluation to `out`. Raises DatasetError, ModelError."""
    from app.reports.evaluation import write_evaluation
    from classifier.evaluation.evaluate import evaluate
    from classifier.model import load_model

    evaluation = evaluate(tiles, load_model(model_name), out, plan, shown())
    report = write_evaluation(evaluation, out)
    if as_json:
        say(json.dumps(evaluation.to_dict()))
        return
    for line in evaluation_lines(evaluation):
        say(line)
    say(f"report   {report}")


def evaluation_lines(evaluation: Evaluation) -> list[str]:
    """The main figures, a line each; the report holds the rest."""
    from app.presentation.figures import signed_points
    from app.presentation.words import UNIT_WORDS, spoken
    from classifier.evaluation.laboratories import by_kind
    from classifier.evaluation.shifts import worst_shift

    figures, baseline = evaluation.figures, evaluation.baseline
    units = UNIT_WORDS[evaluation.interval_over]
    judged = f"{evaluation.tiles:,} tiles of {evaluation.groups:,} source groups ({evaluation.split or 'all'})"
    beside = f"; colour histograms alone {baseline['accuracy'].value:.3f}" if baseline else ""
    lines = [*(f"note: {warning}" for warning in evaluation.warnings)]
    lines += [f"{evaluation.model} on {judged}; in brackets 95% intervals over {evaluation.units:,} {units}"]
    told = {"accuracy": f"{figures['accuracy']}{beside}"}
    for label in evaluation.classes:
        told[f"sensitivity, {spoken(label)}"] = str(figures[f"sensitivity:{label}"])
    told["calibration error"] = str(figures["ece"])
    surest = next(row for row in evaluation.coverage.rows if row.wanted == 0.9)
    told[f"surest {surest.coverage:.0%} of the tiles"] = f"{surest.accuracy} right"
    known = evaluation.recognised_accuracy
    told["not recognised"] = f"{share(evaluation.not_recognised)} of the tiles; accuracy on the others {known}"
    if not evaluation.card.knows_familiarity:
        told["not recognised"] = "cannot be said of this model"
    worst = worst_shift(evaluation.shifts)
    if worst:
        told["worst shift"] = f"{worst.title}: accuracy {worst.accuracy}, {signed_points(worst.difference)} points"
    for kind, results in by_kind(evaluation.laboratories).items():
        low = min(results, key=lambda one: one.difference.value)
        refused = max(one.not_recognised for one in results)
        told[f"{len(results)} {kind} laboratories"] = (
            f"worst {signed_points(low.difference)} points; not recognised at most {share(refused)}"
        )
    for one in evaluation.foreign:
        told[f"foreign, {plain(one.name, 40)}"] = f"not recognised {share(one.not_recognised)}, AUROC {one.auroc}"
    if evaluation.readers:
        study = evaluation.readers
        told["readers"] = f"{len(study.readers)} on {study.cases:,} {study.kind}; model {study.model_accuracy}"
        for reader in study.readers:
            told[f"reader {reader.reader}"] = f"{reader.accuracy}; kappa with the model {reader.kappa_model}"
    width = max(map(len, told))
    return lines + [f"  {name:<{width}}  {words}" for name, words in told.items()]


def shown() -> ProgressCallback:
    """A line that is written over on a terminal; a line now and then in a log."""
    on_terminal = sys.stderr.isatty()
    last = -_LINE_EVERY_S

    def show(progress: Progress) -> None:
        nonlocal last
        if on_terminal:
            print(f"\r{progress!s:<100.100}", end="\n" if progress.done >= 1 else "", file=sys.stderr, flush=True)
        elif progress.done >= 1 or time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            print(progress, file=sys.stderr, flush=True)

    return show
