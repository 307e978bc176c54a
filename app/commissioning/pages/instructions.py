"""Instructions for use: one page for whoever reads with the tool, made of the model's card and the dossier of its
proof, and of nothing else. It tells which model and which dossier it is of, and lapses with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from app.commissioning.pages.words import FIGURE_NAMES, asked, figure, in_words
from app.presentation.words import RESEARCH_USE, class_title
from app.reports.evaluation.html import page, paragraph, section, table
from classifier.model_folder.card import ModelCard

_SHOWN = ("sensitivity", "specificity", "sensitivity_of_all", "specificity_of_all", "refused_share", "review_share")
_GATE = (
    "On tiles that neither model learned from it is not worse: the 95% interval of the difference in accuracy, over "
    "groups, stays above -2 points, and no class falls by more than 5.",
    "It refuses at most 5 points more of them, and bears 24 made laboratories nearly as well.",
    "Of the tiles that readers corrected, and that were kept to judge, it gets more right.",
    "A person with a name lets it count, and an earlier version can be let count again.",
)


def render_instructions(document: Mapping[str, Any], card: ModelCard, dossier_sha256: str) -> bytes:
    """A page that loads nothing and runs no script. `document` is the dossier's; `card` that of the model it covers."""
    title = f"Instructions for use: {card.name} {card.version}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        paragraph(RESEARCH_USE, "note"),
        *(_synthetic(card)),
        section("What it is for", paragraph(card.intended_use), paragraph(_calls(card))),
        section("What it is given", *map(paragraph, _given(document, card))),
        section("How it did on this laboratory's slides", *_found(document)),
        section("How to read its answer", _list(_READING)),
        section("What it cannot do", _list(card.limits), paragraph("It was never shown:"), _list(card.never_shown)),
        section("What to know of the figures", _list(document["notes"])),
        section("What a retraining may change", *_retraining()),
        section("Which version this is of", _version(document, card, dossier_sha256)),
    ]
    return page(title, parts).encode("utf-8")


_READING = (
    "A call is a proposal. Whoever signs has looked at the slide, and the record says what they decided.",
    "\u201cCannot tell\u201d is an answer: too little of the tissue was like what the model knows.",
    "Each reason to look again names what is doubtful and where; a slide with a reason is not done.",
    "The heatmap shows what the model made of each place. No colour there does not mean no tumour.",
    "A score is no probability that this patient has a tumour, unless it was calibrated on slides like these.",
)


def _synthetic(card: ModelCard) -> Iterator[str]:
    if card.synthetic:
        yield paragraph("SYNTHETIC model: it learned from drawings, and says nothing of real lungs.", "note")


def _calls(card: ModelCard) -> str:
    classes = ", ".join(class_title(name) for name in card.classes)
    tissues = ", ".join(class_title(name).lower() for name in card.tissues)
    told = f"A slide is called one of: {classes}; or it cannot tell."
    return f"{told} Places may besides be told as {tissues}." if tissues else told


def _given(document: Mapping[str, Any], card: ModelCard) -> Iterator[str]:
    yield (
        f"Slides whose pixel size is known: tiles of {card.tile.size_px * card.tile.mpp:.0f} um at "
        f"{card.tile.mpp:g} um/px. A slide that states none is refused, and none is guessed."
    )
    scanners, stains = (
        sorted({row["name"] for row in document["subgroups"] if row["kind"] == kind}) for kind in ("scanner", "stain")
    )
    if scanners or stains:
        yield f"Proved on slides of: {', '.join((*scanners, *stains))}. Of others nothing is known here."
    else:
        yield "The labels named no scanner and no stain: it is not known for which the figures hold."
    if document["covers"]["site_sha256"]:
        yield "Under the site profile that the dossier names."


def _found(document: Mapping[str, Any]) -> Iterator[str]:
    figures = document["figures"]
    slides, patients = (in_words(name, figures[name]["value"]) for name in ("slides", "patients"))
    yield paragraph(f"{slides} slides of {patients} patients. The proof {document['verdict']}.")
    rows = [(FIGURE_NAMES[name], figure(name, figures.get(name))) for name in _SHOWN]
    yield table(("Figure", "With its 95% interval"), rows, text_columns=2)
    judged = [
        (asked(one), in_words(one["figure"], one["found"]), "met" if one["met"] else "NOT MET")
        for one in document["criteria"]
    ]
    yield table(("Asked beforehand", "Found", ""), judged, text_columns=3)


def _retraining() -> Iterator[str]:
    yield paragraph(
        "Nothing learns by itself. A laboratory may train the model further on regions that its readers signed; the "
        "result is another model with another digest, and counts only where its gate was passed:"
    )
    yield _list(_GATE)
    yield paragraph(
        "This page is of the version below alone: a new version is proved anew, and gets a page of its own. "
        "`run --commissioned` refuses a model that the dossier does not cover."
    )


def _version(document: Mapping[str, Any], card: ModelCard, dossier_sha256: str) -> str:
    covers = document["covers"]
    rows = [
        ("Model", f"{card.name} {card.version}"),
        ("Model, SHA-256", covers["model"]["sha256"]),
        ("Slide model, SHA-256", covers["slide_model_sha256"] or "none"),
        ("pulmoscope", covers["pulmoscope"]),
        ("Dossier", f"{document['title']}, made {document['made'][:10]}"),
        ("Dossier, SHA-256", dossier_sha256),
        ("Lapses after", document["valid_until"]),
    ]
    return table(("", ""), rows, text_columns=2)


def _list(items: Any) -> str:
    return f"<ul>{''.join(f'<li>{escape(str(item))}</li>' for item in items)}</ul>"
