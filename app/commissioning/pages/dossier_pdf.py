"""The dossier for people, on A4: the same document as dossier.json, and nothing else. The verdict stands first."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.commissioning.cover import PASSED
from app.commissioning.pages.charts import decision_chart, roc_chart
from app.commissioning.pages.parts import Markup, section, table
from app.commissioning.pages.words import FIGURE_NAMES, asked, figure, in_words, number, seconds
from app.commissioning.reporting_items import CALIBRATION, FIGURES, MATERIAL, PINNED, READERS, SUBGROUPS, VERDICT
from app.presentation import figures
from app.presentation.colours import INK
from app.presentation.figures import MISSING
from app.presentation.words import class_title
from app.reports.content.options import ReportOptions
from app.reports.pdf.document import WIDTH, build_pdf
from app.reports.pdf.parts import ACCENT, MM, SOFT, WASH, Writer
from app.reports.pdf.text import marked

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

Document = Mapping[str, Any]
_GREEN, _RED, _AMBER, _AMBER_WASH = "#1C5C46", "#9C2F1F", "#D99A1C", "#FFFAF0"
_SHORT = 12
_HALF = WIDTH * 0.46
TITLE = "Commissioning dossier"
_DECISION = (
    "Decision curve: what acting on a score above the threshold is worth, beside acting on every slide or on none, at "
    "these slides' share of tumour."
)


@dataclass(frozen=True)
class _Charts:
    """(PNG, height as a share of the width, what it shows) of each chart."""

    drawn: tuple[tuple[bytes, float, str], ...]

    @classmethod
    def of(cls, document: Document) -> _Charts:
        pictures = []
        if document["roc"]:
            pictures.append(
                (roc_chart(document["roc"]), "ROC curve of the tumour score, over slides that were judged.")
            )
        if document["net_benefit"]:
            pictures.append((decision_chart(document["net_benefit"]), _DECISION))
        return cls(tuple((png, _height_share(png), alt) for png, alt in pictures))


@dataclass(frozen=True)
class _Foot:
    """What the foot of each page tells."""

    slide_id: str
    research_use: str
    language: str = "en"
    case: str = ""
    written: str = ""


def render_pdf(document: Document) -> bytes:
    """PDF/A with its structure told; the same document gives the same bytes."""
    when = figures.moment(document["made"])
    foot = _Foot(f"Dossier {document['covers']['model']['name']}", document["research_use"], written=when)
    charts = _Charts.of(document)  # pages may be laid out more than once
    return build_pdf(lambda w, _scale: _story(w, document, charts), foot, ReportOptions(), title=TITLE)


def _story(w: Writer, document: Document, charts: _Charts) -> list[Flowable]:
    from reportlab.platypus import PageBreak

    return [
        *_verdict(w, document),
        *_criteria(w, document),
        *_notes(w, document),
        *_material(w, document),
        PageBreak(),
        *_figures(w, document),
        *_drawn(w, charts),
        *_subgroups(w, document),
        *_calibration(w, document),
        *_readers(w, document),
        *_pinned(w, document),
        *_reporting(w, document),
        *_slides(w, document),
    ]


def _verdict(w: Writer, document: Document) -> list[Flowable]:
    from reportlab.platypus import Spacer

    passed = document["verdict"] == PASSED
    met = sum(one["met"] for one in document["criteria"])
    words = f"{met} of {len(document['criteria'])} criteria met; lapses after {document['valid_until']}"
    title = w.text(f"<b>{marked(document['title'] or TITLE)}</b>", kind="H1")
    product = w.text("pulmoscope · commissioning dossier", color=SOFT, align="right")
    rule = [("LINEBELOW", (0, 0), (-1, -1), 1.4, INK), ("BOTTOMPADDING", (0, 0), (-1, -1), 5)]
    told = "Passed" if passed else "Failed"
    return [
        w.grid([[title, product]], [WIDTH * 0.6, WIDTH * 0.4], rule),
        Spacer(1, 2.5 * MM),
        w.note(marked(document["research_use"]), ACCENT, WASH, WIDTH),
        Spacer(1, 5 * MM),
        w.text(f"<b>{told}</b>", size=22, leading=28, color=_GREEN if passed else _RED, kind="H2"),
        w.text(marked(words if passed else f"{words}. Runs that ask for a dossier refuse this one.")),
        w.text(
            marked(f"{_of_model(document)} · made {figures.moment(document['made'])} by {document['who']}"),
            size=8.5,
            color=SOFT,
        ),
        Spacer(1, 4 * MM),
    ]


def _criteria(w: Writer, document: Document) -> list[Flowable]:
    head = w.heading(VERDICT)
    rows = [(asked(one), in_words(one["figure"], one["found"]), _met(one)) for one in document["criteria"]]
    return section(head, [table(w, ("asked for beforehand", "found", ""), rows, (3, 1.2, 2))])


def _met(judged: Mapping[str, Any]) -> str:
    if judged["met"]:
        return Markup(f"<font color='{_GREEN}'>met</font>")
    return Markup(f"<font color='{_RED}'><b>not met</b></font>{_because(judged)}")


def _because(judged: Mapping[str, Any]) -> str:
    return f": {marked(judged['why'])}" if judged["why"] else ""


def _notes(w: Writer, document: Document) -> list[Flowable]:
    from reportlab.platypus import Spacer

    parts = []
    for one in document["notes"]:
        parts += [w.note(marked(one), _AMBER, _AMBER_WASH, WIDTH), Spacer(1, 1.5 * MM)]
    return [*parts, Spacer(1, 3 * MM)]


def _material(w: Writer, document: Document) -> list[Flowable]:
    head = w.heading(MATERIAL)
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
    return section(head, [w.text(marked(told), size=8.5), table(w, header, rows, shares), *_fates(w, document)])


def _fates(w: Writer, document: Document) -> list[Flowable]:
    reasons = ", ".join(f"{name} {count}" for name, count in document["review_reasons"].items()) or "none"
    errors = ", ".join(f"{name} {count}" for name, count in document["errors"].items()) or "none"
    lines = f"Reasons to look again, by slides: {reasons}. Slides that failed, by code: {errors}."
    return [w.text(marked(lines), size=8, color=SOFT)]


def _figures(w: Writer, document: Document) -> list[Flowable]:
    head = w.heading(FIGURES)
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
    return section(head, [w.text(marked(told), size=8.5), table(w, ("", "figure"), rows, (1.4, 2))])


def _drawn(w: Writer, charts: _Charts) -> list[Flowable]:
    """Both charts beside each other."""
    from reportlab.platypus import KeepTogether, Spacer

    cells = [
        [w.picture(png, alt, _HALF, _HALF * share), Spacer(1, 3), w.text(alt, size=8, color=SOFT)]
        for png, share, alt in charts.drawn
    ]
    if not cells:
        return []
    row = [*cells, *[""] * (2 - len(cells))]
    return [KeepTogether(w.grid([row], [WIDTH / 2, WIDTH / 2], [])), Spacer(1, 4 * MM)]


def _subgroups(w: Writer, document: Document) -> list[Flowable]:
    head = w.heading(SUBGROUPS)
    rows = [
        (
            one["kind"],
            one["name"],
            f"{one['cases']} of {one['listed']} ({one['positives']})",
            figure("sensitivity", one["sensitivity"]),
            figure("specificity", one["specificity"]),
            figure("auc", one["auc"]),
        )
        for one in document["subgroups"]
    ]
    header = ("", "", "slides judged, of all (positive)", "sensitivity", "specificity", "area under the curve")
    return section(head, [table(w, header, rows, (0.8, 1, 1, 1.6, 1.6, 1.6))])


def _calibration(w: Writer, document: Document) -> list[Flowable]:
    head = w.heading(CALIBRATION)
    found = document["figures"]
    rows = [
        (
            name,
            figure(before, found.get(before)),
            figure(f"{before}_calibrated", found.get(f"{before}_calibrated")),
        )
        for name, before in (("Expected calibration error", "ece"), ("Brier score", "brier"))
    ]
    parts: list[Flowable] = [
        w.text(marked(document["calibration"]["told"]), size=8.5),
        table(w, ("", "as the tool tells it", "calibrated, on other patients"), rows, (1.2, 2, 2)),
    ]
    if document["coverage"]:
        sets = [
            (f"{one['level']:.0%}", figure("coverage_90", one["coverage"]), number(one["mean_size"]), one["told"])
            for one in document["coverage"]
        ]
        header = ("sets that should hold the truth in", "held it in", "classes in a set, mean", "")
        parts.append(table(w, header, sets, (1.2, 1.6, 1, 2.4)))
    return section(head, parts)


def _readers(w: Writer, document: Document) -> list[Flowable]:
    head = w.heading(READERS)
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
        parts = [w.text(marked(model + fleiss), size=8.5), table(w, header, rows, (0.8, 0.6, 1.6, 1.6, 1.6))]
    if ways:
        parts += _ways(w, ways)
    return section(head, parts) if parts else []


def _ways(w: Writer, ways: Mapping[str, Any]) -> list[Flowable]:
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
    return [w.text(marked(told), size=8.5), table(w, ("difference of the areas", ""), rows, (2, 3))]


def _pinned(w: Writer, document: Document) -> list[Flowable]:
    head = w.heading(PINNED)
    covers, pinned = document["covers"], document["pinned"]
    methods = ", ".join(f"{name} {version}" for name, version in covers["methods"].items())
    rows = [
        ("pulmoscope", f"{covers['pulmoscope']}, methods: {methods}"),
        ("model", f"{_of_model(document)}, SHA-256 {covers['model']['sha256']}"),
        ("site profile", covers["site_sha256"] or "none"),
        ("slide model", covers["slide_model_sha256"] or "none"),
        ("settings", covers["settings"]),
        ("computed by", ", ".join(pinned["runtimes"]) or MISSING),
        ("criteria", pinned["criteria_sha256"]),
        ("labels", pinned["labels_sha256"]),
        ("readers' calls", pinned["readers_sha256"] or "none"),
        ("audit log of results", f"head {pinned['audit']['head']}, {pinned['audit']['lines']} lines"),
        ("seal", "with the laboratory's key" if pinned["sealed_with_key"] else "without a key"),
    ]
    told = "Digests are SHA-256. The tool saw no label: labels were read for this dossier alone."
    return section(head, [w.text(told, size=8.5), table(w, ("", ""), rows, (1, 4.2))])


def _reporting(w: Writer, document: Document) -> list[Flowable]:
    """A row a guideline and section; then what only the laboratory can answer."""
    head = w.heading("For whoever reports this as a study")
    under: dict[tuple[str, str], list[str]] = {}
    for one in document["reporting"]["answered"]:
        under.setdefault((one["guideline"], one["where"]), []).append(f"{one['number']} {one['topic']}")
    rows = [(guideline, where, "; ".join(items)) for (guideline, where), items in under.items()]
    left: dict[str, list[str]] = {}
    for one in document["reporting"]["left"]:
        left.setdefault(one["guideline"], []).append(f"{one['number']} {one['topic']}")
    rows += [(guideline, "left to the laboratory", "; ".join(items)) for guideline, items in left.items()]
    header = ("guideline", "answered, at least in part, under", "items")
    return section(head, [table(w, header, rows, (1, 1.3, 4.2))])


def _slides(w: Writer, document: Document) -> list[Flowable]:
    head = w.heading("Every slide")
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
    told = w.text("A star: the call is not the label.", size=8, color=SOFT)
    return section(head, [told, table(w, header, rows, (1.6, 1.4, 1.4, 2, 0.7, 1))])


def _call(slide: Mapping[str, Any]) -> str:
    call = class_title(slide["call"]) if slide["probabilities"] or slide["call"] != "failed" else "failed"
    return call if slide["call"] == slide["label"] else f"{call} *"


def _of_model(document: Document) -> str:
    model = document["covers"]["model"]
    synthetic = " (SYNTHETIC)" if document["synthetic"] else ""
    return f"{model['name']} {model['version']}{synthetic}"


def _height_share(png: bytes) -> float:
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        return image.height / image.width
