"""A model judged on labelled tiles: predictions, and figures with intervals beside the colour baseline. Draws none."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier.dataset.leaks import leak_warning
from classifier.dataset.predict import as_shown, judge_tiles, told_as
from classifier.dataset.split import TEST, TRAIN, VALIDATION
from classifier.dataset.tile_list import PATIENT, SOURCE_GROUP, UNITS, TileSet, read_tile_set
from classifier.evaluation.baseline import FURTHER_BASELINES, baseline
from classifier.evaluation.curves.coverage import coverage_curve
from classifier.evaluation.curves.roc import roc_curves
from classifier.evaluation.findings import Evaluation
from classifier.evaluation.foreign import detect_foreign, find_foreign, in_distribution
from classifier.evaluation.intervals import FEW_GROUPS, MIN_GROUPS, Figure, Groups, count_groups, share_with_interval
from classifier.evaluation.laboratories import laboratory_battery
from classifier.evaluation.metrics import confusion_matrix, figures_with_intervals, reliability
from classifier.evaluation.readers.calls import read_readings
from classifier.evaluation.readers.study import study_readers
from classifier.evaluation.shifts import shift_battery
from classifier.evaluation.unfamiliar import detect_unfamiliar
from classifier.familiarity import not_turned_away
from classifier.model import TileModel, TilePredictions
from classifier.model_folder.card import ModelCard
from classifier.progress import ProgressCallback, quiet
from wsi.errors import DatasetError
from wsi.files.csv_cells import csv_line, inert
from wsi.files.writing import replace_file, unwritable, write_file

PREDICTIONS_FILE = "predictions.csv"
METRICS_FILE = "metrics.json"


@dataclass(frozen=True)
class EvaluationPlan:
    """What to judge and beside what. `split` None takes ``val`` where the list has it, else ``test``, else every tile;
    `readers` is a CSV of people's calls, `foreign` a folder of images that are none of the classes."""

    split: str | None = None
    interval_over: str = SOURCE_GROUP
    shifts: bool = True
    readers: Path | None = None
    foreign: Path | None = None

    def __post_init__(self) -> None:
        if self.interval_over not in UNITS:
            raise DatasetError(f"intervals over {self.interval_over}?", hint=f"use one of {', '.join(UNITS)}")


def evaluate(
    tiles: Path,
    model: TileModel,
    out: Path,
    plan: EvaluationPlan = EvaluationPlan(),
    progress: ProgressCallback = quiet,
) -> Evaluation:
    """Judges `model` on a list of tiles and writes predictions.csv and metrics.json below `out`.

    Everything given is read and checked before the model looks at a tile. Raises DatasetError, OutputUnwritableError.
    """
    listed = _in_order_of(read_tile_set(tiles), model.card)
    split = _choose_split(listed) if plan.split is None else plan.split
    chosen = listed.of_split(split) if split else listed
    if not len(chosen):
        raise DatasetError(f"{tiles.name} has no tiles of split {split}", hint="give another --split")
    units = chosen.units(plan.interval_over)
    readings = read_readings(plan.readers, chosen) if plan.readers else None
    foreign = find_foreign(plan.foreign) if plan.foreign else ()
    if foreign and not model.card.knows_familiarity:
        raise DatasetError(f"{model.card.name} knows no familiarity to measure", hint="leave --foreign out")

    shown = as_shown(model, chosen)
    predictions = told_as(model, chosen, judge_tiles(model, shown, progress=progress))
    evaluation = evaluate_predictions(model, listed, chosen, split, predictions, interval_over=plan.interval_over)
    if leaks := leak_warning(listed, split, model.card.tile):
        evaluation = replace(evaluation, warnings=(*evaluation.warnings, leaks))
    if readings:
        study = study_readers(readings, predictions.probabilities, chosen.labels, units)
        evaluation = replace(evaluation, readers=study)
    if plan.shifts:
        results = shift_battery(model, shown, progress, unshifted=predictions, units=units)
        evaluation = replace(evaluation, shifts=results, laboratories=laboratory_battery(model, chosen, progress))
    if (plan.shifts or foreign) and model.card.knows_familiarity:
        known = in_distribution(shown, model.card.tile, predictions.familiarity, units)
        made = detect_unfamiliar(model, shown, known, progress) if plan.shifts else ()
        evaluation = replace(evaluation, foreign=(*made, *detect_foreign(model, foreign, known, progress)))
    _write(out, evaluation, chosen, predictions)
    return evaluation


def evaluate_predictions(
    model: TileModel,
    listed: TileSet,
    chosen: TileSet,
    split: str,
    predictions: TilePredictions,
    *,
    interval_over: str = SOURCE_GROUP,
) -> Evaluation:
    """The figures for `predictions` of the tiles `chosen` from the list `listed`; writes nothing."""
    card, labels, units = model.card, chosen.labels, chosen.units(interval_over)
    training = listed.of_split(TRAIN)
    beside = None
    further = {}
    if split not in ("", TRAIN) and len(set(training.labels.tolist())) > 1:
        beside = _figures(baseline(training, chosen, card.tile), chosen, units)
        for name, (_, features) in FURTHER_BASELINES.items():
            told = baseline(training, chosen, card.tile, features)
            further[name] = share_with_interval(told.argmax(axis=1) == labels, units)
    probabilities = predictions.probabilities
    right = probabilities.argmax(axis=1) == labels
    known = not_turned_away(predictions.familiarity, card.familiarity_threshold)
    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), len(chosen.classes))
    return Evaluation(
        card=card,
        runtime=model.runtime,
        split=split,
        tiles=len(chosen),
        groups=count_groups(chosen.groups),
        interval_over=interval_over,
        units=count_groups(units),
        groups_of_class=tuple(count_groups(chosen.groups[labels == i]) for i in range(len(chosen.classes))),
        figures=_figures(probabilities, chosen, units),
        baseline=beside,
        further_baselines=further,
        confusion=tuple(tuple(int(count) for count in row) for row in matrix),
        reliability=tuple(reliability(probabilities, labels)),
        roc=roc_curves(probabilities, labels, chosen.classes),
        coverage=coverage_curve(probabilities, labels, units),
        not_recognised=float((~known).mean()) if card.knows_familiarity else float("nan"),
        recognised_accuracy=share_with_interval(right, units, known & card.knows_familiarity),
        warnings=(*listed.warnings, *_doubts(listed, chosen, units), *_unknown(card)),
        classes=chosen.classes,
    )


def _figures(probabilities: NDArray[np.floating], tiles: TileSet, units: Groups) -> dict[str, Figure]:
    return figures_with_intervals(probabilities, tiles.labels, units, tiles.classes)


def _doubts(listed: TileSet, chosen: TileSet, units: Groups) -> list[str]:
    """Sentences on what makes the figures or their intervals doubtful."""
    found = []
    if too_few := _too_few(count_groups(units)):
        found.append(too_few)
    patients = {record.patient for record in chosen.records if record.patient}
    learned = {record.patient for record in listed.of_split(TRAIN).records}
    shared = len(patients & learned) if listed.of_split(TRAIN).records != chosen.records else 0
    if shared:
        found.append(
            f"{shared} of {len(patients)} patients judged also have tiles in the train split of the list. If the model "
            f"learned from those, the figures read too high: split by {PATIENT}."
        )
    return found


def _unknown(card: ModelCard) -> list[str]:
    if card.knows_familiarity:
        return []
    return [
        "The model brings nothing of its training tissue: whether it recognises a tile cannot be said, and every tile "
        "votes. Nothing is told of foreign tissue."
    ]


def _too_few(groups: int) -> str:
    if groups < MIN_GROUPS:
        counted = f"Only {groups} group{' was' if groups == 1 else 's were'} judged, too few for any interval"
        return f"{counted} ({MIN_GROUPS} are needed): others may give very different figures."
    if groups < FEW_GROUPS:
        return f"The intervals are drawn over {groups} groups only: under {FEW_GROUPS} they tend to be too narrow."
    return ""


def _choose_split(tiles: TileSet) -> str:
    if not tiles.has_splits:
        return ""
    present = {record.split for record in tiles.records}
    return next((split for split in (VALIDATION, TEST) if split in present), "")


def _in_order_of(tiles: TileSet, card: ModelCard) -> TileSet:
    """Judged by kinds of tissue where the list has them, else by the card's classes alone."""
    classes = card.outputs if set(tiles.classes) & set(card.tissues) else card.classes
    strangers = sorted(set(tiles.classes) - set(classes))
    if strangers:
        raise DatasetError(
            f"the list has the class {strangers[0]}, the model knows {', '.join(card.outputs)}",
            hint="rename or leave out those tiles, or choose another model",
        )
    return replace(tiles, classes=tuple(classes))


def _write(out: Path, evaluation: Evaluation, tiles: TileSet, predictions: TilePredictions) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write_predictions(out / PREDICTIONS_FILE, tiles, predictions)
        write_file(out / METRICS_FILE, (json.dumps(evaluation.to_dict(), indent=2) + "\n").encode())
    except OSError as error:
        raise unwritable(f"to {out}", error, "choose another --out") from error


def _write_predictions(path: Path, tiles: TileSet, predictions: TilePredictions) -> None:
    with replace_file(path) as file:
        header = ["file", "class", "source_group", *(f"p_{name}" for name in tiles.classes), "familiarity"]
        file.write(csv_line(header).encode())
        for record, row, familiarity in zip(
            tiles.records, predictions.probabilities, predictions.familiarity, strict=True
        ):
            numbers = [f"{value:.6f}" if np.isfinite(value) else "" for value in (*row, familiarity)]
            texts = [inert(text) for text in (record.file, record.label, record.group)]
            file.write(csv_line([*texts, *numbers]).encode("utf-8", "backslashreplace"))
