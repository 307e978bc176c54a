"""`pulmoscope run`, from the words on the command line to the exit code. The work itself is `batch`'s."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.batch import exit_codes
from app.batch.engines.events import Engine, Event
from app.batch.engines.local import LocalEngine
from app.batch.engines.worker import WorkerProcess
from app.batch.ids import settle_ids
from app.batch.inputs import collect_jobs, shard
from app.batch.job import SlideJob
from app.batch.masks import masks_of_none, with_masks
from app.batch.mixture import one_origin
from app.batch.run_batch import Tally, run_batch
from app.batch.search import PassedOver
from app.commands.terminal.reporter import Reporter, reporter
from app.config import RunConfig
from app.ledger import cases
from app.ledger.prepare import prepare_output
from app.ledger.records import SLIDES_CSV
from wsi.errors import ModelError, UsageError
from wsi.metadata import number
from wsi.process.cores import crew_for, threads_within
from wsi.spacing import FillIn
from wsi.text import escape

if TYPE_CHECKING:
    from app.batch.engines.dask import DaskEngine
    from app.batch.engines.staging.engine import StagedEngine
    from classifier.model_folder.card import ModelCard

    Crewed = LocalEngine | DaskEngine | StagedEngine


@dataclass(frozen=True)
class Selection:
    """What to run: slides, folders and patterns, or a manifest; the part `shard` of them ("i/n").

    `tissue_mask` is a folder of people's masks. `mpp` is for slides that state none, `mpp_override` for all; a
    manifest's goes before both for its slide.
    """

    inputs: tuple[Path, ...]
    manifest: Path | None = None
    mpp: float | None = None
    mpp_override: float | None = None
    shard: str | None = None
    key_file: Path | None = None
    tissue_mask: Path | None = None


@dataclass(frozen=True)
class EngineOptions:
    """By which engine, and over how many slides at a time (None: by what this machine has). `cache_gb` is the local
    engine's, what follows Dask's."""

    engine: str = "local"
    workers: int | None = None
    cache_gb: float | None = None
    scheduler: str | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    resources: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunRequest:
    """`pulmoscope run`: what, how and where to, by which engine, and how it ends and speaks.

    `shown_out` is the output as it was named; `commissioned` the dossier that must cover the run. `stale`: only what
    earlier versions of a promoted model made, and this one may change.
    """

    what: Selection
    how: RunConfig
    engine: EngineOptions
    shown_out: Path
    fail_fast: bool = False
    as_json: bool = False
    commissioned: Path | None = None
    stale: bool = False

    @classmethod
    def from_options(cls, inputs: tuple[Path, ...], **options: Any) -> RunRequest:
        """From the options of the command line, each by the name of the field that it fills."""

        def taken(group: type) -> dict[str, Any]:
            return {field.name: options.pop(field.name) for field in fields(group) if field.name in options}

        what, engine = Selection(inputs, **taken(Selection)), EngineOptions(**taken(EngineOptions))
        masks = str(what.tissue_mask.absolute()) if what.tissue_mask else None
        config = RunConfig(**taken(RunConfig), tissue_mask=masks)
        # A worker on another machine stands in another folder.
        threads = threads_within(engine.workers or 1, config.memory_gb)
        how = replace(config, out=config.out.absolute(), threads=threads)
        return cls(what, how, engine, config.out, **options)


def run_slides(request: RunRequest, early: list[WorkerProcess]) -> int:
    """Runs the batch, shows it, and returns the exit code. `early` are worker processes that the local engine may have.

    Raises UsageError, ModelError, SiteError, OutputUnwritableError.
    """
    card = _checked_card(request)
    config = of_site(replace(request.how, model_sha256=card.digest), card)
    config = _of_dossier(of_slide_model(config, card), request.commissioned)
    tally, show = Tally(), reporter(request.as_json)
    engine, told = _engine(request.engine, early, config.cache), _jobs(request.what, config.out, tally)
    jobs = shard(told, request.what.shard)
    if config.cache is None and any(job.remote for job in jobs):
        raise UsageError("slides of an object store are copied before they are read", hint="give --cache DIR")
    # A part of a batch knows its cases whole: what the other parts did not run yet is missing, and said to be.
    if members := {job.slide_id: (job.case, job.block) for job in told if job.case is not None}:
        cases.note_members(config.out, members)
    jobs, beside = _stale_jobs(jobs, config, tally) if request.stale else (jobs, frozenset())
    config, engine = _manned(request.engine, engine, config, len(jobs))
    interrupted = run_jobs(jobs, config, card, engine, show, tally, fail_fast=request.fail_fast, beside=beside)
    if cases.are_told(config.out):
        cases.write_cases(config.out)
    code, stopped = (exit_codes.STOPPED, "interrupted") if interrupted else (tally.exit_code, "")
    if tally.undone and not interrupted:
        code, stopped = exit_codes.FAILURES, "a slide failed and --fail-fast was given"
    show.end(tally, escape(str(request.shown_out / SLIDES_CSV)), stopped=stopped)
    return code


def run_jobs(
    jobs: Sequence[SlideJob],
    config: RunConfig,
    card: ModelCard,
    engine: Engine,
    show: Reporter,
    tally: Tally,
    *,
    fail_fast: bool = False,
    beside: frozenset[str] = frozenset(),
) -> bool:
    """Runs the jobs and shows it; whether somebody asked to stop. Results of the models `beside` may lie there. Raises
    as `run_slides` does."""
    with one_origin(config.out, jobs, f"{card.name} {card.digest[:12]}", config.settings, beside):
        events = run_batch(jobs, config, card.classes, engine=engine, fail_fast=fail_fast, tally=tally)
        return _shown(events, len(jobs), show)


def _shown(events: Generator[Event, None, None], slides: int, show: Reporter) -> bool:
    """Shows the events as they come; whether somebody asked to stop before their end."""
    try:
        with _stoppable() as stop_asked, contextlib.closing(events):
            show.show(_until(stop_asked, events), slides)
    except KeyboardInterrupt:
        return True
    return False


def _checked_card(request: RunRequest) -> ModelCard:
    """The model's card, once the options have been found to make sense."""
    what = request.what
    if what.mpp is not None and what.mpp_override is not None:
        raise UsageError("--mpp fills in and --mpp-override overrides", hint="give one of them")
    for option, mpp in (("--mpp", what.mpp), ("--mpp-override", what.mpp_override)):
        if mpp is not None and not 0 < mpp < 1000:
            raise UsageError(f"{option} {mpp:g} is no pixel size in um")
    return whole_card(request.how.model, request.how.overlap, here=request.engine.engine == "local")


def whole_card(model: str, overlap: float, *, here: bool) -> ModelCard:
    """The card of a model that is whole; `here` is whether this machine computes. Raises ModelError, UsageError."""
    from classifier.model_folder.card import NETWORK_FILE
    from classifier.model_folder.files import read_folder
    from classifier.model_folder.find import find_model
    from tiler.spec import TileSpec

    card = read_folder(find_model(model)).card  # whole: a damaged one must not cost a row a slide
    TileSpec(card.tile.size_px, card.tile.mpp, overlap)
    if here and NETWORK_FILE in card.files:
        from classifier.runtimes.onnx_session import need_onnx_runtime

        need_onnx_runtime()  # said once, before anything is written
    return card


def of_site(config: RunConfig, card: ModelCard) -> RunConfig:
    """With the digest of its site profile, where it has one, once that was found whole and of this model."""
    if not config.site:
        return config
    from classifier.site.files import read_site

    folder = Path(config.site).absolute()  # a worker on another machine stands in another folder
    profile = read_site(folder)
    profile.check_model(card)
    return replace(config, site=str(folder), site_sha256=profile.digest)


def _of_dossier(config: RunConfig, folder: Path | None) -> RunConfig:
    """With the digest of the dossier that covers it, where one is asked for. Raises DossierError."""
    if folder is None:
        return config
    from app.commissioning.cover import covering_dossier

    return replace(config, dossier_sha256=covering_dossier(folder, config))


def of_slide_model(config: RunConfig, card: ModelCard) -> RunConfig:
    """With the digest of its slide model, where it has one, once that was found whole and of this tile model."""
    if not config.slide_model:
        return config
    from aggregate.slide_model.model import load_slide_model

    folder = Path(config.slide_model).absolute()
    found = load_slide_model(folder).card
    if found.source.encoder != card.digest:
        raise ModelError(
            f"the slide model {found.name} was trained on features of another model than {card.name}",
            hint="give that one with --model, or train it on results of this one",
        )
    return replace(config, slide_model=str(folder), slide_model_sha256=found.digest)


def _jobs(what: Selection, out: Path, tally: Tally) -> list[SlideJob]:
    """The jobs of all parts with their ids. `tally` is told what was passed over, under pseudonyms without a name, and
    what was in the way in the output folder."""
    passed = PassedOver()
    mpp = what.mpp_override if what.mpp is None else FillIn(what.mpp)
    jobs = collect_jobs(what.inputs, what.manifest, mpp=mpp, skip=out, passed=passed)
    tally.notes += prepare_output(out)
    if what.key_file:
        from app.batch.pseudonyms import pseudonymize

        tally.passed_over = passed.in_words(names=False)
        return pseudonymize(_masked(jobs, what, tally), what.key_file, out)
    tally.passed_over = passed.in_words()
    return _masked(settle_ids(jobs, out), what, tally)


def _masked(jobs: list[SlideJob], what: Selection, tally: Tally) -> list[SlideJob]:
    """The jobs with people's masks, where there is a folder of them; `tally` is told of masks that are no slide's."""
    if what.tissue_mask is None:
        return jobs
    folder = what.tissue_mask.absolute()
    masked = with_masks(jobs, folder)
    tally.notes += filter(None, [masks_of_none(masked, folder)])
    return masked


def _stale_jobs(jobs: list[SlideJob], config: RunConfig, tally: Tally) -> tuple[list[SlideJob], frozenset[str]]:
    """Those of the jobs whose results are stale, and the models whose results stay. Raises UsageError, ModelError."""
    from app.upkeep.candidate.stale import find_stale

    stale = find_stale(config.out, [job.slide_id for job in jobs], Path(config.model))
    tally.notes.append(stale.in_words())
    return [job for job in jobs if job.slide_id in stale.anew], stale.beside


def _manned(options: EngineOptions, engine: Crewed, config: RunConfig, slides: int) -> tuple[RunConfig, Crewed]:
    """The engine with as many workers as so many slides want here, where nobody said how many. The workers of a cluster
    are its own affair."""
    if options.workers is not None or options.scheduler:
        return config, engine
    crew = crew_for(slides, config.memory_gb)
    return replace(config, threads=crew.threads), replace(engine, workers=crew.workers)


def _engine(options: EngineOptions, early: list[WorkerProcess], cache: Path | None) -> Crewed:
    tls = [options.tls_ca, options.tls_cert, options.tls_key]
    if options.engine == "local":
        if options.scheduler or any(tls) or options.resources:
            raise UsageError("--scheduler, --tls-... and --resource are Dask's", hint="add --engine dask")
        return LocalEngine(options.workers or 1, early) if cache is None else _with_cache(options, early, cache)
    if cache is not None:
        raise UsageError("--cache is the local engine's", hint="leave out --engine dask")
    from app.batch.engines.dask import DaskEngine, TlsFiles

    if any(tls) != all(tls):
        raise UsageError("--tls-ca, --tls-cert and --tls-key go together")
    ca, cert, key = tls
    files = TlsFiles(ca, cert, key) if ca and cert and key else None
    return DaskEngine(options.workers or 1, options.scheduler, files, _amounts(options.resources))


def _with_cache(options: EngineOptions, early: list[WorkerProcess], cache: Path) -> StagedEngine:
    from app.batch.engines.staging.engine import StagedEngine  # few runs ask for it

    return StagedEngine(cache.absolute(), options.cache_gb, options.workers or 1, early)


def _amounts(resources: tuple[str, ...]) -> dict[str, float]:
    amounts = {}
    for text in resources:
        name, _, amount = text.partition("=")
        offered = number(amount, 0)
        if not name or offered is None:
            raise UsageError(f"--resource {text} is not NAME=NUMBER")
        amounts[name] = offered
    return amounts


@contextlib.contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """Ctrl-C, a batch system's polite end (SIGTERM) and a terminal that closes (SIGHUP) raise KeyboardInterrupt and set
    the event. What is ignored (nohup) stays so.

    The event is for an interrupt that comes while Python cleans up an object, where exceptions are not passed on.
    """
    asked = threading.Event()

    def stop(*_: object) -> None:
        asked.set()
        raise KeyboardInterrupt

    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {by: signal.signal(by, stop) for by in ends if signal.getsignal(by) is not signal.SIG_IGN}
    try:
        yield asked
    finally:
        for by, handler in before.items():
            signal.signal(by, handler)


def _until(stop_asked: threading.Event, events: Iterable[Event]) -> Iterator[Event]:
    for event in events:
        if stop_asked.is_set():
            raise KeyboardInterrupt
        yield event
