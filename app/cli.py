"""The command line. Each command checks its words, calls one thing by name, and shows what came of it.

Nothing heavy is imported before a command needs it: TensorFlow only by `train` (and by models without a LiteRT file),
Streamlit only by `app`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from app.batch import exit_codes
from app.commands.commission import commission
from app.commands.review.group import review
from app.commands.terminal.options import (
    AUDIT_KEY,
    DATABASE,
    JSON,
    MODEL,
    PATH,
    SEED,
    WORD,
    Number,
    model_name,
    use_audit_key,
)
from app.commands.train_slides import predict_slides, train_slides
from app.commands.upkeep.words import COMMANDS
from wsi import __version__
from wsi.errors import PulmoscopeError, UsageError
from wsi.text import visible


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits: 0 all well, 1 some slides failed, 2 wrong usage, 75 held elsewhere, 130 stopped."""
    from app.commands.guard import check_packages
    from wsi.process.limits import no_core_files
    from wsi.process.silence import fill_closed_streams
    from wsi.process.trusted import trust_no_current_folder
    from wsi.process.waits import waits_are_told

    fill_closed_streams()
    trust_no_current_folder()
    no_core_files()
    try:
        check_packages()
        with waits_are_told(lambda line: click.echo(f"pulmoscope: {visible(line)}", err=True)):
            code = cli.main(args=argv, prog_name="pulmoscope", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except PulmoscopeError as error:
        click.echo(f"pulmoscope: {error}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nstopped", err=True)
        sys.exit(exit_codes.STOPPED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader of our output went away: no second complaint
        sys.exit(exit_codes.FAILURES)
    except Exception as error:
        if os.environ.get("PULMOSCOPE_DEBUG"):
            raise
        click.echo(
            f"pulmoscope: internal-error: {type(error).__name__}; set PULMOSCOPE_DEBUG=1 to see where, and report it",
            err=True,
        )
        sys.exit(exit_codes.FAILURES)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="pulmoscope")
def cli() -> None:
    """Lung whole-slide images: a call, a heatmap and the reasons to look again.

    For research use only. It assists, a person decides.
    """


@cli.command()
@click.option("--out", type=PATH, default=Path("pulmoscope-demo"), show_default=True, help="Folder to write to.")
@JSON
def demo(out: Path, as_json: bool) -> None:
    """Draw a synthetic slide, run the whole pipeline on it, write its report."""
    from app.commands.demo import run_demo

    figures = run_demo(out, quiet=as_json)
    click.echo(json.dumps(figures.to_dict()) if as_json else figures.in_words())


@cli.command()
@click.argument("inputs", nargs=-1, type=PATH)
@click.option("--out", required=True, type=PATH, help="Folder for the results and slides.csv.")
@click.option("--manifest", type=PATH, help="CSV with the columns slide[,mpp,label,case].")
@MODEL
@click.option("--site", type=WORD, metavar="DIR", help="A site profile that `pulmoscope adapt` wrote.")
@click.option("--slide-model", type=WORD, metavar="DIR", help="What `pulmoscope train-slides` wrote, beside the rule.")
@click.option("--mpp", type=Number(), help="um per px of level 0, for slides that state none.")
@click.option("--mpp-override", type=Number(), help="um per px of level 0, whatever slides state.")
@click.option("--overlap", type=Number(), default=0.0, show_default=True, help="Of neighbouring tiles: 0, 0.5, 0.75.")
@click.option(
    "--reader", type=WORD, default="auto", show_default=True, help="Force a slide reader; see `pulmoscope info`."
)
@click.option("--engine", type=click.Choice(["local", "dask"]), default="local", show_default=True)
@click.option(
    "--scheduler", type=WORD, metavar="ADDRESS", help="Join this Dask cluster: tcp://host:8786 or tls://host:8786."
)
@click.option("--tls-ca", type=PATH, help="PEM files for tls://: the authority,")
@click.option("--tls-cert", type=PATH, help="... our certificate,")
@click.option("--tls-key", type=PATH, help="... and its key.")
@click.option(
    "--resource", "resources", type=WORD, multiple=True, metavar="NAME=N", help="Dask workers must offer it: GPU=1."
)
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Slides at a time.")
@click.option("--memory", "memory_gb", type=Number(0.5), default=4.0, show_default=True, help="GB a worker.")
@click.option(
    "--slide-timeout",
    "slide_timeout_s",
    type=Number(1),
    default=3600.0,
    show_default=True,
    help="Seconds a slide.",
)
@click.option("--shard", type=WORD, metavar="I/N", help="Do part I of N of the slides (Slurm arrays).")
@click.option("--overwrite", is_flag=True, help="Redo finished slides.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first slide that fails.")
@click.option("--pseudonymize", "key_file", type=PATH, metavar="KEYFILE", help="Write pseudonyms for slide names.")
@click.option("--commissioned", type=PATH, metavar="DOSSIER", help="Refuse what this dossier does not cover.")
@click.option("--require-deidentified", is_flag=True, help="Refuse slides that tell what may identify a person.")
@AUDIT_KEY
@JSON
def run(inputs: tuple[Path, ...], model: str | None, audit_key: Path | None, **options: Any) -> int:
    """Process slides, folders of slides and patterns ('in/**/*.svs'); every slide gets a row in OUT/slides.csv."""
    use_audit_key(audit_key)
    from app.batch.engines.worker import started_early
    from app.commands.terminal.listeners import listeners_may_leave

    with listeners_may_leave(), started_early(wanted=options["engine"] == "local") as workers:
        from app.commands.run import RunRequest, run_slides

        return run_slides(RunRequest.from_options(inputs, model=model_name(model), **options), workers)


@cli.command()
@click.argument("inputs", nargs=-1, required=True, type=PATH)
@click.option("--out", required=True, type=PATH, help="Folder for the copies and their reports.")
@click.option("--pseudonymize", "key_file", type=PATH, metavar="KEYFILE", help="Key of the names; default: OUT.key.")
@click.option(
    "--dates", type=click.Choice(["remove", "shift"]), default="remove", show_default=True, help="Shift: DICOM alone."
)
@click.option("--overwrite", is_flag=True, help="Copy again what was copied before.")
@JSON
def deidentify(inputs: tuple[Path, ...], out: Path, key_file: Path | None, dates: str, **more: Any) -> int:
    """Copy slides without what identifies a person, search the copies for it, and report what was left out.

    Label, macro and thumbnail are left out; the pixels of the levels stay as they are, and so does what is written on
    the glass there. A file that is not understood is refused.
    """
    from app.batch.copies import copy_and_tell

    whole = copy_and_tell(inputs, out, key_file, say=click.echo, shift_dates=dates == "shift", **more)
    return exit_codes.OK if whole else exit_codes.FAILURES


@cli.command("app")
@click.option("--results", type=PATH, default=Path(), show_default=True, help="A folder that `run` wrote.")
@click.option("--slides", type=PATH, multiple=True, help="Where the slides lie, if they were moved since.")
@click.option("--port", type=click.IntRange(0, 65535), default=8501, show_default=True)
@click.option("--model", "models", type=PATH, multiple=True, help="A model folder to offer beside the packaged ones.")
@click.option("--site", "profiles", type=PATH, multiple=True, help="A site profile to offer.")
@click.option("--max-upload", "max_upload_gb", type=Number(0.001), default=20.0, help="GB of one upload.")
@DATABASE
@click.option("--second-reading", is_flag=True, help="Two people read each slide, the second blind to the first.")
@click.option("--login", "login_file", type=PATH, help="A file that sets up a login by OpenID Connect: docs/login.md.")
def app_command(results: Path, slides: tuple[Path, ...], port: int, max_upload_gb: float, **more: Any) -> None:
    """Browse results: the heatmap over the slide, next to the pie chart. Listens on this machine only."""
    if not results.is_dir():
        raise UsageError(f"--results {results} is not a folder", hint="give the --out of `pulmoscope run`")
    from app.viewer.server import serve

    serve(results, slides, port, max_upload_bytes=int(max_upload_gb * 2**30), **more)


@cli.command()
@click.argument("results", type=PATH)
@click.option("--out", type=PATH, help="Folder for the reports.")
@click.option("--zip", "zip_file", type=PATH, metavar="FILE", help="One ZIP in the place of a folder.")
@click.option("--format", "formats", type=WORD, default="html,json,csv", show_default=True, help="Comma-separated.")
@click.option(
    "--whole-canvas",
    is_flag=True,
    help="GeoJSON: count from the corner of the slide's canvas; default: of its scanned part, as QuPath shows it.",
)
@click.option("--slides", type=PATH, multiple=True, help="Folder where slide files lie, for pictures. Repeatable.")
@click.option("--language", type=click.Choice(["en", "de"]), default="en", show_default=True, help="Of the reports.")
@click.option("--case", type=WORD, default=None, help="Case or accession number, for a single result.")
@click.option("--manifest", type=PATH, default=None, help="CSV with the columns slide,case: the case of each slide.")
@click.option("--fhir-version", "fhir", type=click.Choice(["R5", "R4"]), default="R5", show_default=True)
@DATABASE
@JSON
def report(results: Path, out: Path | None, formats: str, as_json: bool, **more: Any) -> int:
    """Write slide-level reports of one result or of a folder of them, and the cohort table."""
    from app.commands.report import report_and_tell

    names = [name.strip() for name in formats.split(",") if name.strip()]
    whole = report_and_tell(results, out, names, as_json=as_json, **more)
    return exit_codes.OK if whole else exit_codes.FAILURES


@cli.command()
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


@cli.command("import-model")
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


@cli.command()
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


@cli.command()
@click.argument("results", type=PATH)
@click.option("--repair", is_flag=True, help="Set aside what is broken, so that `run` redoes it.")
@click.option("--head", default="", metavar="SHA256", help="A head of the audit log that was noted before.")
@AUDIT_KEY
@DATABASE
@JSON
def verify(results: Path, repair: bool, head: str, audit_key: Path | None, database: str | None, as_json: bool) -> int:
    """Prove each stored result and signed record whole and unaltered, and the table and the audit log true to them."""
    use_audit_key(audit_key)
    from app.commands.review.verify import verify_all
    from app.ledger.verify import report_of

    found = verify_all(results, head.strip().lower(), database)
    repairs: list[str] = []
    if repair:
        from app.ledger.repair import repair_results

        repairs = repair_results(results, found)
    click.echo(report_of(found, repairs, as_json=as_json))
    return exit_codes.FAILURES if not found.is_whole else exit_codes.OK


@cli.command()
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


@cli.command()
@click.argument("slide", type=PATH)
@click.option("--mpp", type=Number(), help="um per px of level 0, if the slide does not say.")
@JSON
def info(slide: Path, mpp: float | None, as_json: bool) -> None:
    """What the tool sees of a slide (or of a site profile), and nothing that it must not tell."""
    from app.commands.info import describe_input
    from app.commands.terminal.fact_lines import as_lines

    facts = describe_input(slide, mpp)
    click.echo(json.dumps(facts) if as_json else as_lines(facts))


@cli.command()
@JSON
def models(as_json: bool) -> None:
    """The packaged models and what their cards say."""
    from app.commands.models import describe_models
    from app.commands.terminal.fact_lines import as_lines

    cards = describe_models()
    if as_json:
        click.echo(json.dumps(cards))
    else:
        click.echo("\n\n".join(as_lines(card) for card in cards))


@cli.command()
@JSON
def doctor(as_json: bool) -> int:
    """Check this machine: Python, libraries, models, memory, disk, browser."""
    from app.commands.doctor import examine_machine

    checks = examine_machine()
    if as_json:
        click.echo(json.dumps([check.to_dict() for check in checks]))
    else:
        for check in checks:
            click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.found}")
    return 0 if all(check.ok for check in checks) else 1


for _command in (commission, review, train_slides, predict_slides, *COMMANDS):
    cli.add_command(_command)


if __name__ == "__main__":
    main()
