"""One table, one model, one set of settings: a run that would leave results of others beside its own is refused.

Calls and scores of two models, or of one under two settings, are not to be compared or counted together; in one table
that is what happens to them. A run over all the slides of an output does them anew, and leaves no mixture.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from aggregate.result import SlideStatus
from app.batch.job import SlideJob
from app.ledger.locks import claim
from app.ledger.records import SlideRow
from app.ledger.table import read_table, rows_of_results
from wsi.errors import UsageError
from wsi.text import escape, visible


@contextlib.contextmanager
def one_origin(
    out: Path, jobs: Sequence[SlideJob], model: str, settings: str, beside: frozenset[str] = frozenset()
) -> Iterator[None]:
    """Keeps runs of other models and settings out for as long as this one is at work, and this one out where they are,
    or have left results, but for those of the models `beside`. Raises UsageError, OutputUnwritableError.
    """
    ours = f"{model}, settings {settings}"
    # First the claim, then the table: who is seen in neither comes later, and sees ours.
    with claim(out, "origin", ours) as held:
        if held != ours:
            raise UsageError(
                f"another run is at work on {escape(str(out))}, by {visible(held)}; this run is by {ours}",
                hint="choose another --out",
            )
        refuse_mixture(out, jobs, model, settings, beside)
        yield


def refuse_mixture(
    out: Path, jobs: Sequence[SlideJob], model: str, settings: str, beside: frozenset[str] = frozenset()
) -> None:
    """`model` and `settings` are those of this run, as rows tell them; `beside` are models whose results of the same
    settings stay on purpose: earlier versions that say the same of their slides. Raises UsageError."""
    ours = {job.slide_id for job in jobs}
    others = [
        row
        for row in _finished(out)
        if row.slide_id not in ours
        and row.model
        and (row.model, row.settings) != (model, settings)
        and not (row.model in beside and row.settings == settings)
    ]
    if not others:
        return
    first = min(others, key=lambda row: row.slide_id)
    same_model = first.model == model
    by = (
        f"by {model} under other settings, or by another version of pulmoscope"
        if same_model
        else f"by {first.model}, this run is by {model}"
    )
    raise UsageError(
        f"{escape(str(out))} holds {len(others)} results of other slides ({first.slide_id}, ...) {by}",
        hint="choose another --out, or give all of its slides again",
    )


def _finished(out: Path) -> list[SlideRow]:
    """The rows of the results in an output; an older table does not tell their models, but the store does."""
    stored = read_table(out)
    rows = {**stored.rows} if stored.tells_models and not stored.flaws else {**stored.rows, **rows_of_results(out)}
    return [row for row in rows.values() if row.status is not SlideStatus.FAILED]
