"""An evaluation as one self-contained HTML page: no script, no link, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classifier.evaluate import Evaluation

TITLES = {
    "accuracy": "Accuracy",
    "auc": "Area under the ROC curve",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "nll": "Negative log-likelihood (lower is better)",
    "ece": "Expected calibration error (lower is better)",
    "brier": "Brier score, 0 to 2 (lower is better)",
}
STATEMENT = "Research use only. It assists, a person decides."
SYNTHETIC = "SYNTHETIC model: trained on drawings. These figures say nothing of real lungs."

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2530; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .35rem .8rem; border-bottom: 1px solid #d5dbe3; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.note { background: #fff6dd; border-left: 4px solid #d99a00; padding: .5rem 1rem; }
"""


def report_html(evaluation: Evaluation) -> str:
    """The whole page. Every name that came from outside is escaped."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f"<title>Evaluation of {escape(evaluation.model)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>Evaluation of {escape(evaluation.model)} {escape(evaluation.model_version)}</h1>",
            *_notes(evaluation),
            f"<p>{_material(evaluation)}</p>",
            "<h2>Figures</h2>",
            "<p>In brackets: 95% interval of a bootstrap over source groups.</p>",
            _figure_table(evaluation),
            "<h2>Confusion matrix</h2>",
            _confusion_table(evaluation),
            "<h2>Do the probabilities mean what they say?</h2>",
            "<p>Tiles by the probability of their predicted class. Calibrated means: the last two columns agree.</p>",
            _reliability_table(evaluation),
            f"<p><small>Model digest (SHA-256 of its card) {escape(evaluation.model_digest)}; "
            f"runtime {escape(evaluation.runtime)}.</small></p>",
            "</body></html>",
        ]
    )


def _notes(evaluation: Evaluation) -> list[str]:
    notes = [STATEMENT, *([SYNTHETIC] if evaluation.synthetic else []), *evaluation.warnings]
    return [f'<p class="note">{escape(note)}</p>' for note in notes]


def _material(evaluation: Evaluation) -> str:
    which = f"of the split <b>{escape(evaluation.split)}</b>" if evaluation.split else "(the whole list)"
    return (
        f"{evaluation.tiles:,} tiles from {evaluation.groups:,} source groups {which}. "
        f"{evaluation.not_recognised:.1%} of them are under the model's familiarity threshold; on a slide they would "
        "not vote. They are counted in all figures here."
    )


def _figure_table(evaluation: Evaluation) -> str:
    rows = []
    for name, figure in evaluation.figures.items():
        kind, _, label = name.partition(":")
        baseline = "-" if evaluation.baseline is None else str(evaluation.baseline[name])
        title = f"{TITLES[kind]}, {label}" if label else TITLES[kind]
        rows.append((title, str(figure), baseline))
    return _table(("", evaluation.model, "Colour histograms alone"), rows)


def _confusion_table(evaluation: Evaluation) -> str:
    header = ("true class", *(f"called {name}" for name in evaluation.classes))
    rows = [
        (name, *(str(count) for count in counts))
        for name, counts in zip(evaluation.classes, evaluation.confusion, strict=True)
    ]
    return _table(header, rows)


def _reliability_table(evaluation: Evaluation) -> str:
    rows = [
        (f"{one.low:.1f} to {one.high:.1f}", str(one.tiles), f"{one.confidence:.3f}", f"{one.accuracy:.3f}")
        for one in evaluation.reliability
    ]
    return _table(("probability", "tiles", "mean probability", "share that was right"), rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "\n".join(
        f"<tr><th>{escape(first)}</th>" + "".join(f'<td class="number">{escape(cell)}</td>' for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
