"""The section of an evaluation page that sets readers beside the model."""

from __future__ import annotations

from app.presentation.figures import signed_points
from app.reports.evaluation.html import paragraph, section, table
from classifier.evaluation.readers.study import ReaderStudy
from classifier.evaluation.reporting_items import Section


def readers_section(study: ReaderStudy, units: str) -> str:
    """HTML; `units` says what the intervals are drawn over, in words."""
    names = [one.reader for one in study.readers]
    return section(
        Section.READERS,
        paragraph(
            f"{len(names)} reader{'s' if len(names) > 1 else ''}, {study.cases:,} cases; a case is one of the "
            f"{study.kind}. The model's call on a case is the class with the largest probability, averaged over its "
            f"tiles. It is right on {study.model_accuracy} of the cases; its kappa with the reference is "
            f"{study.model_kappa_reference}. Intervals over {units}."
        ),
        _accuracies(study),
        _kappas(study),
        _pairs(study) if study.pairs else "",
        _fleiss(study) if len(names) > 1 else "",
    )


def _accuracies(study: ReaderStudy) -> str:
    header = (
        "reader",
        "cases",
        "accuracy",
        "model on the same",
        "model - reader, points",
        "right alone: model, reader",
        "p",
    )
    rows = [
        (
            one.reader,
            f"{one.cases:,}",
            str(one.accuracy),
            f"{one.model_accuracy.value:.3f}",
            signed_points(one.model_minus_reader),
            f"{one.only_model_right}, {one.only_reader_right}",
            f"{one.mcnemar_p:.3f}" if one.mcnemar_p >= 0.001 else "<0.001",
        )
        for one in study.readers
    ]
    said = (
        "p: McNemar's exact test, two-sided, not adjusted for the number of readers. It takes cases to be independent"
        + (", which tiles of one source are not: trust the interval more." if study.kind == "tiles" else ".")
    )
    return table(header, rows, caption="Right and wrong, against the reference") + paragraph(said, "small")


def _kappas(study: ReaderStudy) -> str:
    rows = [(one.reader, f"{one.cases:,}", str(one.kappa_reference), str(one.kappa_model)) for one in study.readers]
    return table(("reader", "cases", "with the reference", "with the model"), rows, caption="Cohen's kappa")


def _pairs(study: ReaderStudy) -> str:
    rows = [(f"{one.first} and {one.second}", f"{one.cases:,}", str(one.kappa)) for one in study.pairs]
    return table(("readers", "cases", "kappa"), rows, caption="Cohen's kappa between readers, on the cases both read")


def _fleiss(study: ReaderStudy) -> str:
    left = f"; {study.left_out:,} that some reader did not call are left out" if study.left_out else ""
    return paragraph(
        f"Fleiss' kappa of all readers, without the model: {study.fleiss}, over the {study.complete_cases:,} cases "
        f"that every reader called{left}."
    )
