"""The dossier for people, on A4: the same document as dossier.json, and nothing else. The verdict stands first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.commissioning.cover import PASSED
from app.commissioning.pages.charts import decision_chart, roc_chart
from app.commissioning.pages.parts import (
    ACCENT,
    MM,
    SOFT,
    WASH,
    WIDTH,
    Markup,
    build_pdf,
    grid,
    heading,
    note,
    picture,
    table,
    text,
)
from app.commissioning.pages.words import FIGURE_NAMES, asked, figure, in_words, number, seconds
from app.commissioning.reporting_items import CALIBRATION, FIGURES, MATERIAL, PINNED, READERS, SUBGROUPS, VERDICT
from app.presentation.colours import INK
from app.presentation.figures import MISSING
from app.presentation.words import class_title
from app.reports.pdf_text import marked

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

Document = Mapping[str, Any]
_GREEN, _RED, _AMBER, _AMBER_WASH = "#1C5C46", "#9C2F1F", "#D99A1C", "#FFFAF0"
_SHORT = 12
_HALF = WIDTH * 0.46


def render_pdf(document: Document) -> bytes:
    """The same document gives the same bytes."""
    return build_pdf(lambda: _story(document), "pulmoscope: commissioning dossier", document["research_use"])


def _story(document: Document) -> list[Flowable]:
    from reportlab.platypus import PageBreak

    return [
        *_verdict(document),
        *_criteria(document),
        *_notes(document),
        *_material(document),
        PageBreak(),
        *_figures(document),
        *_charts(document),
        *_subgroups(document),
        *_calibration(document),
        *_readers(document),
        *_pinned(document),
        *_reporting(document),
        *_slides(document),
    ]


def _verdict(document: Document) -> list[Flowable]:
    from reportlab.platypus import Spacer

    passed = document["verdict"] == PASSED
    met = sum(one["met"] for one in document["criteria"])
    words = f"{met} of {len(document['criteria'])} criteria met; lapses after {document['valid_until']}"
    title = document["title"] or "Commissioning dossier"
    product = text("pulmoscope · commissioning dossier", color=SOFT, align="right")
    rule = [("LINEBELOW", (0, 0), (-1, -1), 1.4, INK), ("BOTTOMPADDING", (0, 0), (-1, -1), 5)]
    told = "Passed" if passed else "Failed"
    return [
        grid([[text(f"<b>{marked(title)}</b>"), product]], [WIDTH * 0.6, WIDTH * 0.4], rule),
        Spacer(1, 2.5 * MM),
        note(marked(document["research_use"]), ACCENT, WASH),
        Spacer(1, 5 * MM),
        text(f"<b>{told}</b>", size=22, leading=28, color=_GREEN if passed else _RED),
        text(marked(words if passed else f"{words}. Runs that ask for a dossier refuse this one.")),
        text(marked(f"{_of_model(document)} · made {document['made']} by {document['who']}"), size=8.5, color=SOFT),
        Spacer(1, 4 * MM),
    ]


def _criteria(document: Document) -> list[Flowable]:
    rows = [(asked(one), in_words(one["figure"], one["found"]), _met(one)) for one in document["criteria"]]
    return _section(VERDICT, [table(("asked for beforehand", "found", ""), rows, (3, 1.2, 2))])


def _met(judged: Mapping[str, Any]) -> str:
    if judged["met"]:
        return Markup(f"<font color='{_GREEN}'>met</font>")
    return Markup(f"<font color='{_RED}'><b>not met</b></font>{_because(judged)}")


def _because(judged: Mapping[str, Any]) -> str:
    return f": {marked(judged['why'])}" if judged["why"] else ""


def _notes(document: Document) -> list[Flowable]:
    from reportlab.platypus import Spacer

    parts = []
    for one in document["notes"]:
        parts += [note(marked(one), _AMBER, _AMBER_WASH), Spacer(1, 1.5 * MM)]
    return [*parts, Spacer(1, 3 * MM)]


def _material(document: Document) -> list[Flowable]:
    confusion = document["confusion"]
    counts = {name: number(document["figures"][name]["value"]) for name in ("slides", "patients", "positives")}
    positive = ", ".join(class_title(name) for name in document["positive"])
    told = (
        f"{counts['slides']} slides of {counts['patients']} patients, {counts['positives']} with what is looked for "
        f"({positive}). A row is the laboratory's label, a column the tool's call."
    )
    header = ("label", *(class_title(name) for name in confusion["calls"][:-2]), "no call", "failed")
    rows = [
        (class_title(label), *map(str, row))
        for label, row in zip(confusion["labels"], confusion["counts"], strict=True)
    ]
    shares = (1.5, *[1.0] * (len(header) - 1))
    return _section(MATERIAL, [text(marked(told), size=8.5), table(header, rows, shares), *_fates(document)])


def _fates(document: Document) -> list[Flowable]:
    reasons = ", ".join(f"{name} {count}" for name, count in document["review_reasons"].items()) or "none"
    errors = ", ".join(f"{name} {count}" for name, count in document["errors"].items()) or "none"
    lines = f"Reasons to look again, by slides: {reasons}. Slides that failed, by code: {errors}."
    return [text(marked(lines), size=8, color=SOFT)]


def _figures(document: Document) -> list[Flowable]:
    told = (
        "In brackets: the 95% interval, with patients drawn whole (of the area also by DeLong's method). 'Of all' "
        "counts a slide without a call as wrong; the other figures are of the slides that were judged."
    )
    rows = [
        (name, figure(key, document["figures"][key]))
        for key, name in FIGURE_NAMES.items()
        if key in document["figures"]
    ]
    rows += [
        (f"{kind} of {class_title(name)}", figure(key, document["figures"][key]))
        for name in document["classes"]
        for kind in ("Sensitivity", "Specificity")
        if (key := f"{kind.lower()}:{name}") in document["figures"]
    ]
    return _section(FIGURES, [text(marked(told), size=8.5), table(("", "figure"), rows, (1.4, 2))])


def _charts(document: Document) -> list[Flowable]:
    from reportlab.platypus import KeepTogether, Spacer

    parts: list[list[Flowable]] = []
    if document["roc"]:
        caption = "ROC curve of the tumour score, over slides that were judged."
        parts.append([picture(roc_chart(document["roc"]), _HALF), text(caption, size=8, color=SOFT)])
    if document["net_benefit"]:
        caption = (
            "Decision curve: what acting on a score above the threshold is worth, beside acting on every slide or on "
            "none, at these slides' share of tumour."
        )
        parts.append([picture(decision_chart(document["net_benefit"]), _HALF), text(caption, size=8, color=SOFT)])
    if not parts:
        return []
    cells = [parts[0], parts[1] if len(parts) > 1 else ""]
    return [KeepTogether(grid([cells], [WIDTH / 2, WIDTH / 2], [])), Spacer(1, 4 * MM)]


def _subgroups(document: Document) -> list[Flowable]:
    rows = [
        (
            one["kind"],
            one["name"],
            f"{one['cases']} ({one['positives']})",
            figure("sensitivity", one["sensitivity"]),
            figure("specificity", one["specificity"]),
            figure("auc", one["auc"]),
        )
        for one in document["subgroups"]
    ]
    header = ("", "", "slides judged (positive)", "sensitivity", "specificity", "area under the curve")
    return _section(SUBGROUPS, [table(header, rows, (0.8, 1, 1, 1.6, 1.6, 1.6))])


def _calibration(document: Document) -> list[Flowable]:
    figures = document["figures"]
    rows = [
        (
            name,
            figure(before, figures.get(before)),
            figure(f"{before}_calibrated", figures.get(f"{before}_calibrated")),
        )
        for name, before in (("Expected calibration error", "ece"), ("Brier score", "brier"))
    ]
    parts: list[Flowable] = [
        text(marked(document["calibration"]["told"]), size=8.5),
        table(("", "as the tool tells it", "calibrated, on other patients"), rows, (1.2, 2, 2)),
    ]
    if document["coverage"]:
        sets = [
            (f"{one['level']:.0%}", figure("coverage_90", one["coverage"]), number(one["mean_size"]), one["told"])
            for one in document["coverage"]
        ]
        header = ("sets that should hold the truth in", "held it in", "classes in a set, mean", "")
        parts.append(table(header, sets, (1.2, 1.6, 1, 2.4)))
    return _section(CALIBRATION, parts)


def _readers(document: Document) -> list[Flowable]:
    study, ways = document["readers"], document["ways"]
    parts: list[Flowable] = []
    if study:
        rows = [
            (
                one["reader"],
                str(one["cases"]),
                figure("agreement", one["accuracy"]),
                figure("kappa", one["kappa_reference"]),
                figure("kappa", one["kappa_model"]),
            )
            for one in study["readers"]
        ]
        header = ("reader", "slides", "agrees with the label", "kappa with the label", "kappa with the tool")
        model = f"The tool on the same slides: {figure('agreement', study['model_accuracy'])}."
        fleiss = f" Among readers: Fleiss' kappa {figure('kappa', study['fleiss_kappa'])}."
        parts = [text(marked(model + fleiss), size=8.5), table(header, rows, (0.8, 0.6, 1.6, 1.6, 1.6))]
    if ways:
        parts += _ways(ways)
    return _section(READERS, parts) if parts else []


def _ways(ways: Mapping[str, Any]) -> list[Flowable]:
    areas = "; ".join(
        f"{name or 'unnamed'} {figure('auc', one)}" for name, one in zip(ways["ways"], ways["areas"], strict=True)
    )
    rows = [
        (f"{one['first'] or 'unnamed'} minus {one['second'] or 'unnamed'}", figure("difference", one["difference"]))
        for one in ways["differences"]
    ]
    told = (
        f"{ways['readers']} readers, {ways['slides']} slides that all scored in every way; area under the curve: "
        f"{areas}. All ways alike: F {number(ways['f'])}, p {number(ways['p'])} (Obuchowski and Rockette, for readers "
        "and patients like these)."
    )
    return [text(marked(told), size=8.5), table(("difference of the areas", ""), rows, (2, 3))]


def _pinned(document: Document) -> list[Flowable]:
    covers, pinned = document["covers"], document["pinned"]
    methods = ", ".join(f"{name} {version}" for name, version in covers["methods"].items())
    rows = [
        ("pulmoscope", f"{covers['pulmoscope']}, methods: {methods}"),
        ("model", f"{_of_model(document)}, SHA-256 {covers['model']['sha256']}"),
        ("site profile", covers["site_sha256"] or "none"),
        ("settings", covers["settings"]),
        ("computed by", ", ".join(pinned["runtimes"]) or MISSING),
        ("criteria", pinned["criteria_sha256"]),
        ("labels", pinned["labels_sha256"]),
        ("readers' calls", pinned["readers_sha256"] or "none"),
        ("audit log of results", f"head {pinned['audit']['head']}, {pinned['audit']['lines']} lines"),
        ("seal", "with the laboratory's key" if pinned["sealed_with_key"] else "without a key"),
    ]
    told = "Digests are SHA-256. The tool saw no label: labels were read for this dossier alone."
    return _section(PINNED, [text(told, size=8.5), table(("", ""), rows, (1, 4.2))])


def _reporting(document: Document) -> list[Flowable]:
    """A row a guideline and section; then what only the laboratory can answer."""
    under: dict[tuple[str, str], list[str]] = {}
    for one in document["reporting"]["answered"]:
        under.setdefault((one["guideline"], one["where"]), []).append(f"{one['number']} {one['topic']}")
    rows = [(guideline, where, "; ".join(items)) for (guideline, where), items in under.items()]
    left: dict[str, list[str]] = {}
    for one in document["reporting"]["left"]:
        left.setdefault(one["guideline"], []).append(f"{one['number']} {one['topic']}")
    rows += [(guideline, "left to the laboratory", "; ".join(items)) for guideline, items in left.items()]
    header = ("guideline", "answered, at least in part, under", "items")
    return _section("For whoever reports this as a study", [table(header, rows, (1, 1.3, 4.2))])


def _slides(document: Document) -> list[Flowable]:
    rows = [
        (
            one["slide_id"],
            class_title(one["label"]),
            _call(one),
            ", ".join(one["review_reasons"]) or one["error_code"],
            seconds(one["seconds"]),
            one["sha256"][:_SHORT],
        )
        for one in document["slides"]
    ]
    header = ("slide", "label", "call", "look again, or why it failed", "time", "fingerprint")
    told = text("A star: the call is not the label.", size=8, color=SOFT)
    return _section("Every slide", [told, table(header, rows, (1.6, 1.4, 1.4, 2, 0.7, 1))])


def _call(slide: Mapping[str, Any]) -> str:
    call = class_title(slide["call"]) if slide["probabilities"] or slide["call"] != "failed" else "failed"
    return call if slide["call"] == slide["label"] else f"{call} *"


def _of_model(document: Document) -> str:
    model = document["covers"]["model"]
    synthetic = " (SYNTHETIC)" if document["synthetic"] else ""
    return f"{model['name']} {model['version']}{synthetic}"


def _section(title: str, parts: Sequence[Flowable]) -> list[Flowable]:
    from reportlab.platypus import CondPageBreak, Spacer

    return [CondPageBreak(45 * MM), heading(title), *parts, Spacer(1, 5 * MM)]
