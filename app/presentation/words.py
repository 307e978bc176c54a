"""Plain words for calls, reasons and figures: one place for the terminal, the viewer and the reports.

Text only, in the language that is spoken: no HTML, no colours. What comes from outside (class names, file names) passes
`plain` first; escaping for a format is that format's own duty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from aggregate.result import UNDETERMINED, Decision, SlideResult
from aggregate.thresholds import HIGH_CONFIDENCE, MODERATE_CONFIDENCE
from app.presentation import figures
from app.presentation.figures import percent, points
from app.presentation.language import forms, said, tell, tell_count
from wsi.text import plain

RESEARCH_USE = said(
    "For research use only. pulmoscope assists: its call is the output of a model, not a finding about a patient. "
    "A qualified person looks at the slide and decides."
)
PROBABILITY_NOTE = said(
    "These are scores (tumour: of the most suspicious spot), measured on tiles and not on patients."
)
CANNOT_TELL = said("Cannot tell")

ConfidenceLevel = Literal["high", "moderate", "low", "none"]


@dataclass(frozen=True)
class Reason:
    """Why a person should look again: a short title, what it means, and what helps."""

    title: str
    explanation: str
    what_to_do: str


REASONS: dict[str, Reason] = {
    "low-margin": Reason(
        "The leading classes are close",
        "The two likeliest classes have similar probabilities; a slightly different stain or cut could turn the call.",
        "Compare both classes on the heatmap and look at the areas where they meet.",
    ),
    "scattered": Reason(
        "Tumour calls are scattered",
        "Where the model sees tumour, neighbouring tiles often disagree instead of forming an area. Single stray tiles "
        "are often errors of the model.",
        "Look at the single tiles at high magnification before trusting the call.",
    ),
    "unfamiliar-slide": Reason(
        "A slide unlike those that the model learned from",
        "What the model does not recognise is off in one way all over this slide, as by another stain or scanner. "
        "A slide that holds a single unknown tissue looks so too.",
        "Run `pulmoscope adapt` on a handful of slides of this scanner, then `pulmoscope run --site`. Where that "
        "was done, this slide differs from those.",
    ),
    "other-tumour": Reason(
        "A tumour of another kind",
        "The tissue looks like tumour to the model, and like none of the tumours that it has a name for: it may be "
        "neuroendocrine, mesothelial, lymphoid or of soft tissue, or a metastasis. Few cases taught this class.",
        "Classify the tumour without the model.",
    ),
    "unfamiliar-tissue": Reason(
        "Tissue that the model does not know",
        "A notable share of the tissue is unlike anything that the model learned from. It took no part in the call.",
        "Look at the hatched areas yourself: the model says nothing about them.",
    ),
    "familiarity-unknown": Reason(
        "The model cannot tell what it does not know",
        "It was made elsewhere and brings nothing of the tissue that it learned from. Every tile of good quality took "
        "part in the call, also tissue of a kind that the model was never shown and gives some class all the same.",
        "Take the call as a hint only; measure the model on your own slides, or train a model on its features.",
    ),
    "known-by-site": Reason(
        "Recognised thanks to the site profile",
        "A notable share of the tissue that took part in the call is recognised only under the laboratory's site "
        "profile. That was made without labels: nobody has measured how often the model is right on such tissue.",
        "Look at the slide before trusting the call, and measure the model on labelled tissue of this laboratory.",
    ),
    "unjudged-area": Reason(
        "An area could not be judged",
        "Connected tissue of four tiles or more took no part in the call: the model does not know it, or it is of poor "
        "quality. A tumour that the model does not recognise would lie in such an area.",
        "Look at the area yourself, first of all where the call is that nothing was found; its place is told.",
    ),
    "mostly-set-aside": Reason(
        "Most of the tissue was set aside",
        "More than half of the tissue is out of focus, under pen, dark, or at an edge, and took no part in the call. "
        "Each kind is told in mm².",
        "Look at the slide without the model; scan it again, or give a mask of your own if the tissue is good.",
    ),
    "partial-negative": Reason(
        "Only part of the tissue was found free of tumour",
        "The call says that no tumour was found, but it holds for the tissue that could be judged, and that is not "
        "nearly all.",
        "Read the rest of the slide without the model.",
    ),
    "tumour-like-tiles": Reason(
        "Single tiles look like tumour",
        "The call says that no tumour was found, yet at least one tile looks like tumour to the model. Its neighbours "
        "do not, so it was outvoted. Most such tiles are errors, and some are small tumours.",
        "Look at the tile at high magnification; its place is told.",
    ),
    "slide-model-disagrees": Reason(
        "The slide model says otherwise",
        "A slide model, trained on whole slides, was asked beside the rule that pools tiles, and its call is another. "
        "Neither outranks the other.",
        "Look where the attention of the slide model lies and where the heatmap is hottest, and decide yourself.",
    ),
    "several-classes": Reason(
        "More than one answer, or none, cannot be left out",
        "At the error that the slide model promises, its set for this slide holds several classes or none at all: it "
        "is not sure, or the slide is unlike those that it was calibrated on.",
        "Take no single class from the slide model; its set names those that remain.",
    ),
    UNDETERMINED: Reason(
        "The model cannot tell",
        "Too little of the tissue was recognised and of good quality for a call, or the slide's colours are false or "
        "on black. No "
        "call is made, rather than a poor one.",
        "Read the slide without the model. The other reasons listed here tell what stood in the way.",
    ),
    "blur": Reason(
        "Part of the tissue is out of focus",
        "Blurred tiles took no part in the call, so it rests on less tissue than the slide holds.",
        "Check the focus, and scan the slide again if an important area is affected.",
    ),
    "pen": Reason(
        "Pen marks on the slide",
        "Tissue under pen took no part in the call. Pen often marks the very area that mattered to someone.",
        "Look at the marked area yourself, or clean the slide and scan it again.",
    ),
    "artefact": Reason(
        "Dark artefacts or scan borders",
        "Part of the tissue is darker than stains make it, or lies at the black border of the scan, and took no part "
        "in the call. Folds are not looked for; the darkest of them are among this.",
        "Check that the affected area holds nothing that matters, or scan the slide again.",
    ),
    "little-tissue": Reason(
        "Little tissue",
        "The slide holds so little usable tissue that a few tiles decide its probabilities.",
        "Take the probabilities as a hint only, and consider a further section.",
    ),
    "mpp-inferred": Reason(
        "Pixel size inferred, not stated",
        "The slide does not state its micrometres per pixel; they were inferred. If that is wrong, the model saw the "
        "tissue at a wrong magnification, and every area and length is wrong too.",
        "Find out the true value and run the slide again with --mpp.",
    ),
    "mpp-contradicted": Reason(
        "Pixel size contradicted",
        "Two statements about this slide's micrometres per pixel do not fit together: what was given against what the "
        "slide states, or its pixel size against its objective. One of them is wrong; if it is the one that was taken, "
        "the model saw the tissue at a wrong magnification, and every area and length is wrong too.",
        "Find out the true value; the slide's metadata tell the other one (mpp_otherwise). --mpp-override takes it.",
    ),
    "mixed-types": Reason(
        "More than one tumour type",
        "Tiles of different tumour types form areas of their own. Mixed tumours exist, and so do errors of the model.",
        "Look at each area on the heatmap; the pie chart alone does not show this.",
    ),
    "several-images": Reason(
        "The file holds more than one picture",
        "Besides the one that was read the file holds pictures of about its size, such as a second section. The call "
        "says nothing about them.",
        "Save each picture as a file of its own, and run them all.",
    ),
    "other-stain": Reason(
        "Another stain than H&E",
        "Much of the tissue has colours that haematoxylin and eosin do not give, as special stains and immunostains "
        "have. The model has learned H&E only.",
        "Take no call from this slide; run the H&E section.",
    ),
    "tinted-glass": Reason(
        "The glass is not neutral",
        "Clear glass has a colour here: a filter, a lamp, a wrong white balance, or wrong colours in the file. Tissue "
        "was found against this glass, but the model saw it in these colours.",
        "Look whether the colours of the slide are right, and scan or export it again if they are not.",
    ),
    "false-colours": Reason(
        "The colours of the file are false",
        "No stain and no lamp gives these colours: the file was saved as if RGB were YCbCr or YCbCr were RGB, or "
        "with red and blue exchanged, or as a negative (green fluorescence looks like one), and it cannot be undone "
        "for sure. Tissue was found, but its colours say nothing.",
        "Take no call from this slide: convert it again from the original scan, and run that.",
    ),
    "colours-righted": Reason(
        "The colours were put right",
        "The file stores its colours wrongly: RGB under the name of YCbCr, YCbCr as if it were RGB, or red and blue "
        "exchanged. The mistake was undone before anything else; the tissue, the call and every picture here are those "
        "of the colours put right, and other programs show other ones.",
        "Look whether the colours are those of the glass slide, and convert it again from the original scan.",
    ),
    "dark-background": Reason(
        "Not a brightfield slide",
        "What is on the picture shines on black, as under fluorescence or in a dark field. The model has learned H&E "
        "on clear glass only.",
        "Take no call from this slide; run the H&E section.",
    ),
    "low-resolution": Reason(
        "Scanned more coarsely than the model expects",
        "The slide was enlarged to the model's magnification, so fine detail is missing.",
        "Scan at a higher magnification if you can, and take the probabilities with care.",
    ),
}

_MPP_SOURCES = {
    "given": said("given by the person who ran it"),
    "slide": said("stated by the slide file"),
    "ome-xml": said("stated by the slide file, in OME-XML"),
    "imagej": said("stated by the slide file, by ImageJ"),
    "objective-power": said("inferred from the objective power"),
    "tiff-resolution": said("inferred from TIFF resolution tags"),
}
# What the packaged models know; a class of another model is told by its own name.
_CLASSES = (
    *(said("Adenocarcinoma"), said("Squamous cell carcinoma"), said("Normal"), said("Other tumour"), said("Blood")),
    *(said("Epithelium"), said("Fat"), said("Lymphoid"), said("Necrosis"), said("Other tissue"), said("Stroma")),
)


def reason(code: str) -> Reason:
    """The words for a review reason; a code of a newer or older version still gets a line of its own."""
    known = REASONS.get(code)
    if known is None:
        unknown = tell("This version has no explanation for this reason.")
        return Reason(plain(code), unknown, tell("Look at the slide with care."))
    return Reason(tell(known.title), tell(known.explanation), tell(known.what_to_do))


UNIT_WORDS = {"source_group": "source groups", "patient": "patients", "site": "sites"}


def spoken(label: str) -> str:
    """A class name as it reads in a sentence."""
    return label.replace("_", " ")


def class_title(name: str) -> str:
    """A class name as a title: ``squamous_cell_carcinoma`` becomes ``Squamous cell carcinoma``."""
    words = plain(name).replace("_", " ").strip()
    title = words[:1].upper() + words[1:]
    return tell(title) if title in _CLASSES else title or tell("Unnamed class")


def call_title(decision: Decision) -> str:
    """The call as a heading, e.g. ``Adenocarcinoma``, ``Normal in the 93% that could be judged``, ``Cannot tell``."""
    if decision.call == UNDETERMINED:
        return tell(CANNOT_TELL)
    return class_title(decision.call) + _as_far_as_judged(decision)


def call_in_words(decision: Decision) -> str:
    """The call as one sentence."""
    if decision.call == UNDETERMINED:
        return tell("The model cannot tell what this slide shows.")
    title = class_title(decision.call)
    # An abbreviation such as "SCLC" or "NOS" keeps its capitals inside the sentence.
    inside = title if forms().capitals or title[1:2].isupper() else title[0].lower() + title[1:]
    return tell("The model calls this slide {call}{judged}.", call=inside, judged=_as_far_as_judged(decision))


def _as_far_as_judged(decision: Decision) -> str:
    """A negative says nothing about tissue that could not be judged, and says so; a tumour is one wherever it is."""
    judged = decision.judged_share
    if not decision.negative or judged is None or judged >= 1.0:
        return ""
    # Rounded down: 99.6% is not all.
    share = forms().percent.format(math.floor(100 * judged + 1e-9))
    return tell(" in the {share} that could be judged", share=share)


def places_in_words(result: SlideResult) -> list[tuple[str, str]]:
    """(what, where) for the reasons that have a place on the slide, e.g. ``12 tiles around x 31,200, y 8,900 px``."""
    places = [
        ("unjudged-area", tell("Largest area without a call"), "unjudged", tell("{tiles} around {at}")),
        ("tumour-like-tiles", tell("Look like tumour"), "tumour_like", tell("{tiles}, the surest at {at}")),
    ]
    told = []
    for code, title, key, text in places:
        tiles, x, y = (result.qc.get(f"{key}_{of}", math.nan) for of in ("tiles", "x_px", "y_px"))
        if code in result.decision.review_reasons and all(map(math.isfinite, (tiles, x, y))):
            count = tell_count("{tiles} tile", "{tiles} tiles", round(tiles), tiles=figures.count(tiles))
            told.append((title, text.format(tiles=count, at=f"x {figures.count(x)}, y {figures.count(y)} px")))
    return told


def confidence_level(decision: Decision) -> ConfidenceLevel:
    """In how far the call may be leaned on: never high where there is a reason to look again."""
    if decision.call == UNDETERMINED or not math.isfinite(decision.confidence):
        return "none"
    if decision.confidence < MODERATE_CONFIDENCE or "low-margin" in decision.review_reasons:
        return "low"
    sure = max(decision.probabilities) >= decision.sure_from
    if decision.confidence < HIGH_CONFIDENCE or decision.review_reasons or not sure:
        return "moderate"
    return "high"


def confidence_in_words(decision: Decision) -> str:
    """The level of confidence with the numbers behind it, and what kind of probabilities they are."""
    level = confidence_level(decision)
    if level == "none":
        return tell("No confidence is stated, since no call is made.")
    told = tell(
        "{level}: the leading class has a score of {lead}, {ahead} ahead of the next; {figure} on a scale from 0 (all "
        "classes alike) to 1.",
        level=tell(_LEVELS[level]),
        lead=percent(max(p for p in decision.probabilities if math.isfinite(p))),
        ahead=points(decision.margin),
        figure=confidence_figure(decision.confidence),
    )
    reasons = len(decision.review_reasons)
    look_again = []
    if reasons:
        look_again.append(
            tell_count(
                "There is {count} reason to look again.",
                "There are {count} reasons to look again.",
                reasons,
                count=reasons,
            )
        )
    return " ".join([told, *look_again, tell(PROBABILITY_NOTE)])


_LEVELS = {"high": said("High confidence"), "moderate": said("Moderate confidence"), "low": said("Low confidence")}


def confidence_figure(confidence: float) -> str:
    """A confidence with two decimals, never certainty."""
    return figures.number(">0.99" if confidence >= 0.995 else f"{confidence:.2f}")


def mpp_source_in_words(source: str) -> str:
    """Where the pixel size was learned, to follow the figure."""
    known = _MPP_SOURCES.get(source)
    return tell(known) if known else tell("source: {source}", source=plain(source))
