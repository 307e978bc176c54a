"""`pulmoscope train-slides` and `predict-slides`: what they do, and what they print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from aggregate.result import SlideOpinion
from aggregate.result_folder import SUFFIX
from aggregate.slide_model.bags import bag_of_path
from aggregate.slide_model.card import SlideModelCard
from aggregate.slide_model.fit import SlideRecipe
from aggregate.slide_model.labels import feature_files
from aggregate.slide_model.model import load_slide_model
from aggregate.slide_model.train import SlideTraining, recalibrate
from aggregate.slide_model.train import train_slides as trained
from app.commands.train import shown
from app.ledger.cases.members import read_members
from wsi.errors import DatasetError, StoreError
from wsi.files.csv_cells import csv_line, inert
from wsi.files.writing import unwritable, write_file
from wsi.text import escape, plain


def train_and_tell(results: tuple[Path, ...], labels: Path, out: Path, *, as_json: bool, **options: Any) -> None:
    """Trains a slide model, or sets one anew for other slides, and prints its figures."""
    model, name = options.pop("recalibrate"), options.pop("name") or ""
    classes = tuple(part.strip() for part in (options.pop("classes") or "").split(",") if part.strip())
    recipe = SlideRecipe(class_weighted=not options.pop("no_class_weights"), **options)
    request = SlideTraining(labels, results, out, recipe, name, classes, _cases(results))

    def warn(text: str) -> None:
        click.echo(f"note: {text}", err=True)

    card = recalibrate(model, request, shown(), warn) if model else trained(request, shown(), warn)
    if as_json:
        click.echo(json.dumps({"model": escape(str(out)), "sha256": card.digest, "metrics": card.metrics}))
        return
    click.echo(f"{card.name} {card.version} written to {escape(str(out))} (sha256 {card.digest[:12]})")
    click.echo("\n".join(_figures(card)))


def _cases(results: tuple[Path, ...]) -> dict[str, str]:
    """The case of each slide by its id, as tokens: a name is not needed."""
    folders = dict.fromkeys(path.parent if path.suffix == SUFFIX else path for path in results)
    return {slide_id: one.token for folder in folders for slide_id, one in read_members(folder).items()}


def predict_and_tell(results: tuple[Path, ...], slide_model: Path, out: Path) -> int:
    """Writes a row a slide to `out`, and gives the exit code."""
    model = load_slide_model(slide_model)
    levels = sorted(model.card.sets.bounds)
    header = ["slide", "call", *(f"p_{name}" for name in model.card.classes), *(f"set_{level}" for level in levels)]
    lines, failed = [csv_line([*header, "outcome"])], 0
    for path in feature_files(results):
        try:
            bag = bag_of_path(path)
            lines.append(csv_line(_row(bag.slide_id, model.opinion(bag), levels)))
        except (DatasetError, StoreError) as error:
            failed += 1
            click.echo(f"pulmoscope: {error}", err=True)
    try:
        write_file(out, "".join(lines).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise unwritable(str(out), error) from error
    click.echo(f"{len(lines) - 1} slides in {escape(str(out))}" + (f", {failed} failed" if failed else ""))
    return 1 if failed else 0


def _row(slide_id: str, opinion: SlideOpinion, levels: list[str]) -> list[str]:

    numbers = ["" if p != p else f"{p:.6f}" for p in opinion.probabilities]
    return [
        inert(slide_id),
        inert(opinion.call),
        *numbers,
        *(inert(";".join(opinion.sets[level])) for level in levels),
        opinion.outcome,
    ]


def _figures(card: SlideModelCard) -> list[str]:
    """The main figures, a line each."""
    metrics = card.metrics
    told = {
        "slides": f"{metrics['slides']} of {metrics['patients']} patients, each judged by networks that did not see it",
        **{f"AUC, {plain(name, 40)}": f"{value:.3f}" for name, value in metrics["auc"].items() if value is not None},
        "balanced accuracy": f"{metrics['balanced_accuracy']:.3f}",
        "calibration error": f"{metrics['ece']:.3f} by {card.calibration.method} ({metrics['ece_before']:.3f} before)",
    }
    for level, found in metrics["sets"].items():
        told[f"{float(level):.0%} sets"] = f"hold {found['coverage']:.1%}, {found['mean_size']:.2f} classes on the mean"
    refused = sum(metrics["refused"].values())
    if refused:
        told["refused"] = f"{refused} slides, which no set and no figure counts"
    width = max(map(len, told))
    return [f"  {name:<{width}}  {words}" for name, words in told.items()]
