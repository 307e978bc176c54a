"""From a list of labelled tiles to a model folder. Tells the story; each step is in its own module."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from classifier.dataset.leaks import without_leaks
from classifier.dataset.predict import as_shown, judge_tiles
from classifier.dataset.split import TRAIN, VALIDATION, hold_out_groups
from classifier.dataset.tile_list import TileSet, fill_splits, read_tile_set
from classifier.dataset.whites import with_whites
from classifier.evaluation.evaluate import Evaluation, evaluate_predictions
from classifier.evaluation.foreign import in_distribution
from classifier.evaluation.intervals import MIN_GROUPS
from classifier.evaluation.laboratories import laboratory_battery
from classifier.evaluation.shifts import shift_battery
from classifier.evaluation.unfamiliar import detect_unfamiliar
from classifier.model_folder.card import ModelCard, is_model_name, name_for
from classifier.model_folder.files import refuse_finished, write_folder
from classifier.progress import Progress, ProgressCallback, quiet
from classifier.training.encoder.head import package_head
from classifier.training.fit import fit
from classifier.training.package import Origin, Packaged, package
from classifier.training.probe import probe
from classifier.training.recipe import TrainConfig
from classifier.training.request import TrainRequest
from wsi.errors import DatasetError, UsageError
from wsi.files.writing import unwritable

WORK_FOLDER = ".training"
CHECKPOINT_FILE = "checkpoint.npz"
MIN_TILES_PER_CLASS = 4
TOLD_ON_CARD = (
    "runtime",
    "tiles",
    "groups",
    "figures",
    "baseline",
    "further_baselines",
    "confusion",
    "not_recognised",
    "recognised_accuracy",
    "reliability",
    "coverage",
    "shifts",
    "worst_shift",
    "laboratories",
    "foreign",
    "warnings",
)
FURTHER = "further"
INTERVALS = (
    "95%, bootstrap over source groups; where all or none was right, the exact one-sided bound over the groups with "
    f"tiles of the class; none from fewer than {MIN_GROUPS} groups"
)


def train(
    request: TrainRequest, progress: ProgressCallback = quiet, warn: Callable[[str], None] = warnings.warn
) -> ModelCard:
    """Trains on the ``train`` split, calibrates on groups held out of it, reports on ``val``, writes a model.

    A training that was interrupted goes on from its last whole epoch when called again with the same tiles, `out` and
    recipe. Raises DatasetError, OutputUnwritableError, UsageError (`out` holds a model).
    """
    out, config = request.out, request.recipe
    refuse_finished(out)
    if request.name and not is_model_name(request.name):
        raise UsageError(f"--name {request.name!r} is no model's name", hint="letters, digits, ., _ and -, at most 64")
    read = read_tile_set(request.tiles) if isinstance(request.tiles, Path) else request.tiles
    if request.base is not None and config.tissues == request.base.tissues:
        config = replace(config, tissues=tuple(name for name in config.tissues if name in read.classes))
    listed = _checked(_tissues_last(read, config.tissues), config)
    for warning in listed.warnings:
        warn(warning)
    learned, held = learned_and_held(with_whites(listed) if config.white else listed, config)
    config = config.for_tiles(len(learned))
    made = Origin(request.name or name_for(out), request.about, request.command, listed.digest())
    try:
        work = out / WORK_FOLDER
        work.mkdir(parents=True, exist_ok=True)
        if request.encoder is not None:
            packaged = package_head(request.encoder, learned, held, config, made, progress)
        else:
            start = request.base.weights_for(listed.classes) if request.base is not None else None
            if config.probe and start is not None:
                start = probe(start, learned, config, progress)
            checkpoint = work / CHECKPOINT_FILE
            weights = fit(learned, config, start, checkpoint, config.digest(made.data_sha256), progress)
            progress(Progress("calibrating, and converting to int8", 1.0))
            packaged = package(weights, learned, held, config, made)
        progress(Progress("measuring on the validation tiles", 1.0))
        card = _with_validation(packaged, listed, progress)
        _tell_doubts(card, listed, warn)
        if request.further:
            card = replace(card, metrics={**card.metrics, FURTHER: dict(request.further)})
        card = write_folder(out, card, packaged.contents)
        shutil.rmtree(work)
    except OSError as error:
        raise unwritable(f"to {out}", error, "choose another --out") from error
    return card


def _checked(read: TileSet, config: TrainConfig) -> TileSet:
    """The list with splits and without leaks; every tile that will be used is read once."""
    learned_and_held(fill_splits(read, config.seed), config)  # a list that cannot do is refused before that
    return fill_splits(without_leaks(read, config.tile), config.seed)


def _tell_doubts(card: ModelCard, listed: TileSet, warn: Callable[[str], None]) -> None:
    for warning in card.metrics.get(VALIDATION, {}).get("warnings", ()):
        if warning not in listed.warnings:  # those were told before the training
            warn(warning)


def _tissues_last(listed: TileSet, tissues: tuple[str, ...]) -> TileSet:
    """The classes in the order of a card's outputs. Raises DatasetError where a tissue has no tile."""
    for name in tissues:
        if name not in listed.classes:
            raise DatasetError(f"no tile is of the tissue {name!r}", hint=f"the list has {', '.join(listed.classes)}")
    return replace(listed, classes=(*(name for name in listed.classes if name not in tissues), *tissues))


def learned_and_held(listed: TileSet, config: TrainConfig) -> tuple[TileSet, TileSet]:
    """Of the training tiles those that are learned from, and those of the groups that only calibrate. Raises
    DatasetError."""
    training = listed.of_split(TRAIN)
    counts = training.counts()
    scarce = min(counts, key=lambda label: counts[label])
    if counts[scarce] < MIN_TILES_PER_CLASS:
        raise DatasetError(
            f"class {scarce} has {counts[scarce]} training tiles, at least {MIN_TILES_PER_CLASS} are needed"
        )
    if config.background not in listed.classes:
        raise DatasetError(
            f"no tile is of the background class {config.background!r}",
            hint=f"name the class that is no tumour with --background: {', '.join(listed.classes)}",
        )
    held = hold_out_groups(training.groups.tolist(), training.label_names, config.hold_out_share, config.seed)
    learned = training.of_groups(set(training.groups.tolist()) - held)
    held_out = training.of_groups(held)
    for label in listed.classes:
        if not (learned.counts()[label] and held_out.counts()[label]):
            raise DatasetError(
                f"class {label} has too few source groups: some must be learned from, others held out",
                hint="each class needs tiles of several sources",
            )
    return learned, held_out


def _with_validation(packaged: Packaged, listed: TileSet, progress: ProgressCallback) -> ModelCard:
    card, validation = packaged.model.card, listed.of_split(VALIDATION)
    if not len(validation):
        return card
    model, groups = packaged.model, validation.groups
    shown = as_shown(model, validation)
    predictions = judge_tiles(model, shown)
    evaluation = evaluate_predictions(model, listed, validation, VALIDATION, predictions)
    known = in_distribution(shown, card.tile, predictions.familiarity, groups)
    evaluation = replace(
        evaluation,
        shifts=shift_battery(model, shown, progress, unshifted=predictions),
        laboratories=laboratory_battery(model, validation, progress),
        foreign=detect_unfamiliar(model, shown, known, progress),
    )
    return replace(card, metrics={**card.metrics, VALIDATION: _told_on_card(evaluation)})


def _told_on_card(evaluation: Evaluation) -> dict[str, Any]:
    told = evaluation.to_dict()
    return {"interval": INTERVALS, **{name: told[name] for name in TOLD_ON_CARD}}
