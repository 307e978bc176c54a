"""The words of the commands that take slides in: `demo`, `run`, `deidentify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.batch import exit_codes
from app.commands.terminal.options import AUDIT_KEY, JSON, MODEL, PATH, WORD, Number, model_name, use_audit_key


@click.command()
@click.option("--out", type=PATH, default=Path("pulmoscope-demo"), show_default=True, help="Folder to write to.")
@JSON
def demo(out: Path, as_json: bool) -> None:
    """Draw a synthetic slide, run the whole pipeline on it, write its report."""
    from app.commands.demo import run_demo

    figures = run_demo(out, quiet=as_json)
    click.echo(json.dumps(figures.to_dict()) if as_json else figures.in_words())


@click.command()
@click.argument("inputs", nargs=-1, type=PATH)
@click.option("--out", required=True, type=PATH, help="Folder for the results and slides.csv.")
@click.option("--manifest", type=PATH, help="CSV with the columns slide[,mpp,label,case,block].")
@MODEL
@click.option("--site", type=WORD, metavar="DIR", help="A site profile that `pulmoscope adapt` wrote.")
@click.option("--slide-model", type=WORD, metavar="DIR", help="What `pulmoscope train-slides` wrote, beside the rule.")
@click.option("--tissue-mask", type=PATH, metavar="DIR", help="Your own masks: GeoJSON, PNG or TIFF by slide.")
@click.option("--mpp", type=Number(), help="um per px of level 0, for slides that state none.")
@click.option("--mpp-override", type=Number(), help="um per px of level 0, whatever slides state.")
@click.option("--overlap", type=Number(), default=0.0, show_default=True, help="Of neighbouring tiles: 0, 0.5, 0.75.")
@click.option(
    "--reader", type=WORD, default="auto", show_default=True, help="Force a slide reader; see `pulmoscope info`."
)
@click.option("--icc", is_flag=True, help="Apply slides' colour profiles; else they are ignored, as in training.")
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
@click.option("--workers", type=click.IntRange(1, 256), help="Slides at a time; default: by cores and memory.")
@click.option("--memory", "memory_gb", type=Number(0.5), default=4.0, show_default=True, help="GB a worker.")
@click.option(
    "--slide-timeout",
    "slide_timeout_s",
    type=Number(1),
    default=3600.0,
    show_default=True,
    help="Seconds a slide.",
)
@click.option(
    "--cache", type=PATH, metavar="DIR", help="Copy the next slides here ahead of need: for slow disks, s3://."
)
@click.option("--cache-gb", type=Number(0.001), help="Of copies at a time; default: half of what is free there.")
@click.option("--shard", type=WORD, metavar="I/N", help="Do part I of N of the slides (Slurm arrays).")
@click.option("--overwrite", is_flag=True, help="Redo finished slides.")
@click.option("--stale", is_flag=True, help="Redo only what this version of a promoted model may change.")
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


@click.command()
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
