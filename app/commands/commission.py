"""`pulmoscope commission`: how its slides are run and shown. The proof itself is `app.commissioning`'s."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from app.batch import exit_codes
from app.batch.engines.local import LocalEngine
from app.batch.job import SlideJob
from app.batch.run_batch import Tally
from app.commands.run import of_site, of_slide_model, run_jobs, whole_card
from app.commands.terminal.options import model_name
from app.commands.terminal.reporter import reporter
from app.commissioning.pages.words import asked, in_words
from app.commissioning.proving import Made, Request, RunSlides, plan_of, prove
from app.config import RunConfig
from app.ledger.records import SLIDES_CSV, SlideRow
from classifier.model_folder.card import ModelCard
from wsi.process.cores import Crew, crew_for, threads_within
from wsi.text import escape, visible


def prove_and_tell(
    inputs: tuple[Path, ...], model: str | None, workers: int | None, *, as_json: bool, **options: Any
) -> int:
    """Runs the slides, judges them by the criteria, writes the dossier, and gives the exit code."""
    given = {name: options.pop(name) for name in ("labels", "criteria", "out", "readers", "key_file", "mpp")}
    request = Request(inputs, **given)
    card, config = _configured(model_name(model), request.out, workers, **options)
    made = prove(plan_of(request, card, config), request, _runner(workers, as_json=as_json))
    if made is None:
        return exit_codes.STOPPED
    facts = _facts(made, request.out)
    click.echo(json.dumps(facts) if as_json else _words(facts))
    return exit_codes.OK if made.passed else exit_codes.FAILURES


def _configured(model: str, out: Path, workers: int | None, **how: Any) -> tuple[ModelCard, RunConfig]:
    """The model's card, and the run as `pulmoscope run` configures it. Raises UsageError, ModelError, SiteError."""
    card = whole_card(model, how["overlap"], here=True)
    config = RunConfig(out, model, threads=threads_within(workers or 1, how["memory_gb"]), **how)
    return card, of_slide_model(of_site(replace(config, model_sha256=card.digest), card), card)


def _runner(workers: int | None, *, as_json: bool) -> RunSlides:
    def run(jobs: Sequence[SlideJob], config: RunConfig, card: ModelCard) -> Sequence[SlideRow] | None:
        tally, show = Tally(), reporter(as_json)
        crew = Crew(workers, config.threads) if workers else crew_for(len(jobs), config.memory_gb)
        config = replace(config, threads=crew.threads)
        interrupted = run_jobs(jobs, config, card, LocalEngine(crew.workers), show, tally)
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
    lines = [f"note: {note}" for note in facts["notes"]]
    for one in facts["criteria"]:
        why = f" ({one['why']})" if one["why"] else ""
        mark = "met    " if one["met"] else "NOT MET"
        lines.append(f"{mark}  {asked(one)}; found {in_words(one['figure'], one['found'])}{why}")
    lines.append(f"{facts['verdict']}: {facts['dossier']}, lapses after {facts['valid_until']}")
    lines.append(f"dossier {facts['dossier_sha256']}")
    return "\n".join(map(visible, lines))
