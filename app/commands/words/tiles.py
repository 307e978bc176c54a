"""The words of the commands that make or measure a tile model: `train`, `import-model`, `evaluate`, `adapt`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import click

from app.batch import exit_codes
from app.commands.terminal.options import JSON, MODEL, PATH, SEED, WORD, Number, model_name


@click.command()
@click.argument("tiles", type=PATH)
@click.option("--out", required=True, type=PATH, help="Model folder to write.")
@click.option("--name", type=WORD, default=None, help="Name on the card; default: the folder's name.")
@click.option("--background", type=WORD, default=None, help="The class that is no tumour; default: normal.")
@click.option("--tissue", "tissues", type=WORD, multiple=True, help="Another class that is none: stroma. Repeatable.")
@click.option("--base", type=WORD, default=None, help="Start from efficientnet-lite0 (ImageNet), or from a model.")
@click.option("--encoder", type=PATH, default=None, help="Train a head on an encoder that import-model brought.")
@click.option("--epochs", type=click.IntRange(1, 1000), default=None, help="Default: as the recipe says.")
@click.option("--seed", type=SEED, default=None, help="Default: 7.")
def train(tiles: Path, out: Path, **options: Any) -> None:
    """Train a tile model on TILES: one folder a class, or a CSV.

    The columns of the CSV are file,class[,source_group][,split][,mpp][,patient][,site].
    """
    from app.commands.train import train_model
    from classifier.training.request import TrainRequest

    train_model(TrainRequest.from_options(tiles, out, **options), say=click.echo)


@click.command("import-model")
@click.argument("source", type=WORD)
@click.option("--out", required=True, type=PATH, help="Folder to write: an encoder, or with --classes a model.")
@click.option("--mpp", required=True, type=Number(), help="um per px that the network was trained at.")
@click.option(
    "--size", "size_px", type=click.IntRange(1, 4096), default=None, help="Px a side of its tiles, where any will do."
)
@click.option("--mean", type=WORD, default=None, help="R,G,B of 0 to 1; default: as its maker says, or ImageNet's.")
@click.option("--std", type=WORD, default=None, help="R,G,B; likewise.")
@click.option("--licence", type=WORD, default=None, help="As the card is to say it.")
@click.option("--name", type=WORD, default=None, help="Name on the card; default: the folder's name.")
@click.option("--classes", type=WORD, default=None, metavar="A,B,...", help="It is a classifier: what it gives.")
@click.option("--background", type=WORD, default=None, help="The class that is no tumour; default: normal.")
@click.option("--gives", type=WORD, default=None, metavar="logits|probabilities", help="To be checked.")
@click.option("--output", type=WORD, default=None, help="Tensor to take, where there are several, or an inner one.")
@click.option("--pool", type=WORD, default=None, metavar="cls|mean|cls+mean", help="Of an output that is tokens.")
@click.option(
    "--prefix-tokens", type=click.IntRange(0, 1024), default=None, help="Tokens before those of the image; default: 1."
)
@click.option("--merge-external", is_flag=True, help="Take in weights that lie in a file beside SOURCE.")
@click.option("--sha256", type=WORD, default=None, metavar="HEX", help="What SOURCE must have.")
@click.option(
    "--memory",
    "memory_gb",
    type=Number(0.1),
    default=None,
    help="GB it may take; default: 4, and more for large files.",
)
def import_model(source: str, out: Path, **options: Any) -> None:
    """Make a model folder of a network in ONNX: an encoder for `train --encoder`, or with --classes a classifier.

    SOURCE is a file, or a timm model (local-dir:PATH, hf-hub:NAME) that is exported now. It is checked, and tried in a
    limited process, before anything is written.
    """
    from app.commands.train import import_network
    from classifier.training.encoder.request import ImportRequest

    import_network(ImportRequest.from_options(source, out, **options), say=click.echo)


@click.command()
@click.argument("tiles", type=PATH)
@MODEL
@click.option("--out", required=True, type=PATH, help="Folder for predictions.csv, metrics.json and the report.")
@click.option("--split", type=WORD, default=None, help="Only the rows of this split; default: val where there is one.")
@click.option("--readers", type=PATH, metavar="CSV", help="People's calls on the same tiles: case,reader,call.")
@click.option("--foreign", type=PATH, metavar="DIR", help="Images it should not recognise; a row a subfolder.")
@click.option(
    "--interval-over",
    type=click.Choice(["source_group", "patient", "site"]),
    default="source_group",
    show_default=True,
    help="What intervals are drawn over: a column of TILES.",
)
@click.option("--shifts/--no-shifts", default=True, show_default=True, help="Measure under changed stain and scanner.")
@JSON
def evaluate(tiles: Path, model: str | None, out: Path, as_json: bool, **plan: Any) -> None:
    """Measure a model on labelled TILES: figures with intervals, robustness, readers beside it; writes a report."""
    from app.commands.train import evaluate_model
    from classifier.evaluation.evaluate import EvaluationPlan

    evaluate_model(tiles, model_name(model), out, plan=EvaluationPlan(**plan), as_json=as_json, say=click.echo)


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=PATH)
@click.option("--out", required=True, type=PATH, help="Folder of the site profile to write.")
@MODEL
@click.option("--mpp", type=Number(), help="um per px of level 0, for slides that state none.")
@click.option(
    "--known-share",
    type=Number(0.05, 1.0),
    default=0.5,
    show_default=True,
    help="Of the tissue, how much is taken to be of kinds that the model has learned.",
)
@JSON
def adapt(inputs: tuple[Path, ...], out: Path, model: str | None, as_json: bool, **options: Any) -> int:
    """Make a site profile from a handful of your laboratory's slides, without labels; `run --site` applies it."""
    from app.commands.adapt import adapt_site, describe_site
    from app.commands.terminal.fact_lines import as_lines

    said = partial(click.echo, err=True)
    profile, failed = adapt_site(inputs, out, model_name(model), say=said, **options)
    facts = describe_site(profile)
    click.echo(json.dumps(facts) if as_json else as_lines(facts))
    return exit_codes.FAILURES if failed else exit_codes.OK
