"""The words of the commands that take results: `app`, `report`, `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.batch import exit_codes
from app.commands.terminal.options import AUDIT_KEY, DATABASE, JSON, PATH, WORD, Number, use_audit_key
from wsi.errors import UsageError


@click.command("app")
@click.option("--results", type=PATH, default=Path(), show_default=True, help="A folder that `run` wrote.")
@click.option("--slides", type=PATH, multiple=True, help="Where the slides lie, if they were moved since.")
@click.option("--port", type=click.IntRange(0, 65535), default=8501, show_default=True)
@click.option("--model", "models", type=PATH, multiple=True, help="A model folder to offer beside the packaged ones.")
@click.option("--site", "profiles", type=PATH, multiple=True, help="A site profile to offer.")
@click.option("--max-upload", "max_upload_gb", type=Number(0.001), default=20.0, help="GB of one upload.")
@DATABASE
@click.option("--second-reading", is_flag=True, help="Two people read each slide, the second blind to the first.")
@click.option("--coverage/--no-coverage", default=True, help="Keep what was on the screen before a signature, or not.")
@click.option("--login", "login_file", type=PATH, help="A file that sets up a login by OpenID Connect: docs/login.md.")
def app_command(results: Path, slides: tuple[Path, ...], port: int, max_upload_gb: float, **more: Any) -> None:
    """Browse results: the heatmap over the slide, next to the pie chart. Listens on this machine only."""
    if not results.is_dir():
        raise UsageError(f"--results {results} is not a folder", hint="give the --out of `pulmoscope run`")
    from app.viewer.server import serve

    serve(results, slides, port, max_upload_bytes=int(max_upload_gb * 2**30), **more)


@click.command()
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
@click.option(
    "--by-case", is_flag=True, help="A report a case (html, pdf, json) and cases.csv, in the place of slides'."
)
@click.option("--fhir-version", "fhir", type=click.Choice(["R5", "R4"]), default="R5", show_default=True)
@DATABASE
@JSON
def report(results: Path, out: Path | None, formats: str, as_json: bool, **more: Any) -> int:
    """Write slide-level reports of one result or of a folder of them, and the cohort table."""
    from app.commands.report import report_and_tell

    names = [name.strip() for name in formats.split(",") if name.strip()]
    whole = report_and_tell(results, out, names, as_json=as_json, **more)
    return exit_codes.OK if whole else exit_codes.FAILURES


@click.command()
@click.argument("results", type=PATH)
@click.option("--repair", is_flag=True, help="Set aside what is broken, so that `run` redoes it.")
@click.option("--quick", is_flag=True, help="By names and sizes of files, table and log; do not read the arrays.")
@click.option("--head", default="", metavar="SHA256", help="A head of the audit log that was noted before.")
@AUDIT_KEY
@DATABASE
@JSON
def verify(results: Path, repair: bool, head: str, audit_key: Path | None, as_json: bool, **how: Any) -> int:
    """Prove each stored result and signed record whole and unaltered, and the table and the audit log true to them."""
    use_audit_key(audit_key)
    from app.commands.review.verify import verify_all
    from app.ledger.verify import report_of

    found = verify_all(results, head.strip().lower(), **how)
    repairs: list[str] = []
    if repair:
        from app.ledger.repair import repair_results

        repairs = repair_results(results, found)
    click.echo(report_of(found, repairs, as_json=as_json))
    return exit_codes.FAILURES if not found.is_whole else exit_codes.OK
