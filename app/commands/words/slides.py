"""The words of the commands that bring labelled slides: `commission`, `train-slides`, `predict-slides`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.commands.terminal.options import AUDIT_KEY, JSON, MODEL, PATH, SEED, WORD, Number, use_audit_key

NETWORK_NAMES = ("gated-attention", "class-branches", "transformer", "rule-figures")


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=PATH)
@click.option("--labels", required=True, type=PATH, metavar="CSV", help="slide,label[,patient,case,scanner,stain,mpp]")
@click.option("--criteria", required=True, type=PATH, metavar="TOML", help="What is asked of the tool, set beforehand.")
@click.option("--out", required=True, type=PATH, help="Folder of the dossier to write.")
@click.option("--readers", type=PATH, metavar="CSV", help="People's calls on them: slide,reader,call[,way,score]")
@MODEL
@click.option("--site", type=WORD, metavar="DIR", help="A site profile that `pulmoscope adapt` wrote.")
@click.option("--slide-model", type=WORD, metavar="DIR", help="What `pulmoscope train-slides` wrote, beside the rule.")
@click.option("--mpp", type=Number(), help="um per px of level 0, for slides that state none.")
@click.option("--overlap", type=Number(), default=0.0, show_default=True, help="Of neighbouring tiles: 0, 0.5, 0.75.")
@click.option("--workers", type=click.IntRange(1, 256), help="Slides at a time; default: by cores and memory.")
@click.option("--memory", "memory_gb", type=Number(0.5), default=4.0, show_default=True, help="GB a worker.")
@click.option("--slide-timeout", "slide_timeout_s", type=Number(1), default=3600.0, show_default=True, help="Seconds.")
@click.option("--pseudonymize", "key_file", type=PATH, metavar="KEYFILE", help="Write pseudonyms for slide names.")
@AUDIT_KEY
@JSON
def commission(inputs: tuple[Path, ...], audit_key: Path | None, **options: Any) -> int:
    """Prove the tool on your own labelled slides, by criteria set beforehand, and write a sealed dossier.

    `run --commissioned` refuses what the dossier does not cover.
    """
    use_audit_key(audit_key)
    from app.commands.commission import prove_and_tell

    return prove_and_tell(inputs, **options)


@click.command("train-slides")
@click.argument("results", nargs=-1, required=True, type=PATH)
@click.option("--labels", required=True, type=PATH, help="CSV: slide,label[,patient][,case][,site].")
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
def train_slides(results: tuple[Path, ...], labels: Path, out: Path, **options: Any) -> None:
    """Train a slide model on the features in RESULTS: outputs of `run`, or .h5 files of TRIDENT, CLAM or STAMP.

    It gives calibrated probabilities of a slide, the classes that cannot be left out, and where it looked. Run again to
    go on where a training was interrupted.
    """
    from app.commands.train_slides import train_and_tell

    train_and_tell(results, labels, out, **options)


@click.command("predict-slides")
@click.argument("results", nargs=-1, required=True, type=PATH)
@click.option("--slide-model", required=True, type=PATH, metavar="DIR", help="A slide model.")
@click.option("--out", required=True, type=PATH, help="CSV to write.")
def predict_slides(results: tuple[Path, ...], slide_model: Path, out: Path) -> int:
    """What a slide model says of the features in RESULTS, a row a slide; `run --slide-model` stores it instead."""
    from app.commands.train_slides import predict_and_tell

    return predict_and_tell(results, slide_model, out)
