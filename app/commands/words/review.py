"""The words of `pulmoscope review`: they call `app.commands.review.records`, which is imported when it is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.commands.terminal.options import DATABASE, JSON, PATH, WORD
from wsi.text import escape, visible


@click.group()
def review() -> None:
    """What people decided on results: list it, export it, bring in regions from QuPath."""


@review.command("list")
@click.argument("results", type=PATH)
@DATABASE
@JSON
def review_list(results: Path, database: str | None, as_json: bool) -> None:
    """Every slide that anybody began to review: decided or signed, by whom, when."""
    from app.commands.review.records import list_reviews, state_facts, state_line

    states = list_reviews(results, database)
    if as_json:
        click.echo(json.dumps([state_facts(state) for state in states]))
    else:
        click.echo("\n".join(visible(state_line(state)) for state in states) or "nobody has decided on anything here")


@review.command("export")
@click.argument("results", type=PATH)
@click.option("--out", required=True, type=PATH, help="File to write: .csv is a table, .json every version.")
@DATABASE
def review_export(results: Path, out: Path, database: str | None) -> None:
    """Write what people decided to a file, for programs."""
    from app.commands.review.records import export_reviews

    click.echo(escape(str(export_reviews(results, out, database))))


@review.command("import")
@click.argument("file", type=PATH)
@click.option("--results", required=True, type=PATH, help="A folder that `run` wrote.")
@click.option("--slide", required=True, type=WORD, metavar="ID", help="The slide whose regions these are.")
@click.option("--reviewer", required=True, type=WORD, metavar="NAME", help="Who drew them, or answers for them.")
@click.option("--whole-canvas", is_flag=True, help="The file counts from the corner of the slide's canvas.")
@DATABASE
@JSON
def review_import(file: Path, as_json: bool, **options: Any) -> None:
    """Take the regions of a GeoJSON file, as QuPath exports them, into a reading that is not signed."""
    from app.commands.review.records import import_regions
    from app.review.people import person

    slide, who = options.pop("slide"), person(options.pop("reviewer"))
    told = import_regions(file, options.pop("results"), slide, who, options.pop("database"), **options)
    words = "{added} regions added, {known} were there already, {no_area} features are no area"
    click.echo(json.dumps(told) if as_json else words.format(**told))
