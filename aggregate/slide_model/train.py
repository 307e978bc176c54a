"""From labelled slides to a slide model's folder: folds, networks, calibration, sets, card. Tells the story.

Each slide is predicted by the network of the fold that did not see its patient; those predictions calibrate and are
judged. The model is all networks together. `recalibrate` sets a finished model for a laboratory on slides of its own.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregate.slide_model.bags import FeatureSource, Shelf, one_source
from aggregate.slide_model.calibrate import Calibration, fit_calibration
from aggregate.slide_model.card import SlideModelCard
from aggregate.slide_model.conformal import PredictionSets, fit_sets
from aggregate.slide_model.fit import Lesson, SlideRecipe, Told, Weights, fit_network
from aggregate.slide_model.folds import patient_folds
from aggregate.slide_model.judge import Judged, cross_judged, figures_of
from aggregate.slide_model.labels import LabelledSlides, Warn, read_labelled
from aggregate.slide_model.model import SlideModel, load_slide_model, write_slide_model
from aggregate.slide_model.network.networks import make_network, parameters_of
from classifier.model_folder.arrays import pack_arrays, unpack_arrays
from classifier.model_folder.card import is_model_name, name_for
from classifier.model_folder.files import MIB, refuse_finished
from classifier.progress import Progress, ProgressCallback, quiet
from wsi import __version__
from wsi.errors import DatasetError, ModelError, UsageError
from wsi.files.reading import read_regular
from wsi.files.writing import replace_file, unwritable

WORK_FOLDER = ".training"
COMMAND = "pulmoscope train-slides --labels slides.csv RESULTS... --out MODEL_DIR"
_MAX_FOLD_BYTES = 128 * MIB


@dataclass(frozen=True)
class SlideTraining:
    """What is asked of one training. `classes`, where given, are all there are, in their order; `background` is told on
    the card alone. `cases` are those that the runs were told, by slide id."""

    labels: Path
    results: tuple[Path, ...]
    out: Path
    recipe: SlideRecipe = field(default_factory=SlideRecipe)
    name: str = ""
    classes: tuple[str, ...] = ()
    cases: Mapping[str, str] = field(default_factory=dict)


def train_slides(
    request: SlideTraining, progress: ProgressCallback = quiet, warn: Warn = lambda text: None
) -> SlideModelCard:
    """Trains, calibrates and writes a slide model; folds of an interrupted training are kept.

    Raises DatasetError, UsageError (`out` holds a model), OutputUnwritableError.
    """
    _check_out(request.out, request.name)
    listed = read_labelled(request.labels, request.results, warn, request.classes, request.cases)
    return train_on(listed, request, progress, warn)


def train_on(
    listed: LabelledSlides, request: SlideTraining, progress: ProgressCallback = quiet, warn: Warn = lambda text: None
) -> SlideModelCard:
    """`train_slides` on slides that are listed already."""
    shelf = Shelf([slide.read for slide in listed.slides])
    source = one_source(shelf)
    used, refused = _usable(shelf, listed, request.recipe, warn)
    recipe = replace(request.recipe, folds=_possible_folds(used, request.recipe.folds))
    kept = Shelf([slide.read for slide in used.slides])
    draft = _draft(request, recipe, used, source)
    try:
        model = _trained(kept, used, draft, recipe, request.out / WORK_FOLDER, progress)
        logits = _held_out_logits(model, kept, used, recipe)
        judged = Judged(logits, used.labels, used.patients, used.sites)
        told = {"refused": refused, "training": _training(recipe, used, listed)}
        card = _calibrated(model.card, judged, told, warn)
        # Before the model is written: a model's folder holds nothing that its card does not name.
        shutil.rmtree(request.out / WORK_FOLDER, ignore_errors=True)
        return write_slide_model(request.out, card, model.arrays)
    except OSError as error:
        raise unwritable(f"to {request.out}", error, "choose another --out") from error


def recalibrate(
    model_folder: Path, request: SlideTraining, progress: ProgressCallback = quiet, warn: Warn = lambda text: None
) -> SlideModelCard:
    """The same networks with calibration and sets from other slides: those of the laboratory that will use it.

    Where none of them trained the networks, the sets are those of split conformal prediction, and hold for slides
    like them. Raises DatasetError, ModelError, UsageError, OutputUnwritableError.
    """
    _check_out(request.out, request.name)
    model = load_slide_model(model_folder)
    listed = read_labelled(request.labels, request.results, warn, model.card.classes, request.cases)
    shelf = Shelf([slide.read for slide in listed.slides])
    for index in range(len(shelf)):
        model.check_source(shelf[index])
        progress(Progress("reading features", (index + 1) / (2 * len(shelf))))
    recipe = SlideRecipe(network=model.card.network)
    used, refused = _usable(shelf, listed, recipe, warn)
    kept = Shelf([slide.read for slide in used.slides])
    logits = np.array([model.logits(kept[i])[0] for i in range(len(kept))])
    judged = Judged(logits, used.labels, used.patients, used.sites)
    training = {**model.card.training, "recalibrated": {**_data(used, listed), "of": model.card.digest}}
    card = _calibrated(model.card, judged, {"refused": refused, "training": training}, warn)
    progress(Progress("calibrated", 1.0))
    try:
        return write_slide_model(request.out, replace(card, name=request.name or name_for(request.out)), model.arrays)
    except OSError as error:
        raise unwritable(f"to {request.out}", error, "choose another --out") from error


def _check_out(out: Path, name: str) -> None:
    refuse_finished(out)
    if name and not is_model_name(name):
        raise UsageError(f"--name {name!r} is no model's name", hint="letters, digits, ., _ and -, at most 64")


def _usable(
    shelf: Shelf, listed: LabelledSlides, recipe: SlideRecipe, warn: Warn
) -> tuple[LabelledSlides, dict[str, int]]:
    """The slides that can be called, and how many of each class were refused: those teach nothing and calibrate
    nothing, since at use they are an outcome of their own."""
    needs_figures = not make_network(recipe.network, recipe.parameters).attends
    refused = [(bag := shelf[i]).refused or (needs_figures and bag.figures is None) for i in range(len(shelf))]
    if needs_figures and all(refused):
        raise DatasetError("the rule's figures need results of `pulmoscope run`", hint="choose another --network")
    counts = dict.fromkeys(listed.classes, 0)
    for slide, is_refused in zip(listed.slides, refused, strict=True):
        counts[listed.classes[slide.label]] += is_refused
    if any(refused):
        warn(f"{sum(refused)} of {len(refused)} slides were refused (could not be judged): they train nothing")
    slides = tuple(slide for slide, is_refused in zip(listed.slides, refused, strict=True) if not is_refused)
    return replace(listed, slides=slides), counts


def _possible_folds(used: LabelledSlides, wanted: int) -> int:
    """As many folds as each class has patients, at most `wanted`. Raises DatasetError under two."""
    patients: dict[int, set[str]] = {index: set() for index in range(len(used.classes))}
    for slide in used.slides:
        patients[slide.label].add(slide.patient)
    fewest = min(patients, key=lambda index: len(patients[index]))
    if len(patients[fewest]) < 4:
        raise DatasetError(
            f"{used.classes[fewest]} has slides of {len(patients[fewest])} patients that can be judged",
            hint="it takes 4 of each class",
        )
    return min(wanted, len(patients[fewest]) // 2)


def _draft(request: SlideTraining, recipe: SlideRecipe, used: LabelledSlides, source: FeatureSource) -> SlideModelCard:
    network = make_network(recipe.network, recipe.parameters)
    return SlideModelCard(
        name=request.name or name_for(request.out),
        classes=used.classes,
        network=recipe.network,
        parameters=parameters_of(network),
        source=source,
        calibration=Calibration(),
        sets=PredictionSets({}),
        head=recipe.head,
        networks=recipe.folds,
    )


def _trained(
    shelf: Shelf,
    used: LabelledSlides,
    draft: SlideModelCard,
    recipe: SlideRecipe,
    work: Path,
    progress: ProgressCallback,
) -> SlideModel:
    """A network a fold. Those that an interrupted training of the same recipe and slides left are taken up."""
    work.mkdir(parents=True, exist_ok=True)
    folds = patient_folds(used.labels, used.patients, recipe.folds, recipe.seed)
    lesson = Lesson(shelf, used.labels, len(used.classes))
    began = time.monotonic()
    which = hashlib.sha256(json.dumps([recipe.to_dict(), used.digest()], sort_keys=True).encode()).hexdigest()
    arrays: Weights = {}
    for fold in range(recipe.folds):
        path = work / f"fold-{fold}-{which[:16]}.npz"
        weights = _read_fold(path)
        if weights is None:
            learn, stop = _learn_and_stop(used, folds, fold, recipe)
            told = _telling(progress, recipe, fold, began)
            weights = fit_network(recipe, lesson, learn, stop, recipe.seed + fold, told)
            with replace_file(path) as file:
                file.write(pack_arrays(weights))
        arrays |= {f"{fold}/{name}": array for name, array in weights.items()}
        progress(Progress(f"fold {fold + 1}/{recipe.folds} done", (fold + 1) / recipe.folds))
    return SlideModel(draft, arrays)


def _telling(progress: ProgressCallback, recipe: SlideRecipe, fold: int, began: float) -> Told:
    def told(done: int, epochs: int, loss: float) -> None:
        share = (fold + done / epochs) / recipe.folds
        left = (time.monotonic() - began) * (1 / share - 1)
        progress(Progress(f"fold {fold + 1}/{recipe.folds}  epoch {done}/{epochs}  loss {loss:.3f}", share, left))

    return told


def _read_fold(path: Path) -> Weights | None:
    """A fold's weights; None where there are none that can be read."""
    try:
        return unpack_arrays(read_regular(path, _MAX_FOLD_BYTES), path.name)
    except (OSError, ModelError):
        return None


def _learn_and_stop(
    used: LabelledSlides, folds: NDArray[np.int64], fold: int, recipe: SlideRecipe
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the slides that teach the fold's network and of those that stop it: patients apart from each other,
    and from those of the fold."""
    others = np.flatnonzero(folds != fold)
    parts = max(2, round(1 / recipe.stop_share))
    patients = [used.slides[i].patient for i in others.tolist()]
    inner = patient_folds(used.labels[others], patients, parts, recipe.seed + 1000 + fold)
    return others[inner != 0], others[inner == 0]


def _held_out_logits(model: SlideModel, shelf: Shelf, used: LabelledSlides, recipe: SlideRecipe) -> NDArray[np.float64]:
    """(n, c), each slide by the network that did not see its patient."""
    folds = patient_folds(used.labels, used.patients, recipe.folds, recipe.seed)
    return np.array([model.logits(shelf[i], int(folds[i]))[0] for i in range(len(shelf))])


def _calibrated(card: SlideModelCard, judged: Judged, told: Mapping[str, Any], warn: Warn) -> SlideModelCard:
    """The card with calibration, sets, and figures that were measured across patients."""
    calibration, losses = fit_calibration(judged.logits, judged.labels, judged.patients)
    sets = fit_sets(calibration.apply(judged.logits), judged.labels, judged.patients, judged.sites)
    notes = sets.unpromised(card.classes)
    for note in notes:
        warn(note)
    metrics = {
        **figures_of(judged, cross_judged(judged), card.classes),
        "calibration_loss": losses,
        "refused": told["refused"],
    }
    return replace(
        card, calibration=calibration, sets=sets, notes=tuple(notes[:20]), training=told["training"], metrics=metrics
    )


def _training(recipe: SlideRecipe, used: LabelledSlides, listed: LabelledSlides) -> dict[str, Any]:
    return {"command": COMMAND, "recipe": recipe.to_dict(), **_data(used, listed)}


def _data(used: LabelledSlides, listed: LabelledSlides) -> dict[str, Any]:
    """Counts alone: no slide, patient or site is named."""
    labels: Sequence[int] = used.labels.tolist()
    return {
        "slides": len(listed.slides),
        "used": len(used.slides),
        "patients": len(set(used.patients)),
        "patients_told": used.has_patients,
        "sites": len(set(used.sites)),
        "a_class": {name: labels.count(i) for i, name in enumerate(used.classes)},
        "data_sha256": used.digest(),
        "pulmoscope": __version__,
        "date": datetime.now(UTC).date().isoformat(),
    }
