"""`pulmoscope train-slides` and `predict-slides`: their words here, their work imported when it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.commands.terminal.options import JSON, PATH, SEED, WORD
from wsi.text import escape, plain

if TYPE_CHECKING:
    from aggregate.result import SlideOpinion
    from aggregate.slide_model.card import SlideModelCard

NETWORK_NAMES = ("gated-attention", "class-branches", "transformer", "rule-figures")


@click.command("train-slides")
@click.argument("results", nargs=-1, required=True, type=PATH)
@click.option("--labels", required=True, type=PATH, help="CSV with the columns slide,label[,patient][,site].")
@click.option("--out", required=True, type=PATH, help="Slide model to write.")
@click.option("--network", type=click.Choice(NETWORK_NAMES), default=NETWORK_NAMES[0], show_default=True)
@click.option("--head", type=click.Choice(["classes", "ordered"]), default="classes", show_default=True)
@click.option("--classes", type=WORD, default=None, metavar="A,B,...", help="All there are, in their order.")
@click.option("--folds", type=click.IntRange(2, 20), default=5, show_default=True, help="Of whole patients.")
@click.option("--epochs", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most.")
@click.option("--no-class-weights", is_flag=True, help="Classes weigh as often as they occur.")
@click.option("--seed", type=SEED, default=7, show_default=True)
@click.option("--recalibrate", type=PATH, metavar="DIR", help="Keep this slide model's networks; set it for RESULTS.")
@click.option("--name", type=WORD, default=None, help="Name on the card; default: the folder's name.")
@JSON
def train_slides(results: tuple[Path, ...], labels: Path, out: Path, as_json: bool, **options: Any) -> None:
    """Train a slide model on the features in RESULTS: outputs of `run`, or .h5 files of TRIDENT, CLAM or STAMP.

    It gives calibrated probabilities of a slide, the classes that cannot be left out, and where it looked. Run again to
    go on where a training was interrupted.
    """
    import json

    from aggregate.slide_model.fit import SlideRecipe
    from aggregate.slide_model.train import SlideTraining, recalibrate
    from aggregate.slide_model.train import train_slides as trained
    from app.commands.train import shown

    model, name = options.pop("recalibrate"), options.pop("name") or ""
    classes = tuple(part.strip() for part in (options.pop("classes") or "").split(",") if part.strip())
    recipe = SlideRecipe(class_weighted=not options.pop("no_class_weights"), **options)
    request = SlideTraining(labels, results, out, recipe, name, classes)

    def warn(text: str) -> None:
        click.echo(f"note: {text}", err=True)

    card = recalibrate(model, request, shown(), warn) if model else trained(request, shown(), warn)
    if as_json:
        click.echo(json.dumps({"model": escape(str(out)), "sha256": card.digest, "metrics": card.metrics}))
        return
    click.echo(f"{card.name} {card.version} written to {escape(str(out))} (sha256 {card.digest[:12]})")
    click.echo("\n".join(_figures(card)))


@click.command("predict-slides")
@click.argument("results", nargs=-1, required=True, type=PATH)
@click.option("--slide-model", required=True, type=PATH, metavar="DIR", help="A slide model.")
@click.option("--out", required=True, type=PATH, help="CSV to write.")
def predict_slides(results: tuple[Path, ...], slide_model: Path, out: Path) -> int:
    """What a slide model says of the features in RESULTS, a row a slide; `run --slide-model` stores it instead."""
    from aggregate.slide_model.bags import bag_of_path
    from aggregate.slide_model.labels import feature_files
    from aggregate.slide_model.model import load_slide_model
    from wsi.errors import DatasetError, StoreError
    from wsi.files.csv_cells import csv_line
    from wsi.files.writing import unwritable, write_file

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
    from wsi.files.csv_cells import inert

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
