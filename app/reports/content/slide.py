"""What the report of a finished slide says, in words: drawn up once from a result, laid out by HTML, PDF and JSON.

Every text here has passed `plain`; markup is for the layouts to escape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aggregate.result import UNDETERMINED, SlideResult
from app.presentation import figures, words
from app.presentation.colours import class_colours
from app.presentation.language import forms, said, tell
from app.presentation.measured import Measured, measured
from app.presentation.tissue import TissueShare, tissue_shares
from app.presentation.words import ConfidenceLevel
from app.reports.content.model import Section, listed, model_section, text, validation_section
from app.reports.content.opinion import opinion_section
from app.reports.content.options import ReportOptions
from app.reports.content.places import Place, ReasonTold, RegionTold, reasons_told, regions_told
from app.reports.content.reviewed import ReviewContent, describe_review
from app.review.records import SlideRecord
from wsi.text import plain

_DRAWN_SLIDE = said("This slide was drawn by a program.")
_DRAWN_TISSUE = said("The model learned from drawn tissue only.")
_METADATA = (
    *(said("Vendor"), said("Objective power"), said("Compression"), said("Quality"), said("Reader")),
    *(said("Colours righted"), said("Colour profile")),
)
# Metadata that the page says elsewhere, or that only a program asks for: the JSON report has all of it.
_NOT_FOR_PEOPLE = ("synthetic", "mpp", "level", "tile")
_HASH_CHARACTERS = 64
MAX_CASE = 64
# Of the settings, what is a digest of a file and told apart.
_DIGESTS = ("site", "tissue_mask")


@dataclass(frozen=True)
class ClassProbability:
    title: str
    percent: str
    colour: str
    probability: float


@dataclass(frozen=True)
class ReportContent:
    """A report's text, top to bottom. `probabilities` is empty where no call is made: they would mislead."""

    language: str
    slide_id: str
    case: str
    written: str
    synthetic: str
    call: str
    call_sentence: str
    confidence: str
    level: ConfidenceLevel
    undetermined: bool
    probabilities: tuple[ClassProbability, ...]
    reasons: tuple[ReasonTold, ...]
    regions: tuple[RegionTold, ...]
    tissue: tuple[TissueShare, ...]
    tissue_areas: tuple[str, ...]
    measures: tuple[Measured, ...]
    sections: tuple[Section, ...]
    digests: Section
    limits: tuple[str, ...]
    never_shown: tuple[str, ...]
    review: ReviewContent
    research_use: str

    @property
    def places(self) -> list[Place]:
        """Where pictures are wanted, level-0 px."""
        return [region.place for region in self.regions] + [at for reason in self.reasons for at in reason.places]


def describe(
    result: SlideResult, record: SlideRecord | None = None, options: ReportOptions | None = None
) -> ReportContent:
    """The content of one slide's report in the language that is spoken; `record` is what people decided on it."""
    options = options or ReportOptions()
    decision, model = result.decision, result.provenance.model
    undetermined = decision.call == UNDETERMINED
    shares = tissue_shares(result)
    sections = (
        opinion_section(result),
        _tissue_and_tiles(result),
        _slide(result),
        _run(result),
        model_section(result),
        validation_section(result),
    )
    return ReportContent(
        language=forms().code,
        slide_id=plain(result.slide_id),
        case=plain(options.case, MAX_CASE),
        written=date_in_words(options),
        synthetic=synthetic_in_words(result.slide.synthetic, model.synthetic),
        call=words.call_title(decision),
        call_sentence=words.call_in_words(decision),
        confidence=words.confidence_in_words(decision),
        level=words.confidence_level(decision),
        undetermined=undetermined,
        probabilities=() if undetermined else _probabilities(result),
        reasons=reasons_told(result),
        regions=regions_told(result),
        tissue=shares,
        tissue_areas=tuple(figures.area(one.fraction * result.qc.get("tissue_mm2", math.nan)) for one in shares),
        measures=measured(result),
        sections=tuple(section for section in sections if section.rows),
        digests=_digests(result),
        limits=listed(model.limits),
        never_shown=listed(model.never_shown),
        review=describe_review(record),
        research_use=tell(words.RESEARCH_USE),
    )


def date_in_words(options: ReportOptions) -> str:
    """The report's date; empty where it is to tell none."""
    return forms().time(options.written) if options.written else ""


def synthetic_in_words(slide: bool, model: bool) -> str:
    """The banner where slide or model are synthetic; empty where both are real."""
    if not (slide or model):
        return ""
    facts = [tell(fact) for holds, fact in ((slide, _DRAWN_SLIDE), (model, _DRAWN_TISSUE)) if holds]
    return " ".join(
        [tell("SYNTHETIC."), *facts, tell("It shows how pulmoscope works and says nothing about real lungs.")]
    )


def _probabilities(result: SlideResult) -> tuple[ClassProbability, ...]:
    palette = class_colours(result.classes, result.background)
    return tuple(
        ClassProbability(words.class_title(name), figures.percent(probability), palette[name], probability)
        for name, probability in zip(result.classes, result.decision.probabilities, strict=True)
    )


_QC: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("tissue_mm2", said("Tissue"), figures.area),
    ("tumour_mm2", said("Called tumour, by neighbourhoods"), figures.area),
    ("tiles", said("Tiles"), figures.count),
    ("tiles_voting", said("Tiles that took part in the call"), figures.count),
    ("share_voting", said("Tissue that took part in the call"), figures.share),
    ("share_unfamiliar", said("Tissue not recognised"), figures.share),
    ("share_known_by_site", said("Tissue recognised by the site profile alone"), figures.share),
    ("unlike_slide", said("Unlike the slides learned from (1: the limit)"), figures.index),
    ("share_set_aside", said("Tissue set aside by the filters"), figures.share),
    ("share_blur", said("Tissue out of focus"), figures.share),
    ("share_pen", said("Tissue under pen"), figures.share),
    ("share_dark", said("Tissue under dark artefacts"), figures.share),
    ("share_edge", said("Tissue at scan borders"), figures.share),
    ("mask_left_out_mm2", said("Left out by the mask that was given"), figures.area),
    ("mask_regions", said("Regions of the mask that was given"), figures.count),
    ("mask_repaired", said("Of them cross themselves, and were filled by the even-odd rule"), figures.count),
    ("mask_passed_over", said("Passed over in the mask, of another class or no area"), figures.count),
    ("pen_mm2_on_slide", said("Pen marks on the slide"), figures.area),
    ("hotspot", said("Tumour score of the hottest neighbourhood"), figures.percent),
    ("scatter", said("Tiles in or by tumour that differ from their neighbours"), figures.share),
    ("second_type_share", said("Tumour tiles of the second tumour type"), figures.share),
    ("entropy", said("Mean entropy of the tiles (0 sure, 1 unsure)"), figures.index),
)


_TAKEN = ("share_unfamiliar", "share_set_aside", "share_blur", "share_pen", "share_dark", "share_edge")


def _tissue_and_tiles(result: SlideResult) -> Section:
    known = ((key, title, result.qc.get(key), written) for key, title, written in _QC)
    rows = [
        (tell(title), written(value) + _in_mm2(result, key, value))
        for key, title, value, written in known
        if value is not None and math.isfinite(value)
    ]
    return Section(tell("Tissue and tiles"), (*rows, *words.places_in_words(result)))


def _in_mm2(result: SlideResult, key: str, share: float) -> str:
    """Behind what did not take part, how much tissue that is: ``, 1.20 mm²``."""
    tissue = result.qc.get("tissue_mm2", math.nan)
    return f", {figures.area(share * tissue)}" if key in _TAKEN and share > 0 and math.isfinite(tissue) else ""


def _slide(result: SlideResult) -> Section:
    slide = result.slide
    width, height = map(figures.count, slide.size_px)
    rows = (
        (tell("File"), plain(slide.file)),
        (tell("Size"), tell("{width} by {height} px", width=width, height=height)),
        (tell("Pixel size"), f"{figures.pixel_size(slide.mpp)}, {words.mpp_source_in_words(slide.mpp_source)}"),
        (tell("Read with"), plain(slide.backend)),
        *(
            (_metadata_title(key), plain(value))
            for key, value in slide.metadata.items()
            if not key.startswith(_NOT_FOR_PEOPLE)
        ),
    )
    return Section(tell("Slide"), rows)


def _metadata_title(key: str) -> str:
    title = words.class_title(key)
    return tell(title) if title in _METADATA else title


def _run(result: SlideResult) -> Section:
    provenance = result.provenance
    rows = [
        ("pulmoscope", text(provenance.pulmoscope)),
        (tell("Run on"), figures.moment(provenance.started)),
        (tell("Time taken"), "" if provenance.seconds is None else figures.duration(provenance.seconds)),
        (tell("Site profile"), text(provenance.config.get("site"))),
        (tell("Settings"), _pairs(provenance.config, " = ")),
        (tell("Libraries"), _pairs(provenance.libraries, " ")),
    ]
    return Section(tell("Run"), tuple(row for row in rows if row[1]))


def _digests(result: SlideResult) -> Section:
    provenance = result.provenance
    digests = (
        (tell("Slide"), result.slide.sha256),
        (tell("Model"), provenance.model.sha256),
        (tell("Training data"), provenance.model.training.get("data_sha256")),
        (tell("Settings"), provenance.config_sha256),
        (tell("Tissue mask"), provenance.config.get("tissue_mask")),
    )
    return Section("SHA-256", tuple((of, plain(digest, _HASH_CHARACTERS)) for of, digest in digests if digest))


def _pairs(values: Mapping[str, Any], between: str) -> str:
    simple = {
        key: value for key, value in values.items() if isinstance(value, str | int | float) and key not in _DIGESTS
    }
    return text(", ".join(f"{plain(key)}{between}{plain(value)}" for key, value in simple.items()))
