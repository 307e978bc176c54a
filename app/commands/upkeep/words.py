"""The words of the commands that watch a laboratory; what they call is imported when it is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.commands.terminal.options import DATABASE, JSON, PATH


@click.command()
@click.argument("results", nargs=-1, required=True, type=PATH)
@click.option("--baseline", type=PATH, metavar="DIR", help="Results to compare with, as of the first weeks.")
@click.option(
    "--first",
    type=click.IntRange(20, 100_000),
    default=60,
    show_default=True,
    help="Else: so many slides of each stream.",
)
@click.option(
    "--once-in",
    type=click.IntRange(100, 100_000_000),
    default=20_000,
    show_default=True,
    metavar="SLIDES",
    help="At most one false alarm in so many slides.",
)
@click.option("--metrics", type=PATH, metavar="FILE", help="Write a text file for Prometheus' node exporter.")
@DATABASE
@JSON
def drift(results: tuple[Path, ...], as_json: bool, **options: Any) -> int:
    """Tell whether slides, model or readers have changed: exit code 1 at an alarm."""
    from app.commands.upkeep.drift import watch
    from wsi.text import visible

    told = watch(results, **options)
    click.echo(json.dumps(told.facts) if as_json else "\n".join(visible(line) for line in told.lines))
    return 1 if told.alarm else 0
