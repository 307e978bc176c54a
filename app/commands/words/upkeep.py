"""The words of the commands that watch a laboratory; what they call is imported when it is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.commands.terminal.options import DATABASE, JSON, PATH, SEED, WORD


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


@click.command()
@click.argument("results", nargs=-1, type=PATH)
@click.option("--out", required=True, type=PATH, metavar="DIR", help="The learning set: made, or brought up to date.")
@click.option("--slides", multiple=True, type=PATH, metavar="DIR", help="Where the slides' files are.")
@click.option("--patients", type=PATH, metavar="CSV", help="slide,patient: keeps a patient's slides together.")
@click.option("--site-name", type=WORD, metavar="NAME", help="Which laboratory they are of.")
@click.option("--withdraw-slide", type=WORD, metavar="ID", help="Take back what was learned of a slide.")
@click.option("--withdraw-patient", type=WORD, metavar="NAME", help="Take back what was learned of a patient.")
@click.option("--take-over", "other", type=PATH, metavar="SET", help="Add what stands in another learning set.")
@DATABASE
@JSON
def learn(as_json: bool, **options: Any) -> None:
    """Keep the regions that readers signed as labelled tiles, and let go of what was withdrawn."""
    from app.commands.upkeep.learning import take_in
    from wsi.text import visible

    facts, lines = take_in(**options)
    click.echo(json.dumps(facts) if as_json else "\n".join(visible(line) for line in lines))


@click.command()
@click.option("--base", required=True, type=WORD, metavar="MODEL", help="What is trained further.")
@click.option("--learning", required=True, type=PATH, metavar="DIR", help="A learning set.")
@click.option(
    "--replay",
    type=PATH,
    metavar="TILES",
    help="Tiles that it must not forget; default: the features that lung-v2 learned from.",
)
@click.option("--out", required=True, type=PATH, metavar="DIR", help="Folder of the candidate.")
@click.option("--name", type=WORD, help="Name on its card; default: the base's.")
@click.option("--seed", type=SEED)
def retrain(**options: Any) -> None:
    """Train a candidate on what was learned, beside what its base learned from."""
    from app.commands.upkeep.learning import train_candidate
    from wsi.text import visible

    train_candidate(lambda line: click.echo(visible(line)), **options)


@click.command()
@click.argument("candidate", type=PATH)
@click.option("--base", required=True, type=WORD, metavar="MODEL", help="What stands now.")
@click.option("--locked", required=True, type=PATH, metavar="TILES", help="Tiles that neither has learned from.")
@click.option("--learning", required=True, type=PATH, metavar="DIR", help="Its judging groups are the corrected tiles.")
@click.option("--out", required=True, type=PATH, metavar="FILE", help="Report to write, JSON.")
@click.option("--looked-at", type=WORD, metavar="NAME", help="Who looked at the corrections that it contradicts.")
@JSON
def gate(as_json: bool, **options: Any) -> int:
    """Judge a candidate: nowhere worse, and better where it was corrected; exit code 1 where it is not."""
    from app.commands.upkeep.learning import judge_candidate
    from wsi.text import visible

    report = judge_candidate(**options)
    click.echo(json.dumps(report.to_dict()) if as_json else "\n".join(visible(line) for line in report.lines()))
    return 0 if report.passed else 1


@click.command()
@click.argument("candidate", required=False, type=PATH)
@click.option("--gate", "gate_report", type=PATH, metavar="FILE", help="The report of its gate.")
@click.option("--base", type=WORD, metavar="MODEL", help="For the first one: the model that it takes the place of.")
@click.option("--roll-back", type=WORD, metavar="NAME@N", help="Let an earlier version count again.")
@click.option("--by", type=WORD, metavar="NAME", help="The person who answers for it.")
@click.option("--registry", type=PATH, metavar="DIR", help="Where models are kept; default: PULMOSCOPE_REGISTRY.")
@JSON
def promote(as_json: bool, **options: Any) -> None:
    """Let a candidate count that passed its gate, or an earlier version again; alone: what counts now."""
    from app.commands.upkeep.learning import change_registry
    from wsi.text import visible

    facts, lines = change_registry(**options)
    click.echo(json.dumps(facts) if as_json else "\n".join(visible(line) for line in lines))


@click.command()
@click.argument("results", nargs=-1, required=True, type=PATH)
@click.option("--learning", type=PATH, metavar="DIR", help="A learning set: its slides are left out, too.")
@click.option(
    "--count", type=click.IntRange(1, 1000), default=10, show_default=True, metavar="N", help="So many slides at most."
)
@DATABASE
@JSON
def suggest(results: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """Name the slides and regions that are most worth a person's minutes, and why."""
    from app.commands.upkeep.suggest import look_for
    from wsi.text import visible

    facts, lines = look_for(results, **options)
    click.echo(json.dumps(facts) if as_json else "\n".join(visible(line) for line in lines))
