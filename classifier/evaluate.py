"""A model judged on labelled tiles: predictions, figures with intervals beside the colour baseline, a report."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.baseline import colour_baseline
from classifier.dataset import TileSet, read_tile_set
from classifier.evaluation_report import report_html
from classifier.metrics import Figure, ReliabilityBin, confusion_matrix, figures_with_intervals, reliability
from classifier.model import TileModel, TilePredictions
from classifier.predict_tiles import forward_tiles
from classifier.progress import ProgressCallback, quiet
from classifier.split import TEST, TRAIN, VALIDATION
from wsi.errors import DatasetError, OutputUnwritableError

PREDICTIONS_FILE = "predictions.csv"
METRICS_FILE = "metrics.json"
REPORT_FILE = "report.html"


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found. `split` is "" where all tiles of the list were judged; the baseline, colour histograms
    learned from the list's train split, is None where it has none."""

    model: str
    model_version: str
    model_digest: str
    synthetic: bool
    runtime: str
    split: str
    tiles: int
    groups: int
    classes: tuple[str, ...]
    figures: Mapping[str, Figure]
    baseline: Mapping[str, Figure] | None
    confusion: tuple[tuple[int, ...], ...]  # row: true class, column: predicted class
    reliability: tuple[ReliabilityBin, ...]
    not_recognised: float  # share of the tiles under the card's familiarity threshold
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "figures": {name: figure.to_dict() for name, figure in self.figures.items()},
            "baseline": self.baseline and {name: figure.to_dict() for name, figure in self.baseline.items()},
            "reliability": [asdict(one) for one in self.reliability],
        }


def evaluate(
    tiles: Path, model: TileModel, out: Path, split: str | None = None, progress: ProgressCallback = quiet
) -> Evaluation:
    """Judges `model` on a list of tiles and writes predictions.csv, metrics.json and report.html below `out`.

    `split` None takes ``val`` where the list has it, else ``test``, else every tile. Raises DatasetError,
    OutputUnwritableError.
    """
    listed = _in_order_of(read_tile_set(tiles), model.card.classes)
    chosen_split = _choose_split(listed) if split is None else split
    chosen = listed.of_split(chosen_split) if chosen_split else listed
    if not len(chosen):
        raise DatasetError(f"{tiles.name} has no tiles of split {chosen_split}", hint="give another --split")
    predictions = _predict(model, chosen, progress)
    evaluation = judge(model, listed, chosen, chosen_split, predictions)
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write_predictions(out / PREDICTIONS_FILE, chosen, predictions)
        _write_text(out / METRICS_FILE, json.dumps(evaluation.to_dict(), indent=2) + "\n")
        _write_text(out / REPORT_FILE, report_html(evaluation))
    except OSError as error:
        raise OutputUnwritableError(f"cannot write to {out}: {error.strerror}", hint="choose another --out") from error
    return evaluation


def judge(model: TileModel, listed: TileSet, chosen: TileSet, split: str, predictions: TilePredictions) -> Evaluation:
    """The figures for `predictions` of the tiles `chosen` from the list `listed`; writes nothing."""
    card = model.card
    training = listed.of_split(TRAIN)
    baseline = None
    if split not in ("", TRAIN) and len(set(training.labels.tolist())) > 1:
        baseline = _figures(colour_baseline(training, chosen, card.tile), chosen)
    probabilities = predictions.probabilities
    matrix = confusion_matrix(chosen.labels, probabilities.argmax(axis=1), len(card.classes))
    return Evaluation(
        model=card.name,
        model_version=card.version,
        model_digest=card.digest,
        synthetic=card.synthetic,
        runtime=model.runtime,
        split=split,
        tiles=len(chosen),
        groups=len(set(chosen.groups.tolist())),
        classes=card.classes,
        figures=_figures(probabilities, chosen),
        baseline=baseline,
        confusion=tuple(tuple(int(count) for count in row) for row in matrix),
        reliability=tuple(reliability(probabilities, chosen.labels)),
        not_recognised=float((predictions.familiarity < card.familiarity_threshold).mean()),
        warnings=listed.warnings,
    )


def _predict(model: TileModel, tiles: TileSet, progress: ProgressCallback) -> TilePredictions:
    logits, features = forward_tiles(model, tiles, progress=progress)
    return model.predictions_of(logits, features)


def _figures(probabilities: NDArray[np.floating], tiles: TileSet) -> dict[str, Figure]:
    return figures_with_intervals(probabilities, tiles.labels, tiles.groups, tiles.classes)


def _choose_split(tiles: TileSet) -> str:
    if not tiles.has_splits:
        return ""
    present = {record.split for record in tiles.records}
    return next((split for split in (VALIDATION, TEST) if split in present), "")


def _in_order_of(tiles: TileSet, classes: Sequence[str]) -> TileSet:
    strangers = sorted(set(tiles.classes) - set(classes))
    if strangers:
        raise DatasetError(
            f"the list has the class {strangers[0]}, the model knows {', '.join(classes)}",
            hint="rename or leave out those tiles, or choose another model",
        )
    return replace(tiles, classes=tuple(classes))


def _write_predictions(path: Path, tiles: TileSet, predictions: TilePredictions) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "class", "source_group", *(f"p_{name}" for name in tiles.classes), "familiarity"])
        for record, row, familiarity in zip(
            tiles.records, predictions.probabilities, predictions.familiarity, strict=True
        ):
            numbers = [f"{value:.6f}" for value in (*row, familiarity)]
            writer.writerow([_inert(record.file), record.label, _inert(record.group), *numbers])
    partial.replace(path)


def _inert(text: str) -> str:
    """A spreadsheet runs a cell that begins like a formula; names come from outside."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "'")) else text


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
