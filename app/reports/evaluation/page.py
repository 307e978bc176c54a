"""An evaluation as one self-contained HTML page: no script, no link, nothing loaded from elsewhere.

Which sections there are and what they say; how they look is in `evaluation_html.py` and `evaluation_charts.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from app.presentation.figures import decimal_share, ends, signed_points
from app.presentation.words import UNIT_WORDS, spoken
from app.reports.evaluation.charts import (
    coverage_chart,
    reliability_chart,
    roc_chart,
    shift_chart,
)
from app.reports.evaluation.html import chart, page, paragraph, section, table, table_of_marked
from app.reports.evaluation.readers_section import readers_section
from classifier.evaluation.baseline import FURTHER_BASELINES
from classifier.evaluation.findings import Evaluation
from classifier.evaluation.intervals import BOOTSTRAP_ROUNDS, MIN_GROUPS
from classifier.evaluation.laboratories import by_kind
from classifier.evaluation.reporting_items import Answer, ReportingItem, Section
from classifier.evaluation.shifts import worst_shift
from wsi import __version__

STATEMENT = "Research use only. It assists, a person decides."
SYNTHETIC = "SYNTHETIC model: trained on drawings. These figures say nothing of real lungs."
OVERALL = {
    "accuracy": "Accuracy",
    "nll": "Negative log-likelihood (lower is better)",
    "ece": "Expected calibration error (lower is better)",
    "brier": "Brier score, 0 to 2 (lower is better)",
}
BY_CLASS = {"sensitivity": "Sensitivity", "specificity": "Specificity", "auc": "Area under the ROC curve"}
BASELINE = "colour histograms alone"


def report_html(evaluation: Evaluation) -> str:
    """The whole page. Every name that came from outside is escaped."""
    card = evaluation.card
    notes = [STATEMENT, *([SYNTHETIC] if card.synthetic else []), *evaluation.warnings]
    return page(
        f"Evaluation of {card.name}",
        [
            f"<h1>Evaluation of {escape(card.name)} {escape(card.version)}</h1>",
            *(paragraph(note, "note") for note in notes),
            _glance(evaluation),
            _material(evaluation),
            _figures(evaluation),
            _confusion(evaluation),
            _roc(evaluation),
            _calibration(evaluation),
            _coverage(evaluation),
            _shifts(evaluation) if evaluation.shifts else "",
            _foreign(evaluation) if evaluation.foreign else "",
            readers_section(evaluation.readers, _units(evaluation)) if evaluation.readers else "",
            _model(evaluation),
            _items(evaluation),
        ],
    )


def _glance(evaluation: Evaluation) -> str:
    told = [
        (
            decimal_share(evaluation.figures["accuracy"].value),
            f"accuracy, {ends(evaluation.figures['accuracy'])}",
        ),
        (f"{evaluation.figures['ece'].value:.3f}", "expected calibration error"),
        (decimal_share(evaluation.not_recognised), "of the tiles not recognised"),
    ]
    row = next(row for row in evaluation.coverage.rows if row.wanted == 0.9)
    told.insert(
        1, (decimal_share(row.accuracy.value), f"accuracy on the surest {decimal_share(row.coverage)} of the tiles")
    )
    worst = worst_shift(evaluation.shifts)
    if worst:
        told.append((f"{100 * worst.difference.value:+.1f} points", f"accuracy under the worst shift: {worst.title}"))
    cells = "".join(f"<li><b>{escape(value)}</b><small>{escape(words)}</small></li>" for value, words in told)
    return f'<ul class="glance">{cells}</ul>'


def _material(evaluation: Evaluation) -> str:
    which = f"of the split {evaluation.split}" if evaluation.split else "(the whole list)"
    counts = [sum(row) for row in evaluation.confusion]
    rows = [
        (spoken(name), f"{tiles:,}", f"{groups:,}")
        for name, tiles, groups in zip(evaluation.classes, counts, evaluation.groups_of_class, strict=True)
    ]
    tile = evaluation.card.tile
    return section(
        Section.MATERIAL,
        paragraph(
            f"{evaluation.tiles:,} tiles from {evaluation.groups:,} source groups {which}. All are counted in every "
            "figure that does not say otherwise: a list with a tile that has no class or cannot be read is refused. "
            "A source group lies in one split only."
        ),
        paragraph(f"Each tile is shown to the model as {tile.size_px} x {tile.size_px} px at {tile.mpp:g} um per px."),
        table(("true class", "tiles", "source groups"), rows),
    )


def _figures(evaluation: Evaluation) -> str:
    baseline = evaluation.baseline
    header = ["", evaluation.model, *([BASELINE] if baseline else [])]
    overall = [
        (title, str(evaluation.figures[name]), *([str(baseline[name])] if baseline else []))
        for name, title in OVERALL.items()
    ]
    recognised = ("Accuracy among recognised tiles", str(evaluation.recognised_accuracy), *(["-"] if baseline else []))
    overall.insert(1, recognised)
    beside = (
        "Beside the model: logistic regression on colour histograms, learned from the list's train split. It sees no "
        "shape at all; a network that is no better has not been shown to see any."
        if baseline
        else ""
    )
    little = "; ".join(
        f"{FURTHER_BASELINES[name][0].lower()} {figure}" for name, figure in evaluation.further_baselines.items()
    )
    return section(
        Section.FIGURES,
        paragraph(
            f"In brackets: 95% interval of a bootstrap over {_units(evaluation)} ({evaluation.units:,}), drawn whole, "
            f"{BOOTSTRAP_ROUNDS:,} times. From fewer than {MIN_GROUPS} there is none; a figure of one class rests on "
            f"the {_units(evaluation)} with tiles of it. Where no tile was missed 'at least' is the exact one-sided "
            f"95% bound: after n {_units(evaluation)} without an error, up to 3 in n may yet have one."
        ),
        paragraph(beside) if beside else "",
        paragraph(
            f"Accuracy of what little else tells, learned alike: {little}. What it gets right says of the cameras."
        )
        if little
        else "",
        table(header, overall),
        table_of_marked(("class, against all others", *BY_CLASS.values()), _class_rows(evaluation)),
    )


def _class_rows(evaluation: Evaluation) -> Iterator[tuple[str, tuple[str, ...]]]:
    for label in evaluation.classes:
        yield "", (spoken(label), *(str(evaluation.figures[f"{kind}:{label}"]) for kind in BY_CLASS))
        if evaluation.baseline:
            yield "beside", (BASELINE, *(str(evaluation.baseline[f"{kind}:{label}"]) for kind in BY_CLASS))


def _confusion(evaluation: Evaluation) -> str:
    rows = [
        (spoken(name), *(f"{count:,}" for count in counts))
        for name, counts in zip(evaluation.classes, evaluation.confusion, strict=True)
    ]
    header = ("true class", *(f"called {spoken(name)}" for name in evaluation.classes))
    return section(Section.CONFUSION, table(header, rows))


def _roc(evaluation: Evaluation) -> str:
    curves = [curve for curve in evaluation.roc if curve.sensitivity]
    if not curves:
        return section(Section.ROC, paragraph("The tiles are of one class only: there is no curve."))
    whole = chart(roc_chart(curves), "One class against all others. Dots: the model's own calls, the likeliest class.")
    corner = chart(roc_chart(curves, (0.0, 0.2), (0.8, 1.0)), "The same, its upper left corner enlarged.")
    return section(Section.ROC, f'<div class="charts">{whole}{corner}</div>')


def _calibration(evaluation: Evaluation) -> str:
    rows = [
        (f"{one.low:.1f} to {one.high:.1f}", f"{one.tiles:,}", f"{one.confidence:.3f}", f"{one.accuracy:.3f}")
        for one in evaluation.reliability
    ]
    header = ("probability", "tiles", "mean probability", "share that was right")
    caption = "Each dot is a row of the table, larger with more tiles. Calibrated means: on the dotted line."
    drawn = chart(reliability_chart(evaluation.reliability), caption)
    return section(
        Section.CALIBRATION,
        paragraph("Do the probabilities mean what they say? Tiles by the probability of their predicted class."),
        f'<div class="charts">{drawn}{table(header, rows)}</div>',
    )


def _coverage(evaluation: Evaluation) -> str:
    rows = [
        (
            f"{row.wanted:.0%}",
            f"{row.threshold:.3f}",
            f"{row.tiles:,}",
            f"{row.coverage:.1%}",
            str(row.accuracy),
        )
        for row in evaluation.coverage.rows
    ]
    header = ("coverage wanted", "threshold", "tiles judged", "coverage", "accuracy on them")
    return section(
        Section.COVERAGE,
        paragraph(
            "If tiles whose largest probability is under a threshold were left to a person, how right would the model "
            "be on the rest? The threshold was found on these very tiles; take one for use from other tiles."
        ),
        chart(coverage_chart(evaluation.coverage), "Dots: the rows of the table, with their 95% intervals."),
        table(header, rows),
    )


def _shifts(evaluation: Evaluation) -> str:
    worst = worst_shift(evaluation.shifts)
    rows = [
        (
            "strong" if one is worst else "",
            (
                one.title,
                str(one.accuracy),
                signed_points(one.difference),
                decimal_share(one.not_recognised),
                str(one.recognised_accuracy),
            ),
        )
        for one in evaluation.shifts
    ]
    header = ("shift", "accuracy", "difference, points", "not recognised", "accuracy among recognised")
    named = f"The worst is {worst.title}: {signed_points(worst.difference)} points." if worst else ""
    return section(
        Section.SHIFTS,
        paragraph(
            "The same tiles, changed in fixed ways as another laboratory or scanner might show them. The difference "
            f"is to the tiles as they are, with {evaluation.figures['accuracy']}, paired tile by tile. {named}"
        ),
        chart(shift_chart(evaluation.shifts), "Change in accuracy, with its 95% interval. Left of the line: a loss."),
        table_of_marked(header, rows),
        _laboratories(evaluation) if evaluation.laboratories else "",
    )


def _laboratories(evaluation: Evaluation) -> str:
    """A line for the laboratories that are a little away, and one for those that are far."""
    rows, worst = [], []
    for kind, results in by_kind(evaluation.laboratories).items():
        worst.append(min(results, key=lambda one: one.difference.value))
        refused = [one.not_recognised for one in results]
        rows.append(
            (
                f"{len(results)} {kind}",
                decimal_share(sum(one.accuracy.value for one in results) / len(results)),
                signed_points(worst[-1].difference),
                decimal_share(sum(refused) / len(refused)),
                decimal_share(max(refused)),
            )
        )
    header = ("laboratories", "mean accuracy", "worst difference, points", "not recognised, mean", "at most")
    return paragraph(
        "Some of the tiles as whole other laboratories might show them: stains, white balance, tone, magnification, "
        "sharpness and compression all changed at once, in ways that were drawn once and are the same for every model. "
        f"The worst: {'; '.join(one.title for one in worst)}."
    ) + table(header, rows)


def _foreign(evaluation: Evaluation) -> str:
    rows = [
        (
            "directly in the folder" if one.name == "." else one.name,
            f"{one.images:,}",
            f"{one.tiles:,}",
            str(one.auroc),
            str(one.auroc_with_focus),
            decimal_share(one.not_recognised),
            decimal_share(one.blurred),
        )
        for one in evaluation.foreign
    ]
    header = ("set", "images", "tiles", "AUROC", "AUROC with focus", "not recognised", "set aside as blurred")
    return section(
        Section.FOREIGN,
        paragraph(
            "Familiarity of the tiles judged above against what is none of the classes: sets made of those very tiles, "
            "and images from outside where they were given. AUROC: how often a judged tile is the more familiar one; "
            f"with focus: how often it is the one more fit to vote, being familiar and sharp. Of the judged tiles "
            f"{decimal_share(evaluation.not_recognised)} are not recognised. Images are taken pixel for pixel, "
            "whatever their scale; intervals are drawn over them too; a "
            "single one gives none. The check for blur is the tiler's own, made apart from familiarity."
        ),
        table(header, rows),
    )


def _model(evaluation: Evaluation) -> str:
    card = evaluation.card
    rows = [
        ("intended use", card.intended_use),
        *(("limit", limit) for limit in card.limits),
        ("never shown", "; ".join(card.never_shown)),
        ("training", _training(evaluation)),
        ("calls", f"the class with the largest probability; softmax of the logits divided by {card.temperature:g}"),
        ("not recognised", f"familiarity under {card.familiarity_threshold:g}, on a slide such a tile does not vote"),
        ("run with", f"pulmoscope {__version__}, runtime {evaluation.runtime}"),
        ("identity", f"SHA-256 of its card {card.digest}"),
    ]
    return section(Section.MODEL, table(("", "what its card says"), rows, text_columns=2))


def _training(evaluation: Evaluation) -> str:
    told = {name: value for name, value in evaluation.card.training.items() if isinstance(value, str | int | float)}
    return "; ".join(f"{spoken(name)}: {value}" for name, value in told.items()) or "the card does not say"


def _items(evaluation: Evaluation) -> str:
    parts = [
        paragraph(
            "For whoever writes a study from this report: the items of two reporting guidelines that it answers, and "
            "those that only the authors can. Numbers are the guidelines', the words are ours; read the originals "
            "(CLAIM: doi 10.1148/ryai.240300, TRIPOD+AI: doi 10.1136/bmj-2023-078378)."
        )
    ]
    for guideline, grouped in groupby(evaluation.reporting_items, key=lambda item: item.guideline):
        items = list(grouped)
        answered = [item for item in items if item.answer is not Answer.AUTHORS]
        left = [item for item in items if item.answer is Answer.AUTHORS]
        rows = [(item.number, item.topic, item.answer, ", ".join(item.where)) for item in answered]
        caption = f"{guideline}: {len(answered)} of {len(items)} items answered, wholly or partly"
        parts.append(table(("item", "about", "", "where"), rows, caption=caption, text_columns=4))
        parts.append(f"<h3>{escape(guideline)}: left to the authors</h3>{_columns(left)}")
    return section("Reporting guidelines", *parts)


def _columns(items: list[ReportingItem]) -> str:
    cells = "".join(f"<li><b>{escape(item.number)}</b>{escape(item.topic)}</li>" for item in items)
    return f'<ul class="columns">{cells}</ul>'


def _units(evaluation: Evaluation) -> str:
    return UNIT_WORDS[evaluation.interval_over]
