"""Which items of CLAIM and TRIPOD+AI an evaluation report answers, and which only the authors of a study can.

Item numbers are the guidelines'; the words are ours and short. CLAIM: Tejani et al. 2024, doi 10.1148/ryai.240300, 44
items. TRIPOD+AI: Collins et al. 2024, doi 10.1136/bmj-2023-078378, 27 items with their parts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

CLAIM, TRIPOD = "CLAIM 2024", "TRIPOD+AI"


class Answer(StrEnum):
    """How far the report answers an item."""

    YES = "answered"
    PARTLY = "partly"
    AUTHORS = "left to the authors"


class Section(StrEnum):
    """The report's sections, by their headings. Some stand only where something was given to measure."""

    MATERIAL = "Material"
    FIGURES = "Figures"
    CONFUSION = "Confusion matrix"
    ROC = "ROC curves"
    CALIBRATION = "Calibration"
    COVERAGE = "Coverage and accuracy"
    SHIFTS = "When stain and scanner change"
    FOREIGN = "What it should not recognise"
    READERS = "Readers"
    MODEL = "The model"


@dataclass(frozen=True)
class ReportingItem:
    """One item; `where` are the sections that answer it, none where that is left to the authors."""

    guideline: str
    number: str
    topic: str
    answer: Answer
    where: tuple[Section, ...] = ()


def items_of_report(sections: Collection[Section]) -> tuple[ReportingItem, ...]:
    """All items, as a report with these sections answers them: what is not in it cannot answer."""
    return tuple(_within(item, sections) for item in ITEMS)


def _within(item: ReportingItem, sections: Collection[Section]) -> ReportingItem:
    there = tuple(section for section in item.where if section in sections)
    if there == item.where:
        return item
    return replace(item, where=there, answer=Answer.PARTLY if there else Answer.AUTHORS)


def _yes(guideline: str, number: str, topic: str, *where: Section) -> ReportingItem:
    return ReportingItem(guideline, number, topic, Answer.YES, where)


def _partly(guideline: str, number: str, topic: str, *where: Section) -> ReportingItem:
    return ReportingItem(guideline, number, topic, Answer.PARTLY, where)


def _authors(guideline: str, number: str, topic: str) -> ReportingItem:
    return ReportingItem(guideline, number, topic, Answer.AUTHORS)


_CLAIM_ITEMS = (
    _authors(CLAIM, "1", "title names the kind of AI"),
    _authors(CLAIM, "2", "summary of the study"),
    _authors(CLAIM, "3", "background and clinical role"),
    _authors(CLAIM, "4", "aims and hypotheses"),
    _authors(CLAIM, "5", "prospective or retrospective"),
    _authors(CLAIM, "6", "goal of the study"),
    _authors(CLAIM, "7", "where the data came from"),
    _authors(CLAIM, "8", "who and what was included"),
    _partly(CLAIM, "9", "preprocessing of the images", Section.MATERIAL),
    _partly(CLAIM, "10", "which part of the data was used", Section.MATERIAL),
    _authors(CLAIM, "11", "de-identification"),
    _partly(CLAIM, "12", "missing data", Section.MATERIAL),
    _authors(CLAIM, "13", "staining, scanning, acquisition"),
    _authors(CLAIM, "14", "how the reference standard was made"),
    _authors(CLAIM, "15", "why that reference standard"),
    _authors(CLAIM, "16", "who gave the reference labels"),
    _authors(CLAIM, "17", "labelling of the test set"),
    _partly(CLAIM, "18", "variability between raters", Section.READERS),
    _partly(CLAIM, "19", "how data were assigned to partitions", Section.MATERIAL),
    _yes(CLAIM, "20", "level at which partitions are disjoint", Section.MATERIAL),
    _authors(CLAIM, "21", "intended sample size"),
    _partly(CLAIM, "22", "the model in detail", Section.MODEL),
    _partly(CLAIM, "23", "software", Section.MODEL),
    _authors(CLAIM, "24", "initial parameters"),
    _partly(CLAIM, "25", "training", Section.MODEL),
    _authors(CLAIM, "26", "how the final model was chosen"),
    _authors(CLAIM, "27", "ensembling"),
    _yes(CLAIM, "28", "metrics of performance", Section.FIGURES, Section.ROC, Section.CALIBRATION),
    _yes(CLAIM, "29", "uncertainty and significance", Section.FIGURES),
    _yes(CLAIM, "30", "robustness and sensitivity", Section.SHIFTS),
    _authors(CLAIM, "31", "explanations of the model"),
    _yes(CLAIM, "32", "evaluation on internal data", Section.FIGURES),
    _authors(CLAIM, "33", "testing on external data"),
    _authors(CLAIM, "34", "trial registration"),
    _partly(CLAIM, "35", "numbers included and excluded", Section.MATERIAL),
    _authors(CLAIM, "36", "characteristics of the cases in each partition"),
    _yes(CLAIM, "37", "performance with its uncertainty", Section.FIGURES, Section.ROC),
    _yes(CLAIM, "38", "diagnostic performance and its precision", Section.FIGURES),
    _partly(CLAIM, "39", "analysis of failures", Section.CONFUSION, Section.COVERAGE),
    _partly(CLAIM, "40", "limitations", Section.MODEL),
    _partly(CLAIM, "41", "intended use and clinical role", Section.MODEL),
    _authors(CLAIM, "42", "protocol and technical details"),
    _authors(CLAIM, "43", "availability of software, model, data"),
    _authors(CLAIM, "44", "funding"),
)

_TRIPOD_ITEMS = (
    _authors(TRIPOD, "1", "title"),
    _authors(TRIPOD, "2", "abstract"),
    _authors(TRIPOD, "3a", "context and existing models"),
    _partly(TRIPOD, "3b", "intended purpose and users", Section.MODEL),
    _authors(TRIPOD, "3c", "known health inequalities"),
    _authors(TRIPOD, "4", "objectives"),
    _authors(TRIPOD, "5a", "data sources"),
    _authors(TRIPOD, "5b", "dates of collection"),
    _authors(TRIPOD, "6a", "setting and centres"),
    _authors(TRIPOD, "6b", "eligibility"),
    _authors(TRIPOD, "6c", "treatments received"),
    _partly(TRIPOD, "7", "preparation of the data", Section.MATERIAL),
    _authors(TRIPOD, "8a", "outcome and how it was assessed"),
    _authors(TRIPOD, "8b", "who assessed the outcome"),
    _authors(TRIPOD, "8c", "blinding of that assessment"),
    _authors(TRIPOD, "9a", "choice of predictors"),
    _partly(TRIPOD, "9b", "predictors and how they are measured", Section.MODEL),
    _authors(TRIPOD, "9c", "who measured predictors, where judgement is needed"),
    _partly(TRIPOD, "10", "sample size", Section.MATERIAL),
    _partly(TRIPOD, "11", "missing data", Section.MATERIAL),
    _yes(TRIPOD, "12a", "use of the data in the analysis", Section.MATERIAL),
    _partly(TRIPOD, "12b", "handling of predictors", Section.MODEL),
    _partly(TRIPOD, "12c", "kind of model and how it was built", Section.MODEL),
    _partly(TRIPOD, "12d", "differences between clusters", Section.FIGURES),
    _yes(TRIPOD, "12e", "measures of performance", Section.FIGURES, Section.CALIBRATION),
    _authors(TRIPOD, "12f", "updating of the model"),
    _yes(TRIPOD, "12g", "how predictions were made", Section.MODEL),
    _partly(TRIPOD, "13", "class imbalance", Section.MATERIAL),
    _authors(TRIPOD, "14", "fairness"),
    _yes(TRIPOD, "15", "output of the model and thresholds", Section.MODEL, Section.COVERAGE),
    _authors(TRIPOD, "16", "differences between training and evaluation data"),
    _authors(TRIPOD, "17", "ethics approval"),
    _authors(TRIPOD, "18a", "funding"),
    _authors(TRIPOD, "18b", "conflicts of interest"),
    _authors(TRIPOD, "18c", "protocol"),
    _authors(TRIPOD, "18d", "registration"),
    _authors(TRIPOD, "18e", "sharing of data"),
    _authors(TRIPOD, "18f", "sharing of code"),
    _authors(TRIPOD, "19", "involvement of patients and the public"),
    _partly(TRIPOD, "20a", "flow of participants", Section.MATERIAL),
    _authors(TRIPOD, "20b", "characteristics of participants"),
    _authors(TRIPOD, "20c", "comparison with the training data"),
    _yes(TRIPOD, "21", "numbers in each analysis", Section.MATERIAL, Section.CONFUSION),
    _partly(TRIPOD, "22", "the full model, for others to use", Section.MODEL),
    _yes(TRIPOD, "23a", "performance with intervals", Section.FIGURES, Section.ROC, Section.CALIBRATION),
    _authors(TRIPOD, "23b", "heterogeneity between clusters"),
    _authors(TRIPOD, "24", "results of updating"),
    _authors(TRIPOD, "25", "interpretation"),
    _partly(TRIPOD, "26", "limitations", Section.MODEL),
    _partly(TRIPOD, "27a", "poor or missing input in use", Section.SHIFTS, Section.FOREIGN),
    _authors(TRIPOD, "27b", "what users must do and know"),
    _authors(TRIPOD, "27c", "next steps of research"),
)

ITEMS: tuple[ReportingItem, ...] = (*_CLAIM_ITEMS, *_TRIPOD_ITEMS)
