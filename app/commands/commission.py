"""`pulmoscope commission`: its words, and how its slides are run and shown. The proof itself is `app.commissioning`'s,
which is imported when it is needed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.batch import exit_codes
from app.commands.terminal.options import AUDIT_KEY, JSON, MODEL, PATH, WORD, Number, model_name, use_audit_key
from wsi.text import escape, visible

if TYPE_CHECKING:
    from app.batch.job import SlideJob
    from app.commissioning.proving import Made, RunSlides
    from app.config import RunConfig
    from app.ledger.records import SlideRow
    from classifier.model_folder.card import ModelCard


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=PATH)
@click.option("--labels", required=True, type=PATH, metavar="CSV", help="slide,label[,patient,scanner,stain,mpp]")
@click.option("--criteria", required=True, type=PATH, metavar="TOML", help="What is asked of the tool, set beforehand.")
@click.option("--out", required=True, type=PATH, help="Folder of the dossier to write.")
@click.option("--readers", type=PATH, metavar="CSV", help="People's calls on them: slide,reader,call[,way,score]")
@MODEL
@click.option("--site", type=WORD, metavar="DIR", help="A site profile that `pulmoscope adapt` wrote.")
@click.option("--slide-model", type=WORD, metavar="DIR", help="What `pulmoscope train-slides` wrote, beside the rule.")
@click.option("--mpp", type=Number(), help="um per px of level 0, for slides that state none.")
@click.option("--overlap", type=Number(), default=0.0, show_default=True, help="Of neighbouring tiles: 0, 0.5, 0.75.")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Slides at a time.")
@click.option("--memory", "memory_gb", type=Number(0.5), default=4.0, show_default=True, help="GB a worker.")
@click.option("--slide-timeout", "slide_timeout_s", type=Number(1), default=3600.0, show_default=True, help="Seconds.")
@click.option("--pseudonymize", "key_file", type=PATH, metavar="KEYFILE", help="Write pseudonyms for slide names.")
@AUDIT_KEY
@JSON
def commission(
    inputs: tuple[Path, ...], model: str | None, workers: int, audit_key: Path | None, as_json: bool, **options: Any
) -> int:
    """Prove the tool on your own labelled slides, by criteria set beforehand, and write a sealed dossier.

    `run --commissioned` refuses what the dossier does not cover.
    """
    use_audit_key(audit_key)
    from app.commissioning.proving import Request, plan_of, prove

    given = {name: options.pop(name) for name in ("labels", "criteria", "out", "readers", "key_file", "mpp")}
    request = Request(inputs, **given)
    card, config = _configured(model_name(model), request.out, workers, **options)
    made = prove(plan_of(request, card, config), request, _runner(workers, as_json=as_json))
    if made is None:
        return exit_codes.STOPPED
    facts = _facts(made, request.out)
    click.echo(json.dumps(facts) if as_json else _words(facts))
    return exit_codes.OK if made.passed else exit_codes.FAILURES


def _configured(model: str, out: Path, workers: int, **how: Any) -> tuple[ModelCard, RunConfig]:
    """The model's card, and the run as `pulmoscope run` configures it. Raises UsageError, ModelError, SiteError."""
    from dataclasses import replace

    from app.commands.run import of_site, of_slide_model, whole_card
    from app.config import RunConfig
    from wsi.process.cores import threads_within

    card = whole_card(model, how["overlap"], here=True)
    config = RunConfig(out, model, threads=threads_within(workers, how["memory_gb"]), **how)
    return card, of_slide_model(of_site(replace(config, model_sha256=card.digest), card), card)


def _runner(workers: int, *, as_json: bool) -> RunSlides:
    def run(jobs: Sequence[SlideJob], config: RunConfig, card: ModelCard) -> Sequence[SlideRow] | None:
        from app.batch.engines.local import LocalEngine
        from app.batch.run_batch import Tally
        from app.commands.run import run_jobs
        from app.commands.terminal.reporter import reporter
        from app.ledger.records import SLIDES_CSV

        tally, show = Tally(), reporter(as_json)
        interrupted = run_jobs(jobs, config, card, LocalEngine(workers), show, tally)
        table = escape(str(config.out / SLIDES_CSV))
        show.end(tally, table, stopped="interrupted" if interrupted else "")
        return None if interrupted else tally.rows

    return run


def _facts(made: Made, out: Path) -> dict[str, Any]:
    document = made.document
    return {
        "verdict": document["verdict"],
        "criteria": document["criteria"],
        "notes": document["notes"],
        "valid_until": document["valid_until"],
        "dossier": escape(str(out)),
        "dossier_sha256": made.sha256,
    }


def _words(facts: dict[str, Any]) -> str:
    from app.commissioning.pages.words import asked, in_words

    lines = [f"note: {note}" for note in facts["notes"]]
    for one in facts["criteria"]:
        why = f" ({one['why']})" if one["why"] else ""
        mark = "met    " if one["met"] else "NOT MET"
        lines.append(f"{mark}  {asked(one)}; found {in_words(one['figure'], one['found'])}{why}")
    lines.append(f"{facts['verdict']}: {facts['dossier']}, lapses after {facts['valid_until']}")
    lines.append(f"dossier {facts['dossier_sha256']}")
    return "\n".join(map(visible, lines))
