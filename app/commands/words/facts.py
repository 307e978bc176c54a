"""The words of the commands that tell what is there: `info`, `models`, `doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from app.commands.terminal.options import JSON, PATH, Number


@click.command()
@click.argument("slide", type=PATH)
@click.option("--mpp", type=Number(), help="um per px of level 0, if the slide does not say.")
@JSON
def info(slide: Path, mpp: float | None, as_json: bool) -> None:
    """What the tool sees of a slide (or of a site profile), and nothing that it must not tell."""
    from app.commands.facts.info import describe_input
    from app.commands.terminal.fact_lines import as_lines

    facts = describe_input(slide, mpp)
    click.echo(json.dumps(facts) if as_json else as_lines(facts))


@click.command()
@JSON
def models(as_json: bool) -> None:
    """The packaged models and what their cards say."""
    from app.commands.facts.models import describe_models
    from app.commands.terminal.fact_lines import as_lines

    cards = describe_models()
    if as_json:
        click.echo(json.dumps(cards))
    else:
        click.echo("\n\n".join(as_lines(card) for card in cards))


@click.command()
@JSON
def doctor(as_json: bool) -> int:
    """Check this machine: Python, libraries, models, memory, disk, browser."""
    from app.commands.facts.doctor import examine_machine

    checks = examine_machine()
    if as_json:
        click.echo(json.dumps([check.to_dict() for check in checks]))
    else:
        for check in checks:
            click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.found}")
    return 0 if all(check.ok for check in checks) else 1
