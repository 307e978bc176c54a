"""`pulmoscope demo`: draws a synthetic slide with a known truth, runs everything on it, and says where to look."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aggregate import store
from aggregate.result import SlideStatus
from app.batch.inputs import collect_jobs
from app.batch.run_batch import Tally, run_batch
from app.commands.report import write_reports
from app.commands.terminal.reporter import reporter
from app.config import RunConfig
from app.presentation.figures import percent
from app.presentation.words import RESEARCH_USE, class_title
from app.reports import Asked
from classifier.model_folder.files import read_card
from classifier.model_folder.find import DEMO_MODEL, find_model
from wsi.errors import PulmoscopeError
from wsi.synthetic.slide import demo_slide

SLIDE_NAME = "synthetic-lung.tif"


@dataclass(frozen=True)
class DemoFigures:
    call: str
    probability: float
    truth: str
    review_reasons: tuple[str, ...]
    slide: str
    store: str
    table: str
    reports: tuple[str, ...]
    app: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def in_words(self) -> str:
        reasons = ", ".join(self.review_reasons) or "none"
        report = next((path for path in self.reports if path.endswith(".html")), self.reports[0])
        return (
            f"\ncall      {class_title(self.call)} ({percent(self.probability)}); drawn as {class_title(self.truth)}\n"
            f"review    {reasons}\n"
            f"report    {report}\n"
            f"store     {self.store}\n"
            f"table     {self.table}\n"
            f"app       {self.app}\n\n"
            "The slide is SYNTHETIC and so is the model's training: this shows the mechanics, nothing about lungs.\n"
            f"{RESEARCH_USE}"
        )


def run_demo(out: Path, *, quiet: bool = False) -> DemoFigures:
    """Writes OUT/slides, OUT/results and OUT/reports. Raises PulmoscopeError."""
    slides, results, reports = out / "slides", out / "results", out / "reports"
    slides.mkdir(parents=True, exist_ok=True)
    slide_path = slides / SLIDE_NAME
    if not quiet:
        print(f"drawing a synthetic slide: {slide_path}", flush=True)
    demo_slide(slide_path)
    jobs = collect_jobs([slide_path], None)
    config = RunConfig(out=results, model=DEMO_MODEL, overwrite=True)
    tally = Tally()
    events = run_batch(jobs, config, read_card(find_model(DEMO_MODEL)).classes, tally=tally)
    if quiet:
        list(events)
    else:
        reporter(False).show(events, len(jobs))
    [row] = tally.rows
    if row.status is SlideStatus.FAILED:
        raise PulmoscopeError(f"the demo did not run ({row.error_code}: {row.message})", hint="try `pulmoscope doctor`")
    written, _ = write_reports(results, reports, ["html", "json", "csv"], asked=Asked(written=datetime.now(UTC)))
    return DemoFigures(
        call=row.call,
        probability=row.probabilities.get(row.call, float("nan")),
        truth="adenocarcinoma",
        review_reasons=row.review_reasons,
        slide=str(slide_path),
        store=str(store.result_path(results, row.slide_id)),
        table=str(results / "slides.csv"),
        reports=tuple(str(path) for path in written),
        app=f"pulmoscope app --results {results} --slides {slides}",
    )
